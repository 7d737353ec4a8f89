"""Layers and what is made of them, as nodes of a graph."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from math import prod
from typing import Any

import numpy as np

from rnnfast.interop.onnx.export.attention import attention_pooling, pooling, self_attention
from rnnfast.interop.onnx.export.graph import Graph
from rnnfast.interop.onnx.export.recurrent import recurrent
from rnnfast.interop.onnx.export.sequences import Sequences, States, Value
from rnnfast.interop.onnx.export.shifted import window
from rnnfast.nn.activation import Activation
from rnnfast.nn.attention_parts import AttentionPooling, SelfAttention
from rnnfast.nn.bidirectional import Bidirectional
from rnnfast.nn.compose import Chain, Concatenate, Residual
from rnnfast.nn.container import Container
from rnnfast.nn.crf import CRF
from rnnfast.nn.dropout import Dropout
from rnnfast.nn.dropout_masks import VariationalDropout
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.module import Module
from rnnfast.nn.pooling import Pooling
from rnnfast.nn.recurrent.base import LAYERS, Recurrent
from rnnfast.nn.tied import SharingLinear, TiedEmbedding
from rnnfast.nn.window import Window

Emitter = Callable[["Network", Any, Value, str], Value]


class Network:
    """A network in the making.

    Parameters
    ----------
    graph : Graph
        Where its nodes go.
    sequences : Sequences
        How long they are.
    states : States, optional
        What gets the states of recurrent layers; None: they begin as zero and are dropped.
    """

    def __init__(self, graph: Graph, sequences: Sequences, states: States | None = None) -> None:
        self.graph, self.sequences, self.states = graph, sequences, states

    def add(self, module: Module, x: Value, place: str = "") -> Value:
        """Add what a module, `require_known`, makes of a value; ValueError if it cannot read it."""
        if not isinstance(module, Container):
            _require_fitting(module, x, _named(module, place))
        return _EMITTERS[type(module)](self, module, x, place)


def require_known(module: Module, place: str) -> None:
    """Raise unless there is an exact equal of a module, and of all within."""
    kind, name = type(module), _named(module, place)
    if kind is CRF:
        raise ValueError(
            f"module: expected no CRF, got {name}: ONNX has no operator for the search of a whole "
            f"sequence's tags; export what scores them and leave the search to Python"
        )
    if kind not in _EMITTERS:
        raise TypeError(
            f"module: expected layers and chains of rnnfast's own, of which ONNX has an exact "
            f"equal, got {name}"
        )
    if isinstance(module, Container):
        for child, part in module.children().items():
            require_known(part, f"{place}.{child}" if place else child)


def _named(module: Module, place: str) -> str:
    return type(module).__name__ + (f" at {place}" if place else "")


def _require_fitting(module: Module, x: Value, name: str) -> None:
    """Raise ValueError for what a call of the network would refuse."""
    if isinstance(module, Dropout):
        return
    reads, width = wants(module)
    over_time = (Recurrent, Window, Pooling, SelfAttention, AttentionPooling)
    if x.kind == "ids" and reads == "steps":
        wanted, got = "numbers", "indices"
    elif x.kind != "ids" and reads == "ids":
        wanted, got = "indices", "numbers"
    elif x.kind == "vectors" and isinstance(module, over_time):
        wanted, got = "steps", "one vector of each sequence"
    elif x.kind != "ids" and None not in (width, x.width) and width != x.width:
        wanted, got = f"{width} numbers a step", f"{x.width}"
    else:
        return
    raise ValueError(f"module: expected parts that fit, the {name} reads {wanted}, got {got}")


def wants(module: Module) -> tuple[str, int | None]:
    """Return what a module reads, "ids", "steps" or "either", and how many numbers a step has."""
    if isinstance(module, Embedding):
        return "ids", None
    if isinstance(module, Recurrent):
        return "either", module.input_size
    if isinstance(module, Linear):
        return "steps", module.in_features
    if isinstance(module, (SelfAttention, AttentionPooling)):
        return "steps", module.attention.memory_size
    found = []
    if isinstance(module, Chain):
        sizes: list[int] = []  # of windows, behind which a step has so many times as many numbers
        for part in module.parts:
            kind, width = wants(part)
            sizes += [part.size] if isinstance(part, Window) else []
            before = None if width is None or width % prod(sizes) else width // prod(sizes)
            found = [("steps" if sizes else kind, before)]
            if width is not None or not isinstance(part, (Dropout, Activation, Window)):
                break
    elif isinstance(module, Container):
        found = [wants(part) for part in module.children().values()]
    kinds = {kind for kind, _ in found} or {"steps"}
    width = next((width for _, width in found if width is not None), None)
    if "ids" in kinds:
        return "ids", None
    return ("either" if kinds == {"either"} else "steps"), width


def _unchanged(net: Network, module: Module, x: Value, place: str) -> Value:
    return x


def linear(g: Graph, layer: Linear, x: str) -> str:
    """Return what a linear layer makes of rows."""
    own = {name: parameter.data for name, parameter in layer.parameters().items()}
    return g.affine(x, own["weight"], own.get("bias"))


def _linear(net: Network, layer: Linear, x: Value, place: str) -> Value:
    return Value(linear(net.graph, layer, x.name), x.kind, layer.out_features)


def _embedding(net: Network, layer: Embedding, x: Value, place: str) -> Value:
    table = layer.parameters()["weight"].data
    return Value(net.graph.look_up(table, x.name), "steps", layer.embedding_dim)


def _activation(net: Network, part: Activation, x: Value, place: str) -> Value:
    operator = {"tanh": "Tanh", "relu": "Relu", "sigmoid": "Sigmoid"}[part.kind]
    return Value(net.graph.add(operator, x.name), x.kind, x.width)


def _recurrent(net: Network, layer: Recurrent, x: Value, place: str) -> Value:
    return recurrent(net.graph, layer, x, net.sequences, net.states, place)[0]


def _window(net: Network, part: Window, x: Value, place: str) -> Value:
    if x.width is None:
        raise ValueError(
            "module: expected a layer behind a Window that says how many numbers a step has, "
            f"got {_named(part, place)} alone"
        )
    return window(net.graph, part, x, net.sequences, net.states, place)


def _pooling(net: Network, part: Pooling, x: Value, place: str) -> Value:
    return pooling(net.graph, part, x, net.sequences)


def _self_attention(net: Network, part: SelfAttention, x: Value, place: str) -> Value:
    query, memory = part.attention.query_size, part.attention.memory_size
    if query != memory:
        name = _named(part, place)
        raise ValueError(
            f"module: expected an attention of one size in the {name}, got {query} and {memory}"
        )
    return self_attention(net.graph, part, x, net.sequences)


def _attention_pooling(net: Network, part: AttentionPooling, x: Value, place: str) -> Value:
    return attention_pooling(net.graph, part, x, net.sequences)


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _chain(net: Network, chain: Chain, x: Value, place: str) -> Value:
    for name, part in chain.children().items():
        x = net.add(part, x, _below(place, name))
    return x


def _concatenate(net: Network, parts: Concatenate, x: Value, place: str) -> Value:
    outputs = [net.add(part, x, _below(place, n)) for n, part in parts.children().items()]
    if len({y.kind for y in outputs}) > 1:
        kinds = " and ".join(sorted({y.kind for y in outputs}))
        raise ValueError(f"module: expected parts side by side of one kind, got {kinds}")
    widths = [y.width for y in outputs if y.width is not None]
    width = sum(widths) if len(widths) == len(outputs) else None
    return Value(net.graph.concat([y.name for y in outputs]), outputs[0].kind, width)


def _residual(net: Network, module: Residual, x: Value, place: str) -> Value:
    y = net.add(module.part, x, _below(place, "part"))
    _require_equal(x, y, _named(module, place))
    return Value(net.graph.add("Add", x.name, y.name), y.kind, y.width)


def _bidirectional(net: Network, module: Bidirectional, x: Value, place: str) -> Value:
    g = net.graph
    a = net.add(module.forward_layer, x, _below(place, "forward_layer"))
    turned = Value(turn(g, x.name, net.sequences), x.kind, x.width)
    b = net.add(module.reverse_layer, turned, _below(place, "reverse_layer"))
    both = [a.name, turn(g, b.name, net.sequences)]
    if module.merge == "concat":
        width = None if a.width is None or b.width is None else a.width + b.width
        return Value(g.concat(both), a.kind, width)
    _require_equal(a, b, _named(module, place))
    merged = reduce(lambda p, q: g.add("Mul" if module.merge == "product" else "Add", p, q), both)
    if module.merge == "mean":
        merged = g.add("Div", merged, g.constant(2))
    return Value(merged, a.kind, a.width)


def _require_equal(a: Value, b: Value, name: str) -> None:
    if a.kind != b.kind or (None not in (a.width, b.width) and a.width != b.width):
        shapes = f"{a.width} numbers ({a.kind}) and {b.width} ({b.kind})"
        raise ValueError(f"module: expected outputs of one shape in the {name}, got {shapes}")


def turn(g: Graph, x: str, sequences: Sequences) -> str:
    """Return sequences, time first, from the end of each to its start."""
    return g.add("ReverseSequence", x, sequences.lengths, time_axis=0, batch_axis=1)


def parameter_dtype(module: Module) -> np.dtype[Any]:
    """Return the dtype of a module's parameters, float32 if it has none; ValueError for several."""
    kinds = sorted({buffer.dtype for buffer in module.buffers()})
    if len(kinds) > 1:
        raise ValueError(f"module: expected parameters of one dtype, got {', '.join(kinds)}")
    return np.dtype(kinds[0] if kinds else np.float32)


_EMITTERS: dict[type, Emitter] = {
    # Others may have classes of their own among them.
    **{kind: _recurrent for kind in LAYERS.values() if kind.__module__.startswith("rnnfast.")},
    Embedding: _embedding,
    TiedEmbedding: _embedding,
    Linear: _linear,
    SharingLinear: _linear,
    Activation: _activation,
    Dropout: _unchanged,
    VariationalDropout: _unchanged,
    Window: _window,
    Pooling: _pooling,
    SelfAttention: _self_attention,
    AttentionPooling: _attention_pooling,
    Chain: _chain,
    Concatenate: _concatenate,
    Residual: _residual,
    Bidirectional: _bidirectional,
}
