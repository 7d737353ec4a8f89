"""The examples in docstrings give what they show."""

from __future__ import annotations

import doctest
import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

import rnnfast

ROOT = Path(rnnfast.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in ROOT.rglob("*.py")
    if "\n    >>> " in path.read_text(encoding="utf-8")
)


def test_modules_with_examples_are_found() -> None:
    assert {"metrics._labels", "models.classifier", "text.vocabulary"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, set_threads: Callable[[int], None]) -> None:
    if ".onnx." in name:
        pytest.importorskip("onnx", reason="onnx is not installed")
    if name == "metrics._speech":
        pytest.importorskip("jiwer", reason="jiwer is not installed")
    set_threads(1)
    result = doctest.testmod(importlib.import_module(f"rnnfast.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
