"""The layers of a network, one by one."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast._checks import check_array
from rnnfast._checks.arrays import require_ndarray
from rnnfast.models.language_model import LanguageModel
from rnnfast.nn._describe import options_of
from rnnfast.nn._not_modules import not_recurrent
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.arguments import checked_state
from rnnfast.nn.recurrent.base import Recurrent, State


def require_language_model(lm: Any) -> None:
    if not isinstance(lm, LanguageModel):
        raise TypeError(f"lm: expected a LanguageModel, got {type(lm).__name__}")
    lm._require_fitted()


def require_one_direction(layer: Any) -> None:
    if not isinstance(layer, Recurrent):
        raise TypeError(f"layer: expected a recurrent layer, got {not_recurrent(layer)}")
    if layer.bidirectional:
        raise ValueError("layer: expected one direction, got a bidirectional layer")


def batch_shape(x: Any) -> tuple[int, int]:
    x = require_ndarray("x", x)
    if x.ndim != (2 if x.dtype.kind in "iu" else 3):
        raise ValueError(f"x: expected shape (T, B, I) or indices (T, B), got {x.shape}")
    if 0 in x.shape:
        raise ValueError(f"x: expected at least one step and sequence, got shape {x.shape}")
    return x.shape[0], x.shape[1]


def run_alone(layer: Recurrent, x: Array, state: State) -> tuple[list[Array], list[Recurrent]]:
    """Return the input of each layer and the output of the last; and the layers, one by one."""
    _, batch = batch_shape(x)
    places = layer.num_layers
    for name, part, size in zip(
        ("h", "c"),
        layer.spec.split_state(state),
        (layer.output_size, layer.spec.memory_size),
        strict=True,
    ):
        checked_state(name, check_array(name, part), layer.dtype, (places, batch, size))
    inputs, alone = [require_ndarray("x", x)], []
    for k in range(layer.num_layers):
        alone.append(layer_alone(layer, k))
        y, _ = alone[k](inputs[k], state_of(layer, state, k))
        inputs.append(y)
    return inputs, alone


def layer_alone(layer: Recurrent, k: int) -> Recurrent:
    """Return a network of layer k alone, with copies of its parameters."""
    options = {
        parameter.name: getattr(layer, parameter.name)
        for parameter in options_of(type(layer))
        if parameter.name != "dtype"
    }
    options.update(num_layers=1, batch_first=False, dropout=0.0)
    if k:
        options["input_size"] = layer.output_size
    made = type(layer)(**options, dtype=str(layer.dtype), seed=0)
    suffix = f"_l{k}"
    parameters = layer.state_dict()
    made.load_state_dict(
        {n.removesuffix(suffix) + "_l0": p for n, p in parameters.items() if n.endswith(suffix)}
    )
    made.eval()
    return made


def state_of(layer: Recurrent, state: State, k: int) -> State:
    """Return the part of a state that belongs to layer k, as that layer alone has it."""
    if state is None:
        return None
    if not isinstance(state, (tuple, list)):
        return state[k : k + 1]
    h, c = (part[k : k + 1] for part in state)
    spec = layer.spec
    if spec.window > 1:  # steps behind the units, here in as many numbers as the layer reads
        units, steps = np.split(c, [spec.hidden_size], axis=2)
        own = steps.reshape(*c.shape[:2], spec.window - 1, spec.window_width)[..., : spec.width(k)]
        c = np.concatenate([units, *np.moveaxis(own, 2, 0)], axis=2)
    return h, c
