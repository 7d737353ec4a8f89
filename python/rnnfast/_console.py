"""What the commands share: what they say, on which stream, and how they end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TextIO, TypeVar

import typer

from rnnfast._streams import ForgivingStream

_INT64 = 2**63 - 1
Integer = TypeVar("Integer", int, None)


class OutputError(Exception):
    """Standard output cannot be written to."""


class Terminated(BaseException):
    """A signal has ended the command: SIGTERM, or SIGHUP of a terminal that was closed."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.code = 128 + number  # as shells have it


@contextmanager
def output_checked() -> Iterator[None]:
    """Let what goes wrong in writing to standard output be an `OutputError`.

    What is still to be written goes nowhere then.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:  # it is of a file
            raise
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(f"standard output: {error.strerror or error}") from error


def say(text: str) -> None:
    """Write a line to standard output; raise `OutputError` if that cannot be written to."""
    with output_checked():
        print(text)


def flush() -> None:
    """Hand on what was said; raise `OutputError` if that is not possible."""
    with output_checked():
        sys.stdout.flush()


def note(text: str) -> None:
    """Write one line about the command itself to standard error, if that takes it."""
    print(f"rnnfast: {' '.join(text.split())}", file=ForgivingStream(sys.stderr), flush=True)


def fits_int64(value: Integer) -> Integer:
    """Return an option's value; BadParameter for integers that the kernels cannot hold."""
    if value is not None and not -_INT64 <= value <= _INT64:
        bound = "most" if value > 0 else "least"
        limit = _INT64 if value > 0 else -_INT64
        raise typer.BadParameter(f"expected at {bound} {limit}, got {value}")
    return value


@contextmanager
def escaping() -> Iterator[None]:
    """Let the standard streams escape what their encoding cannot hold, where they would fail."""
    changed: list[tuple[TextIO, str | None]] = []
    for stream in (sys.stdout, sys.stderr):
        errors = getattr(stream, "errors", None)
        if errors in ("strict", "surrogateescape") and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
            changed.append((stream, errors))
    try:
        yield
    finally:
        for stream, errors in changed:
            with suppress(OSError, ValueError):  # it is flushed by this
                stream.reconfigure(errors=errors)  # type: ignore[attr-defined]


@contextmanager
def terminating() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise `Terminated` where they would kill the process."""
    changed: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _terminate)
                changed.append(number)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated(number)
