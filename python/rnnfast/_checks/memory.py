"""What layers may take: refused before it is asked for, and named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from rnnfast import _core

# Numbers that are left to the layers of the file that is being read; None: there is no file.
_left: ContextVar[int | None] = ContextVar("_left", default=None)
# Beside its numbers a parameter is some Python objects: its name, itself, two views.
OBJECT_BYTES = 1024


def check_memory(sizes: Mapping[str, Any], numbers: int, item_size: int, parameters: int) -> None:
    """Raise unless layers with such parameters may be made: before anything is.

    Parameters
    ----------
    sizes : mapping of str to int
        The arguments that decide, for the message.
    numbers : int
        How many numbers the parameters have together.
    item_size : int
        Bytes of one; gradients take as much again.
    parameters : int
        How many parameters there are.

    Raises
    ------
    MemoryError
        If they would take more than the machine's memory, or what this process is held to.
    ValueError
        If a file is being read whose arrays have far fewer numbers.
    """
    left = _left.get()
    if left is not None and numbers > left:
        raise ValueError(
            f"{', '.join(sizes)}: expected layers of at most {left} parameters, as the file may "
            f"have, got {_shown(sizes)}, which have {numbers}"
        )
    limit = _core.memory_limit()
    needed = 2 * numbers * item_size + parameters * OBJECT_BYTES
    if needed > limit:
        raise MemoryError(
            f"{', '.join(sizes)}: expected sizes whose parameters and gradients fit in "
            f"{_core.text_of_bytes(limit)}, got {_shown(sizes)}, which need "
            f"{_core.text_of_bytes(float(min(needed, 2**1000)))}"
        )


def check_bytes(what: str, needed: float) -> None:
    """Raise MemoryError, "what needs 12.0 TiB, more than ...", unless so many may be had."""
    limit = _core.memory_limit()
    if needed > limit:
        raise MemoryError(
            f"{what} needs {_core.text_of_bytes(needed)}, more than the "
            f"{_core.text_of_bytes(limit)} there are"
        )


def claim_parameters(numbers: int) -> None:
    """Take as many from what is left to the layers of a file."""
    left = _left.get()
    if left is not None:
        _left.set(left - numbers)


@contextmanager
def parameters_of_file(numbers: int) -> Iterator[None]:
    """Let the layers that are made inside take little more memory than as many numbers.

    Somewhat more: that arrays do not fit is said better when they are loaded.
    """
    token = _left.set(4 * numbers + 2**16)
    try:
        yield
    finally:
        _left.reset(token)


def _shown(sizes: Mapping[str, Any]) -> str:
    return ", ".join(map(str, sizes.values()))
