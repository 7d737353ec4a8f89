"""Pooling over time: one vector of a sequence's many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast._checks import among, check_bool, check_finite, check_int, check_lengths
from rnnfast._checks.arrays import require_array, require_float
from rnnfast._checks.messages import shown
from rnnfast.nn.module import Array, Module

POOLINGS = ("last", "mean", "max", "concat")

# How many vectors "concat" puts one after another.
_VECTORS = 3


class Pooling(Module):
    """One vector of each sequence's outputs, over its own steps.

    Parameters
    ----------
    how : {"last", "mean", "max", "concat"}
        As `pool` takes it.
    num_directions : int
        D, how many directions stand side by side in the outputs: 2 behind a bidirectional layer.
        For "last" and "concat".
    batch_first : bool
        True: outputs are ``(B, T, F)``.
    """

    def __init__(
        self, how: str = "last", *, num_directions: int = 1, batch_first: bool = False
    ) -> None:
        self.how = _checked_kind("how", how)
        self.num_directions = check_int("num_directions", num_directions, 1)
        self.batch_first = check_bool("batch_first", batch_first)

    @property
    def needs_directions(self) -> bool:
        """Whether it matters how many directions there are."""
        return self.how in ("last", "concat")

    def forward(
        self, x: Array, lengths: npt.ArrayLike | None = None, reset: None = None
    ) -> tuple[Array, Callable[[Array], Array]]:
        """Pool, and keep what backpropagation needs.

        Parameters
        ----------
        x : ndarray
            ``(T, B, F)``, or ``(B, T, F)`` with ``batch_first``.
        lengths : array_like of int, optional
            ``(B,)``, from 0 to T; None: T. A sequence of length 0 has a vector of zeros.
        reset : None
            There is one vector of a sequence, not one of each of its documents.

        Returns
        -------
        v : ndarray
            ``(B, W)``, with W of `pooled_size`.
        backprop : callable
            ``dx = backprop(dv)``.

        Raises
        ------
        TypeError
            If ``x`` is no float array, or lengths are not integers.
        ValueError
            If a shape does not fit, a length is out of range, a number is NaN or infinite, or there
            is a ``reset``.
        """
        x = checked_sequences("x", x)
        refuse_reset(self, reset)
        steps_first = np.swapaxes(x, 0, 1) if self.batch_first else x
        steps, batch, width = steps_first.shape
        if width % self.num_directions:
            raise ValueError(
                f"x: expected the outputs of {self.num_directions} directions, got shape {x.shape}"
            )
        ends = None if lengths is None else check_lengths("lengths", lengths, batch, steps)
        v, to_x = pool(steps_first, ends, self.how, self.num_directions)

        def backprop(dv: Array) -> Array:
            dv = require_array("dy", dv, v.dtype, v.shape)
            check_finite("dy", dv)
            dx = to_x(dv)
            return np.ascontiguousarray(np.swapaxes(dx, 0, 1)) if self.batch_first else dx

        return v, backprop


def checked_sequences(name: str, x: Any) -> Array:
    """Return ``x`` if it is an array (T, B, F) of finite floats, or raise the error that says."""
    array = require_float(name, x)
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(f"{name}: expected shape (T, B, F), none of them 0, got {array.shape}")
    check_finite(name, array)
    return array


def refuse_reset(part: Module, reset: Any) -> None:
    """Raise ValueError if there is a ``reset``, for what looks at a sequence as a whole."""
    if reset is not None:
        kind = type(part).__name__
        raise ValueError(f"reset: expected None with a {kind}, which reads all steps, got an array")


def pool(
    h: Array, lengths: npt.NDArray[np.int64] | None, how: str, num_directions: int = 1
) -> tuple[Array, Callable[[Array], Array]]:
    """Pool the outputs of recurrent layers over each sequence's own steps.

    Parameters
    ----------
    h : ndarray
        Outputs ``(T, B, D*H)``.
    lengths : ndarray of int64, optional
        ``(B,)``, from 0 to T; None: T. What lies past a length is never read. A sequence of length
        0 has a vector of zeros.
    how : {"last", "mean", "max", "concat"}
        What each direction has when it has read all: of the forward one the output of the last
        step, of the reverse one that of the first; the mean over the steps; the largest of each
        number, whose gradient goes to the first step that has it; or these three one after another
        (Howard & Ruder 2018, section 3.3).
    num_directions : int
        D, 1 or 2.

    Returns
    -------
    v : ndarray
        ``(B, W)``, with W of `pooled_size`.
    backprop : callable
        ``dh = backprop(dv)``.

    Raises
    ------
    ValueError
        If ``how`` is none of these.
    """
    how = _checked_kind("pooling", how)
    v, most_at = _core.pool(h, lengths, how, num_directions)
    shape = h.shape  # h itself would be kept

    def backprop(dv: Array) -> Array:
        return _core.pool_backward(dv, most_at, shape, lengths, how, num_directions)

    return v, backprop


def pooled_size(how: str, width: int) -> int:
    """Return W, the numbers that `pool` makes of ``width`` a step."""
    return check_int("width", width, 1) * (_VECTORS if how == "concat" else 1)


def _checked_kind(name: str, how: str) -> str:
    if not among(how, POOLINGS):
        raise ValueError(f"{name}: expected one of {', '.join(POOLINGS)}, got {shown(how)}")
    return how
