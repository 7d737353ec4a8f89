"""Recurrent nodes that refuse an empty sequence, in place of ending the process.

ONNX Runtime's GRU and LSTM end it where there is no step or no sequence to read. A node before each
looks at the size of what it reads, and fails where that is 0, which costs microseconds a call.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import count
from typing import Any

import numpy as np

from rnnfast._checks.messages import one_line
from rnnfast.interop.onnx._onnx import onnx
from rnnfast.interop.onnx.files import graphs_of, nodes_within
from rnnfast.interop.onnx.nodes import OTHER_RECURRENT, OWN_DOMAINS, RECURRENT

# Begins the name of the node that fails; ONNX Runtime's message has the name.
_MARK = "rnnfast: empty sequence: "
_ENDS_THE_PROCESS = {
    *((domain, operator) for domain in OWN_DOMAINS for operator in RECURRENT),
    *OTHER_RECURRENT,
}


class EmptySequenceError(ValueError):
    """Of a call in which a guarded node has no step or no sequence."""


def guard_nodes(graph: Any, checked: Collection[str] = ()) -> None:
    """Guard the recurrent nodes of an onnx.GraphProto, and of the graphs within its nodes.

    Those that read one of ``checked`` are left as they are.
    """
    _guard(graph, checked, _free_names(graph))


def _guard(graph: Any, checked: Collection[str], free: Iterator[str]) -> None:
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        for attribute in node.attribute:
            for inner in graphs_of(attribute):
                _guard(inner, (), free)
        ends = (node.domain, node.op_type) in _ENDS_THE_PROCESS
        if ends and node.input and node.input[0] not in checked:
            graph.node.extend(_looking(node, next(free)))
        graph.node.append(node)


def _free_names(graph: Any) -> Iterator[str]:
    """Yield names with which none of a graph's values begins, or of those within its nodes."""
    taken = {value.name for value in (*graph.input, *graph.initializer)}
    for node in graph.node:
        for one in (node, *nodes_within(node)):
            taken.update(one.input, one.output)
    prefix = "rnnfast/guarded"
    while any(name.startswith(prefix) for name in taken):
        prefix += "_"
    return (f"{prefix}/{number}" for number in count())


def why_empty(message: str) -> str | None:
    """Return what to say of a call, by what ONNX Runtime says; None: no guard has failed."""
    if _MARK not in message:
        return None
    operator, _, name = message.split(_MARK, 1)[1].split("'", 1)[0].partition(" ")
    return f"node {name!r} ({operator}): expected a step and a sequence at least, got none"


def _looking(node: Any, name: str) -> Iterator[Any]:
    """Yield nodes that hand on what a node reads as ``name``, and fail where it is empty."""
    make = onnx.helper.make_node
    read, first = node.input[0], next(filter(None, node.output), "")
    # What follows the label makes the node's name the only one of its kind.
    label = one_line(f"{node.op_type} {node.name or first}".replace("'", ""), 100)
    # The row 0 of one row that says "as it was"; row 1, of no number, is beyond.
    yield make("Constant", [], [f"{name}/shapes"], value=_tensor([[0, 0, 0]]))
    yield make("Constant", [], [f"{name}/none"], value=_tensor(0))
    yield make("Size", [read], [f"{name}/size"])
    yield make("Equal", [f"{name}/size", f"{name}/none"], [f"{name}/empty"])
    yield make("Cast", [f"{name}/empty"], [f"{name}/row"], to=onnx.TensorProto.INT64)
    yield make(
        "Gather",
        [f"{name}/shapes", f"{name}/row"],
        [f"{name}/shape"],
        name=f"{_MARK}{label}'{name}",
    )
    yield make("Reshape", [read, f"{name}/shape"], [name])
    node.input[0] = name


def _tensor(values: Any) -> Any:
    return onnx.numpy_helper.from_array(np.array(values))
