"""Passes of layers that go step by step: directions, lengths, masks, and the products around."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast.nn.dropout import Dropout
from rnnfast.nn.dropout_masks import VariationalDropout
from rnnfast.nn.module import Array, Parameter


@dataclass(frozen=True)
class Noise:
    """What makes a step random in training.

    Attributes
    ----------
    zoneout_h, zoneout_c : float
        Probability with which a unit of h and of c keeps its value.
    candidate : float
        Probability with which a unit's candidate is dropped.
    """

    zoneout_h: float
    zoneout_c: float
    candidate: float


class SingleLayer:
    """One layer in one direction: its products with the input, and the kernel's steps.

    Parameters
    ----------
    parameters : mapping of str to Parameter
        By kind: ``weight_ih``, ``weight_hh``, and ``bias_ih``, ``bias_hh``, ``gain_ih``,
        ``gain_hh``, ``gain_c``, ``bias_c`` where there are such.
    lstm : bool
        Whether it is an LSTM; else a GRU.
    backward : bool
        Whether it runs from the end of each sequence.
    """

    def __init__(self, parameters: Mapping[str, Parameter], *, lstm: bool, backward: bool) -> None:
        self._weight = parameters["weight_ih"]
        self._backward = backward
        self._lstm = lstm
        rows, inputs = self._weight.shape
        self._hidden_size = parameters["weight_hh"].shape[1]
        buffer = self._weight.buffer
        self._dtype = self._weight.dtype
        self._input = _core.Linear(inputs, rows, buffer, self._weight.offset, -1)
        hidden = parameters["weight_hh"]
        self._recurrent = _core.Linear(self._hidden_size, rows, buffer, hidden.offset, -1)
        kinds = ("weight_hh", "bias_ih", "bias_hh", "gain_ih", "gain_hh", "gain_c", "bias_c")
        self._steps = _core.Stepwise(
            lstm=lstm,
            normalised="gain_ih" in parameters,
            hidden_size=self._hidden_size,
            buffer=buffer,
            offsets=[parameters[k].offset if k in parameters else -1 for k in kinds],
        )

    def forward(
        self,
        x: Array,
        h0: Array | None,
        c0: Array | None,
        order: Order,
        noise: Noise,
        rng: np.random.Generator | None,
    ) -> Pass:
        """Run a pass; ``rng`` draws the noise of training, None: the mean of it."""
        steps, batch = order.shape
        rows = order.sort(x, self._backward)
        kept: dict[str, Array] = {"active": order.active}
        kept["x"] = self._times_input(rows).reshape(steps, batch, self._weight.shape[0])
        for name, first in (("h", h0), ("c", c0))[: 2 if self._lstm else 1]:
            kept[name] = np.empty((steps + 1, batch, self._hidden_size), self._dtype)
            kept[name][0] = 0 if first is None else first[order.rows]
        rates = (noise.zoneout_h, noise.zoneout_c if self._lstm else 0.0)
        if rng is not None:
            self._draw(kept, noise, rng, (steps, batch, self._hidden_size))
            rates = (0.0, 0.0)
        self._steps.forward(kept, *rates)
        return Pass(rows, kept, rates, order)

    def outputs(self, done: Pass) -> tuple[Array, Array, Array | None]:
        """Return y (T, B, H), zero past a length, and the final states (B, H)."""
        y = done.order.unsort(done.kept["h"][1:], self._backward)
        last = [done.order.restore(done.kept[n][-1]) for n in ("h", "c") if n in done.kept]
        return y, last[0], last[1] if self._lstm else None

    def backward(
        self, done: Pass, dy: Array | None, dh: Array | None, dc: Array | None, need_dx: bool
    ) -> tuple[Array | None, Array, Array | None]:
        """Return the gradients of x and of the initial states; add those of the parameters."""
        order, (steps, batch) = done.order, done.order.shape
        shape = (batch, self._hidden_size)
        gradients = {
            "dh": np.zeros(shape, self._dtype) if dh is None else dh[order.rows],
            "dy": np.zeros((steps, *shape), self._dtype)
            if dy is None
            else order.sort(dy, self._backward),
        }
        if self._lstm:
            gradients["dc"] = np.zeros(shape, self._dtype) if dc is None else dc[order.rows]
        dgates, dproduct = self._steps.backward(done.kept, *done.rates, gradients)
        h_before = _as_rows(done.kept["h"][:-1])
        self._recurrent.backward(_as_rows(dproduct), h_before, False)
        dx = self._input_gradient(dgates, done.x, need_dx)
        return (
            None if dx is None else order.unsort(dx, self._backward),
            order.restore(gradients["dh"]),
            order.restore(gradients["dc"]) if self._lstm else None,
        )

    def _draw(
        self,
        kept: dict[str, Array],
        noise: Noise,
        rng: np.random.Generator,
        shape: tuple[int, ...],
    ) -> None:
        names = (("keep_h", noise.zoneout_h), ("keep_c", noise.zoneout_c if self._lstm else 0.0))
        for name, p in names:
            if p > 0:
                kept[name] = (rng.random(shape) < p).astype(self._dtype)
        if noise.candidate > 0:
            ones = np.ones(shape, self._dtype)
            kept["drop"] = _core.dropout(ones, noise.candidate, int(rng.integers(2**63)))

    def _times_input(self, x: Array) -> Array:
        if x.dtype.kind in "iu":
            gathered: Array = np.ascontiguousarray(self._weight.data.T)[x]
            return gathered
        return self._input.forward(_as_rows(x))

    def _input_gradient(self, dgates: Array, x: Array, need_dx: bool) -> Array | None:
        if x.dtype.kind in "iu":
            table = np.zeros(self._weight.shape[::-1], self._dtype)
            np.add.at(table, x, dgates)
            self._weight._add_grad(table.T)
            return None
        dx = self._input.backward(_as_rows(dgates), _as_rows(x), need_dx)
        return None if dx is None else dx.reshape(x.shape)


class Order:
    """How a batch is laid out for a pass: the longest sequence first, so that rows drop out.

    Parameters
    ----------
    lengths : ndarray of int64, shape (B,), optional
        Of the sequences; None: all T.
    steps, batch : int
        T and B.

    Attributes
    ----------
    rows : ndarray of int, shape (B,)
        Which sequence stands in each row.
    active : ndarray of int64, shape (T,)
        How many rows take each step.
    """

    def __init__(self, lengths: npt.NDArray[np.int64] | None, steps: int, batch: int) -> None:
        self.shape = (steps, batch)
        self._whole = lengths is None
        ends = np.full(batch, steps) if lengths is None else lengths
        self.rows = np.argsort(-ends, kind="stable")
        self._place = np.argsort(self.rows)
        self._ends = ends[self.rows]
        time = np.arange(steps)[:, np.newaxis]
        self._valid = time < self._ends
        self.active = self._valid.sum(axis=1, dtype=np.int64)
        # Where the reverse direction is at each step.
        self._mirror = np.where(self._valid, self._ends - 1 - time, time)

    def sort(self, x: Array, backward: bool) -> Array:
        """Return ``x`` (T, B, ...) as rows, zero past a length; reversed if ``backward``."""
        rows = x[:, self.rows]
        if not self._whole:  # what lies past a length is never read
            rows[~self._valid] = 0
        return np.ascontiguousarray(self._reversed(rows) if backward else rows)

    def unsort(self, rows: Array, backward: bool) -> Array:
        """Undo `sort`; what stands past a length becomes zero."""
        turned = self._reversed(rows) if backward else rows
        x: Array = turned[:, self._place]
        if not self._whole:
            x[~self._valid[:, self._place]] = 0
        return x

    def restore(self, states: Array) -> Array:
        """Return states by rows (B, H) in the order of the batch."""
        result: Array = states[self._place]
        return result

    def _reversed(self, rows: Array) -> Array:
        index = self._mirror.reshape(*self.shape, *(1,) * (rows.ndim - 2))
        return np.take_along_axis(rows, index, axis=0)


@dataclass(frozen=True)
class Pass:
    """What a forward pass of a `SingleLayer` leaves for backpropagation."""

    x: Array
    kept: dict[str, Array]
    rates: tuple[float, float]
    order: Order


def _as_rows(x: Array) -> Array:
    """Return ``x`` (T, B, F) as ``(T * B, F)``."""
    return x.reshape(x.shape[0] * x.shape[1], x.shape[2])


def between_layers(p: float, variational: bool, seed: int) -> Dropout:
    """Return the dropout between two layers of a training pass."""
    return (VariationalDropout if variational else Dropout)(p, seed=seed)


def require_finite(name: str, x: Any, lengths: npt.NDArray[np.int64] | None) -> None:
    """Raise ValueError unless ``x`` (T, B, F) is finite within the lengths."""
    finite = np.isfinite(x).all(axis=-1)
    if lengths is not None:
        finite |= np.arange(len(x))[:, np.newaxis] >= lengths
    if not finite.all():
        b, t = np.argwhere(~finite.T)[0]
        raise ValueError(
            f"{name}: expected finite numbers, got NaN or infinity at time {t} of sequence {b}"
        )


def require_indices(x: Any, limit: int, lengths: npt.NDArray[np.int64] | None) -> None:
    """Raise ValueError unless the indices ``x`` (T, B) within the lengths are below ``limit``."""
    wrong = (x < 0) | (x >= limit)
    if lengths is not None:
        wrong &= np.arange(len(x))[:, np.newaxis] < lengths
    if wrong.any():
        b, t = np.argwhere(wrong.T)[0]
        raise ValueError(
            f"x: expected indices from 0 to {limit - 1}, got {x[t, b]} at time {t} of sequence {b}"
        )
