"""The command ``rnnfast quantize``, and ``train --quantize``."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import rnnfast as rf
from command_line import LINES, SMALL, contents, fails, run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a language model ``m`` and a layer ``g``."""
    monkeypatch.chdir(tmp_path)
    lm = rf.LanguageModel(hidden_size=48, lines=True, seed=0)
    lm.fit(LINES, epochs=1, verbose=0).save("m")
    rf.save("g", rf.GRU(30, 40, seed=0))
    return tmp_path


@pytest.mark.parametrize("numbers", ["int8", "bfloat16"])
def test_a_model(numbers: str, folder: Path) -> None:
    output = run("quantize", "m", "small", "--numbers", numbers)
    before, after = os.path.getsize("m"), os.path.getsize("small")
    assert after < 0.7 * before and sorted(contents(folder)) == ["g", "m", "small"]
    assert output == (
        f"saved small: LanguageModel, {numbers}, {after:,} bytes in place of {before:,}\n"
    )
    expected = rf.quantize(rf.load("m"), numbers)  # type: ignore[arg-type]
    assert rf.load("small").log_prob("to be") == expected.log_prob("to be")
    assert run("sample", "small", "--seed", 1) == f"{expected.sample(seed=1)}\n"
    assert f"{expected.log_prob('to be'):.4f}" in run("score", "small", "to be")
    assert run("next", "small", "to")
    assert ["numbers", numbers] in [line.split() for line in run("info", "small").splitlines()]


def test_layers_and_objects() -> None:
    assert "saved h: GRU, int8-16, " in run("quantize", "g", "h", "--activations", 16)
    assert rf.load("h").numbers == "int8-16"
    facts = json.loads(run("quantize", "m", "small", "--json"))
    sizes = {"size": os.path.getsize("small"), "size_before": os.path.getsize("m")}
    assert facts == {"saved": "small", "model": "LanguageModel", "numbers": "int8", **sizes}
    assert run("quantize", "m", "small", "--force", "--quiet") == ""
    assert json.loads(run("info", "small", "--json"))["numbers"] == "int8"


def test_a_file_is_replaced_with_force_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("o").write_text("old")
    before = contents(folder)
    assert fails(capsys, "quantize", "m", "o") == (1, "o: exists; --force replaces it")
    assert contents(folder) == before
    run("quantize", "m", "o", "--force")
    assert rf.load("o").numbers_ == "int8"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["m", "m"], 1, "OUT: expected another file than MODEL, got m"),
        (["m", "./m", "--force"], 1, "OUT: expected another file than MODEL, got m"),
        (["none", "o"], 1, "none: No such file or directory"),
        (["m", "none/o"], 1, "none/o: OUT: its folder does not exist"),
        (["m", "o", "--numbers", "int4"], 2, "expected one of int8, bfloat16, got 'int4'"),
        (["m", "o", "--activations", "9"], 2, "expected one of 8, 16, got '9'"),
        (
            ["m", "o", "--numbers", "bfloat16", "--activations", "16"],
            1,
            "--activations: expected to be left out with bfloat16, got 16",
        ),
        (["m"], 2, "Missing argument 'out'"),
    ],
)
def test_what_is_refused(
    arguments: list[str],
    code: int,
    message: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = contents(folder)
    exit_code, line = fails(capsys, "quantize", *arguments)
    assert exit_code == code and message in line
    assert contents(folder) == before


def test_twice(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("quantize", "m", "o")
    code, line = fails(capsys, "quantize", "o", "p")
    assert code == 1 and line.endswith(
        "expected numbers of float32, got int8, of what is quantized"
    )
    assert not Path("p").exists()


def test_training(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("text").write_text("\n".join(LINES))
    run("train", "text", "--out", "f", "--lines", "--epochs", 1, *SMALL)
    output = run(
        "train", "text", "--out", "q", "--lines", "--epochs", 1, *SMALL, "--quantize", "int8"
    )
    model = rf.load("q")
    assert model.numbers_ == "int8" and "saved     q" in output
    assert model.log_prob("to be") == rf.quantize(rf.load("f")).log_prob("to be")
    code, line = fails(capsys, "train", "text", "--from", "q", "--out", "r", "-q")
    assert code == 1 and line.startswith("fit: expected numbers of float32 or float64, got those")
    assert not Path("r").exists()
