"""How processes of one machine share its CPUs, by what they tell each other."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import rnnfast as rf
from rnnfast import _dispatch
from rnnfast.training import shared_threads


@pytest.fixture(autouse=True)
def of_eight_threads(
    monkeypatch: pytest.MonkeyPatch, set_threads: Callable[[int], None]
) -> Iterator[None]:
    """Let a process have eight threads that no user has asked for."""
    set_threads(8)
    monkeypatch.setattr(_dispatch, "_said", False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setitem(
        sys.modules, "mpi4py", SimpleNamespace(MPI=SimpleNamespace(COMM_TYPE_SHARED=0))
    )
    shared_threads._threads_alone.cache_clear()
    yield
    shared_threads._threads_alone.cache_clear()


def machine(processes: int) -> Any:
    """Return the communicator of so many processes that are bound to no CPUs."""
    local = SimpleNamespace(allgather=lambda cpus: [cpus] * processes, Free=lambda: None)
    return SimpleNamespace(Split_type=lambda kind: local)


def test_each_training_shares_all_cpus_and_not_the_share_of_the_last() -> None:
    for processes, threads in ((2, 4), (2, 4), (4, 2), (2, 4), (16, 1), (2, 4)):
        shared_threads.share_threads(machine(processes))
        assert rf.get_num_threads() == threads


def test_what_a_user_says_stays() -> None:
    shared_threads.share_threads(machine(2))
    rf.set_num_threads(3)
    shared_threads.share_threads(machine(2))
    assert rf.get_num_threads() == 3


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="CPUs cannot be bound here")
def test_the_bound_share_those_they_are_bound_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2})
    others = [(0, 1, 2), (0, 1, 2), (3, 4)]
    local = SimpleNamespace(allgather=lambda cpus: others, Free=lambda: None)
    for _ in range(2):
        shared_threads.share_threads(SimpleNamespace(Split_type=lambda kind: local))
        assert rf.get_num_threads() == 1
