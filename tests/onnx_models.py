"""Models of ONNX that several tests make."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
helper = onnx.helper

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
OPSET = min(22, onnx.defs.onnx_opset_version())
WEIGHTS = ("W", "R", "B", "P")


def element(dtype: Any) -> int:
    """Return ONNX's number of a dtype."""
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def info(name: str, dtype: Any, axes: int) -> Any:
    """Return what a graph says of a value, of any size along each axis."""
    return helper.make_tensor_value_info(name, element(dtype), [None] * axes)


def model(
    nodes: Any,
    inputs: dict[str, Any],
    outputs: dict[str, Any],
    constants: dict[str, Any] | None = None,
    opset: int = OPSET,
    others: tuple[str, ...] = (),
) -> Any:
    """Return a model of nodes, with inputs as the arrays given, and outputs of dtype and axes.

    ``others`` are domains of operators beside ONNX's own.
    """
    graph = helper.make_graph(
        nodes,
        "graph",
        [info(name, x.dtype, x.ndim) for name, x in inputs.items()],
        [info(name, *about) for name, about in outputs.items()],
        [onnx.numpy_helper.from_array(x, name) for name, x in (constants or {}).items()],
    )
    opsets = [("", opset), *((domain, 1) for domain in others)]
    imports = [helper.make_opsetid(*one) for one in opsets]
    made = helper.make_model(graph, opset_imports=imports, ir_version=10)
    onnx.checker.check_model(made)
    return made


def recurrent(
    kind: str,
    *,
    T: int = 5,
    B: int = 3,
    I: int = 4,  # noqa: E741
    H: int = 6,
    dtype: Any = np.float32,
    lengths: Any = None,
    state: bool = False,
    bias: bool = True,
    peepholes: bool = False,
    constant: bool = True,
    seed: int = 0,
    opset: int = OPSET,
    **attributes: Any,
) -> tuple[Any, dict[str, Any]]:
    """Return a model of one recurrent node, and its inputs.

    ``constant`` says whether its weights are those of the graph.
    """
    rng = np.random.default_rng(seed)
    D = 2 if attributes.get("direction") == "bidirectional" else 1
    G = GATES[kind]
    by_batch = attributes.get("layout", 0) == 1
    states = (B, D, H) if by_batch else (D, B, H)
    shapes: dict[str, tuple[int, ...]] = {
        "X": (B, T, I) if by_batch else (T, B, I),
        "W": (D, G * H, I),
        "R": (D, G * H, H),
    }
    if bias:
        shapes["B"] = (D, 2 * G * H)
    if state:
        shapes["initial_h"] = states
    if kind == "LSTM" and state:
        shapes["initial_c"] = states
    if kind == "LSTM" and peepholes:
        shapes["P"] = (D, 3 * H)
    arrays = {name: (rng.normal(size=shape) / 2).astype(dtype) for name, shape in shapes.items()}
    if lengths is not None:
        arrays["sequence_lens"] = np.array(lengths, np.int32)
    names = ["X", "W", "R", "B", "sequence_lens", "initial_h"]
    names += ["initial_c", "P"] if kind == "LSTM" else []
    outputs = {"Y": (dtype, 4), "Y_h": (dtype, 3)}
    if kind == "LSTM":
        outputs["Y_c"] = (dtype, 3)
    node = helper.make_node(
        kind,
        [name if name in arrays else "" for name in names],
        list(outputs),
        name="recurrent",
        hidden_size=H,
        **attributes,
    )
    held = {name: x for name, x in arrays.items() if constant and name in WEIGHTS}
    inputs = {name: x for name, x in arrays.items() if name not in held}
    return model([node], inputs, outputs, held, opset), inputs


def runtime(made: Any, inputs: dict[str, Any]) -> list[Any]:
    """Return what ONNX Runtime makes of a model."""
    ort = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(
        made.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return list(session.run(None, inputs))
