"""Parts that several models are made of."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rnnfast._checks import among, check_bool, check_mapping, check_options
from rnnfast._checks.messages import shown
from rnnfast.models.parts.fitting.given_schedules import make_given_schedule
from rnnfast.nn import init
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.base import LAYERS, Recurrent, State
from rnnfast.training.averaging import ExponentialAverage, MeanAverage, WeightAverage
from rnnfast.training.optimizers import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from rnnfast.training.runs import Parameters
from rnnfast.training.schedules import (
    ChainLR,
    CosineLR,
    ReduceOnPlateau,
    Schedule,
    StepLR,
    WarmupLR,
)

OPTIMIZERS: dict[str, Any] = {
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
}
AVERAGES: dict[str, Any] = {"ema": ExponentialAverage, "mean": MeanAverage}
SCHEDULES = ("constant", "cosine", "step", "plateau")


# What constructors take, by class: Python takes long to say it.
_parameters: dict[Any, list[str]] = {}


def _parameters_of(kind: Any) -> list[str]:
    """Return what a class's constructor takes."""
    if kind not in _parameters:
        _parameters[kind] = list(inspect.signature(kind).parameters)
    return _parameters[kind]


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
    cell : str
        Which: one of `LAYERS`.
    input_size, hidden_size, num_layers, bidirectional, dropout, variational, dtype
        As those take them.
    options : mapping, optional
        The ``cell_options`` of `RecurrentModel`.
    rng : numpy.random.Generator, optional
        Draws the initial weights and dropout.

    Raises
    ------
    ValueError
        If the cell, an option or a number is not one of those.
    """
    if not among(cell, LAYERS):
        raise ValueError(f"cell: expected one of {', '.join(LAYERS)}, got {shown(cell)}")
    layer = LAYERS[cell]
    shared = set.intersection(*(set(_parameters_of(k)) for k in LAYERS.values()))
    allowed = [n for n in _parameters_of(layer) if n not in shared - {"bias"}]
    allowed += ["orthogonal", "forget_bias"]
    given = check_options("cell_options", options, allowed, cell)
    orthogonal = check_bool("orthogonal", given.pop("orthogonal", False))
    forget_bias = given.pop("forget_bias", None)
    made: Recurrent = layer(
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
    modules: Parameters,
    learning_rate: float,
    options: Mapping[str, Any] | None = None,
) -> Optimizer:
    """Make an optimizer; ValueError if it, an option, which it takes, or a number is wrong."""
    if not among(name, OPTIMIZERS):
        raise ValueError(f"optimizer: expected one of {', '.join(OPTIMIZERS)}, got {shown(name)}")
    allowed = _parameters_of(OPTIMIZERS[name])[2:]
    given = check_options("optimizer_options", options, allowed, name)
    optimizer: Optimizer = OPTIMIZERS[name](modules, learning_rate, **given)
    return optimizer


def make_average(
    name: str | None, modules: Parameters, options: Mapping[str, Any] | None = None
) -> WeightAverage | None:
    """Make an average of the weights, if there is to be one.

    ValueError if it, an option, which it takes, or a number is wrong.
    """
    if name is None:
        if options is not None:
            check_mapping("averaging_options", options)
        if options:
            raise ValueError(
                f"averaging_options: expected none without averaging, got {shown(options)}"
            )
        return None
    if not among(name, AVERAGES):
        raise ValueError(
            f"averaging: expected one of {', '.join(AVERAGES)} or None, got {shown(name)}"
        )
    allowed = _parameters_of(AVERAGES[name])[1:]
    given = check_options("averaging_options", options, allowed, name)
    average: WeightAverage = AVERAGES[name](modules, **given)
    return average


def make_schedule(
    name: Any,
    optimizer: Optimizer,
    total_steps: int,
    options: Mapping[str, Any] | None = None,
    *,
    maximize: bool = False,
    epochs: int = 1,
) -> Schedule | ReduceOnPlateau | None:
    """Make a learning-rate schedule from a model's hyperparameters.

    Parameters
    ----------
    name : {"constant", "cosine", "step", "plateau"}, callable, sequence or mapping
        `CosineLR` in ``total_steps`` steps, `StepLR`, `ReduceOnPlateau`, or none of these; or what
        `make_given_schedule` takes.
    optimizer : Optimizer
        Whose rate to set.
    total_steps : int
        Steps of the whole training.
    options : mapping, optional
        The ``schedule_options`` of `RecurrentModel`, each with a default of its own.
    maximize : bool
        Whether more is better of the figure that ``"plateau"`` watches.
    epochs : int
        Epochs of the whole training.

    Raises
    ------
    ValueError
        If the name, an option or a number is not one of those.
    TypeError
        If the options are no mapping, or one of a wrong type.
    """
    given_schedule: Schedule | None = None
    if not isinstance(name, str):
        given_schedule, options = make_given_schedule(
            name, optimizer, max(1, total_steps // max(epochs, 1)), options
        )
        name = "constant"  # what is left is that of its warm-up
    elif name not in SCHEDULES:
        raise ValueError(f"schedule: expected one of {', '.join(SCHEDULES)}, got {shown(name)}")
    allowed = {
        "constant": [],
        "cosine": ["min_factor"],
        "step": ["step_size", "gamma"],
        "plateau": ["factor", "patience", "threshold", "cooldown", "min_lr"],
    }[name]
    if name != "plateau":
        allowed += ["warmup_steps", "start_factor"]
    given = check_options("schedule_options", options, allowed, name)
    if name == "plateau":
        return ReduceOnPlateau(
            optimizer, **{"factor": 0.5, "patience": 1, "maximize": maximize, **given}
        )
    warmup = {key: given.pop(key) for key in ("warmup_steps", "start_factor") if key in given}
    if "start_factor" in warmup and "warmup_steps" not in warmup:
        raise ValueError("schedule_options: expected warmup_steps with start_factor, got none")
    schedules: list[Schedule] = []
    if warmup:
        schedules.append(WarmupLR(optimizer, **warmup))
    if given_schedule is not None:
        schedules.append(given_schedule)
    elif name == "cosine":
        schedules.append(CosineLR(optimizer, total_steps, **{"min_factor": 0.01, **given}))
    elif name == "step":
        size = max(1, -(-total_steps // 3))
        schedules.append(StepLR(optimizer, **{"step_size": size, **given}))
    if len(schedules) < 2:
        return schedules[0] if schedules else None
    return ChainLR(schedules)


def pack_state(state: State) -> dict[str, Array]:
    """Return a recurrent layer's state as named arrays."""
    return dict(zip("hc", state, strict=True)) if isinstance(state, tuple) else {"h": state}


def unpack_state(arrays: Mapping[str, Array]) -> State:
    """Return the state that `pack_state` was given; None if there are no arrays."""
    if "c" in arrays:
        return arrays["h"], arrays["c"]
    return arrays.get("h")


def map_state(function: Callable[[Array], Array], state: State) -> State:
    """Return the state of what a function makes of its array, or of both of an LSTM's."""
    return tuple(map(function, state)) if isinstance(state, tuple) else function(state)
