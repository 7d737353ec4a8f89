"""NumPy's matrix products, between which a process may fork.

The library behind them (BLAS) has a lock for its memory. A child that is forked while another
thread holds it would wait for it for ever.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class _Gate:
    """Passed by threads on their way into a product; closed, and waited at, by who forks."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._close, after_in_parent=self._open, after_in_child=self._open
            )

    def __enter__(self) -> None:
        with self._changed:
            while self._closed:
                self._changed.wait()
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._inside -= 1
            if self._closed and not self._inside:
                self._changed.notify_all()

    def _close(self) -> None:
        self._changed.acquire()  # until the fork is over: the child finds it so, too
        self._closed = True
        while self._inside:
            self._changed.wait()

    def _open(self) -> None:
        self._closed = False
        self._changed.notify_all()
        self._changed.release()


_gate = _Gate()


def product(a: Array, b: Array) -> Array:
    """Return ``a @ b``."""
    with _gate:
        result: Array = np.matmul(a, b)
    return result
