"""IndRNN: a plain network whose units hear each other through the layers above only."""

from __future__ import annotations

from typing import Literal

import numpy as np

from rnnfast._checks import among
from rnnfast._checks.messages import shown
from rnnfast.nn.module import Parameter
from rnnfast.nn.recurrent.base import Recurrent


class IndRNN(Recurrent, name="ind_rnn"):
    """Independently recurrent network, ``h<t> = g(W_ih x<t> + b_ih + u * h<t-1>)``.

    Each unit hears its own last output alone, times its own weight (Li et al. 2018, section 3).

    Parameters
    ----------
    input_size, hidden_size, num_layers
        See `RNN`.
    nonlinearity : {"relu", "tanh"}
        g.
    bias, batch_first, dropout, variational, bidirectional, dtype, seed
        See `RNN`.

    Notes
    -----
    Parameters are named as PyTorch would: ``weight_ih_l0`` (H, I), ``bias_ih_l0`` (H,), and u,
    ``weight_hh_l0`` (H,). u begins as a draw from U(0, 1): from units that remember nothing to
    units that remember long, none of which grows with the length of a sequence.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        nonlinearity: Literal["relu", "tanh"] = "relu",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        variational: bool = False,
        bidirectional: bool = False,
        dtype: str = "float32",
        seed: int | np.random.Generator | None = None,
    ) -> None:
        if not among(nonlinearity, ("relu", "tanh")):
            raise ValueError(f"nonlinearity: expected 'relu' or 'tanh', got {shown(nonlinearity)}")
        self.nonlinearity = nonlinearity
        super().__init__(
            f"ind_rnn_{nonlinearity}",
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

    def _draw(self, name: str, parameter: Parameter) -> None:
        if name.startswith("weight_hh_"):
            parameter.assign(self._rng.uniform(0, 1, parameter.shape))
        else:
            super()._draw(name, parameter)
