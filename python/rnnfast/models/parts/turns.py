"""What threads that ask models at once take in turn."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from rnnfast import _core

P = ParamSpec("P")
T = TypeVar("T")


def in_turn(answer: Callable[P, T]) -> Callable[P, T]:
    """Let one thread at a time run a function, but for the passes of the kernels within.

    What it does between them is many small operations that each hand the GIL over: with several
    threads, to have it back takes longer than the operations. A thread that has waited for some
    milliseconds runs beside the others.
    """

    @functools.wraps(answer)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            _core.enter_turn()  # within: an interrupt may come as it returns
            return answer(*args, **kwargs)
        finally:
            _core.leave_turn()

    return run
