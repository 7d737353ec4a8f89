"""Training by several processes, with MPI through mpi4py: how they come together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from rnnfast import _core
from rnnfast.training.mpi_ranks import MpiRanks, abort
from rnnfast.training.ranks import SOLO, Ranks, current_ranks, training_with


@contextmanager
def joined(comm: Any) -> Iterator[Ranks]:
    """Let the processes of a communicator train together; None: this one alone.

    An error in one of them ends it in all: in the first that has one it is raised as it is, in the
    others `RankFailed` is.

    Raises
    ------
    TypeError
        If it is no communicator of mpi4py.
    ValueError
        If it is one of two groups, or of nobody.
    """
    before = current_ranks()
    if isinstance(before, MpiRanks) and before.given is comm:
        yield before
        return
    if check_comm(comm) is None or comm.Get_size() == 1:
        with training_with(SOLO):
            yield SOLO
        return
    try:
        own = comm.Dup()
    except BaseException as error:
        abort(comm, error)
    ranks = MpiRanks(own, comm)
    with training_with(ranks):
        try:
            ranks.share_threads()
            ranks.require_alike(
                {
                    "version of rnnfast": _core.__version__,
                    "version of NumPy": np.__version__,
                    "instruction set": _core.kernel_level(),
                }
            )
            yield ranks
            ranks.end()
        except BaseException as error:
            known = ranks.told(error)
            if known is error:
                raise
            raise known from None
    own.Free()


def check_comm(comm: Any) -> Any:
    """Return a communicator of one group, or None; raise as `joined` does."""
    if comm is None:
        return None
    got = type(comm).__name__
    refusal = TypeError(
        f"comm: expected a communicator of mpi4py, such as MPI.COMM_WORLD, or None, got {got}"
    )
    if not hasattr(comm, "Allreduce"):  # for which nothing needs to be imported
        raise refusal
    try:
        from mpi4py import MPI
    except ImportError:
        raise refusal from None
    if not isinstance(comm, MPI.Comm):
        raise refusal
    if comm == MPI.COMM_NULL or not isinstance(comm, MPI.Intracomm):
        got = "COMM_NULL" if comm == MPI.COMM_NULL else type(comm).__name__
        raise ValueError(f"comm: expected a communicator of one group, got {got}")
    return comm
