"""Forward and backpropagation of output layers over many classes; see README.md here.

The adaptive softmax here and in PyTorch, and the full softmax here, on rows whose classes are as
frequent as words are.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import rnnfast as rf
from compare import TOLERANCE, relative_error
from peers import Local
from probe import Machine
from timing import Answer, time_in_turns

WAYS = ("rnnfast adaptive", "torch adaptive", "rnnfast full")


class Problem(NamedTuple):
    """Rows (R, H) with their classes (R,), of which class r is as frequent as 1 / (r + 1)."""

    h: Any
    classes: Any
    cutoffs: list[int]
    state: dict[str, Any]  # of the adaptive layer


def make_problem(R: int, H: int, V: int, cutoffs: list[int]) -> Problem:
    """Draw a problem."""
    rng = np.random.default_rng(0)
    p = 1 / np.arange(1, V + 1)
    layer = rf.AdaptiveSoftmax(H, V, cutoffs, seed=1)
    h = rng.normal(size=(R, H)).astype(np.float32)
    return Problem(h, rng.choice(V, R, p=p / p.sum()), cutoffs, layer.state_dict())


def with_rnnfast(problem: Problem, V: int) -> tuple[Callable[[], object], Callable[[], Answer]]:
    """Return what makes the passes, and what gives their results."""
    layer = rf.AdaptiveSoftmax(problem.h.shape[1], V, problem.cutoffs)
    layer.load_state_dict(problem.state)

    def call() -> Any:
        layer.zero_grad()
        return layer.loss(problem.h, problem.classes)

    def answer() -> Answer:
        loss, dh = call()
        return {"loss": np.array(loss), "h": dh, **layer.grads}

    return call, answer


def with_full(problem: Problem, V: int) -> tuple[Callable[[], object], Callable[[], Answer]]:
    """Return the same of a softmax over all classes."""
    layer = rf.Linear(problem.h.shape[1], V, bias=False, seed=1)

    def call() -> Any:
        layer.zero_grad()
        return rf.linear_cross_entropy(layer, problem.h, problem.classes)

    return call, lambda: {}


def with_torch(
    problem: Problem, V: int, threads: int
) -> tuple[Callable[[], object], Callable[[], Answer]]:
    """Return the same by PyTorch."""
    import torch

    torch.set_num_threads(threads)
    layer = torch.nn.AdaptiveLogSoftmaxWithLoss(problem.h.shape[1], V, problem.cutoffs)
    layer.load_state_dict({k: torch.from_numpy(v) for k, v in problem.state.items()})
    h = torch.from_numpy(problem.h.copy()).requires_grad_()
    classes = torch.from_numpy(problem.classes)

    def call() -> Any:
        layer.zero_grad()
        h.grad = None
        loss = layer(h, classes).loss
        loss.backward()
        return loss

    def answer() -> Answer:
        found = {"loss": call().detach(), "h": h.grad}
        found |= {name: parameter.grad for name, parameter in layer.named_parameters()}
        return {name: value.clone().numpy() for name, value in found.items()}

    return call, answer


def make(way: str, problem: Problem, V: int, threads: int) -> Local:
    """Return one of `WAYS`."""
    library, _, kind = way.partition(" ")
    if library == "torch":
        return Local(way, library, *with_torch(problem, V, threads))
    rf.set_num_threads(threads)
    return Local(way, library, *(with_full if kind == "full" else with_rnnfast)(problem, V))


def main() -> None:
    """Print a line for each way, with its time over that of the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=700)
    parser.add_argument("--units", type=int, default=200)
    parser.add_argument("--classes", type=int, default=50_000)
    parser.add_argument("--cutoffs", default="2000,10000")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each way")
    options = parser.parse_args()
    V, cutoffs = options.classes, [int(cut) for cut in options.cutoffs.split(",")]
    problem = make_problem(options.rows, options.units, V, cutoffs)
    machine = Machine()
    print(
        f"{'point':<34}{'way':<18}{'min ms':>8}{'median':>8}{'clean':>7}{'ratio':>7}{'median':>7}"
    )
    for threads in map(int, options.threads.split(",")):
        machine.survey([threads], ["float32"], rounds=1)
        ways = [make(way, problem, V, threads) for way in options.ways.split(",")]
        expected = ways[0].answer()
        for way in ways[1:]:
            answer = way.answer()
            if not answer:
                continue
            error = relative_error(answer, expected)
            if error > TOLERANCE["float32"]:
                raise ValueError(f"{way.name}: the answer is off by {error:.1e}")
        timings = time_in_turns(ways, machine, "float32", threads, options.seconds, "wall")
        first = timings[0]
        for way, timing in zip(ways, timings, strict=True):
            point = f"R{options.rows}-H{options.units}-V{V}-x{threads}"
            print(
                f"{point:<34}{way.name:<18}{timing.minimum * 1e3:>8.2f}{timing.median * 1e3:>8.2f}"
                f"{len(timing.clean):>4}/{len(timing.slices):<2}"
                f"{first.minimum / timing.minimum:>7.2f}{first.median / timing.median:>7.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
