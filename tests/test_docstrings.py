"""The examples in docstrings give what they show."""

from __future__ import annotations

import doctest
import importlib
from collections.abc import Callable

import pytest

MODULES = [
    "metrics",
    "models.classifier",
    "models.forecaster",
    "models.regressor",
    "text.tokenizers",
    "text.vocabulary",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, set_threads: Callable[[int], None]) -> None:
    set_threads(1)
    result = doctest.testmod(importlib.import_module(f"rnnfast.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
