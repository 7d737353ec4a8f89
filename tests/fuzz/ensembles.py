"""Recurrent layers that become one, and networks of one shape in one call."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

import rnnfast as rf

from .checks import Case, near, require
from .layers import TOLERANCE, make_input, make_layer, sizes


def ensemble(case: Case) -> None:
    """Networks in one call, beside each by itself; then step by step."""
    draw = case.draw
    layers = [make_layer(case, one_way=draw.chance(0.3))]
    for _ in range(draw.integer(0, 2)):
        layers.append(copy.deepcopy(layers[0]))
        state = {name: value / 2 for name, value in layers[-1].state_dict().items()}
        layers[-1].load_state_dict(state)
    made = case.call(rf.Ensemble, layers)
    arguments = make_input(draw, layers[0], *sizes(draw))
    each = draw.chance(0.4)
    if each:
        arguments["x"] = np.stack([arguments["x"]] * len(layers))
    y, _ = case.call(made, **arguments, pure=True)
    if case.spoiled:
        return
    for n, layer in enumerate(layers):
        own = {**arguments, "x": arguments["x"][n]} if each else arguments
        require(y[n].tobytes() == layer(**own)[0].tobytes(), "an ensemble gave other bits")
    if layers[0].bidirectional:
        return
    batch = draw.integer(1, 3)
    step = case.call(made.stream, batch)
    x = draw.numbers(batch, layers[0].input_size, dtype=layers[0].dtype)
    found = case.call(step, x)
    if not case.spoiled:
        for n, layer in enumerate(layers):
            require(found[n].tobytes() == layer.stream(batch)(x).tobytes(), "a step's other bits")
        state = step.state
        step.reset()
        step.state = state


def fused(case: Case) -> None:
    """A layer, or two directions, as one layer."""
    draw = case.draw
    layer = make_layer(case)
    layer.dropout = 0.0  # others are refused between layers
    part: Any = layer
    if layer.num_layers == 1 and not layer.bidirectional:
        if isinstance(layer, rf.SRU) and layer.input_size in (H := layer.hidden_size, 2 * H):
            return  # refused: a pair and one layer have not the same highway
        part = rf.bidirectional(layer)
    made = case.call(rf.fuse, part)
    arguments = make_input(draw, layer, *sizes(draw))
    y, whole = made(**arguments)[0], part(**arguments)
    near(y, whole if part is not layer else whole[0], TOLERANCE[layer.dtype.name], "fused")


CASES = [(1, ensemble), (0.5, fused)]
