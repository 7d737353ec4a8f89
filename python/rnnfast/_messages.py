"""What stands for a value, or for a message of others, in a message of one line."""

from __future__ import annotations

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


def counted(number: int, noun: str) -> str:
    """Return a number with what is counted: ``1 epoch``, ``2,000 epochs``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def one_line(message: object) -> str:
    """Return a message of others, or a text, as one line of at most 400 characters."""
    text = " ".join(str(message).split())
    return text if len(text) <= 400 else f"{text[:397]}..."
