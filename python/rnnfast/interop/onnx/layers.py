"""The recurrent layers of a graph, as layers of this package."""

from __future__ import annotations

from typing import Any

from rnnfast._checks.messages import shown
from rnnfast.interop.onnx.files import check_model, nodes_within, read_model
from rnnfast.interop.onnx.graph import read_graph
from rnnfast.interop.onnx.nodes import OTHER_RECURRENT, OWN_DOMAINS, RECURRENT, Node
from rnnfast.interop.onnx.program import make_recurrent
from rnnfast.interop.onnx.recurrent.layer import Layer, why_no_layer


def layers(model: Any) -> dict[str, Layer]:
    """Return the recurrent layers of a model, with copies of their weights.

    They are layers as any other, can be trained and saved, and know nothing of the graph. A node
    with ``direction="reverse"`` is a layer in one direction: it reads sequences from their ends,
    each by its own length, so that its inputs and outputs have to be turned round. ``layout=1`` is
    ``batch_first``.

    Parameters
    ----------
    model : str, path, bytes or onnx.ModelProto
        Any ONNX model; other operators than recurrent ones are not looked at.

    Returns
    -------
    dict of str to RNN, GRU or LSTM
        By the names of the nodes, in the graph's order; one without a name, or with the name of
        another, is called by its first output.

    Raises
    ------
    ValueError
        If the file is damaged, or weights are no constants of the graph.
    NotImplementedError
        If there is no layer of that kind: other activations, ``clip``, ``input_forget``; or a
        recurrent node lies in a graph that another node runs, such as a branch of an If.
    """
    proto = read_model(model)
    check_model(proto)
    graph = read_graph(proto)
    found: dict[str, Layer] = {}
    for node in graph.nodes:
        if not node.is_recurrent:
            if (node.proto.domain, node.proto.op_type) in OTHER_RECURRENT:
                raise NotImplementedError(f"{node.label}: there is no layer with its weights")
            _require_none_within(node)
            continue
        recurrent = make_recurrent(graph, node)
        reason = why_no_layer(recurrent.form)
        if reason is not None:
            raise NotImplementedError(f"{node.label}: there is no layer with {reason}")
        if recurrent.layer is None:
            raise ValueError(
                f"{node.label}: expected weights that are finite and constants of the graph"
            )
        name = node.name
        if name in found:
            name = next(output for output in node.outputs if output)
        if name in found:
            raise ValueError(
                f"{node.label}: expected a name, or a first output, that no other recurrent node "
                f"has for its name, got {shown(name)}"
            )
        found[name] = recurrent.layer
    return found


def _require_none_within(node: Node) -> None:
    """Raise NotImplementedError for a recurrent node in a graph that a node runs."""
    for inner in nodes_within(node.proto):
        if inner.domain in OWN_DOMAINS and inner.op_type in RECURRENT:
            name = inner.name or next((output for output in inner.output if output), "")
            raise NotImplementedError(
                f"{node.label}: expected recurrent nodes outside of its graphs, got "
                f"{shown(name)} ({inner.op_type}) within"
            )
