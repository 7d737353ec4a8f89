"""The examples in C and C++: built with CMake against the package, run, and right."""

from __future__ import annotations

import shutil
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from c_library import LIBRARY

SOURCES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the examples' programs."""
    if not LIBRARY.exists():
        pytest.skip("this package has no C library, it is for Linux alone")
    for program in ("cmake", "cc", "c++"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}")
    folder = tmp_path_factory.mktemp("examples")
    asked = subprocess.run(
        [sys.executable, "-m", "rnnfast", "--cmake-dir"], check=True, capture_output=True, text=True
    )
    for command in (
        ["cmake", "-S", SOURCES, "-B", folder, f"-Drnnfast_DIR={asked.stdout.strip()}",
         "-DCMAKE_C_FLAGS=-Wall -Wextra -Wpedantic -Werror",
         "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wpedantic -Werror"],
        ["cmake", "--build", folder],
    ):  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


def run(*command: Any, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], input=text, capture_output=True, text=True)


def test_a_c_program_scores_lines_of_text(built: Path, tmp_path: Path) -> None:
    text = "the cat sat on the mat.\n" * 120
    model = rf.LanguageModel(hidden_size=8, epochs=1, seed=0, verbose=0).fit(text)
    model.save(tmp_path / "m.safetensors")
    lines = ["the cat", "mat sat the", "tac", "the cat sat on the mat" * 500]
    done = run(built / "score_text", tmp_path / "m.safetensors", text="\n".join(lines) + "\n")
    assert done.returncode == 0, done.stderr
    for line, printed in zip(lines, done.stdout.splitlines(), strict=True):
        log_prob, tokens, perplexity = printed.split()
        expected = model.evaluate(line)
        assert (float(log_prob), int(tokens)) == (expected.log_prob, expected.num_tokens)
        assert float(perplexity) == pytest.approx(expected.perplexity, abs=1e-4)
    done = run(built / "score_text", tmp_path / "none")
    assert done.returncode == 1 and "No such file" in done.stderr


def test_a_sound_is_streamed_through_a_gru(built: Path, tmp_path: Path) -> None:
    network = rf.chain(rf.GRU(1, 12, seed=0), rf.Linear(12, 1, seed=1))
    rf.save(tmp_path / "m.safetensors", network)
    samples = np.random.default_rng(0).integers(-20000, 20000, 1000).astype("<i2")
    with wave.open(str(tmp_path / "in.wav"), "wb") as file:
        file.setparams((1, 2, 44100, 0, "NONE", "not compressed"))
        file.writeframes(samples.tobytes())
    paths = tmp_path / "m.safetensors", tmp_path / "in.wav", tmp_path / "out.wav"
    done = run(built / "wav_gru", *paths)
    assert done.returncode == 0, done.stderr
    with wave.open(str(tmp_path / "out.wav"), "rb") as file:
        got = np.frombuffer(file.readframes(1000), "<i2")
    y = network((samples / np.float32(32768)).astype("f4")[:, np.newaxis, np.newaxis])[:, 0, 0]
    scaled = np.clip(y, -1, 1) * np.float32(32767)
    np.testing.assert_array_equal(got, np.trunc(scaled + np.copysign(np.float32(0.5), scaled)))
    done = run(built / "wav_gru", tmp_path / "m.safetensors", tmp_path / "m.safetensors", "x")
    assert done.returncode == 1 and "expected a WAV file" in done.stderr
