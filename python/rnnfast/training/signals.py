"""How Ctrl-C and the signals that end a process stop a training between two steps."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

# What asks a process to end, as far as the system has it: Ctrl-C, a batch system or `kill`, and a
# terminal that is closed.
_NAMES = {"SIGINT": "Ctrl-C", "SIGTERM": "SIGTERM", "SIGHUP": "SIGHUP"}
_SIGNALS = {getattr(signal, name): by for name, by in _NAMES.items() if hasattr(signal, name)}
# What asks several processes to end besides: mpiexec passes it on, which kills them after the
# others, and batch systems can be told to send it before time is up.
_OF_SEVERAL = {signal.SIGUSR1: "SIGUSR1"} if hasattr(signal, "SIGUSR1") else {}


class InterruptFlag:
    """While entered, the first Ctrl-C, SIGTERM or SIGHUP only sets `by`.

    A second Ctrl-C raises KeyboardInterrupt. At the end SIGTERM and SIGHUP are passed on to whoever
    handled them before, which by default ends the process; Ctrl-C has then done what it was to do.

    Signals that are ignored, as those of a process under `nohup`, stay so. Outside the main thread,
    where Python handles no signals, nothing changes.

    Parameters
    ----------
    several : bool
        Whether SIGUSR1 does what Ctrl-C does too.

    Attributes
    ----------
    by : str
        What asked for an end: ``"Ctrl-C"``, ``"SIGTERM"``, ``"SIGHUP"`` or ``"SIGUSR1"``; empty:
        nothing yet.
    """

    def __init__(self, several: bool = False) -> None:
        self.by = ""
        self._signals = {**_SIGNALS, **(_OF_SEVERAL if several else {})}
        self._previous: dict[int, Any] = {}
        self._to_pass_on: int | None = None
        self._leaving = False

    def __enter__(self) -> InterruptFlag:
        if threading.current_thread() is threading.main_thread():
            for number in self._signals:
                previous = signal.getsignal(number)
                # Not where it is ignored or not Python's to handle; nor a Ctrl-C that kills.
                if callable(previous) or (
                    previous is signal.SIG_DFL and number is not signal.SIGINT
                ):
                    self._previous[number] = previous
                    signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leaving = True
        for number, previous in reversed(self._previous.items()):  # Ctrl-C's last: it may raise
            signal.signal(number, previous)
        if self._to_pass_on is not None:
            signal.raise_signal(self._to_pass_on)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self.by and not self._leaving:
                raise KeyboardInterrupt
        # A terminal that is closed may say so twice.
        elif number not in _OF_SEVERAL and self._to_pass_on is None:
            self._to_pass_on = number
        self.by = self.by or self._signals[signal.Signals(number)]
