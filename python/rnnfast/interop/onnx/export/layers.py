"""Layers and chains as graphs."""

from __future__ import annotations

import numpy as np

from rnnfast.interop.onnx.export.attention import attend
from rnnfast.interop.onnx.export.graph import Graph, Shape
from rnnfast.interop.onnx.export.modules import Network, parameter_dtype, require_known, wants
from rnnfast.interop.onnx.export.sequences import Sequences, States, Value
from rnnfast.nn.attention import AdditiveAttention, Attention, DotAttention
from rnnfast.nn.module import Module


def layer_graph(module: Module, opset: int, indices: bool) -> Graph:
    """Return the graph of a layer, or of a chain and the like.

    Raises
    ------
    TypeError, ValueError
        If there is no exact equal of it, or it does not read what ``indices`` says.
    """
    if type(module) in (DotAttention, AdditiveAttention):
        assert isinstance(module, Attention)
        return _attention_graph(module, opset, indices)
    require_known(module, "")
    reads, width = wants(module)
    if indices and reads == "steps":
        raise ValueError(
            f"indices: expected False with a {type(module).__name__}, which reads numbers, got True"
        )
    if indices and reads == "either" and width == 1:
        raise ValueError(
            "indices: expected False with input_size 1, for which a call refuses them, got True"
        )
    g = Graph(opset, parameter_dtype(module))
    batch_first = bool(getattr(module, "batch_first", False))
    axes: Shape = ["batch", "time"] if batch_first else ["time", "batch"]
    if indices or reads == "ids":
        x = Value(g.input("x", np.int64, axes), "ids")
        turn = [1, 0]
    else:
        x = Value(g.input("x", g.dtype, [*axes, width or "features"]), "steps", width)
        turn = [1, 0, 2]
    sequences, states = Sequences(g, "x", batch_first=batch_first), States(g)
    if batch_first:
        x = Value(g.add("Transpose", x.name, perm=turn), x.kind, x.width)
    y = Network(g, sequences, states).add(module, x)
    if y.kind == "vectors":
        g.output("y", y.name, ["batch", y.width])
    elif y.kind == "ids":  # of what only drops
        g.output("y", y.name, axes, np.int64)
    else:
        name = g.add("Transpose", y.name, perm=[1, 0, 2]) if batch_first else y.name
        g.output("y", name, [*axes, y.width or "features"])
    states.give()
    return g


def _attention_graph(attention: Attention, opset: int, indices: bool) -> Graph:
    if indices:
        kind = type(attention).__name__
        raise ValueError(f"indices: expected False with a {kind}, which reads numbers, got True")
    g = Graph(opset, parameter_dtype(attention))
    query = g.input("query", g.dtype, ["time", "batch", attention.query_size])
    memory = g.input("memory", g.dtype, ["memory_time", "batch", attention.memory_size])
    context, weights = attend(g, attention, query, memory, Sequences(g, memory))
    g.output("context", context, ["time", "batch", attention.memory_size])
    g.output("weights", weights, ["time", "batch", "memory_time"])
    return g
