"""mLSTM: a matrix memory with exponential gates, whose steps are products of matrices."""

from __future__ import annotations

from typing import Literal

import numpy as np

from rnnfast import _core
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.exponential import ExponentialRecurrent, RowsBack
from rnnfast.nn.recurrent.exponential_stream import States


class MLSTM(ExponentialRecurrent):
    """Long short-term memory with a matrix of keys and values.

    ``C = f C' + i k v^T``, ``n = f n' + i k``, ``h = o * (C^T q) / max(|n . q|, 1)`` in each head,
    with ``q = W_q x + b_q``, v likewise, ``k = (W_k x + b_k) / sqrt(d)``,
    ``i = exp(w_i . x + b_i)``, f the sigmoid or exp of ``w_f . x + b_f``,
    ``o = sigmoid(W_o x + b_o)``, and C', n' the state of the step before (Beck et al. 2024, section
    2.3). No gate sees the state, so that a chunk of steps is a few products of matrices. States are
    divided by exp(m), which keeps them from overflowing.

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    num_layers : int
        1; `chain` stacks layers.
    num_heads : int
        Heads, each with a memory of its own of d x d numbers, d = H / num_heads.
    forget_gate : {"sigmoid", "exponential"}
        What f is.
    bias, batch_first, dtype, seed
        See `RNN`. The bias of a sigmoid forget gate begins from 3 to 6, head by head.
    bidirectional : bool
        False; `bidirectional` of two layers runs both ways.

    Notes
    -----
    Parameters: ``weight_ih_l0`` (4H + 2 num_heads, I), blocks of H rows of q, k, v, o, then
    num_heads rows of i and of f, and ``bias_ih_l0``. The state is (C, n, m):
    ``(1, B, num_heads, d, d)``, a row a key, ``(1, B, num_heads, d)`` and ``(1, B, num_heads)``.
    Results carry the same bits for any number of threads and whatever else is in the batch; a
    sequence that is cut elsewhere, or a stream, rounds otherwise.
    """

    _letters = "Cnm"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        num_heads: int = 1,
        forget_gate: Literal["sigmoid", "exponential"] = "sigmoid",
        bias: bool = True,
        batch_first: bool = False,
        bidirectional: bool = False,
        dtype: str = "float32",
        seed: int | np.random.Generator | None = None,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            num_heads=num_heads,
            forget_gate=forget_gate,
            bias=bias,
            batch_first=batch_first,
            bidirectional=bidirectional,
            dtype=dtype,
            seed=seed,
        )

    def _gate_rows(self) -> int:
        return 4 * self.hidden_size + 2 * self.num_heads

    def _open(self, bias: Array) -> None:
        bias[-self.num_heads :] = np.linspace(3, 6, self.num_heads)

    def _state_shapes(self, batch: int) -> list[tuple[int, ...]]:
        heads, d = self.num_heads, self.hidden_size // self.num_heads
        return [(batch, heads, d, d), (batch, heads, d), (batch, heads)]

    def _run(
        self, gates: Array, begins: Array, longest: int, state: States | None, *,
        keep: bool = False, in_place: bool = False,
    ) -> tuple[Array, States, RowsBack | None]:  # fmt: skip
        heads, exponential = self.num_heads, self.forget_gate == "exponential"
        chunk = 1 if in_place else self._chunk(longest)
        y, final, kept = _core.mlstm_forward(
            gates, heads, exponential, begins, state, chunk, keep, in_place
        )
        if kept is None:
            return y, final, None

        def back(dy: Array, dstate: States | None) -> tuple[Array, States]:
            return _core.mlstm_backward(
                gates, y, kept, heads, exponential, begins, state, chunk, dy, dstate
            )

        return y, final, back

    def _chunk(self, longest: int) -> int:
        """Return how many steps are taken together; one reads and writes the memory once."""
        d = self.hidden_size // self.num_heads
        return min(max(longest, 2), 64 if d <= 64 else 128)  # a chunk of 1: a stream's step
