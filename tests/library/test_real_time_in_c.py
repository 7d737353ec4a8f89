"""Steps of streams are fit for an audio thread: no memory, no lock, no system call."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import rnnfast as rf
from c_library import LIBRARY

SOURCE = Path(__file__).with_name("real_time.cpp")


def files(folder: Path) -> list[Path]:
    """Return the files of networks of every kind of part, small and large."""
    networks = [
        rf.chain(rf.GRU(1, 8, seed=0), rf.Linear(8, 1, seed=0)),
        rf.chain(rf.LSTM(2, 40, 3, proj_size=5, seed=0), rf.Activation("tanh"), rf.Dropout(0.1)),
        rf.chain(rf.LSTM(30, 512, seed=0), rf.Linear(512, 700, seed=0), rf.Activation("relu")),
        rf.chain(rf.Embedding(9, 4, seed=0), rf.GRU(4, 8, reset_after=False, seed=0)),
        rf.residual(rf.chain(rf.LayerNormLSTM(5, 5, zoneout=0.1, seed=0))),
        rf.chain(rf.MinGRU(3, 20, seed=0), rf.IndRNN(20, 4, seed=0)),
        rf.RNN(700, 600, seed=0),
    ]
    paths = [folder / f"{number}.safetensors" for number in range(len(networks))]
    for path, network in zip(paths, networks, strict=True):
        rf.save(path, network)
    return paths


def program(folder: Path, compiler: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Compile the program against the package's library."""
    return subprocess.run(
        [compiler, "-std=c++17", "-O1", *options, f"-I{LIBRARY.parents[1] / 'include'}", SOURCE,
         "-o", folder / "real_time", f"-L{LIBRARY.parent}", "-lrnnfast", "-ldl",
         f"-Wl,-rpath,{LIBRARY.parent}"],
        capture_output=True, text=True,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def there() -> None:
    if not LIBRARY.exists():
        pytest.skip("this package has no C library, it is for Linux alone")


def test_steps_ask_for_no_memory_no_lock_and_nothing_of_the_system(tmp_path: Path) -> None:
    if shutil.which("c++") is None:
        pytest.skip("there is no C++ compiler")
    done = program(tmp_path, "c++")
    if done.returncode != 0 and "__libc_malloc" in done.stderr:
        pytest.skip("memory cannot be watched with another C library than glibc")
    assert done.returncode == 0, done.stderr
    for level in rf.cpu_info()["levels"]:
        done = subprocess.run(
            [tmp_path / "real_time", *files(tmp_path)],
            capture_output=True, text=True, env={**os.environ, "RNNFAST_ISA": level},
        )  # fmt: skip
        assert (done.returncode, done.stdout) in ((0, "no system call\n"), (0, "no seccomp\n")), (
            level + done.stdout + done.stderr
        )


def test_steps_under_the_real_time_sanitizer(tmp_path: Path) -> None:
    for compiler in ("clang++", "clang++-22", "clang++-21", "clang++-20"):
        if shutil.which(compiler) is None:
            continue
        done = program(tmp_path, compiler, "-fsanitize=realtime")
        if done.returncode == 0:
            done = subprocess.run(
                [tmp_path / "real_time", *files(tmp_path)], capture_output=True, text=True
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return
    pytest.skip("there is no Clang with -fsanitize=realtime, which is new in Clang 20")
