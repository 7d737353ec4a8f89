"""QRNN: gates that see the input alone, and a pooling over time that they steer."""

from __future__ import annotations

from typing import Literal

import numpy as np

from rnnfast._checks import among
from rnnfast._checks.messages import shown
from rnnfast.nn.recurrent.layers import RecurrentWithCell


class QRNN(RecurrentWithCell, name="qrnn"):
    """Quasi-recurrent network.

    ``n = tanh(W_n x + b_n)``, ``f = sigmoid(W_f x + b_f)``, o and i likewise,
    ``c = f * c' + (1 - f) * n``, or ``c = f * c' + i * n`` with ``pooling="ifo"``, and
    ``h = o * c``, or ``h = c`` with ``pooling="f"``, with c' the memory of the step before
    (Bradbury et al. 2017, section 2). Filters see one step; behind `Window` they see the k last.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, variational, bidirectional, \
    dtype, seed
        See `RNN`.
    pooling : {"fo", "f", "ifo"}
        Which gates there are.

    Notes
    -----
    Parameters are named as PyTorch would, with the gates n, f, o, i, as many as there are, one
    below the other: ``weight_ih_l0`` (3H, I) and ``bias_ih_l0`` (3H,). The state is a pair (h, c)
    as that of an `LSTM`; steps see c alone.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        variational: bool = False,
        bidirectional: bool = False,
        dtype: str = "float32",
        seed: int | np.random.Generator | None = None,
        pooling: Literal["fo", "f", "ifo"] = "fo",
    ) -> None:
        if not among(pooling, ("fo", "f", "ifo")):
            raise ValueError(f"pooling: expected 'fo', 'f' or 'ifo', got {shown(pooling)}")
        self.pooling = pooling
        super().__init__(
            f"qrnn_{pooling}",
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            variational=variational,
            bidirectional=bidirectional,
            dtype=dtype,
            seed=seed,
        )
