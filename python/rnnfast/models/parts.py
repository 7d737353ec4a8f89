"""Parts that several models are made of."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnfast.nn.recurrent import GRU, LSTM, RNN

CELLS: dict[str, type[RNN] | type[GRU] | type[LSTM]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}


def make_recurrent(
    cell: str,
    input_size: int,
    hidden_size: int,
    num_layers: int,
    *,
    options: Mapping[str, Any] | None = None,
    bidirectional: bool = False,
    dropout: float = 0.0,
    dtype: str = "float32",
    rng: np.random.Generator | None = None,
) -> RNN | GRU | LSTM:
    """Make recurrent layers from a model's hyperparameters.

    Parameters
    ----------
    cell : {"rnn", "gru", "lstm"}
        Which.
    input_size, hidden_size, num_layers, bidirectional, dropout, dtype
        As those take them.
    options : mapping, optional
        What is particular to the cell: ``nonlinearity`` of an RNN, ``reset_after`` and
        ``reset_gate`` of a GRU, ``peephole`` and ``proj_size`` of an LSTM, ``bias`` of all.
    rng : numpy.random.Generator, optional
        Draws the initial weights and dropout.

    Raises
    ------
    ValueError
        If the cell, an option or a number is not one of those.
    """
    if cell not in CELLS:
        raise ValueError(f"cell: expected one of {', '.join(CELLS)}, got {cell!r}")
    layer = CELLS[cell]
    shared = set(inspect.signature(RNN).parameters) - {"nonlinearity", "bias"}
    allowed = [name for name in inspect.signature(layer).parameters if name not in shared]
    for name in options or {}:
        if name not in allowed:
            raise ValueError(
                f"cell_options: expected some of {', '.join(allowed)} with {cell!r}, got {name!r}"
            )
    return layer(
        input_size,
        hidden_size,
        num_layers,
        bidirectional=bidirectional,
        dropout=dropout if num_layers > 1 else 0.0,
        dtype=dtype,
        seed=rng,
        **dict(options or {}),
    )
