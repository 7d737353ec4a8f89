"""Models as they come from outside: read, and looked at before anything is made of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnnfast._checks.messages import one_line, shown
from rnnfast.interop.onnx._onnx import onnx

# What a message of protobuf may have at most.
_LARGEST = 2**31 - 1


def read_model(model: Any) -> Any:
    """Return a model, looked at by ONNX's own checker, with its functions put in their places.

    Parameters
    ----------
    model : str, path, bytes or onnx.ModelProto
        A file, what stands in one, or the message. Arrays that lie beside a file are read with it,
        from its own folder only.

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If it is damaged, or no model.
    OSError
        If the file cannot be read.
    """
    if isinstance(model, onnx.ModelProto):
        name, proto = "model", onnx.ModelProto()
        proto.CopyFrom(model)
        _require_text(name, proto)
    elif isinstance(model, bytes):
        name, proto = "model", _parsed("model", model)
    elif isinstance(model, (str, os.PathLike)):
        path = Path(model)
        name = one_line(path, 200)
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"{name}: expected a file of 2 GiB or less, got a larger one")
        proto = _parsed(name, path.read_bytes())
        _load_external(name, proto, path.parent)
    else:
        raise TypeError(
            f"model: expected a path, bytes or an onnx.ModelProto, got {type(model).__name__}"
        )
    if not proto.HasField("graph") or not (proto.graph.node or proto.graph.output):
        raise ValueError(f"{name}: expected an ONNX model, got one without a graph")
    _require_inside(name, proto)
    return _inlined(name, proto) if proto.functions else proto


def check_model(proto: Any, *, types: bool = False) -> None:
    """Raise ValueError, with one line, unless ONNX's checker takes a model.

    With ``types`` it also looks at types and shapes, as far as they are known without a call.
    """
    try:
        onnx.checker.check_model(proto, full_check=types)
    except Exception as error:  # of several kinds, from C++
        raise ValueError(f"model: expected a valid ONNX model: {one_line(error)}") from None


def opsets_of(proto: Any) -> dict[str, int]:
    """Return the opset of each domain of a model."""
    found: dict[str, int] = {}
    for opset in proto.opset_import:
        domain = "" if opset.domain == "ai.onnx" else opset.domain
        found[domain] = opset.version
    if not 1 <= found.get("", 1) <= onnx.defs.onnx_opset_version():
        raise NotImplementedError(
            f"model: expected an opset of 1 to {onnx.defs.onnx_opset_version()}, which the "
            f"installed onnx knows, got {found['']}"
        )
    return found


def _parsed(name: str, data: bytes) -> Any:
    try:
        proto = onnx.ModelProto()
        proto.ParseFromString(data)
    except Exception as error:  # protobuf's own class
        raise ValueError(f"{name}: expected an ONNX model, got {one_line(error)}") from None
    _require_text(name, proto)
    return proto


def _require_text(name: str, proto: Any) -> None:
    if not _is_text(proto):
        raise ValueError(f"{name}: expected an ONNX model, got names that are not UTF-8")


def _is_text(message: Any) -> bool:
    """Whether all strings of a message are text, which protobuf leaves to its reader."""
    for field, value in message.ListFields():
        single = isinstance(value, (str, bytes)) or hasattr(value, "ListFields")
        values = (value,) if single else value
        if field.type == field.TYPE_STRING and not all(isinstance(one, str) for one in values):
            return False
        if field.type == field.TYPE_MESSAGE and not all(map(_is_text, values)):
            return False
    return True


def _load_external(name: str, proto: Any, folder: Path) -> None:
    if not any(_is_external(tensor) for tensor in tensors(proto)):
        return
    try:
        onnx.external_data_helper.load_external_data_for_model(proto, os.fspath(folder))
    except Exception as error:  # of several kinds, also for a place outside the folder
        raise ValueError(f"{name}: its external data cannot be read: {one_line(error)}") from None


def _require_inside(name: str, proto: Any) -> None:
    for tensor in tensors(proto):
        if _is_external(tensor):
            raise ValueError(
                f"{name}: expected a model that holds its arrays, or a path, got one whose "
                f"{shown(tensor.name)} lies in another file"
            )


def _is_external(tensor: Any) -> bool:
    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)


def tensors(proto: Any) -> Iterator[Any]:
    """Yield every tensor of a model, in graphs within nodes too."""
    yield from _tensors_of_graph(proto.graph)
    for function in proto.functions:
        yield from _tensors_of_nodes(function.node)


def _tensors_of_graph(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _tensors_of_nodes(graph.node)


def _tensors_of_nodes(nodes: Any) -> Iterator[Any]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for sparse in (
                *attribute.sparse_tensors,
                *([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []),
            ):
                yield from (sparse.values, sparse.indices)
            for graph in graphs_of(attribute):
                yield from _tensors_of_graph(graph)


def _inlined(name: str, proto: Any) -> Any:
    """Return a model whose calls of functions of its own are what the functions have."""
    _require_no_recursion(name, proto)
    check_model(proto)
    try:
        return onnx.inliner.inline_local_functions(proto)
    except Exception as error:
        raise ValueError(f"{name}: its functions cannot be inlined: {one_line(error)}") from None


def _require_no_recursion(name: str, proto: Any) -> None:
    """Raise ValueError for a function that calls itself, also through others."""
    functions = {(f.domain, f.name): f for f in proto.functions}
    calls = {key: _called(function.node) & set(functions) for key, function in functions.items()}
    while calls:
        ends = {key for key, others in calls.items() if not others & set(calls)}
        if not ends:
            raise ValueError(f"{name}: expected functions that end, got one that calls itself")
        calls = {key: others for key, others in calls.items() if key not in ends}


def _called(nodes: Any) -> set[tuple[str, str]]:
    return {(one.domain, one.op_type) for node in nodes for one in (node, *nodes_within(node))}


def nodes_within(node: Any) -> Iterator[Any]:
    """Yield the nodes of the graphs that a node runs, and of those within."""
    for attribute in node.attribute:
        for graph in graphs_of(attribute):
            for inner in graph.node:
                yield inner
                yield from nodes_within(inner)


def graphs_of(attribute: Any) -> Iterator[Any]:
    """Yield the graphs that an attribute of a node holds."""
    if attribute.HasField("g"):
        yield attribute.g
    yield from attribute.graphs
