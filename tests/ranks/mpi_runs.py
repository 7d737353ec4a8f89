"""Starting programs under mpiexec."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def command(ranks: int, *arguments: str) -> list[str]:
    """Return what starts Python so many times; skips the test where nothing does."""
    try:
        from mpi4py import MPI
    except ImportError as error:
        pytest.skip(f"mpi4py is not installed, or finds no MPI ({error})")
    beside = Path(sys.executable).with_name("mpiexec")
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if mpiexec is None:
        pytest.skip("mpiexec is not installed")
    options = ["-n", str(ranks)]
    if MPI.get_vendor()[0] == "Open MPI":
        options += ["--allow-run-as-root", "--oversubscribe"]
    return [mpiexec, *options, sys.executable, *arguments]


def environment() -> dict[str, str]:
    """Return the environment of a program that imports what tests import."""
    path = os.pathsep.join(p for p in (str(HERE), *sys.path) if p)
    # Buffered, so that a line is written whole and no other rank's stands within it.
    own = {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": ""}
    return {**os.environ, **own}


def run(
    ranks: int, *arguments: str, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python so many times together, for two minutes at most."""
    return subprocess.run(
        command(ranks, *arguments),
        env=variables or environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
