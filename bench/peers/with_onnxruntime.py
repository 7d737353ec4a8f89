"""ONNX Runtime: inference only, weights prepacked in the session, inputs and outputs bound."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from peers import Local
from peers.onnx_graph import onnx_graph
from point import Point, Problem
from timing import Answer


def candidates(point: Point, problem: Problem) -> Iterator[Local]:
    """Yield the session's way; it computes no gradients, and recurrent nodes in float32 only."""
    if point.trains or point.classes or point.dtype != "float32" or find_spec("onnx") is None:
        return
    session = _session(point, problem)
    if point.mode == "step":
        yield _step(session, point, problem)
    else:
        yield _infer(session, point, problem)


def _session(point: Point, problem: Problem) -> Any:
    runtime: Any = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = point.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return runtime.InferenceSession(
        onnx_graph(point, problem), options, providers=["CPUExecutionProvider"]
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
