"""Started by mpiexec: trainings in which something goes wrong in one of the processes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

RANK = int(os.environ.get("OMPI_COMM_WORLD_RANK", os.environ.get("PMI_RANK", "0")))
WHAT, FOLDER = sys.argv[1], Path(sys.argv[2])
if WHAT == "level" and RANK == 1:
    os.environ["RNNFAST_ISA"] = "v1"

import numpy as np  # noqa: E402
from mpi4py import MPI  # noqa: E402

import rnnfast as rf  # noqa: E402
import rnnfast.training.checkpointer as checkpointer  # noqa: E402
import rnnfast.training.mpi_ranks as mpi_ranks  # noqa: E402
from mpi_cases import TEXT, arrays_of, of_streams, stop  # noqa: E402
from rnnfast.training.gradients import Gradients  # noqa: E402

checkpointer._WITHIN = 0.0  # a checkpoint after every step
COMM = MPI.COMM_WORLD
CHECKPOINT = FOLDER / "checkpoint"


def resumable(resume: bool = False, **options: Any) -> None:
    lm = of_streams()
    lm.fit(TEXT, comm=COMM, checkpoint=CHECKPOINT, resume=resume, **options)
    if COMM.Get_rank() == 0:
        print(lm.stopped_)
        np.savez(FOLDER / "model.npz", **arrays_of(lm))


def failing_at(step: int, act: Any) -> None:
    """Train a network whose loss does something in rank 1."""
    calls = 0

    def loss(y: Any, targets: Any, *, reduction: str = "sum", backward: bool = True) -> Any:
        nonlocal calls
        calls += 1
        if calls == step and COMM.Get_rank() == 1:
            act()
        return rf.mse(y, targets, reduction=reduction, backward=backward)

    net = rf.chain(rf.GRU(2, 3, seed=0), rf.Linear(3, 1, seed=0))
    batches = [(np.ones((4, 6, 2), np.float32), np.ones((4, 6, 1), np.float32))] * 5
    trainer = rf.Trainer(net, loss, rf.Adam(net.parameters()), verbose=0, comm=COMM)
    trainer.fit(batches, epochs=1000, checkpoint=CHECKPOINT)
    print("ended by", trainer.stopped)


def raise_error() -> None:
    raise OSError("no more\nroom")


def own_shuffles(rng: np.random.Generator) -> list[Any]:
    rng = np.random.default_rng(COMM.Get_rank())
    return [(rng.normal(size=(4, 6, 2)), np.ones((4, 6, 1)))]


def shuffling() -> None:
    net = rf.chain(rf.GRU(2, 3, dtype="float64"), rf.Linear(3, 1, dtype="float64"))
    rf.Trainer(net, rf.mse, rf.Adam(net.parameters()), verbose=0, comm=COMM).fit(
        own_shuffles, epochs=1
    )


def forget(progress: rf.training.Progress) -> None:
    for parameter in progress.model.network_.output.parameters().values():
        parameter.assign(np.zeros(parameter.shape))


def classify(X: list[str], callbacks: Any = (), **options: Any) -> None:
    model = rf.SequenceClassifier(hidden_size=4, epochs=2, seed=0, **{"verbose": 0, **options})
    model.fit(X * 8, [len(x) for x in X] * 8, callbacks=callbacks, comm=COMM)
    print(rf.get_num_threads())


RANK_WORDS = ["a b", "c", "dd e", "f" if RANK == 0 else "g"]
WORDS = ["a b", "c", "d"]
REFUSED: dict[str, Callable[[], None]] = {
    "data": lambda: classify(RANK_WORDS),
    "hyperparameters": lambda: classify(WORDS, learning_rate=0.01 * (1 + RANK)),
    "kinds": lambda: classify(WORDS) if RANK else shuffling(),
    "batches": shuffling,
    "weights": lambda: classify(WORDS, callbacks=[forget]),
    "all": lambda: classify(WORDS, cell="none"),
    "one": lambda: classify(WORDS, batch_size=RANK),
}


def refused() -> None:
    """Print what each rank is told in each case; the next one begins as if nothing had been."""
    for name, call in REFUSED.items():
        try:
            call()
        except (ValueError, rf.training.RankFailed) as error:
            print(f"{name}: {COMM.Get_rank()}: {type(error).__name__}: {error}", flush=True)


def broken(where: str) -> None:
    """Train where rank 1, or for `OF_FIRST` rank 0, fails in one place for once."""
    owner, name, call, error = BROKEN[where]
    whole, calls = getattr(owner, name), 0

    def breaks(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise error
        return whole(*args, **kwargs)

    if where == "resumed":
        resumable(callbacks=[stop])
    if COMM.Get_rank() == (where not in OF_FIRST):
        setattr(owner, name, breaks)
    try:
        resumable(resume=where == "resumed", callbacks=[stop] if where == "last" else ())
    except (MemoryError, KeyboardInterrupt, OSError, rf.training.RankFailed) as error:
        print(f"{COMM.Get_rank()}: {type(error).__name__}", flush=True)


# What fails, at which call, and how: between exchanges, and within one.
BROKEN: dict[str, tuple[Any, str, int, BaseException]] = {
    "first_step": (rf.Adam, "step", 1, MemoryError("full")),
    "last": (checkpointer.Checkpointer, "write", 20, MemoryError("full")),
    "resumed": (rf.training.progress.Reporter, "report", 1, BrokenPipeError("gone")),
    "reduce": (Gradients, "reduce", 9, MemoryError("full")),
    "share_state": (mpi_ranks.MpiRanks, "_from_first", 3, KeyboardInterrupt()),
    "threads": (mpi_ranks, "share_threads", 1, KeyboardInterrupt()),
    "states": (mpi_ranks.MpiRanks, "_gathered", 4, MemoryError("full")),
}
OF_FIRST = ("last", "resumed")


CASES: dict[str, Callable[[], None]] = {
    "stop": lambda: resumable(callbacks=[stop]),
    "resume": lambda: resumable(resume=True),
    "terminated": lambda: failing_at(8, lambda: os.kill(os.getpid(), signal.SIGTERM)),
    "asked": lambda: failing_at(8, lambda: os.kill(os.getpid(), signal.SIGUSR1)),
    "killed": lambda: failing_at(8, lambda: os.kill(os.getpid(), signal.SIGKILL)),
    "raises": lambda: failing_at(8, raise_error),
    "refused": refused,
    "level": lambda: classify(WORDS),
    "threads": lambda: classify(WORDS, verbose=2),
    "broken": lambda: broken(sys.argv[3]),
}
CASES[WHAT]()
