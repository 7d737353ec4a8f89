"""Sequences from their end to their start, each by its own length."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_lengths
from rnnfast.nn.module import Array


def reverse(x: Array, lengths: npt.ArrayLike | None, axis: int) -> Array:
    """Return sequences with their steps in reverse order; its own inverse, its own gradient.

    Parameters
    ----------
    x : ndarray
        ``(T, B, ...)``, or ``(B, T, ...)``.
    lengths : array_like of int, optional
        ``(B,)``; None: all T. Further steps stay where they are.
    axis : int
        That of time, 0 or 1.
    """
    if lengths is None:
        return np.ascontiguousarray(np.flip(x, axis))
    steps = x.shape[axis]
    batch = x.shape[1 - axis] if x.ndim > 1 else 1
    ends = check_lengths("lengths", lengths, batch, steps)
    time = np.arange(steps)[:, np.newaxis]
    places = np.where(time < ends, ends - 1 - time, time)
    if axis == 1:
        places = places.T
    index = places.reshape(*places.shape, *(1,) * (x.ndim - 2))
    return np.take_along_axis(x, index, axis=axis)


def reverse_reset(reset: Any, lengths: npt.ArrayLike | None, axis: int) -> Array:
    """Return where a layer that reads from the end sets its state to zero.

    No state may cross from step t - 1 to t, or back: from behind, it is zero before step t - 1.

    Parameters
    ----------
    reset : array_like of bool
        ``(T, B)`` or ``(B, T)``: True before step t.
    lengths, axis
        As `reverse` takes them.
    """
    marks = np.moveaxis(np.asarray(reset), axis, 0)
    before = np.zeros_like(marks)
    before[:-1] = marks[1:]
    turned = reverse(before, lengths, 0)
    turned[:1] = False  # nothing lies behind the last step but the initial state
    return np.ascontiguousarray(np.moveaxis(turned, 0, axis))
