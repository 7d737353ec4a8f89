"""What is measured, its data and its answer, and what it costs at the least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import rnnfast as rf
from rnnfast.nn.module import Array

CELLS: dict[str, Any] = {"rnn": rf.RNN, "gru": rf.GRU, "lstm": rf.LSTM}
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
# What is done, as the command explains it.
MODES = {
    "step": "one step of one sequence, its state kept",
    "infer": "50 steps of 16 sequences",
    "train": "the same with backpropagation through time",
}
_STEPS, _BATCH = 50, 16


@dataclass(frozen=True)
class Case:
    """One measurement, of a layer of one cell with as many inputs as units, in float32.

    Attributes
    ----------
    cell : {"rnn", "gru", "lstm"}
    mode : str
        One of `MODES`.
    size : int
        H, the units, and I, the inputs.
    threads : int
    """

    cell: str
    mode: str
    size: int
    threads: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, B, I) of the input."""
        steps, batch = (1, 1) if self.mode == "step" else (_STEPS, _BATCH)
        return steps, batch, self.size

    def least_seconds(self, flops_per_second: float, bytes_per_second: float) -> float:
        """Return the least time on a machine of these two limits, of the matrix products alone.

        Products over all steps at once are bound by arithmetic; one of a single step (the recurrent
        ones, and both of a stream) by arithmetic or by reading its weights. Backpropagation is two
        products of the forward's size for every matrix, but one for that of the input.
        """
        steps, batch, size = self.shape
        numbers = GATES[self.cell] * size * size  # of either matrix
        work = 2.0 * batch * numbers / flops_per_second
        step = max(work, 4.0 * numbers / bytes_per_second)
        if self.mode == "step":
            return 2 * step
        if self.mode == "infer":
            return steps * (work + step)
        return steps * (2 * work + 2 * step + work)


@dataclass(frozen=True)
class Problem:
    """A case's data: the layer, its input, and the gradient of what it gives."""

    layer: Any
    x: Array
    dy: Array

    @classmethod
    def of(cls, case: Case) -> Problem:
        """Draw the data of a case, always the same."""
        rng = np.random.default_rng(1)
        x, dy = (rng.standard_normal(case.shape, dtype=np.float32) for _ in range(2))
        return cls(CELLS[case.cell](case.size, case.size, seed=1), x, dy)


def forward(cell: str, weights: dict[str, Array], x: Array, state: Any = None) -> Any:
    """Return the outputs ``(T, B, H)`` and the final state, by the equations, in NumPy."""
    U, b_h = weights["weight_hh_l0"], weights["bias_hh_l0"]
    from_x = x @ weights["weight_ih_l0"].T + weights["bias_ih_l0"]
    zero = np.zeros((x.shape[1], U.shape[1]), x.dtype)
    h, c = (zero, zero) if state is None else state
    outputs = []
    for a in from_x:
        from_h = h @ U.T + b_h
        if cell == "rnn":
            h = np.tanh(a + from_h)
        elif cell == "gru":
            (a_r, a_z, a_n), (b_r, b_z, b_n) = (np.split(v, 3, axis=1) for v in (a, from_h))
            r, z = _sigmoid(a_r + b_r), _sigmoid(a_z + b_z)
            h = (1 - z) * np.tanh(a_n + r * b_n) + z * h
        else:
            i, f, g, o = np.split(a + from_h, 4, axis=1)
            c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
            h = _sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs), (h, c)


def _sigmoid(x: Array) -> Array:
    result: Array = 0.5 * np.tanh(0.5 * x) + 0.5
    return result
