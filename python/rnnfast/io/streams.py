"""Text streams for what is shown on the way: they never end the work that they tell of."""

from __future__ import annotations

from typing import Any, TextIO


class ForgivingStream:
    """A text stream to which writing cannot fail.

    What its encoding cannot hold is escaped, as ``\\u03b1``. Once it cannot be written to, because
    a terminal was closed, a reader has gone or a disk is full, the rest goes nowhere.

    Parameters
    ----------
    stream : file or None
        Where to; None, as `sys.stderr` is in a process without a console: nowhere.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write as much of a text as can be."""
        self._try("write", text)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        self._try("flush")

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream is not None and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:  # `fileno` and `encoding`, which not all have
        return getattr(self._stream, name)

    def _try(self, method: str, text: str | None = None) -> None:
        if self._stream is None:
            return
        call = getattr(self._stream, method)
        try:
            if text is None:
                call()
                return
            try:
                call(text)
            except UnicodeEncodeError:
                call(escaped(text, getattr(self._stream, "encoding", None) or "ascii"))
        except (OSError, ValueError):  # ValueError: it was closed
            self._stream = None


def escaped(text: str, encoding: str) -> str:
    """Return a text with what an encoding cannot hold written as ``\\u03b1``."""
    return text.encode(encoding, "backslashreplace").decode(encoding)
