"""The page says where the defaults of the command are others than those of the class."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import command_line  # noqa: F401  # skips where typer is not installed
import rnnfast as rf
from rnnfast.cli.train import train

PAGE = Path(__file__).resolve().parents[2] / "docs" / "language_models.rst"
# What the command calls otherwise, and what has no counterpart among hyperparameters.
NAMES = {"layers": "num_layers", "max_vocabulary": "max_vocabulary_size"}


def defaults(function: Any) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters
    return {NAMES.get(name, name): p.default for name, p in parameters.items()}


@pytest.mark.skipif(not PAGE.is_file(), reason="the sources are not here")
def test_the_page_has_every_default_that_differs() -> None:
    command, model = defaults(train), defaults(rf.LanguageModel)
    differing = {
        name: (str(command[name]), str(model[name]))
        for name in command.keys() & model.keys()
        if command[name] != model[name]
    }
    rows = re.findall(r"^``--[a-z-]+`` +(\S+) +``(\w+)=(\S+)``$", PAGE.read_text(), re.MULTILINE)
    assert {name: (ours, theirs) for ours, name, theirs in rows} == differing
