"""The last steps of a sequence side by side at each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_bool, check_finite, check_int, check_lengths
from rnnfast._checks.arrays import read_array, require_array, require_float
from rnnfast._checks.likeness import call_like
from rnnfast._checks.memory import check_bytes
from rnnfast.nn._describe import describe
from rnnfast.nn.module import Array, Module


class Window(Module):
    """Each step's input beside those of the steps before it.

    ``y<t> = [x<t>, x<t-1>, ..., x<t-size+1>]``, with zeros before the first step and what lies
    before a ``reset``. What follows and multiplies by a matrix is a convolution over time that sees
    no later step: ``rf.chain(rf.Window(2), rf.QRNN(2 * I, H))`` is what ``rf.QRNN(I, H, width=2)``
    is by itself.

    Parameters
    ----------
    size : int
        Steps that are seen, at least 1.
    batch_first : bool
        True: arrays are ``(B, T, ...)``. The state never changes its order.

    Notes
    -----
    The state, ``(size - 1, B, F)``, is what the next step will see, the newest first: taken from
    call to call the outputs are those of one call.
    """

    has_state = True

    def __init__(self, size: int = 2, *, batch_first: bool = False) -> None:
        self.size = check_int("size", size, 1)
        self.batch_first = check_bool("batch_first", batch_first)

    def __repr__(self) -> str:
        return describe(self)

    def __call__(
        self,
        x: Array,
        state: Array | None = None,
        lengths: npt.ArrayLike | None = None,
        reset: npt.ArrayLike | None = None,
        *,
        like: bool = False,
    ) -> tuple[Array, Array]:
        """Return y and the state after the last step; see `forward`.

        With ``like`` of the library that ``x`` is of, such as tensors.
        """
        if like is not False:
            return call_like(like, self, x, state, lengths, reset)
        return self.forward(x, state, lengths, reset)[0]

    def forward(
        self,
        x: Array,
        state: Array | None = None,
        lengths: npt.ArrayLike | None = None,
        reset: npt.ArrayLike | None = None,
    ) -> tuple[tuple[Array, Array], Callable[..., tuple[Array | None, Array]]]:
        """Put steps side by side, and keep what backpropagation needs.

        Parameters
        ----------
        x : ndarray
            ``(T, B, F)``, or ``(B, T, F)`` with ``batch_first``, of float32 or float64.
        state : ndarray, optional
            ``(size - 1, B, F)``, what came before, the newest first; zeros if None.
        lengths : array_like of int, optional
            ``(B,)``, from 0 to T; None: T. Outputs past a length are 0, and the state is that after
            the last valid step.
        reset : array_like of bool, optional
            ``(T, B)``, or ``(B, T)`` with ``batch_first``: no step before such a one is seen from
            there on.

        Returns
        -------
        results : tuple
            y, ``(T, B, size * F)`` in the axes of ``x``, and the state.
        backprop : callable
            ``dx, dstate = backprop(dy, dstate=None)``; with ``need_dx=False`` dx is None.

        Raises
        ------
        TypeError
            If an array has another dtype.
        ValueError
            If a shape does not fit, a length is out of range, or a number is NaN or infinite.
        """
        x = require_float("x", x)
        if x.ndim != 3:
            raise ValueError(f"x: expected shape (T, B, F), got {x.shape}")
        steps_first = np.swapaxes(x, 0, 1) if self.batch_first else x
        T, B, F = steps_first.shape
        check_bytes(
            f"size: a window of {self.size} steps", x.itemsize * B * F * self.size * (T + 1)
        )
        before = np.zeros((self.size - 1, B, F), x.dtype)
        if state is not None:
            before = require_array("state", state, x.dtype, before.shape)
            check_finite("state", before)
        ends = check_lengths("lengths", np.full(B, T) if lengths is None else lengths, B, T)
        valid = np.arange(T)[:, np.newaxis] < ends
        seen = np.where(valid[:, :, np.newaxis], steps_first, 0)
        check_finite("x", seen)
        # All steps, those before the first too, and how often a new document has begun until each.
        steps = np.concatenate([before[::-1], seen])
        documents = np.zeros((len(steps), B), np.int64)
        documents[self.size - 1 :] = np.cumsum(self._checked_reset(reset, T, B), axis=0)
        now = np.arange(self.size - 1, len(steps))
        alike = [documents[now - k] == documents[now] for k in range(self.size)]
        linked = np.stack([own & valid for own in alike])  # (size, T, B)
        y = np.empty((T, B, self.size, F), x.dtype)
        for k in range(self.size):
            y[:, :, k] = steps[now - k] * linked[k, :, :, np.newaxis]
        columns = np.arange(B)
        # Where the state's rows stand among all steps, the newest first.
        rows = ends + self.size - 2 - np.arange(self.size - 1)[:, np.newaxis]
        kept = (documents[rows, columns] == documents[rows[:1], columns])[:, :, np.newaxis]
        after = steps[rows, columns] * kept
        shape = x.shape

        def backprop(
            dy: Array | None, dstate: Array | None = None, *, need_dx: bool = True
        ) -> tuple[Array | None, Array]:
            dsteps = np.zeros_like(steps)
            if dy is not None:
                dy = require_array("dy", dy, y.dtype, (*shape[:2], self.size * F))
                turned = np.swapaxes(dy, 0, 1) if self.batch_first else dy
                parts = turned.reshape(T, B, self.size, F)
                check_finite("dy", np.where(valid[:, :, np.newaxis, np.newaxis], parts, 0))
                for k in range(self.size):
                    dsteps[now - k] += np.where(linked[k, :, :, np.newaxis], parts[:, :, k], 0)
            if dstate is not None:
                dstate = require_array("dstate", dstate, after.dtype, after.shape)
                check_finite("dstate", dstate)
                np.add.at(dsteps, (rows, columns), dstate * kept)
            dx = dsteps[self.size - 1 :] if check_bool("need_dx", need_dx) else None
            if dx is not None and self.batch_first:
                dx = np.swapaxes(dx, 0, 1)
            dx = None if dx is None else np.ascontiguousarray(dx)
            return dx, np.ascontiguousarray(dsteps[: self.size - 1][::-1])

        flat = y.reshape(T, B, self.size * F)
        if self.batch_first:
            flat = np.ascontiguousarray(np.swapaxes(flat, 0, 1))
        return (flat, after), backprop

    def _checked_reset(self, reset: Any, T: int, B: int) -> npt.NDArray[np.bool_]:
        """Return where documents begin, (T, B)."""
        if reset is None:
            return np.zeros((T, B), np.bool_)
        marks = read_array("reset", reset, "an array of bool")
        expected = (B, T) if self.batch_first else (T, B)
        if marks.dtype != np.bool_:
            raise TypeError(f"reset: expected bools, got dtype {marks.dtype}")
        if marks.shape != expected:
            raise ValueError(f"reset: expected shape {expected}, got {marks.shape}")
        return marks.T if self.batch_first else marks
