"""A training step of a classifier of words, dense and sparse embeddings; see README.md here."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import rnnfast as rf
from compare import TOLERANCE, relative_error
from memory import status
from peers import Local
from probe import Machine
from timing import Answer, time_in_turns

WAYS = ("rnnfast dense", "rnnfast sparse", "torch dense", "torch sparse")
LEARNING_RATE = 1e-6
BATCHES = 32  # that steps take in turn


class Problem(NamedTuple):
    """Batches of words (T, B), as frequent as words are, with their classes (B,)."""

    words: list[Any]
    classes: list[Any]
    table: Any  # (V, E)
    state: dict[str, Any]  # of the LSTM


def make_problem(V: int, E: int, H: int, T: int, B: int) -> Problem:
    """Draw a problem: the word of rank r with a probability as 1 / r."""
    rng = np.random.default_rng(0)
    p = 1 / np.arange(1, V + 1)
    word_of_rank = rng.permutation(V)
    return Problem(
        [word_of_rank[rng.choice(V, (T, B), p=p / p.sum())] for _ in range(BATCHES)],
        [rng.integers(2, size=B) for _ in range(BATCHES)],
        rng.normal(size=(V, E)).astype(np.float32),
        rf.LSTM(E, H, seed=1).state_dict(),
    )


def with_rnnfast(problem: Problem, sparse: bool) -> tuple[Callable[[], object], Any]:
    """Return what makes a step, and what gives the first batch's loss and gradients."""
    H = problem.state["weight_hh_l0"].shape[1]
    embedding = rf.Embedding(*problem.table.shape, sparse=sparse)
    embedding.load_state_dict({"weight": problem.table})
    lstm, output = rf.LSTM(problem.table.shape[1], H), rf.Linear(H, 2)
    lstm.load_state_dict(problem.state)
    output.load_state_dict({"weight": np.ones((2, H)) * [[0.1], [0.2]], "bias": np.zeros(2)})
    optimizer = rf.Adam([embedding, lstm, output], LEARNING_RATE)
    batches = cycle(zip(problem.words, problem.classes, strict=True))

    def gradients(words: Any, classes: Any) -> float:
        optimizer.zero_grad()
        x, to_table = embedding.forward(words)
        (_, (h, _)), to_x = lstm.forward(x)
        loss, dh = rf.linear_cross_entropy(output, h[0], classes)
        dx, _ = to_x(None, (dh[np.newaxis], None))
        to_table(dx)
        return loss

    def call() -> None:
        gradients(*next(batches))
        optimizer.step()

    def answer() -> Answer:
        loss = gradients(problem.words[0], problem.classes[0])
        return {"loss": np.array(loss), "table": embedding.grads["weight"].copy(), **lstm.grads}

    return call, answer


def with_torch(problem: Problem, sparse: bool, threads: int) -> tuple[Callable[[], object], Any]:
    """Return the same by PyTorch: fused Adam, `SparseAdam` for a sparse table."""
    import torch

    torch.set_num_threads(threads)
    torch.sparse.check_sparse_tensor_invariants.disable()
    H = problem.state["weight_hh_l0"].shape[1]
    embedding: Any = torch.nn.Embedding(
        *problem.table.shape, sparse=sparse, _weight=torch.from_numpy(problem.table.copy())
    )
    lstm, output = torch.nn.LSTM(problem.table.shape[1], H), torch.nn.Linear(H, 2)
    lstm.load_state_dict({k: torch.from_numpy(v) for k, v in problem.state.items()})
    with torch.no_grad():
        output.weight.copy_(torch.ones(2, H) * torch.tensor([[0.1], [0.2]]))
        output.bias.zero_()
    dense = [*lstm.parameters(), *output.parameters()]
    optimizers: list[Any] = []
    if sparse:
        optimizers.append(torch.optim.SparseAdam(embedding.parameters(), LEARNING_RATE))
    else:
        dense = [*embedding.parameters(), *dense]
    optimizers.append(torch.optim.Adam(dense, LEARNING_RATE, fused=True))
    words = [torch.from_numpy(batch) for batch in problem.words]
    classes = [torch.from_numpy(batch) for batch in problem.classes]
    batches = cycle(zip(words, classes, strict=True))

    def gradients(words: Any, classes: Any) -> Any:
        for optimizer in optimizers:
            optimizer.zero_grad()
        _, (h, _) = lstm(embedding(words))
        loss = torch.nn.functional.cross_entropy(output(h[0]), classes)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def call() -> None:
        gradients(*next(batches))
        for optimizer in optimizers:
            optimizer.step()

    def answer() -> Answer:
        found = {"loss": gradients(words[0], classes[0]).detach()}
        found["table"] = embedding.weight.grad.to_dense() if sparse else embedding.weight.grad
        found |= {name: parameter.grad for name, parameter in lstm.named_parameters()}
        return {name: value.clone().numpy() for name, value in found.items()}

    return call, answer


def make(way: str, problem: Problem, threads: int) -> Local:
    """Return one of `WAYS`."""
    library, _, kind = way.partition(" ")
    if library == "torch":
        return Local(way, library, *with_torch(problem, kind == "sparse", threads))
    rf.set_num_threads(threads)
    return Local(way, library, *with_rnnfast(problem, kind == "sparse"))


def child(way: str, shape: tuple[int, ...], threads: int) -> None:
    """Print the bytes that a step with each batch added, at their peak, to a warm process."""
    small = make_problem(9, 4, 4, 3, 2)
    make(way, small, threads).time(1, 3)
    problem = make_problem(*shape)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = status("VmRSS")
    make(way, problem, threads).time(1, BATCHES)
    print(json.dumps(status("VmHWM") - before))


def peak(way: str, shape: tuple[int, ...], threads: int) -> int:
    """Measure in a new process."""
    command = [sys.executable, __file__, "--child", way, json.dumps(shape), str(threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout.splitlines()[-1])


def main() -> None:
    """Print a table of sizes and ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--sizes", default="128,300", help="numbers of an embedding")
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--steps", type=int, default=35)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each way")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        way, shape, threads = options.child
        return child(way, tuple(json.loads(shape)), int(threads))
    machine = Machine()
    machine.survey([options.threads], ["float32"], rounds=1)
    print(f"{'point':<42}{'way':<16}{'min ms':>8}{'median':>8}{'clean':>7}{'peak MB':>9}")
    for size in map(int, options.sizes.split(",")):
        shape = (options.rows, size, options.units, options.steps, options.batch)
        problem = make_problem(*shape)
        ways = [make(way, problem, options.threads) for way in options.ways.split(",")]
        expected = ways[0].answer()
        for way in ways[1:]:
            error = relative_error(way.answer(), expected)
            if error > TOLERANCE["float32"]:
                raise ValueError(f"{way.name}: the answer is off by {error:.1e}")
        timings = time_in_turns(ways, machine, "float32", options.threads, options.seconds, "wall")
        used = int(np.mean([len(np.unique(words)) for words in problem.words]))
        point = "V{}-E{}-H{}-T{}-B{}".format(*shape) + f"-x{options.threads}, {used} rows"
        for way, timing in zip(ways, timings, strict=True):
            print(
                f"{point:<42}{way.name:<16}{timing.minimum * 1e3:>8.2f}{timing.median * 1e3:>8.2f}"
                f"{len(timing.clean):>4}/{len(timing.slices)}"
                f"{peak(way.name, shape, options.threads) / 1e6:>9.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
