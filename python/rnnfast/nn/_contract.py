"""What a part keeps to, and what is said of one of somebody's own that does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def passed(result: Any) -> tuple[Any, Callable[..., Any]]:
    """Return what a module's ``forward`` returned, ``(y, backprop)``; TypeError if it is another.

    An array would come apart too, by its first axis.
    """
    if isinstance(result, tuple) and len(result) == 2 and callable(result[1]):
        return result
    got = type(result).__name__
    if isinstance(result, tuple):
        got = f"({', '.join(type(value).__name__ for value in result)})"
    raise TypeError(f"forward: expected to return a pair (y, backprop), got {got}")


def with_state(result: Any, name: str, pair: str) -> tuple[Any, Any]:
    """Return a pair with a state that a part of somebody's own returned; TypeError for another."""
    if isinstance(result, tuple) and len(result) == 2:
        return result
    got = type(result).__name__ if not isinstance(result, tuple) else f"{len(result)} values"
    raise TypeError(f"{name}: expected to return a pair {pair}, got {got}")


def require_output(y: Any) -> None:
    """Raise TypeError unless a part of somebody's own has made an array."""
    if not isinstance(y, np.ndarray):
        raise TypeError(f"forward: expected to return an array y, got {type(y).__name__}")


def has_gradient(x: Any) -> bool:
    """Whether what a part took has a gradient: indices have none."""
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def require_passed_on(place: str, dy: Any, dx: Any) -> None:
    """Raise TypeError where a part keeps to itself a gradient that parts before it are to have."""
    if dx is None and dy is not None:
        raise TypeError(f"{place}: backprop: expected to return the gradient of x, got None")
