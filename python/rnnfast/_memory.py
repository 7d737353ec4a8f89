"""How many parameters layers may have that a file describes: about as many as the file has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Parameters that are left to the layers of the file that is being read; None: there is no file.
_left: ContextVar[int | None] = ContextVar("_left", default=None)


@contextmanager
def parameters_of_file(numbers: int) -> Iterator[None]:
    """Let the layers that are made inside have so many parameters together, and no more."""
    token = _left.set(numbers)
    try:
        yield
    finally:
        _left.reset(token)


def require_parameters(numbers: int) -> None:
    """Raise ValueError if a layer of so many parameters, or more, must not be made.

    To be asked before anything of that size is allocated or counted out.
    """
    left = _left.get()
    if left is not None and numbers > left:
        raise ValueError(f"expected layers of at most {left} parameters, as the file has, got more")


def claim_parameters(numbers: int) -> None:
    """Take as many from what is left to the layers of a file, or raise if there are too few."""
    require_parameters(numbers)
    left = _left.get()
    if left is not None:
        _left.set(left - numbers)
