"""The processes that ``mpiexec`` has started, which train together."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, ParamSpec

import typer

from rnnfast.training.distributed import joined

P = ParamSpec("P")

# In which launchers tell how many processes they have started: Open MPI's, those of MPICH and of
# Intel, and Slurm's where it starts those; MVAPICH's.
_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")


def communicator(wanted: bool | None) -> Any:
    """Return the processes to train with; None: this one trains alone.

    Parameters
    ----------
    wanted : bool, optional
        Whether there are to be several; None: if a launcher says so.
    """
    if not (_were_launched() if wanted is None else wanted):
        return None
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise typer.BadParameter(
            "expected mpi4py for several processes, got none that can be imported "
            f"({error}); pip install 'rnnfast[mpi]', or --no-mpi"
        ) from None
    return MPI.COMM_WORLD


def by_all_processes(command: Callable[P, None]) -> Callable[P, None]:
    """Have a command that has an argument ``mpi`` end in all processes where it fails in one."""

    @functools.wraps(command)
    def joint(*args: P.args, **kwargs: P.kwargs) -> None:
        wanted: Any = kwargs.get("mpi")
        with joined(communicator(wanted)):
            command(*args, **kwargs)

    return joint


def _were_launched() -> bool:
    sizes = [os.environ.get(name, "") for name in _SIZES]
    return any(size.isdecimal() and int(size) > 1 for size in sizes)
