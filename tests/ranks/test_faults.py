"""What goes wrong in one process ends the training in all, soon, with one line and a checkpoint."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from mpi_cases import TEXT, arrays_of, of_streams, stop
from mpi_runs import HERE, environment, run
from rnnfast.io.tensors import read_tensors

PROGRAM = str(HERE / "mpi_faults.py")


def fail(what: str, folder: Path, ranks: int = 3) -> str:
    """Run a program that fails; return what it says."""
    began = time.monotonic()
    done = run(ranks, PROGRAM, what, str(folder))
    assert done.returncode != 0
    assert time.monotonic() - began < 30
    assert "RankFailed" not in done.stderr
    return done.stderr


def steps_in(checkpoint: Path) -> int:
    return int(read_tensors(checkpoint, "checkpoint")[1]["position"]["step"])


REFUSED = {
    "data": "comm: expected the same data on every rank, got another on rank 1 than on rank 0",
    "hyperparameters": "comm: expected the same learning_rate on every rank, got 0.01 on rank 0",
    "kinds": "comm: expected the same kind of training on every rank, got another on rank 1 than",
    "batches": "batches: expected the same on every rank, got others on rank 1 than on rank 0;",
    "weights": "comm: expected the same weights after epoch 1 on every rank, got ",
    "all": "cell: expected one of ",
    "one": "batch_size: expected at least 1, got 0",
}


def test_what_one_rank_refuses_or_differs_in_is_raised_in_one_and_known_in_all(
    tmp_path: Path,
) -> None:
    done = run(3, PROGRAM, "refused", str(tmp_path))
    assert done.returncode == 0, done.stderr
    told = [line.split(": ", 3) for line in done.stdout.splitlines()]
    for name, message in REFUSED.items():
        own = {int(rank): (kind, text) for of, rank, kind, text in told if of == name}
        assert [own[rank][0] for rank in range(3)] == ["ValueError", "RankFailed", "RankFailed"]
        assert own[0][1].startswith(message)
        assert own[1][1] == own[2][1] == f"rank 0: ValueError: {own[0][1]}"


@pytest.mark.skipif(len(rf.cpu_info()["levels"]) < 2, reason="a CPU of one instruction set")
def test_ranks_of_other_instruction_sets_are_told_apart(tmp_path: Path) -> None:
    told = fail("level", tmp_path, ranks=2)
    assert told.count("comm: expected the same instruction set on every rank, got 'v") == 1


def test_an_error_in_one_rank_ends_all_with_a_checkpoint(tmp_path: Path) -> None:
    told = fail("raises", tmp_path)
    assert told.count("OSError: no more\nroom") == 1
    assert told.count("Traceback") == 1
    assert steps_in(tmp_path / "checkpoint") == 7


def test_a_killed_rank_ends_all_and_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    fail("killed", tmp_path)
    assert 5 <= steps_in(tmp_path / "checkpoint") <= 7
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".tmp"] == ["checkpoint"]


@pytest.mark.parametrize(
    ("where", "kind"),
    [("first_step", "MemoryError"), ("last", "MemoryError"), ("resumed", "BrokenPipeError")],
)
def test_all_end_where_one_is_past_or_before_what_others_do(
    where: str, kind: str, tmp_path: Path
) -> None:
    done = run(2, PROGRAM, "broken", str(tmp_path), where)
    told = sorted(line for line in done.stdout.splitlines() if line[0] in "01")
    own = 0 if where in ("last", "resumed") else 1
    assert told == sorted([f"{own}: {kind}", f"{1 - own}: RankFailed"]), done.stderr


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        ("reduce", "MemoryError"),
        ("states", "MemoryError"),
        ("share_state", "KeyboardInterrupt"),
        ("threads", "KeyboardInterrupt"),
    ],
)
def test_an_exchange_that_one_leaves_half_made_ends_all(
    where: str, kind: str, tmp_path: Path
) -> None:
    done = run(2, PROGRAM, "broken", str(tmp_path), where)
    assert done.returncode != 0
    assert done.stderr.count(f"comm: rank 1 ends all, as it failed in an exchange: {kind}") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("what", ["terminated", "asked"])
def test_a_signal_to_one_rank_stops_all_after_a_step(what: str, tmp_path: Path) -> None:
    done = run(3, PROGRAM, what, str(tmp_path))
    assert "Traceback" not in done.stderr
    assert steps_in(tmp_path / "checkpoint") == 7
    if what == "asked":
        assert done.returncode == 0
        assert done.stdout.split("\n") == ["ended by interrupt"] * 3 + [""]


@pytest.mark.parametrize(("first", "then"), [(2, 3), (3, 1)])
def test_another_number_of_ranks_goes_on(first: int, then: int, tmp_path: Path) -> None:
    for ranks, what, stopped in ((first, "stop", "callback"), (then, "resume", "finished")):
        assert run(ranks, PROGRAM, what, str(tmp_path)).stdout == f"{stopped}\n"
        alone = of_streams().fit(TEXT, callbacks=[stop] if what == "stop" else ())
        learned = dict(np.load(tmp_path / "model.npz"))
        for name, value in arrays_of(alone).items():
            np.testing.assert_allclose(
                learned[name], value, rtol=1e-8, atol=1e-10, err_msg=f"{what}: {name}"
            )


def test_one_rank_shows_progress_and_cpus_are_shared(tmp_path: Path) -> None:
    own = environment()
    del own["OMP_NUM_THREADS"]
    done = run(2, PROGRAM, "threads", str(tmp_path), variables=own)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("epoch 1/2: ") == 1
    threads = [int(line) for line in done.stdout.split()]
    assert len(threads) == 2
    assert sum(threads) <= max(len(os.sched_getaffinity(0)), 2)


@pytest.mark.parametrize("comm", [1, "world", object()])
def test_what_is_no_communicator_is_refused(comm: Any) -> None:
    message = r"comm: expected a communicator of mpi4py, such as MPI\.COMM_WORLD, or None, got "
    with pytest.raises(TypeError, match=message):
        rf.SequenceClassifier().fit(["a", "b"], [0, 1], comm=comm)
    net = rf.Linear(1, 1)
    with pytest.raises(TypeError, match=message):
        rf.Trainer(net, rf.mse, rf.SGD(net.parameters()), comm=comm)
