"""A point's layers as an ONNX model, for the runtimes that read one."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from point import Point, Problem

# Blocks of the gates in ONNX's order, taken from PyTorch's: i, o, f, c; z, r, h.
BLOCKS = {"rnn": [0], "gru": [1, 0, 2], "lstm": [0, 3, 1, 2]}


def _onnx_blocks(array: Any, blocks: list[int]) -> Any:
    parts = np.split(array, len(blocks))
    return np.concatenate([parts[k] for k in blocks])


def onnx_graph(point: Point, problem: Problem) -> bytes:
    """Return a model with a node a layer; the state's names end with the layer's number."""
    helper, numpy_helper = import_module("onnx.helper"), import_module("onnx.numpy_helper")
    proto: Any = import_module("onnx").TensorProto
    D, H, steps = point.directions, point.H, 1 if point.mode == "step" else point.T
    state_shape = [D, point.B, H]
    states = ("h", "c") if point.cell == "lstm" else ("h",)
    nodes, constants, inputs, outputs = [], [], [], []

    def constant(name: str, value: Any) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def value(name: str, shape: list[int], kind: Any = proto.FLOAT) -> Any:
        return helper.make_tensor_value_info(name, kind, shape)

    inputs.append(value("x", [steps, point.B, point.I]))
    if point.ragged:
        inputs.append(value("lengths", [point.B], proto.INT32))
    below = "x"
    for layer in range(point.layers):
        suffixes = [f"l{layer}", f"l{layer}_reverse"][:D]
        matrices = []
        for kind in ("weight_ih", "weight_hh"):
            stacked = [
                _onnx_blocks(problem.weights[f"{kind}_{s}"], BLOCKS[point.cell]) for s in suffixes
            ]
            matrices.append(constant(f"{kind}{layer}", np.stack(stacked)))
        biases = [
            np.concatenate(
                [
                    _onnx_blocks(problem.weights[f"{kind}_{s}"], BLOCKS[point.cell])
                    for kind in ("bias_ih", "bias_hh")
                ]
            )
            for s in suffixes
        ]
        matrices.append(constant(f"bias{layer}", np.stack(biases)))
        initial = []
        for state in states:
            initial.append(f"{state}0_{layer}" if point.mode == "step" else "")
            if point.mode == "step":
                inputs.append(value(initial[-1], state_shape))
        nodes.append(
            helper.make_node(
                point.cell.upper(),
                [below, *matrices, "lengths" if point.ragged else "", *initial],
                [f"y_{layer}", *(f"{state}_n_{layer}" for state in states)],
                hidden_size=H,
                direction="bidirectional" if D == 2 else "forward",
                **({"linear_before_reset": 1} if point.cell == "gru" else {}),
            )
        )
        outputs += [value(f"{state}_n_{layer}", state_shape) for state in states]
        if layer + 1 < point.layers:
            # (T, D, B, H) to (T, B, D*H)
            nodes.append(
                helper.make_node(
                    "Transpose", [f"y_{layer}"], [f"turned_{layer}"], perm=[0, 2, 1, 3]
                )
            )
            shape = constant(f"shape{layer}", np.array([steps, point.B, D * H]))
            nodes.append(
                helper.make_node("Reshape", [f"turned_{layer}", shape], [f"below_{layer + 1}"])
            )
            below = f"below_{layer + 1}"
    outputs.append(value(f"y_{point.layers - 1}", [steps, D, point.B, H]))
    graph = helper.make_graph(nodes, "layers", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    import_module("onnx.checker").check_model(model)
    found: bytes = model.SerializeToString()
    return found
