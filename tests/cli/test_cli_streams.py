"""``rnnfast score --stream``: each line of standard input as it comes."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import rnnfast as rf
from command_line import LINES, fails, start


@functools.cache
def trained(lines: bool, level: str) -> rf.LanguageModel:
    sizes = {"hidden_size": 8, "batch_size": 5, "sequence_length": 5}
    model = rf.LanguageModel(lines=lines, level=level, seed=0, **sizes)
    return model.fit("\n".join(LINES) + "\n", epochs=1, verbose=0)


@pytest.fixture(params=[(True, "char"), (False, "char"), (False, "word")], ids=str)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[rf.LanguageModel, Path]:
    lm = trained(*request.param)
    lm.save(tmp_path / "m.safetensors")
    return lm, tmp_path / "m.safetensors"


def test_lines_are_scored_as_they_come(model: tuple[rf.LanguageModel, Path]) -> None:
    lm, path = model
    process = start("score", path, "--stream", "--json", stdin=subprocess.PIPE, bufsize=1)
    assert process.stdin is not None
    assert process.stdout is not None
    found: list[dict[str, Any]] = []
    for line in ("to be", "or not Z", "that is"):
        process.stdin.write(line + "\n")
        process.stdin.flush()
        found.append(json.loads(process.stdout.readline()))  # before there is another one
        assert found[-1]["text"] == line
    rest, errors = process.communicate("\n\nto be", timeout=60)
    assert (process.returncode, errors) == (0, "")
    more = [json.loads(line) for line in rest.splitlines()]
    if lm.lines:
        assert [one["text"] for one in more] == ["to be"]
        for one in found + more:
            assert one["log_prob"] == pytest.approx(lm.log_prob(one["text"]), rel=1e-4)
            assert one["num_tokens"] == len(one["text"]) + 1
            assert one["loss"] == pytest.approx(-one["log_prob"] / one["num_tokens"])
        return
    assert [one["text"] for one in more] == ["", "", "to be"]
    whole = lm.evaluate("to be\nor not Z\nthat is\n\n\nto be")
    assert sum(one["log_prob"] for one in found + more) == pytest.approx(whole.log_prob, rel=1e-4)
    assert sum(one["num_tokens"] for one in found + more) == whole.num_tokens


def test_for_reading(model: tuple[rf.LanguageModel, Path]) -> None:
    lm, path = model
    process = start("score", path, "--stream", stdin=subprocess.PIPE)
    output, errors = process.communicate("to be\r\n", timeout=60)
    assert (process.returncode, errors) == (0, "")
    number, text = output.rstrip("\n").split("  ")[-2:]
    assert text == "to be"
    if lm.lines:
        assert float(number) == pytest.approx(lm.log_prob("to be"), abs=1e-3)


def test_what_is_no_text(model: tuple[rf.LanguageModel, Path]) -> None:
    _, path = model
    process = start("score", path, "--stream", stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.buffer.write(b"to be\n\xff\n")  # type: ignore[attr-defined]
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert len(output.splitlines()) == 1
    assert errors.startswith("rnnfast: standard input, line 2: expected UTF-8 text, got byte")
    assert len(errors.splitlines()) == 1


def test_a_reader_that_goes(model: tuple[rf.LanguageModel, Path]) -> None:
    _, path = model
    process = start("score", path, "--stream", stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.close()
    with contextlib.suppress(OSError):
        process.stdin.write("to be\n" * 3)
        process.stdin.close()
    assert process.wait(60) == 141
    assert process.stderr is not None
    with process.stderr as errors:
        assert errors.read() == ""


def test_a_text_besides(
    model: tuple[rf.LanguageModel, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, path = model
    for more in (["to be"], ["--file", os.devnull]):
        code, line = fails(capsys, "score", path, *more, "--stream")
        assert code == 2
        assert line.endswith("expected either a TEXT, a --file or --stream")
