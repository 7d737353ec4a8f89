"""Masked arrays, which nothing here takes."""

from __future__ import annotations

from typing import Any

import numpy as np

# No array has more: lists that go on, such as one within itself, make none.
_MAX_AXES = 64
# What most lists hold, none of which has a mask.
_PLAIN = frozenset({str, int, float, bool})


def require_unmasked(name: str, value: Any) -> None:
    """Raise TypeError for a masked array, or a list that holds one: its mask would be lost.

    Masked types, NumPy's and those of other packages, are subclasses of ndarray that have a mask.
    """
    place = _masked(value, 0)
    if place is not None:
        name += place
        raise TypeError(
            f"{name}: expected an array without a mask, got a masked one; "
            f"{name}.filled(number) says what stands where it is masked"
        )


def _masked(value: Any, depth: int) -> str | None:
    """Return where in a value a masked array stands, such as ``"[3][0]"``; None: nowhere."""
    if isinstance(value, np.ndarray):
        return "" if type(value) is not np.ndarray and hasattr(type(value), "mask") else None
    if isinstance(value, (list, tuple)) and depth < _MAX_AXES:
        kinds = set(map(type, value))
        if kinds <= _PLAIN:
            return None
        if any(issubclass(kind, (list, tuple, np.ndarray)) for kind in kinds):
            for number, item in enumerate(value):
                place = _masked(item, depth + 1)
                if place is not None:
                    return f"[{number}]{place}"
    return None
