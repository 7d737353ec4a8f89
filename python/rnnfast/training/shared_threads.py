"""How the processes of one machine share its CPUs."""

from __future__ import annotations

import functools
import os
from typing import Any

from rnnfast._dispatch import get_num_threads, set_default_threads


@functools.cache
def _threads_alone() -> int:
    """Return how many threads this process may use where it shares none: as long as it has not."""
    return get_num_threads()


def share_threads(comm: Any) -> None:
    """Have the processes of one machine share its CPUs, unless the user has said how many each."""
    from mpi4py import MPI

    local = comm.Split_type(MPI.COMM_TYPE_SHARED)
    cpus = tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()
    of_all = local.allgather(cpus)
    local.Free()
    if os.environ.get("OMP_NUM_THREADS"):
        return
    usable = _threads_alone()
    if len(set(of_all)) == 1:
        usable //= len(of_all)
    else:  # each is bound to some
        own = sum(1 / sum(cpu in other for other in of_all) for cpu in cpus)
        usable = min(usable, int(own + 1e-9))
    set_default_threads(max(usable, 1))
