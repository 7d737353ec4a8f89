"""Tokens as figures and pages show them."""

from __future__ import annotations

from rnnfast._checks.messages import printable

_SIGNS = {" ": "␣", "\n": "¶", "\t": "→"}


def visible(token: str) -> str:
    """Return a token with signs for blanks, and escapes for what is not printable.

    Characters that turn the direction of text round are among the latter.
    """
    if token in _SIGNS:
        return _SIGNS[token]
    return printable(token)
