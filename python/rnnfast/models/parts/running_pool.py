"""Pooling over the steps so far, of sequences that go on."""

from __future__ import annotations

import copy
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rnnfast.nn.module import Array

# Numbers of rows ``(n,)``, or all of them.
Rows: TypeAlias = npt.NDArray[np.int64] | slice


class RunningPool:
    """What `rnnfast.nn.pooling.pool` makes of the steps so far.

    The same bits, but for the mean, whose sum is kept in float64.

    Parameters
    ----------
    how : {"last", "mean", "max", "concat"}
        As `pool` takes it.
    width : int
        H, numbers of an output.
    dtype : dtype
        Of the outputs.
    """

    def __init__(self, how: str, width: int, dtype: np.dtype[Any]) -> None:
        self._how, self._width, self._dtype = how, width, dtype

    def begin(self, batch_size: int) -> None:
        """Make room for so many sequences."""
        mean, most = (
            batch_size if self._how in (kind, "concat") else 0 for kind in ("mean", "max")
        )
        self._sum = np.zeros((mean, self._width))
        self._most = np.full((most, self._width), -np.inf, self._dtype)

    def reset(self, rows: Rows) -> None:
        """Forget the steps of some sequences."""
        for kept, nothing in ((self._sum, 0), (self._most, -np.inf)):
            if len(kept):
                kept[rows] = nothing

    def __call__(self, h: Array, rows: Rows, steps: npt.NDArray[np.int64]) -> Array:
        """Return the vectors ``(n, W)`` after outputs ``(n, H)``, the ``steps``-th of each row."""
        parts = []
        if self._how in ("last", "concat"):
            parts.append(h)
        if len(self._sum):
            self._sum[rows] += h
            parts.append((self._sum[rows] / steps[:, np.newaxis]).astype(self._dtype))
        if len(self._most):
            most = self._most[rows]
            most = np.where(h > most, h, most)
            self._most[rows] = most
            parts.append(most)
        return np.concatenate(parts, axis=1)

    def __getstate__(self) -> dict[str, Any]:
        """Return all attributes, the sums as copies: a copy goes on by itself."""
        return {name: copy.copy(value) for name, value in vars(self).items()}
