"""What stands for a value, or for a message of others, in a message of one line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any


def shown(value: Any) -> str:
    """Return what stands for a value in a message: one line, not too long."""
    if isinstance(value, int) and value.bit_length() > 256:  # Python may refuse to write it out
        return f"an integer of {value.bit_length()} bits"
    try:
        text = repr(value)
    except Exception:
        return f"a {type(value).__name__}"
    return one_line(text)


def listed(names: Iterable[Any], most: int = 400) -> str:
    """Return what stands for several names in a message: one line, not too long; ``none``."""
    return one_line(", ".join(map(str, names)), most) or "none"


def some_of(values: Sequence[Any]) -> str:
    """Return the first ten of several values as a message has them, ``, ...`` if there are more."""
    return one_line(", ".join(map(shown, values[:10]))) + (", ..." if len(values) > 10 else "")


def counted(number: int, noun: str) -> str:
    """Return a number with what is counted: ``1 epoch``, ``2,000 epochs``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def of_file(error: OSError) -> str:
    """Return what an error of a file says, by its name and without its number, if it has one."""
    if error.filename is not None and error.strerror:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error)


def printable(text: str) -> str:
    """Return a text with escapes for what is not printable: a terminal would obey it."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def one_line(message: object, most: int = 400) -> str:
    """Return a message of others, or a text, as one line of at most so many characters.

    Of what makes no text of itself, as an error of others may fail to, its type.
    """
    try:
        text = str(message)
    except Exception:
        text = type(message).__name__
    text = printable(" ".join(text.split()))
    return text if len(text) <= most else f"{text[: most - 3]}..."
