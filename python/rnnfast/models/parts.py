"""Parts that several models are made of."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np

from rnnfast import init
from rnnfast._checks import check_bool
from rnnfast.averaging import ExponentialAverage, MeanAverage, WeightAverage
from rnnfast.nn.module import Array, Module
from rnnfast.nn.recurrent import GRU, LSTM, RNN
from rnnfast.nn.recurrent_base import Recurrent, State
from rnnfast.nn.stepwise import LayerNormGRU, LayerNormLSTM
from rnnfast.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from rnnfast.schedules import CosineLR, ReduceOnPlateau, Schedule

Cell: TypeAlias = Literal["lstm", "gru", "rnn", "layer_norm_lstm", "layer_norm_gru"]
CELLS: dict[str, Callable[..., Recurrent]] = {
    "rnn": RNN,
    "gru": GRU,
    "lstm": LSTM,
    "layer_norm_gru": LayerNormGRU,
    "layer_norm_lstm": LayerNormLSTM,
}
OPTIMIZERS: dict[str, Any] = {
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
}
AVERAGES: dict[str, Any] = {"ema": ExponentialAverage, "mean": MeanAverage}
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
    variational: bool = False,
    dtype: str = "float32",
    rng: np.random.Generator | None = None,
) -> Recurrent:
    """Make recurrent layers from a model's hyperparameters.

    Parameters
    ----------
    cell : {"rnn", "gru", "lstm", "layer_norm_gru", "layer_norm_lstm"}
        Which.
    input_size, hidden_size, num_layers, bidirectional, dropout, variational, dtype
        As those take them.
    options : mapping, optional
        What is particular to the cell: ``nonlinearity`` of an RNN, ``reset_after`` and
        ``reset_gate`` of a GRU, ``peephole`` and ``proj_size`` of an LSTM, ``layer_norm``,
        ``zoneout`` and ``recurrent_dropout`` of the layer-normalised ones, ``bias`` of all; and
        how weights begin: ``orthogonal``, True for `rnnfast.init.recurrent`, and ``forget_bias``, a
        number for `rnnfast.init.forget_bias`.
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
    allowed += ["orthogonal", "forget_bias"]
    for name in options or {}:
        if name not in allowed:
            raise ValueError(
                f"cell_options: expected some of {', '.join(allowed)} with {cell!r}, got {name!r}"
            )
    given = dict(options or {})
    orthogonal = check_bool("orthogonal", given.pop("orthogonal", False))
    forget_bias = given.pop("forget_bias", None)
    made = layer(
        input_size,
        hidden_size,
        num_layers,
        bidirectional=bidirectional,
        dropout=dropout if num_layers > 1 else 0.0,
        variational=variational,
        dtype=dtype,
        seed=rng,
        **given,
    )
    if orthogonal:
        init.recurrent(made, seed=rng)
    if forget_bias is not None:
        init.forget_bias(made, forget_bias)
    return made


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


def make_average(
    name: str | None, modules: Mapping[str, Module], options: Mapping[str, Any] | None = None
) -> WeightAverage | None:
    """Make an average of the weights from a model's hyperparameters.

    Parameters
    ----------
    name : {"ema", "mean"}, optional
        `ExponentialAverage` or `MeanAverage`; None: none.
    modules : mapping of str to Module
        Whose weights.
    options : mapping, optional
        Its further arguments.

    Raises
    ------
    ValueError
        If the name, an option or a number is not one of those.
    """
    if name is None:
        if options:
            raise ValueError(f"averaging_options: expected none without averaging, got {options}")
        return None
    if name not in AVERAGES:
        raise ValueError(f"averaging: expected one of {', '.join(AVERAGES)} or None, got {name!r}")
    allowed = list(inspect.signature(AVERAGES[name]).parameters)[1:]
    for option in options or {}:
        if option not in allowed:
            raise ValueError(
                f"averaging_options: expected some of {', '.join(allowed)} with {name!r}, "
                f"got {option!r}"
            )
    average: WeightAverage = AVERAGES[name](modules, **dict(options or {}))
    return average


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
