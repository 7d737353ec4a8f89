"""Started by mpiexec: trains cases, and leaves what they come to in a folder."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

from mpi_cases import CASES


def main(folder: str, names: str) -> None:
    comm = MPI.COMM_WORLD
    for name in names.split(",") if names else CASES:
        arrays = CASES[name](comm)
        np.savez(Path(folder) / f"{name}.{comm.Get_rank()}.npz", **arrays)


main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "")
