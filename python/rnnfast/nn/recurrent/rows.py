"""Sequences one below the other: the rows of their steps, and nothing of what lies past lengths."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast._checks import check_lengths
from rnnfast.nn.module import Array


class SequenceRows:
    """How arrays ``(T, B, F)`` and the rows of their sequences' steps, ``(N, F)``, go together.

    Parameters
    ----------
    x : ndarray
        ``(T, B, F)``, or ``(B, T, F)`` with ``batch_first``.
    lengths : array_like of int, optional
        ``(B,)``; None: all T.
    batch_first : bool
        Of all arrays.

    Attributes
    ----------
    begins : ndarray of int64
        ``(B + 1,)``; sequence b has the rows from ``begins[b]`` to ``begins[b + 1]``.
    batch, longest : int
        B, and the steps of the longest sequence.
    """

    def __init__(self, x: Array, lengths: Any, batch_first: bool) -> None:
        self._first = batch_first
        self.batch, self._steps = x.shape[:2] if batch_first else x.shape[1::-1]
        ends = np.full(self.batch, self._steps)
        self._valid = None
        if lengths is not None:
            ends = check_lengths("lengths", lengths, self.batch, self._steps)
            if (ends < self._steps).any():
                self._valid = np.arange(self._steps) < ends[:, np.newaxis]
        self.begins = np.concatenate([[0], np.cumsum(ends)]).astype(np.int64)
        self.longest = int(ends.max(initial=0))

    def pack(self, x: Array) -> Array:
        """Return the rows of the sequences' steps."""
        by_sequence = x if self._first else np.swapaxes(x, 0, 1)
        if self._valid is not None:
            return by_sequence[self._valid]
        return by_sequence.reshape(-1, x.shape[2]) if x.size else np.empty((0, x.shape[2]), x.dtype)

    def unpack(self, rows: Array) -> Array:
        """Return rows at their places, 0 past a length."""
        shape = (self.batch, self._steps, rows.shape[1])
        if self._valid is None:
            by_sequence = rows.reshape(shape)
        else:
            by_sequence = np.zeros(shape, rows.dtype)
            by_sequence[self._valid] = rows
        return by_sequence if self._first else np.ascontiguousarray(np.swapaxes(by_sequence, 0, 1))
