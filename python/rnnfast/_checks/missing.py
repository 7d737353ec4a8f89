"""Labels that say that there is none."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast._checks.messages import shown


def check_ignore_label(value: Any) -> Any:
    """Return what stands for no label as a value of Python; TypeError unless a label may be that.

    None is: nothing but None does.
    """
    plain = value.item() if isinstance(value, np.generic) else value
    if plain is not None and not isinstance(plain, (str, bool, int, float)):
        raise TypeError(
            f"ignore_label: expected a label, a str or a number, or None, got {shown(value)}"
        )
    return plain


def says_none(ignored: Any) -> Callable[[Any], bool]:
    """Return whether a label, of Python's types, stands for none: None does, and ``ignored``."""
    kind = _kind(ignored)

    def is_missing(label: Any) -> bool:
        if label is None:
            return True
        if ignored is None or _kind(label) != kind:
            return False
        return bool(label == ignored) or (kind == "number" and label != label and _is_nan(ignored))

    return is_missing


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _kind(label: Any) -> str:
    if isinstance(label, bool):
        return "bool"
    return "number" if isinstance(label, (int, float)) else type(label).__name__
