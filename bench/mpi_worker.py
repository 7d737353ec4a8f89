"""One process of `mpi.py`: trains a network for some steps and prints how long each took."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any, NamedTuple

import numpy as np

LEARNING_RATE = 0.1
MAX_NORM = 5.0


class Shape(NamedTuple):
    """A network that labels every step: embedding, LSTM, linear layer; and a rank's batch."""

    V: int
    T: int
    B: int
    E: int
    H: int
    L: int
    bidirectional: bool
    K: int

    @property
    def width(self) -> int:
        """Numbers that the LSTM gives for a step."""
        return self.H * (2 if self.bidirectional else 1)


SHAPES = {
    "words": Shape(10_000, 35, 20, 650, 650, 2, False, 10_000),
    "tagger": Shape(10_000, 25, 32, 100, 200, 1, True, 17),
}


class Run(NamedTuple):
    """What a process is told to do."""

    library: str  # rnnfast, torch, or all-reduce: time that alone
    shape: str
    batch: int  # of all ranks together
    steps: int
    together: bool = True  # False: each rank trains by itself
    sparse: bool = False  # gradients of rnnfast's embedding; PyTorch clips no sparse ones


class Result(NamedTuple):
    """Seconds of each step but the first, those of the CPU among them, and the mean loss of all."""

    seconds: list[float]
    cpu: list[float]
    loss: float


class Stopwatch:
    """The times at which steps end."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def note(self) -> None:
        """Note that a step has ended."""
        self.wall.append(time.perf_counter())
        self.cpu.append(time.process_time())

    def result(self, loss: float) -> Result:
        """Return the time from each step to the next."""
        return Result(np.diff(self.wall).tolist(), np.diff(self.cpu).tolist(), loss)


def make_batches(shape: Shape, batch: int, count: int) -> list[tuple[Any, Any]]:
    """Draw inputs and targets (T, B); the word of rank r has a probability as 1 / r."""
    rng = np.random.default_rng(0)
    p = 1 / np.arange(1, shape.V + 1)
    x = rng.permutation(shape.V)[rng.choice(shape.V, (count, shape.T, batch), p=p / p.sum())]
    return list(zip(x, rng.integers(shape.K, size=x.shape), strict=True))


def make_network(shape: Shape, sparse: bool) -> Any:
    """Return the network of rnnfast."""
    import rnnfast as rf

    return rf.chain(
        rf.Embedding(shape.V, shape.E, sparse=sparse, seed=0),
        rf.LSTM(shape.E, shape.H, num_layers=shape.L, bidirectional=shape.bidirectional, seed=0),
        rf.Linear(shape.width, shape.K, seed=0),
    )


def with_rnnfast(run: Run, comm: Any) -> Result:
    """Train by `rnnfast.Trainer`; every rank is given the whole batches."""
    import rnnfast as rf

    shape = SHAPES[run.shape]
    net = make_network(shape, run.sparse)
    options = {"comm": comm} if comm is not None else {}
    trainer = rf.Trainer(
        net, rf.cross_entropy, rf.SGD(net, LEARNING_RATE), max_norm=MAX_NORM, verbose=0, **options
    )
    watch = Stopwatch()

    def note(progress: Any) -> None:  # on rank 0 alone
        if not progress.epoch_ended:
            watch.note()

    trainer.fit(make_batches(shape, run.batch, run.steps), epochs=1, callbacks=[note])
    return watch.result(trainer.history[0]["loss"])


def with_torch(run: Run, rank: int, ranks: int) -> Result:
    """Train by PyTorch as its users do: DistributedDataParallel where there are several ranks."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    shape = SHAPES[run.shape]

    class Network(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(shape.V, shape.E)
            self.lstm = torch.nn.LSTM(shape.E, shape.H, shape.L, bidirectional=shape.bidirectional)
            self.linear = torch.nn.Linear(shape.width, shape.K)

        def forward(self, x: Any) -> Any:
            return self.linear(self.lstm(self.embedding(x))[0])

    net = Network()
    weights = make_network(shape, False).state_dict()
    names = dict(zip("012", ("embedding", "lstm", "linear"), strict=True))
    net.load_state_dict(
        {f"{names[n[0]]}{n[1:]}": torch.from_numpy(w.copy()) for n, w in weights.items()}
    )
    model = torch.nn.parallel.DistributedDataParallel(net) if ranks > 1 else net
    optimizer = torch.optim.SGD(model.parameters(), LEARNING_RATE)
    own = slice(rank * run.batch // ranks, (rank + 1) * run.batch // ranks)
    watch, losses = Stopwatch(), []
    for x, y in make_batches(shape, run.batch, run.steps):
        optimizer.zero_grad()
        scores = model(torch.from_numpy(x[:, own].copy()))
        loss = torch.nn.functional.cross_entropy(
            scores.flatten(0, 1), torch.from_numpy(y[:, own].copy()).flatten()
        )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)
        optimizer.step()
        watch.note()
        losses.append(loss.item())
    mean = torch.tensor(losses).mean()
    if ranks > 1:
        torch.distributed.all_reduce(mean)
    return watch.result(mean.item() / ranks)


def all_reduce(numbers: int, steps: int, comm: Any) -> Result:
    """Time the sum of so many float32 numbers over all ranks."""
    mine, total = np.ones(numbers, np.float32), np.empty(numbers, np.float32)
    seconds = []
    for _ in range(steps):
        comm.Barrier()
        start = time.perf_counter()
        comm.Allreduce(mine, total)
        seconds.append(time.perf_counter() - start)
    if (total != comm.Get_size()).any():
        raise ArithmeticError(f"total: expected {comm.Get_size()}, got {total}")
    return Result(seconds, [], 0.0)


def main() -> None:
    """Do what the first argument says; rank 0 prints the result as JSON."""
    run = Run(*json.loads(sys.argv[1]))
    if run.library == "torch":
        import torch

        rank, ranks = (int(os.environ.get(n, d)) for n, d in (("RANK", 0), ("WORLD_SIZE", 1)))
        if ranks > 1:
            torch.distributed.init_process_group("gloo")
        result = with_torch(run, rank, ranks)
        if ranks > 1:
            torch.distributed.destroy_process_group()
    else:
        comm = None
        rank = 0
        if "--mpi" in sys.argv:
            from mpi4py import MPI

            comm = MPI.COMM_WORLD
            rank = comm.Get_rank()
        if run.library == "all-reduce":
            result = all_reduce(run.batch, run.steps, comm)
        else:
            result = with_rnnfast(run, comm if run.together else None)
    if rank == 0:
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
