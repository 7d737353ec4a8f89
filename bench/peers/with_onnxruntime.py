"""ONNX Runtime: inference only, weights prepacked in the session, inputs and outputs bound."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from peers import Local
from point import Point, Problem
from timing import Answer

# Blocks of the gates in ONNX's order, taken from PyTorch's: i, o, f, c; z, r, h.
BLOCKS = {"rnn": [0], "gru": [1, 0, 2], "lstm": [0, 3, 1, 2]}


def candidates(point: Point, problem: Problem) -> Iterator[Local]:
    """Yield the session's way; it computes no gradients, and recurrent nodes in float32 only."""
    if point.trains or point.classes or point.dtype != "float32" or find_spec("onnx") is None:
        return
    session = _session(point, problem)
    if point.mode == "step":
        yield _step(session, point, problem)
    else:
        yield _infer(session, point, problem)


def _onnx_blocks(array: Any, blocks: list[int]) -> Any:
    parts = np.split(array, len(blocks))
    return np.concatenate([parts[k] for k in blocks])


def _graph(point: Point, problem: Problem) -> bytes:
    """A node a layer; the state's inputs and outputs have the layer's number in their names."""
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


def _session(point: Point, problem: Problem) -> Any:
    runtime: Any = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = point.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return runtime.InferenceSession(
        _graph(point, problem), options, providers=["CPUExecutionProvider"]
    )


def _value(array: Any) -> Any:
    """The runtime's view of an array's memory; no copy."""
    runtime: Any = import_module("onnxruntime")
    return runtime.OrtValue.ortvalue_from_numpy(array)


class _Arrays:
    """Arrays of a session's inputs and outputs, by name, and what the runtime sees of them."""

    def __init__(self, session: Any) -> None:
        kinds = {"tensor(float)": np.float32, "tensor(int32)": np.int32}
        described = [*session.get_inputs(), *session.get_outputs()]
        self.arrays = {v.name: np.zeros(v.shape, kinds[v.type]) for v in described}
        self.values = {name: _value(array) for name, array in self.arrays.items()}


def _infer(session: Any, point: Point, problem: Problem) -> Local:
    held = _Arrays(session)
    held.arrays["x"][...] = problem.x
    if point.lengths is not None:
        held.arrays["lengths"][...] = point.lengths
    binding = session.io_binding()
    for v in session.get_inputs():
        binding.bind_ortvalue_input(v.name, held.values[v.name])
    for v in session.get_outputs():
        binding.bind_ortvalue_output(v.name, held.values[v.name])

    def call() -> None:
        session.run_with_iobinding(binding)

    def answer() -> Answer:
        call()
        y = held.arrays[f"y_{point.layers - 1}"].transpose(0, 2, 1, 3)
        found = {"y": y.reshape(point.T, point.B, -1).copy()}
        for state in ("h_n", "c_n") if point.cell == "lstm" else ("h_n",):
            parts = [held.arrays[f"{state}_{layer}"] for layer in range(point.layers)]
            found[state] = np.concatenate(parts)
        return found

    return Local("onnxruntime", "onnxruntime", call, answer)


def _step(session: Any, point: Point, problem: Problem) -> Local:
    held = _Arrays(session)
    last = f"y_{point.layers - 1}"
    states = [v.name for v in session.get_outputs() if v.name != last]
    # The state goes back and forth between two sets of arrays, so that it is never copied.
    bindings = []
    for flip in (False, True):
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", held.values["x"])
        binding.bind_ortvalue_output(last, held.values[last])
        for name in states:
            first = name.replace("_n_", "0_")
            source, target = (name, first) if flip else (first, name)
            binding.bind_ortvalue_input(first, held.values[source])
            binding.bind_ortvalue_output(name, held.values[target])
        bindings.append(binding)
    turn = 0

    def call() -> None:
        nonlocal turn
        session.run_with_iobinding(bindings[turn])
        turn = 1 - turn

    def answer() -> Answer:
        nonlocal turn
        turn = 0
        for name in states:
            held.arrays[name.replace("_n_", "0_")][...] = 0
        outputs = []
        for x in problem.x:
            held.arrays["x"][...] = x
            call()
            outputs.append(held.arrays[last][0, 0].copy())
        return {"y": np.stack(outputs)}

    return Local("onnxruntime", "onnxruntime", call, answer)
