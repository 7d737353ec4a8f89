"""Parts that several models are made of."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnfast.nn.module import Array, Module
from rnnfast.nn.recurrent import GRU, LSTM, RNN
from rnnfast.nn.recurrent_base import State
from rnnfast.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from rnnfast.schedules import CosineLR, ReduceOnPlateau, Schedule

CELLS: dict[str, type[RNN] | type[GRU] | type[LSTM]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
OPTIMIZERS: dict[str, Any] = {
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
}
SCHEDULES = ("constant", "cosine", "plateau")


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


def make_optimizer(
    name: str,
    modules: Mapping[str, Module],
    learning_rate: float,
    options: Mapping[str, Any] | None = None,
) -> Optimizer:
    """Make an optimizer from a model's hyperparameters.

    Parameters
    ----------
    name : {"sgd", "adam", "adamw", "rmsprop", "adagrad"}
        Which.
    modules : mapping of str to Module
        What to train.
    learning_rate : float
        Its ``lr``.
    options : mapping, optional
        Its further arguments.

    Raises
    ------
    ValueError
        If the optimizer, an option or a number is not one of those.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer: expected one of {', '.join(OPTIMIZERS)}, got {name!r}")
    allowed = list(inspect.signature(OPTIMIZERS[name]).parameters)[2:]
    for option in options or {}:
        if option not in allowed:
            raise ValueError(
                f"optimizer_options: expected some of {', '.join(allowed)} with {name!r}, "
                f"got {option!r}"
            )
    optimizer: Optimizer = OPTIMIZERS[name](modules, learning_rate, **dict(options or {}))
    return optimizer


def make_schedule(
    name: str, optimizer: Optimizer, total_steps: int, *, maximize: bool = False
) -> Schedule | ReduceOnPlateau | None:
    """Make a learning-rate schedule from a model's hyperparameters.

    Parameters
    ----------
    name : {"constant", "cosine", "plateau"}
        Half a cosine from the optimizer's rate to a hundredth of it in ``total_steps`` steps; or
        half the rate whenever two epochs on end were no better on the validation part.
    optimizer : Optimizer
        Whose rate to set.
    total_steps : int
        Steps of the whole training.
    maximize : bool
        Whether more is better of the figure that ``"plateau"`` watches.

    Raises
    ------
    ValueError
        If the name is not one of those.
    """
    if name not in SCHEDULES:
        raise ValueError(f"schedule: expected one of {', '.join(SCHEDULES)}, got {name!r}")
    if name == "cosine":
        return CosineLR(optimizer, total_steps, min_factor=0.01)
    if name == "plateau":
        return ReduceOnPlateau(optimizer, factor=0.5, patience=1, maximize=maximize)
    return None


def pack_state(state: State) -> dict[str, Array]:
    """Return a recurrent layer's state as named arrays."""
    return dict(zip("hc", state, strict=True)) if isinstance(state, tuple) else {"h": state}


def unpack_state(arrays: Mapping[str, Array]) -> State:
    """Return the state that `pack_state` was given; None if there are no arrays."""
    if "c" in arrays:
        return arrays["h"], arrays["c"]
    return arrays.get("h")
