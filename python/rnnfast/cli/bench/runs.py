"""How each library computes a case: what is timed, and its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from rnnfast.cli.bench.cases import Case, Problem, forward
from rnnfast.nn.module import Array

_TOLERANCE = 1e-4  # of float32, relative to the largest number


@dataclass(frozen=True)
class Run:
    """One library's way.

    Attributes
    ----------
    name : str
        The library.
    call : callable
        What is timed.
    answer : callable
        Returns the outputs, and in training the gradients by name.
    """

    name: str
    call: Callable[[], object]
    answer: Callable[[], dict[str, Array]]


def peers() -> list[str]:
    """Return the libraries to compare with that are here."""
    found = ["numpy"]
    if find_spec("torch"):
        found.append("torch")
    if find_spec("onnxruntime") and find_spec("onnx"):
        found.append("onnxruntime")
    return found


def runs_of(case: Case, names: list[str]) -> list[Run]:
    """Return how the package and these libraries compute a case, those that can.

    Raises
    ------
    ArithmeticError
        If an answer is not that of the equations.
    """
    problem = Problem.of(case)
    makers: dict[str, Any] = {"numpy": _numpy, "torch": _torch, "onnxruntime": _onnxruntime}
    runs = [_ours(case, problem)]
    for name in names:
        runs += makers[name](case, problem)
    for run in runs:
        _require_right(case, problem, run)
    return runs


def _require_right(case: Case, problem: Problem, run: Run) -> None:
    """Compare with the equations in float64; gradients with their slope in one direction."""
    weights = {n: w.astype(np.float64) for n, w in problem.layer.state_dict().items()}
    x, found = problem.x.astype(np.float64), run.answer()
    wanted = forward(case.cell, weights, x)[0]
    pairs = [("outputs", found.pop("y"), wanted)]
    if found:
        rng, size = np.random.default_rng(2), 1e-6
        ways = {name: rng.standard_normal(w.shape) for name, w in weights.items()}
        ends = []
        for change in (size, -size):
            moved = {name: w + change * ways[name] for name, w in weights.items()}
            ends.append((forward(case.cell, moved, x)[0] * problem.dy).sum())
        slope = (ends[0] - ends[1]) / (2 * size)
        products = {name: found[name] * ways[name] for name in weights}
        # What cancels in the sum is rounded too.
        scale = np.sqrt(sum((p**2).sum() for p in products.values()))
        gradient = sum(p.sum() for p in products.values())
        pairs.append(("gradients", np.array(gradient / scale), np.array(slope / scale)))
    for what, got, right in pairs:
        error = np.abs(got - right).max()
        if not error <= _TOLERANCE * max(1.0, np.abs(right).max()):
            raise ArithmeticError(
                f"{run.name}: expected {what} of {case.cell} {case.mode} {case.size} within "
                f"{_TOLERANCE:g} of the equations, got a difference of {error:.3g}"
            )


def _ours(case: Case, problem: Problem) -> Run:
    layer, x, dy = problem.layer, problem.x, problem.dy
    if case.mode == "step":
        stream = layer.stream(1)

        def first() -> dict[str, Array]:
            stream.reset()
            return {"y": stream(x[0]).copy()[np.newaxis]}

        return Run("rnnfast", lambda: stream(x[0]), first)
    if case.mode == "infer":
        return Run("rnnfast", lambda: layer(x), lambda: {"y": layer(x)[0]})
    bias = layer.parameters()["bias_hh_l0"]
    same = bias.data.copy()

    def train() -> Array:
        layer.zero_grad()
        (y, _), backprop = layer.forward(x)
        backprop(dy, need_dx=False)
        return y  # type: ignore[no-any-return]

    def call() -> None:
        train()
        bias.assign(same)  # a change, as a step of an optimizer is: nothing packed stays

    def answer() -> dict[str, Array]:
        y = train()
        return {"y": y, **{name: grad.copy() for name, grad in layer.grads.items()}}

    return Run("rnnfast", call, answer)


def _numpy(case: Case, problem: Problem) -> Iterator[Run]:
    if case.mode == "train":
        return
    weights, state = problem.layer.state_dict(), None

    def step() -> None:
        nonlocal state
        _, state = forward(case.cell, weights, problem.x, state)

    def whole() -> Any:
        return forward(case.cell, weights, problem.x)[0]

    yield Run("numpy", step if case.mode == "step" else whole, lambda: {"y": whole()})


def _torch(case: Case, problem: Problem) -> Iterator[Run]:
    torch: Any = import_module("torch")
    torch.set_num_threads(case.threads)
    module = getattr(torch.nn, case.cell.upper())(case.size, case.size)
    module.load_state_dict(
        {name: torch.from_numpy(w) for name, w in problem.layer.state_dict().items()}
    )
    x, dy, state = torch.from_numpy(problem.x), torch.from_numpy(problem.dy), None

    def step() -> None:
        nonlocal state
        with torch.inference_mode():
            _, state = module(x, state)

    def infer() -> Any:
        with torch.inference_mode():
            return module(x)[0]

    def train() -> Any:
        module.zero_grad()
        y, _ = module(x)
        y.backward(dy)
        return y.detach()

    def answer() -> dict[str, Array]:
        if case.mode != "train":
            return {"y": infer().numpy()}
        y = train().numpy()
        return {"y": y, **{name: p.grad.numpy() for name, p in module.named_parameters()}}

    yield Run("torch", {"step": step, "infer": infer, "train": train}[case.mode], answer)


def _onnxruntime(case: Case, problem: Problem) -> Iterator[Run]:
    if case.mode == "train":
        return
    runtime: Any = import_module("onnxruntime")
    made = import_module("rnnfast.interop.onnx.export.file").make(problem.layer, opset=17)
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = case.threads, 1
    options.log_severity_level = 3
    session = runtime.InferenceSession(
        made.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    kept = ["h", "c"] if case.cell == "lstm" else ["h"]
    outputs = ["y", *(f"{name}_n" for name in kept)]
    given = {"x": problem.x}

    def step() -> None:
        found = session.run(outputs, given)
        given.update({f"{name}0": state for name, state in zip(kept, found[1:], strict=True)})

    def infer() -> Any:
        return session.run(["y"], {"x": problem.x})[0]

    yield Run("onnxruntime", step if case.mode == "step" else infer, lambda: {"y": infer()})
