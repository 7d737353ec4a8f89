"""Parts of a graph as models of their own, and what is known of the values between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rnnfast.interop.onnx._onnx import onnx
from rnnfast.interop.onnx.cut import names_used
from rnnfast.interop.onnx.graph import Graph
from rnnfast.interop.onnx.nodes import Node

# Constants up to this size decide about shapes, larger ones are weights.
_SMALL = 1024


def submodel(
    model: Any, graph: Graph, nodes: Sequence[Node], inputs: Iterable[Any], outputs: Iterable[Any]
) -> Any:
    """Return a model of some nodes of a graph.

    Parameters
    ----------
    model : onnx.ModelProto
        That of the graph.
    graph : Graph
        Where the nodes stand.
    nodes : sequence of Node
        In order.
    inputs, outputs : iterable of onnx.ValueInfoProto
        Of an output the name is enough.
    """
    used = dict.fromkeys(name for node in nodes for name in names_used(node.proto))
    held = [name for name in used if name in graph.constants]
    return _model(model, nodes, inputs, outputs, graph, held)


def _model(
    model: Any,
    nodes: Sequence[Node],
    inputs: Iterable[Any],
    outputs: Iterable[Any],
    graph: Graph,
    held: Iterable[str],
) -> Any:
    made = onnx.ModelProto()
    made.ir_version = max(model.ir_version, 4)  # whose constants need not be inputs
    made.opset_import.extend(model.opset_import)
    made.graph.name = model.graph.name or "graph"
    made.graph.node.extend(node.proto for node in nodes)
    made.graph.input.extend(inputs)
    made.graph.output.extend(outputs)
    made.graph.initializer.extend(
        onnx.numpy_helper.from_array(graph.constants[name], name) for name in held
    )
    return made


def infer_types(model: Any, graph: Graph, nodes: Sequence[Node]) -> dict[str, Any]:
    """Return what ONNX's inference knows of values, an onnx.ValueInfoProto each."""
    small = [name for name, array in graph.constants.items() if array.size <= _SMALL]
    large = [
        onnx.helper.make_tensor_value_info(
            name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in graph.constants.items()
        if array.size > _SMALL
    ]
    given = list(model.graph.input)
    whole = _model(model, nodes, [*given, *large], model.graph.output, graph, small)
    try:
        inferred = onnx.shape_inference.infer_shapes(whole)
    except Exception:  # of several kinds; what is not known is asked elsewhere
        inferred = whole
    found = {value.name: value for value in inferred.graph.value_info}
    found.update({value.name: value for value in (*inferred.graph.output, *given)})
    return {name: value for name, value in found.items() if value.type.WhichOneof("value")}
