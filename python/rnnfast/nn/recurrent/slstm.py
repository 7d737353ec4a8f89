"""sLSTM: a scalar memory with exponential gates, and heads that mix it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from rnnfast import _core
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.exponential import ExponentialRecurrent, RowsBack
from rnnfast.nn.recurrent.exponential_stream import States


class SLSTM(ExponentialRecurrent):
    """Long short-term memory with exponential gates and a normaliser.

    ``c = f * c' + i * z``, ``n = f * n' + i``, ``h = o * c / n``, with ``i = exp(W_i x + R_i h' +
    b_i)``, f the sigmoid or exp of the like, ``z = tanh(W_z x + R_z h' + b_z)``, o a sigmoid, and
    h', c', n' the state of the step before (Beck et al. 2024, section 2.2). The R are
    block-diagonal: units mix with those of their own head. States are divided by exp(m), which
    keeps them from overflowing.

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    num_layers : int
        1; `chain` stacks layers.
    num_heads : int
        Heads of H / num_heads units.
    forget_gate : {"sigmoid", "exponential"}
        What f is.
    bias, batch_first, dtype, seed
        See `RNN`. The bias of a sigmoid forget gate begins from 3 to 6, unit by unit of a head.
    bidirectional : bool
        False; `bidirectional` of two layers runs both ways.

    Notes
    -----
    Parameters, the gates i, f, z, o one below the other: ``weight_ih_l0`` (4H, I),
    ``weight_hh_l0`` (4H, H / num_heads), a unit's row the weights of its own head, and
    ``bias_ih_l0`` (4H,). The state is (h, c, n, m), each ``(1, B, H)``, n from 0 on.
    """

    _letters = "hcnm"

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
        return 4 * self.hidden_size

    def _own_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"weight_hh_l0": (4 * self.hidden_size, self.hidden_size // self.num_heads)}

    def _open(self, bias: Array) -> None:
        H, heads = self.hidden_size, self.num_heads
        bias[H : 2 * H] = np.tile(np.linspace(3, 6, H // heads), heads)

    def _state_shapes(self, batch: int) -> list[tuple[int, ...]]:
        return [(batch, self.hidden_size)] * 4

    def _check_state(self, parts: States) -> None:
        least = parts[2].min(initial=0.0)
        if least < 0:
            raise ValueError(f"n0: expected numbers from 0 on, got {least}")
        if np.any((parts[2] == 0) & (parts[1] != 0)):  # no step leaves that: h is c / n
            raise ValueError("n0: expected numbers above 0 where c0 is not 0, got 0.0")

    def _packed(self) -> Array:
        """Return the recurrent weight as it is now in the order of the kernels."""
        key = (self.buffer.version, _core.kernel_level())
        kept: tuple[Any, Array] | None = vars(self).get("_packed_copy")
        if kept is None or kept[0] != key:
            packed = _core.slstm_pack(self._parameters["weight_hh_l0"].data, self.num_heads)
            kept = key, packed
            vars(self)["_packed_copy"] = kept
        return kept[1]

    def _run(
        self, gates: Array, begins: Array, longest: int, state: States | None, *,
        keep: bool = False, in_place: bool = False,
    ) -> tuple[Array, States, RowsBack | None]:  # fmt: skip
        heads, exponential = self.num_heads, self.forget_gate == "exponential"
        y, final, kept = _core.slstm_forward(
            gates, self._packed(), heads, exponential, begins, state, keep, in_place
        )
        if kept is None:
            return y, final, None
        weight = self._parameters["weight_hh_l0"]

        def back(dy: Array, dstate: States | None) -> tuple[Array, States]:
            dgates, dweight, dinitial = _core.slstm_backward(
                y, kept, weight.data, heads, exponential, begins, state, dy, dstate
            )
            weight._add_grad(dweight)
            return dgates, dinitial

        return y, final, back
