"""OpenVINO: inference only, weights compiled in, in float32, inputs and the state bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from peers import Local
from peers.onnx_graph import onnx_graph
from point import Point, Problem
from timing import Answer


def candidates(point: Point, problem: Problem) -> Iterator[Local]:
    """Yield the compiled model's ways; it computes no gradients, and nothing in float64."""
    if point.trains or point.classes or point.dtype != "float32" or find_spec("onnx") is None:
        return
    compiled = _compile(point, problem)
    make = _step if point.mode == "step" else _infer
    for name, run in (("openvino", _run), ("openvino, asynchronous", _run_elsewhere)):
        call, answer = make(compiled, run, point, problem)
        yield Local(name, "openvino", call, answer)


def _compile(point: Point, problem: Problem) -> Any:
    """Compile a point for one call at a time.

    Without the hint, a processor that multiplies bfloat16 would do so.
    """
    core: Any = import_module("openvino").Core()
    return core.compile_model(
        core.read_model(onnx_graph(point, problem)),
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": point.threads,
        },
    )


def _bound(compiled: Any, arrays: dict[str, Any]) -> Any:
    """Return a request that reads and writes these arrays, by the names of inputs and outputs."""
    request = compiled.create_infer_request()
    for name, array in arrays.items():
        request.set_tensor(name, import_module("openvino").Tensor(array, shared_memory=True))
    return request


def _run(request: Any) -> None:
    """Compute what is bound, without copies of the outputs."""
    request.infer(share_outputs=True)


def _run_elsewhere(request: Any) -> None:
    """Compute it on OpenVINO's own thread, which makes no arrays of the outputs at all."""
    request.start_async()
    request.wait()


Run = Callable[[Any], None]
Way = tuple[Callable[[], None], Callable[[], Answer]]


def _infer(compiled: Any, run: Run, point: Point, problem: Problem) -> Way:
    given = {"x": problem.x}
    if point.lengths is not None:
        given["lengths"] = point.lengths.astype(np.int32)
    request = _bound(compiled, given)

    def call() -> None:
        run(request)

    def output(name: str) -> Any:
        return request.get_tensor(name).data.copy()

    def answer() -> Answer:
        call()
        y = output(f"y_{point.layers - 1}").transpose(0, 2, 1, 3)
        found = {"y": y.reshape(point.T, point.B, -1)}
        for state in ("h_n", "c_n") if point.cell == "lstm" else ("h_n",):
            found[state] = np.concatenate([output(f"{state}_{k}") for k in range(point.layers)])
        return found

    return call, answer


def _step(compiled: Any, run: Run, point: Point, problem: Problem) -> Way:
    x, last = problem.x[:1].copy(), f"y_{point.layers - 1}"
    states = [v.any_name for v in compiled.inputs if v.any_name != "x"]
    # The state goes back and forth between two sets of arrays, so that it is never copied.
    shape = (point.directions, point.B, point.H)
    sides = [{name: np.zeros(shape, np.float32) for name in states} for _ in range(2)]
    requests = []
    for source, target in (sides, sides[::-1]):
        after = {name.replace("0_", "_n_"): array for name, array in target.items()}
        requests.append(_bound(compiled, {"x": x, **source, **after}))
    turn = 0

    def call() -> None:
        nonlocal turn
        run(requests[turn])
        turn = 1 - turn

    def answer() -> Answer:
        nonlocal turn
        turn = 0
        for array in sides[0].values():
            array[...] = 0
        outputs = []
        for x_t in problem.x:
            x[...] = x_t
            used = requests[turn]
            call()
            outputs.append(used.get_tensor(last).data[0, 0].copy())
        return {"y": np.stack(outputs)}

    return call, answer
