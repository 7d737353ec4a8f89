"""Layers here from options and arrays of layers of Keras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rnnfast._checks import among
from rnnfast._checks.messages import listed, shown
from rnnfast.interop.keras._options import Options
from rnnfast.nn.activation import Activation
from rnnfast.nn.bidirectional import Bidirectional
from rnnfast.nn.compose import Chain
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.module import Array, Module
from rnnfast.nn.recurrent.conversion import Convertible
from rnnfast.nn.recurrent.layers import GRU, LSTM, RNN

CELLS: dict[str, type[Convertible]] = {"SimpleRNN": RNN, "GRU": GRU, "LSTM": LSTM}
# The gates in the order of Keras's blocks.
GATES = {"SimpleRNN": None, "GRU": "zrn", "LSTM": "ifgo"}
BLOCKS = {"SimpleRNN": 1, "GRU": 3, "LSTM": 4}
_MERGES = {"concat": "concat", "sum": "sum", "ave": "mean", "mul": "product"}
_ACTIVATIONS = ("linear", "tanh", "relu", "sigmoid")


@dataclass(frozen=True)
class Node:
    """A layer of Keras as data.

    Attributes
    ----------
    where : str
        What messages call it.
    kind : str
        The class; one of a cell by itself is that of its layer.
    config : mapping
        Its options.
    arrays : dict of str to ndarray
        Its variables by their names in Keras.
    variables : dict of str to object
        The same as Keras holds them, of a live layer.
    directions : tuple of Node
        Those of a ``Bidirectional``: forward and backward.
    """

    where: str
    kind: str
    config: Mapping[str, Any]
    arrays: Mapping[str, Array] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    directions: tuple[Node, ...] = ()


def convert(node: Node, leave_out: frozenset[str]) -> Module:
    """Return the layer that computes what a layer of Keras does.

    Raises
    ------
    TypeError, ValueError
        If there is none, or the arrays are not those of the options.
    """
    options = Options(node.where, node.kind, node.config, leave_out)
    if node.kind == "Embedding":
        sizes = options.size("input_dim"), options.size("output_dim")
        require_arrays(node, {"embeddings": sizes}, options.dtype)
        embedding = Embedding(*sizes, dtype=options.dtype, seed=0)
        embedding.load_state_dict({"weight": node.arrays["embeddings"]})
        return embedding
    if node.kind == "Dense":
        return _dense(node, options)
    if node.kind == "Bidirectional":
        return _bidirectional(node, options, leave_out)
    return _recurrent([node], leave_out)


def require_arrays(node: Node, shapes: Mapping[str, Sequence[Any]], dtype: str) -> None:
    """Raise ValueError that names each array which is missing, unknown, misshaped or mistyped."""
    faults = [f"no {name}" for name in shapes if name not in node.arrays]
    for name, array in node.arrays.items():
        if name not in shapes:
            faults.append(f"the unknown {name}")
        elif len(array.shape) != len(shapes[name]) or any(
            isinstance(size, int) and size != given
            for size, given in zip(shapes[name], array.shape, strict=True)
        ):
            faults.append(f"{name} {array.shape}")
        elif array.dtype != np.dtype(dtype):
            faults.append(f"{name} of dtype {array.dtype}")
        elif not array.size:
            faults.append(f"{name} {array.shape}")
    if faults:
        expected = [f"{name} ({_sizes(shape)})" for name, shape in shapes.items()]
        raise ValueError(
            f"{node.where}: expected {listed(expected)} of dtype {dtype}, as its options say, "
            f"got {listed(faults)}"
        )


def _sizes(shape: Sequence[Any]) -> str:
    return ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")


def _inputs(node: Node) -> Any:
    """Return the size of a layer's input, which the kernel alone tells."""
    kernel = node.arrays.get("kernel")
    return "I" if kernel is None or kernel.ndim != 2 else kernel.shape[0]


def _dense(node: Node, options: Options) -> Module:
    units, bias, inputs = options.size("units"), options.flag("use_bias", True), _inputs(node)
    cure = "; leave_out=['activation'] takes the layer without it"
    activation = options.function("activation", "linear", _ACTIVATIONS, cure, or_left_out="linear")
    shapes: dict[str, Any] = {"kernel": (inputs, units)} | ({"bias": (units,)} if bias else {})
    require_arrays(node, shapes, options.dtype)
    linear = Linear(inputs, units, bias, dtype=options.dtype, seed=0)
    arrays = {"weight": node.arrays["kernel"].T}
    if bias:
        arrays["bias"] = node.arrays["bias"]
    linear.load_state_dict(arrays)
    return linear if activation == "linear" else Chain(linear, Activation(activation))


def _recurrent(nodes: Sequence[Node], leave_out: frozenset[str]) -> Module:
    """Return the layer of one direction, or of two that have the same options."""
    own: dict[str, Any] = {}
    for node in nodes:
        options = Options(node.where, node.kind, node.config, leave_out)
        options.require_no_dropout()
        options.require_forwards()
        units, bias, inputs = options.size("units"), options.flag("use_bias", True), _inputs(node)
        rows = BLOCKS[node.kind] * units
        own = {"batch_first": not options.flag("time_major", False), "seed": 0}
        bias_shape: tuple[int, ...] = (rows,)
        if node.kind == "SimpleRNN":
            own["nonlinearity"] = options.function("activation", "tanh", ("tanh", "relu"))
        else:
            options.function("activation", "tanh", ("tanh",))
            options.function("recurrent_activation", "sigmoid", ("sigmoid",))
        if node.kind == "GRU":
            own["reset_after"] = options.flag("reset_after", True)
            bias_shape = (2, rows) if own["reset_after"] else (rows,)
        shapes = {"kernel": (inputs, rows), "recurrent_kernel": (units, rows)}
        require_arrays(node, shapes | ({"bias": bias_shape} if bias else {}), options.dtype)
    W, U, b = ([n.arrays.get(k) for n in nodes] for k in ("kernel", "recurrent_kernel", "bias"))
    layer: Module = CELLS[node.kind].from_weights(
        W, U, b if bias else None,
        gates=GATES[node.kind], transposed=True, bidirectional=len(nodes) == 2, **own,
    )  # fmt: skip
    return layer


def _bidirectional(node: Node, options: Options, leave_out: frozenset[str]) -> Module:
    merge = node.config.get("merge_mode", "concat")
    if not among(merge, _MERGES):
        raise ValueError(
            f"{node.where}: merge_mode: expected one of {', '.join(_MERGES)}, got {shown(merge)}"
        )
    forward, backward = node.directions
    for part, expected in ((forward, False), (backward, True)):
        backwards = Options(part.where, part.kind, part.config, leave_out).flag(
            "go_backwards", expected
        )
        if backwards != expected:
            raise ValueError(f"{part.where}: go_backwards: expected {expected}, got {backwards}")
    nodes = [forward, replace(backward, config={**backward.config, "go_backwards": False})]
    parts = [_recurrent([part], leave_out) for part in nodes]
    if merge == "concat" and repr(parts[0]) == repr(parts[1]):
        return _recurrent(nodes, leave_out)
    return Bidirectional(parts[0], parts[1], merge=_MERGES[merge])  # type: ignore[arg-type]
