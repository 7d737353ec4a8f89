"""Models that commands read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import rnnfast as rf

Kind = TypeVar("Kind")


def load_as(path: Path, kind: type[Kind], called: str) -> Kind:
    """Read a model of a kind; ValueError if the file has another one, or layers alone."""
    model: Any = rf.load(path)
    if not isinstance(model, kind):
        raise ValueError(f"{path}: expected a {called}, got {type(model).__name__}")
    return model
