"""Graphs as models of ONNX, checked, and as files."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from rnnfast._checks import check_bool, check_int
from rnnfast._checks.messages import shown
from rnnfast._core import __version__
from rnnfast.interop.onnx._onnx import checker, helper, onnx
from rnnfast.interop.onnx.export.graph import OPSETS
from rnnfast.interop.onnx.export.layers import layer_graph
from rnnfast.interop.onnx.export.models import model_graph
from rnnfast.io.files import write_atomically
from rnnfast.io.tensors import to_json
from rnnfast.models.base import Model
from rnnfast.nn._frozen import require_floats
from rnnfast.nn.module import Module

_MOST_BYTES = 2**31 - 1  # of a protobuf message


def make(module: Any, *, opset: int, indices: bool = False, part: str | None = None) -> Any:
    """Return the ``onnx.ModelProto`` that `export` writes; raise as that does."""
    opset = check_int("opset", opset, 1)
    _require_opset(opset)
    check_bool("indices", indices)
    facts: dict[str, Any] = {"rnnfast": __version__}
    if isinstance(module, Model):
        if indices:
            raise ValueError("indices: expected False with a model, which knows its own, got True")
        fitted = module._as_fitted()
        require_floats("module", fitted.network_.buffers())
        modules = fitted._modules()
        _require_writable({f"{n}.{k}": p for n, m in modules.items() for k, p in _of(m).items()})
        graph, learned = model_graph(fitted, opset, part)
        facts |= learned
    elif isinstance(module, Module):
        if part is not None:
            raise ValueError(f"part: expected None but with a Seq2Seq, got {shown(part)}")
        require_floats("module", module.buffers())
        _require_writable(_of(module))
        graph = layer_graph(module, opset, indices)
    else:
        kind = type(module).__name__
        raise TypeError(f"module: expected a layer, a chain or a fitted model, got {kind}")
    imports = [helper.make_opsetid("", opset)]
    model = helper.make_model(
        graph.proto(type(module).__name__),
        opset_imports=imports,
        ir_version=helper.find_min_ir_version_for(imports),
        producer_name="rnnfast",
        producer_version=__version__,
    )
    helper.set_model_props(model, {name: to_json(value) for name, value in facts.items()})
    if model.ByteSize() > _MOST_BYTES:
        raise ValueError(_too_large(model.ByteSize()))
    checker.check_model(model, full_check=True)
    return model


def write(model: Any, path: str | os.PathLike[str], *, new: bool = False) -> None:
    """Write a model's file, whole or not at all, as `write_atomically` does."""
    write_atomically(path, model.SerializeToString(), new=new)


def _require_opset(opset: int) -> None:
    newest = min(OPSETS[1], onnx.defs.onnx_opset_version())
    if not OPSETS[0] <= opset <= newest:
        why = f", the newest that onnx {onnx.__version__} knows" if newest < OPSETS[1] else ""
        raise ValueError(f"opset: expected from {OPSETS[0]} to {newest}{why}, got {opset}")


def _of(module: Module) -> dict[str, Any]:
    return {name: parameter.data for name, parameter in module.parameters().items()}


def _require_writable(arrays: dict[str, Any]) -> None:
    """Raise ValueError unless all numbers are finite and an ONNX file has room for them."""
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    size = sum(array.nbytes for array in arrays.values())
    if size > _MOST_BYTES:
        raise ValueError(_too_large(size))


def _too_large(size: int) -> str:
    return (
        f"module: expected at most {_MOST_BYTES:,} bytes, for which an ONNX file has room, "
        f"got {size:,}"
    )
