"""Layers in fewer bits, and their damaged files."""

from __future__ import annotations

from typing import Any

import numpy as np

import rnnfast as rf

from .checks import Case, near, require
from .files import damage, edit_tensors, folder
from .layers import make_input, make_layer, make_state, sizes

_KINDS: tuple[dict[str, Any], ...] = (
    {"numbers": "int8"},
    {"numbers": "int8", "activations": 16},
    {"numbers": "bfloat16"},
)


def quantized(case: Case) -> None:
    """A layer in fewer bits, beside itself in streams and files, and beside float32."""
    draw = case.draw
    layer = make_layer(case, one_way=draw.chance(0.3))
    layer.dropout = 0.0  # of no effect, and warned of where others like it are made
    kind = draw.choice(_KINDS)
    if layer.dtype == np.float64:
        other = type(layer)(**{**_options(layer), "dtype": "float32"})
        other.load_state_dict(layer.state_dict())
        layer = other
    small = case.call(rf.quantize, layer, **kind)
    if case.spoiled:
        return
    steps, batch = sizes(draw)
    arguments = make_input(draw, layer, steps, batch)
    name = "state" if layer.spec.cell.has_memory else "h0"
    state = {name: make_state(draw, layer, batch)}
    y, _ = case.call(small, **arguments, **state, pure=True)
    if case.spoiled:
        return
    plain = type(layer)(**_options(layer))
    plain.load_state_dict(small.state_dict())
    near(y, plain(**arguments, **state)[0], 0.2, "in fewer bits")
    path = folder() / "quantized.safetensors"
    rf.save(path, small)
    again = rf.load(path)
    require(again(**arguments, **state)[0].tobytes() == y.tobytes(), "a file gave other bits")
    if layer.bidirectional or layer.batch_first or arguments.keys() != {"x"} or not steps:
        return
    if state[name] is None:
        step = case.call(small.stream, batch)
        if not case.spoiled:
            found = np.array([step(x).copy() for x in arguments["x"]])
            require(found.tobytes() == y.tobytes(), "steps gave other bits")


def _options(layer: Any) -> dict[str, Any]:
    from rnnfast.nn._describe import options_of

    return {
        option.name: getattr(layer, option.name) if option.name != "dtype" else layer.dtype.name
        for option in options_of(type(layer))
    }


def damaged(case: Case) -> None:
    """A damaged file of a layer in fewer bits."""
    draw = case.draw
    source = folder() / "whole_quantized.safetensors"
    network = rf.chain(rf.Embedding(6, 4, seed=1), rf.GRU(4, 3, seed=2), rf.Linear(3, 2, seed=3))
    rf.save(source, rf.quantize(network, **draw.choice(_KINDS)))
    path = folder() / "damaged_quantized.safetensors"
    case.spoiled = True
    if draw.chance(0.6):
        edit_tensors(case, source, path, "layers")
    else:
        path.write_bytes(damage(case, source.read_bytes()))
    loaded = case.call(rf.load, path, files=True)
    if isinstance(loaded, rf.Module):
        case.call(loaded, np.array([[1, 2], [0, 5]]))


CASES = [(1, quantized)]
FILES = [(1, damaged)]
