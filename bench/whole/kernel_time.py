"""How much of a call's time is spent inside the compiled module.

Every function of `rnnfast._core` and every method of its classes is replaced by one that adds up
the CPU time of the thread from its begin to its end. What is left of a call's time, that of the
replacements included, is Python's and NumPy's: batches, checks, copies, the loop over steps.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rnnfast import _core


class KernelTime:
    """CPU seconds of this thread inside the compiled module."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._within = False

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function whose time is added up; not again where one calls another."""

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            if self._within:
                return function(*args, **kwargs)
            self._within = True
            began = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.thread_time() - began
                self._within = False

        return run


@contextmanager
def counting() -> Iterator[KernelTime]:
    """Count the time inside the compiled module until the end of the block."""
    found = KernelTime()
    before: list[tuple[Any, str, Any]] = []
    for name, value in list(vars(_core).items()):
        if inspect.isclass(value):
            for method, function in list(vars(value).items()):
                if callable(function) and (not method.startswith("_") or method == "__init__"):
                    before.append((value, method, function))
        elif callable(value) and not name.startswith("_"):
            before.append((_core, name, value))
    for owner, name, function in before:
        setattr(owner, name, found.counted(function))
    try:
        yield found
    finally:
        for owner, name, function in before:
            setattr(owner, name, function)


def share_outside(call: Callable[[], Any]) -> float:
    """Return the share of a call's CPU time that is not inside the compiled module."""
    with counting() as kernels:
        began = time.thread_time()
        call()
        total = time.thread_time() - began
    return 1 - kernels.seconds / total
