"""What is of this package, and what is of its users."""

from __future__ import annotations

from typing import Any


def is_ours(value: Any) -> bool:
    """Whether a class, or an object's class, is of this package."""
    kind = value if isinstance(value, type) else type(value)
    return is_our_module(kind.__module__)


def is_our_module(name: Any) -> bool:
    """Whether a module of that name is of this package."""
    return str(name).partition(".")[0] == __name__.partition(".")[0]
