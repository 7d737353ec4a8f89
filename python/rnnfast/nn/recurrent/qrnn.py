"""QRNN: gates that see the input alone, and a pooling over time that they steer."""

from __future__ import annotations

from typing import Literal

import numpy as np

from rnnfast._checks import among, check_int
from rnnfast._checks.messages import shown
from rnnfast.nn.recurrent.layers import RecurrentWithCell


class QRNN(RecurrentWithCell, name="qrnn"):
    """Quasi-recurrent network.

    ``n = tanh(W_n x + b_n)``, ``f = sigmoid(W_f x + b_f)``, o and i likewise,
    ``c = f * c' + (1 - f) * n``, or ``c = f * c' + i * n`` with ``pooling="ifo"``, and
    ``h = o * c``, or ``h = c`` with ``pooling="f"``, with c' the memory of the step before
    (Bradbury et al. 2017, section 2). x is the step's input, beside which stand those of the steps
    before where ``width`` is more than 1.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, variational, bidirectional, \
    dtype, seed
        See `RNN`.
    pooling : {"fo", "f", "ifo"}
        Which gates there are.
    width : int
        Steps k that the filters of each layer see: the one and the k - 1 before it, with zeros
        before the first and what lies before a reset; after it in the reverse direction.

    Notes
    -----
    Parameters are named as PyTorch would, with the gates n, f, o, i, as many as there are, one
    below the other: ``weight_ih_l0`` (3H, k I), the newest step's columns first, and ``bias_ih_l0``
    (3H,).

    With k > 1 c is ``(L*D, B, H + (k - 1) * W)``: behind the H units stand the last k - 1 inputs of
    the layer, the newest first, each in W numbers, as many as the widest layer reads: the larger of
    I and, of several layers, D*H. Indices are made one-hot vectors there, which cells that see a
    step alone never build.
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
        width: int = 1,
    ) -> None:
        if not among(pooling, ("fo", "f", "ifo")):
            raise ValueError(f"pooling: expected 'fo', 'f' or 'ifo', got {shown(pooling)}")
        self.pooling = pooling
        self.width = check_int("width", width, 1, 2**31 - 1)
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
            window=self.width,
        )
