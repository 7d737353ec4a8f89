"""A graph, read: constants computed once, a constant If replaced by the branch that it takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnnfast._checks.messages import one_line
from rnnfast.interop.onnx._onnx import onnx
from rnnfast.interop.onnx.files import graphs_of, nodes_within, opsets_of
from rnnfast.interop.onnx.nodes import DTYPES, Array, Node, read_node, read_tensor
from rnnfast.interop.onnx.operators.table import OPERATORS, why_not
from rnnfast.interop.onnx.running import run_operator


@dataclass(frozen=True)
class Value:
    """An input or an output of a graph.

    Attributes
    ----------
    name : str
        Its name.
    type : str
        Such as ``"tensor(float)"``, as ONNX Runtime writes it.
    shape : list
        Sizes, or names of sizes that each call chooses, or None; empty where nothing is said.
    """

    name: str
    type: str
    shape: list[int | str | None]


@dataclass
class Graph:
    """A graph whose nodes stand in an order in which they can run.

    Attributes
    ----------
    inputs : list of Value
        Those that a call must bring.
    optional : list of Value
        Those that a call may bring, which have a default.
    outputs : list of Value
        What it computes.
    constants : dict of str to ndarray
        What never changes, defaults left out.
    defaults : dict of str to ndarray
        Of the optional inputs.
    nodes : list of Node
        All else.
    opsets : dict of str to int
        By domain.
    names : set of str
        Of all values, in graphs within nodes too, which others must not have.
    """

    inputs: list[Value] = field(default_factory=list)
    optional: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    defaults: dict[str, Array] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    opsets: dict[str, int] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    def constant(self, name: str) -> Array | None:
        """Return a value that calls cannot change; None: they can, or it is computed."""
        return self.constants.get(name)


def read_graph(model: Any) -> Graph:
    """Return the graph of a model that `read_model` has read and ONNX's checker has looked at.

    Operators that are not covered stay as they are.

    Raises
    ------
    ValueError, NotImplementedError
        If a part of it cannot be read.
    """
    proto = model.graph
    graph = Graph(opsets=opsets_of(model))
    if proto.sparse_initializer:
        raise NotImplementedError("graph: expected dense initializers, got a sparse one")
    held = {tensor.name: _tensor(tensor) for tensor in proto.initializer}
    # Before version 4 of the format, initializers had to be listed among the inputs.
    changeable = model.ir_version >= 4
    for info in proto.input:
        if info.name not in held:
            graph.inputs.append(_value(info))
        elif changeable:
            graph.optional.append(_value(info))
            graph.defaults[info.name] = held.pop(info.name)
    graph.constants = held
    graph.outputs = [_value(info) for info in proto.output]
    graph.names.update(tensor.name for tensor in proto.initializer)
    graph.names.update(info.name for info in proto.input)
    for node in proto.node:
        graph.names.update(*(one.output for one in (node, *nodes_within(node))))
    for node in proto.node:
        _add(graph, node)
    return graph


def read_nodes(model: Any) -> Iterator[Node]:
    """Yield the nodes of a model's graph as they stand."""
    opsets = opsets_of(model)
    return (read_node(proto, opsets) for proto in model.graph.node)


def _tensor(tensor: Any) -> Array:
    try:
        return read_tensor(tensor)
    except Exception as error:  # of many kinds, from a damaged tensor
        name = one_line(repr(tensor.name), 100)
        raise ValueError(f"initializer {name}: cannot be read: {one_line(error)}") from None


def _value(info: Any) -> Value:
    kind = info.type.WhichOneof("value")
    if kind != "tensor_type":
        return Value(info.name, kind or "", [])
    tensor = info.type.tensor_type
    name = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
    shape: list[int | str | None] = [
        d.dim_value if d.HasField("dim_value") else (d.dim_param or None) for d in tensor.shape.dim
    ]
    return Value(info.name, f"tensor({name})", shape)


def _add(graph: Graph, proto: Any) -> None:
    """Add a node: compute it if it is constant, put the branch in its place if it is an If."""
    node = read_node(proto, graph.opsets)
    if node.operator == "If" and not node.domain:
        condition = graph.constants.get(node.input(0))
        if condition is not None and condition.size == 1 and condition.dtype == np.bool_:
            _inline(graph, node, bool(condition.reshape(())))
            return
    elif not node.is_recurrent and why_not(node) is None and _compute(graph, node):
        return
    graph.nodes.append(node)


def _compute(graph: Graph, node: Node) -> bool:
    """Compute a node whose inputs are constant; whether that was so."""
    if not all(name in graph.constants for name in node.inputs if name):
        return False
    inputs = [graph.constants[name] if name else None for name in node.inputs]
    try:
        results = run_operator(OPERATORS[node.operator], node, inputs)
    except (MemoryError, ValueError, NotImplementedError):
        return False  # which a call will say, if it comes to that
    graph.constants.update({n: r for n, r in zip(node.outputs, results, strict=False) if n})
    return True


def _inline(graph: Graph, node: Node, condition: bool) -> None:
    """Add the nodes of a branch, under names that are free, and hand its outputs on."""
    branch = node.attributes["then_branch" if condition else "else_branch"]
    if branch.sparse_initializer:
        raise NotImplementedError(f"{node.label}: expected dense initializers, got a sparse one")
    made = [tensor.name for tensor in branch.initializer]
    made += [name for inner in branch.node for name in inner.output if name]
    prefix = f"{node.outputs[0]}/{'then' if condition else 'else'}/"
    while any(prefix + name in graph.names for name in made):
        prefix += "/"
    renamed = {name: prefix + name for name in made}
    graph.names.update(renamed.values())
    for tensor in branch.initializer:
        graph.constants[renamed[tensor.name]] = _tensor(tensor)
    for inner in branch.node:
        _add(graph, _renamed(inner, renamed))
    for output, name in zip(branch.output, node.outputs, strict=False):
        source = renamed.get(output.name, output.name)
        _add(graph, onnx.helper.make_node("Identity", [source], [name], name=f"{prefix}{name}"))


def _renamed(proto: Any, names: dict[str, str]) -> Any:
    """Return a node with other names of values, in its graphs too."""
    node = onnx.NodeProto()
    node.CopyFrom(proto)
    node.input[:] = [names.get(name, name) for name in proto.input]
    node.output[:] = [names.get(name, name) for name in proto.output]
    for attribute in node.attribute:
        for graph in graphs_of(attribute):
            inner = [_renamed(one, names) for one in graph.node]
            del graph.node[:]
            graph.node.extend(inner)
            for output in graph.output:
                output.name = names.get(output.name, output.name)
    return node


def dtype_of(kind: str) -> np.dtype[Any] | None:
    """Return the dtype of a type such as ``"tensor(float)"``; None: it is not computed with."""
    name = kind.removeprefix("tensor(").removesuffix(")")
    return DTYPES.get(name)


def require_types(graph: Graph) -> None:
    """Raise NotImplementedError for an input or a constant of a type that is not computed with."""
    for value in (*graph.inputs, *graph.optional):
        if dtype_of(value.type) is None:
            raise NotImplementedError(
                f"input {one_line(repr(value.name), 100)}: expected a tensor of "
                f"{', '.join(DTYPES)}, got {value.type or 'no type'}"
            )
    for name, array in graph.constants.items():
        if array.dtype not in DTYPES.values():
            raise NotImplementedError(
                f"constant {one_line(repr(name), 100)}: expected numbers of {', '.join(DTYPES)}, "
                f"got {array.dtype}"
            )
