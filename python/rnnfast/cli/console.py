"""What the commands share: what they say, on which stream, and how they end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TextIO

from rnnfast import _interrupts
from rnnfast._checks.messages import printable
from rnnfast.io.streams import ForgivingStream


class OutputError(Exception):
    """Standard output cannot be written to."""


class BrokenOutput(OutputError):
    """Who has read standard output has gone, as ``head`` does."""

    code = 128 + 13  # as shells have it of what SIGPIPE, signal 13, has ended


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
        kind = BrokenOutput if isinstance(error, BrokenPipeError) else OutputError
        raise kind(f"standard output: {error.strerror or error}") from error


def say(text: str) -> None:
    """Write a line to standard output; raise `OutputError` if that cannot be written to."""
    _require_output()
    with output_checked():
        print(text)


def flush() -> None:
    """Hand on what was said; raise `OutputError` if that is not possible."""
    _require_output()
    with output_checked():
        sys.stdout.flush()


def _require_output() -> None:
    # None in a process that was started without: `print` then prints nothing, without an error.
    if sys.stdout is None or getattr(sys.stdout, "closed", False):
        sys.stdout = ForgivingStream(None)  # once is enough
        raise OutputError("standard output: it is closed")


def note(text: str) -> None:
    """Write one line about the command itself to standard error, if that takes it."""
    line = printable(" ".join(text.split()))
    print(f"rnnfast: {line}", file=ForgivingStream(sys.stderr), flush=True)


def give_up_errors() -> None:
    """Let what standard error did not take go nowhere: Python would try again at its exit."""
    stream = sys.stderr
    if stream is None:
        return
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def occupy_streams() -> None:
    """Let no file that is opened take the place of a standard stream that was closed.

    What the process's libraries write to that stream would be written into the file.
    """
    number = 0
    while number <= 2:
        number = os.open(os.devnull, os.O_RDWR)
    os.close(number)


@contextmanager
def escaping() -> Iterator[None]:
    """Let the standard streams escape what their encoding cannot hold, where they would fail."""
    output, errors_output = sys.stdout, sys.stderr
    changed: list[tuple[TextIO, str | None]] = []
    for stream in (sys.stdout, sys.stderr):
        errors = getattr(stream, "errors", None)
        if errors in ("strict", "surrogateescape") and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
            changed.append((stream, errors))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = output, errors_output  # typer wraps them when a reader has gone
        for stream, errors in changed:
            with suppress(OSError, ValueError):  # it is flushed by this
                stream.reconfigure(errors=errors)  # type: ignore[attr-defined]


@contextmanager
def interrupting() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt, where it has ended the process while that began."""
    quiet = signal.getsignal(signal.SIGINT) is _interrupts.end
    if quiet:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if quiet:
            signal.signal(signal.SIGINT, _interrupts.end)


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
