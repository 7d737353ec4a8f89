"""MinGRU and MinLSTM: gated layers whose gates see the input alone."""

from __future__ import annotations

import numpy as np

from rnnfast.nn.recurrent.base import Recurrent


class _Minimal(Recurrent):
    """Base of layers that have no options of their own."""

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
    ) -> None:
        super().__init__(
            self._name,
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


class MinGRU(_Minimal, name="min_gru"):
    """Minimal gated recurrent unit.

    ``z = sigmoid(W_iz x + b_iz)``, ``n = W_in x + b_in``, ``h = (1 - z) * h' + z * n``, with h' the
    state of the step before (Feng et al. 2024, section 3.1): neither gate nor candidate sees the
    state, so that nothing is left to multiply from step to step. z is the share of what is new, as
    the paper has it; that of a `GRU` is the share of the old.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, variational, bidirectional, \
    dtype, seed
        See `RNN`.

    Notes
    -----
    Parameters are named as PyTorch would, with the gates z, n one below the other:
    ``weight_ih_l0`` (2H, I) and ``bias_ih_l0`` (2H,).
    """


class MinLSTM(_Minimal, name="min_lstm"):
    """Minimal long short-term memory.

    ``f = sigmoid(W_if x + b_if)``, ``i = sigmoid(W_ii x + b_ii)``, ``g = W_ig x + b_ig``,
    ``h = (f * h' + i * g) / (f + i)``, with h' the state of the step before (Feng et al. 2024,
    section 3.2): the gates see the input alone, and are shares of one whole.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, variational, bidirectional, \
    dtype, seed
        See `RNN`.

    Notes
    -----
    Parameters are named as PyTorch would, with the gates f, i, g one below the other:
    ``weight_ih_l0`` (3H, I) and ``bias_ih_l0`` (3H,). There is one state, h.
    """
