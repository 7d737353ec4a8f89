"""The command ``rnnfast train`` under mpiexec: one voice, one model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rnnfast as rf
from mpi_runs import environment, run

pytest.importorskip("typer", reason="typer is not installed")

LINES = [f"{name}saurus" for name in ("allo", "bronto", "mega", "ptero", "stego", "tyranno")] * 12
SMALL = ["--lines", "--hidden-size", "8", "--epochs", "2", "--batch-size", "7", "--lr", "0.002"]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(LINES), encoding="utf-8")
    return path


def train(*arguments: object, ranks: int = 2) -> subprocess.CompletedProcess[str]:
    return run(ranks, "-m", "rnnfast", "train", *map(str, arguments))


def test_two_processes_train_one_model(corpus: Path, tmp_path: Path) -> None:
    several, alone = tmp_path / "several", tmp_path / "alone"
    done = train(corpus, *SMALL, "--out", several)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("saved") == 1
    assert done.stderr.count("epoch 2/2: ") == 1
    assert not Path(f"{several}.checkpoint").exists()
    assert train(corpus, *SMALL, "--out", alone, ranks=1).returncode == 0
    models = [rf.load(path) for path in (several, alone)]
    for name, module in models[1]._modules().items():
        for key, array in module.state_dict().items():
            own = models[0]._modules()[name].state_dict()[key]
            np.testing.assert_allclose(own, array, rtol=1e-3, atol=1e-4, err_msg=key)


def test_standard_input_is_refused(tmp_path: Path) -> None:
    done = train("-", *SMALL, "--out", tmp_path / "model")
    assert done.returncode != 0
    assert done.stderr.count("rnnfast: ") == 1
    assert "expected a file for CORPUS, which each process reads, got standard" in done.stderr


def test_what_the_first_refuses_ends_all_with_one_line(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    out.write_bytes(b"")
    done = train(corpus, *SMALL, "--out", out)
    assert done.returncode != 0
    assert [line for line in done.stderr.splitlines() if line.startswith("rnnfast:")] == [
        f"rnnfast: {out}: exists; --force replaces it, --out names another file"
    ]


def test_processes_without_mpi4py_are_refused(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "mpi4py.py").write_text("raise ImportError('no MPI library')\n")
    variables = environment()
    variables["PYTHONPATH"] = f"{tmp_path}:{variables['PYTHONPATH']}"
    variables["OMPI_COMM_WORLD_SIZE"] = "2"
    call = [sys.executable, "-m", "rnnfast", "train", str(corpus), "--out", str(tmp_path / "m")]
    done = subprocess.run(
        [*call, *SMALL], env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "expected mpi4py for several processes, got none that can be imported (no MPI" in (
        done.stderr
    )
    done = subprocess.run(
        [*call, *SMALL, "--no-mpi", "--quiet"], env=variables, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
