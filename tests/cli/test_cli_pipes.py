"""Commands between pipes: JSON lines, standard input, readers that go, quiet, completion."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import rnnfast as rf
from command_line import LINES, SMALL, end, start
from rnnfast.__main__ import main

TEXT = "\n".join(LINES) + "\n"
TRAIN = [*SMALL, "--epochs", 3, "--lines"]
COMMANDS = ["sample", "score", "next", "info"]


def pipe(
    *arguments: object, text: str | bytes = "", encoding: str | None = None
) -> tuple[int, str, str]:
    """Run a process with a text as its standard input; return its exit code and streams."""
    process = start(*arguments, stdin=subprocess.PIPE, encoding=encoding)
    assert process.stdin is not None
    data = text.encode("utf-8") if isinstance(text, str) else text
    process.stdin.buffer.write(data)  # type: ignore[attr-defined]
    return end(process)


def objects(output: str) -> list[dict[str, Any]]:
    """Return the objects of JSON lines; NaN and Infinity, which JSON lacks, are refused."""

    def refuse(name: str) -> None:
        raise AssertionError(name)

    lines = output.split("\n")
    assert lines.pop() == ""
    return [json.loads(line, parse_constant=refuse) for line in lines]


# --json


def test_json_of_texts(model: Path) -> None:
    lm = rf.load(model)
    code, output, errors = pipe("sample", model, "-n", 3, "--seed", 5, "--json")
    assert (code, errors) == (0, "")
    assert objects(output) == [{"text": text} for text in lm.sample(3, seed=5)]
    code, output, errors = pipe("next", model, "to b", "-k", 3, "--json")
    assert (code, errors) == (0, "")
    answers = lm.next_tokens("to b", 3)
    assert objects(output) == [{"token": t, "probability": p} for t, p in answers]
    code, output, errors = pipe("score", model, "to beZ", "--json")
    result = lm.evaluate("to beZ")
    assert code == 0
    assert errors == "rnnfast: text: 1 of 6 characters unknown to the model: 'Z'\n"
    assert objects(output) == [
        {
            "log_prob": result.log_prob,
            "unit": "character",
            "num_tokens": 7,
            "loss": result.loss,
            "perplexity": result.perplexity,
        }
    ]


def test_json_of_info(model: Path) -> None:
    lm = rf.load(model)
    (facts,) = objects(pipe("info", model, "--json")[1])
    assert facts["model"] == "LanguageModel" and facts["params"] == lm.get_params()
    assert facts["num_parameters"] == lm.num_parameters
    assert (facts["unit"], facts["vocabulary_size"]) == ("character", len(lm.vocabulary_))
    assert (facts["epochs"], facts["steps"], facts["best_epoch"]) == (3, 3, lm.best_epoch_)
    assert facts["record"] == lm.history_[lm.best_epoch_ - 1]
    assert facts["size"] == model.stat().st_size
    (facts,) = objects(pipe("info", "--json")[1])
    expected = {**rf.cpu_info(), "threads": 1}
    assert facts == {"rnnfast": rf.__version__, **json.loads(json.dumps(expected))}


def test_json_of_export(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    out = tmp_path / "m.onnx"
    code, output, errors = pipe("export", model, out, "--opset", 17, "--json")
    assert (code, errors) == (0, "")
    (facts,) = objects(output)
    assert facts["inputs"][0] == "tokens" and facts["outputs"][0] == "scores"
    del facts["inputs"], facts["outputs"]
    size = out.stat().st_size
    assert facts == {"saved": str(out), "model": "LanguageModel", "opset": 17, "size": size}


def test_json_of_training(tmp_path: Path) -> None:
    """One object on standard output; progress, samples and notes on standard error."""
    out = tmp_path / "m"
    code, output, errors = pipe("train", "-", "-o", out, *TRAIN, "--json", text=TEXT)
    assert code == 0 and errors.count(" char/s, ") == errors.count("-- sample") == 3
    (facts,) = objects(output)
    lm = rf.load(out)
    kept = lm.history_[lm.best_epoch_ - 1]
    assert (facts["saved"], facts["corpus"]) == (str(out), "standard input")
    assert (facts["cell"], facts["num_layers"], facts["hidden_size"]) == ("lstm", 1, 8)
    assert (facts["epochs"], facts["best_epoch"]) == (3, lm.best_epoch_)
    assert (facts["steps"], facts["stopped"]) == (lm.history_[-1]["step"], "finished")
    assert (facts["loss"], facts["valid_loss"]) == (kept["loss"], kept["valid_loss"])
    assert facts["valid_perplexity"] == pytest.approx(math.exp(kept["valid_loss"]), rel=1e-12)
    assert facts["samples"] == lm.sample(5, max_length=400, seed=0)


def test_json_of_a_training_that_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "c").write_text(TEXT)
    out = tmp_path / "m"
    process = start("train", tmp_path / "c", "-o", out, *SMALL, "--epochs", 100_000, "--json")
    deadline = time.monotonic() + 60
    while not (tmp_path / "m.checkpoint").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    (facts,) = objects(output)
    assert facts["stopped"] == "interrupt"
    assert errors.endswith("rnnfast: stopped by Ctrl-C; the same command with --resume goes on\n")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_json_has_finite_numbers_only(
    number: float, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Deep in an object too."""
    record = {"epoch": 1, "step": 1, "loss": number, "learning_rate": 0.1}
    monkeypatch.setattr("rnnfast.cli.info.kept_record", lambda model: record)
    assert main(["info", str(model), "--json"]) == 0
    (facts,) = objects(capsys.readouterr().out)
    assert facts["record"] == {**record, "loss": None}


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "latin-1", "utf-8"])
def test_json_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    """What a terminal cannot show is escaped as JSON does, not as Python does."""
    texts = ["é😀", "é😀😀", "😀é"] * 6
    lm = rf.LanguageModel(lines=True, hidden_size=8, seed=0).fit(texts, epochs=1, verbose=0)
    lm.save(tmp_path / "m")
    code, output, _ = pipe("sample", tmp_path / "m", "--seed", 1, "--json", encoding=encoding)
    assert code == 0 and objects(output) == [{"text": lm.sample(seed=1)}]


@pytest.mark.parametrize("command", ["train", "sample", "score", "next", "info", "export"])
def test_an_error_is_no_result(command: str, tmp_path: Path) -> None:
    if command == "export":
        pytest.importorskip("onnx", reason="onnx is not installed")
    none = tmp_path / "none"
    more = {"score": ["text"], "export": [tmp_path / "m"]}.get(command, [])
    code, output, errors = pipe(command, none, *more, "--json")
    assert (code, output) == (1, "")
    assert errors == f"rnnfast: {none}: No such file or directory\n"


# Standard input


def test_standard_input_is_a_text(model: Path, tmp_path: Path) -> None:
    """The same answers as for the text itself."""
    same = [
        (["next", model, "-"], "to b\n", ["next", model, "to b"]),
        (["score", model, "-"], "to be\n", ["score", model, "to be"]),
        (["sample", model, "--seed", 1, "--prefix", "-"], "to\r\n",
         ["sample", model, "--seed", 1, "--prefix", "to"]),
        (["next", model, "-"], "", ["next", model, ""]),
    ]  # fmt: skip
    for arguments, text, plain in same:
        got = pipe(*arguments, text=text)
        assert got[0] == 0 and got == pipe(*plain)
    (tmp_path / "text").write_text("to be\nor not\n", encoding="utf-8")
    got = pipe("score", model, "--file", "-", text="\ufeffto be\r\nor not\r\n")
    assert got[0] == 0 and got == pipe("score", model, "--file", tmp_path / "text")


def test_standard_input_is_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "c").write_text(TEXT, encoding="utf-8")
    (tmp_path / "v").write_text("to be\nor not", encoding="utf-8")
    files = ["train", tmp_path / "c", "--valid", tmp_path / "v", *TRAIN, "-q", "-o"]
    assert pipe(*files, tmp_path / "m") == (0, "", "")
    expected = rf.load(tmp_path / "m").log_prob("to be")
    for number, name in enumerate(("c", "v")):
        given = ["-" if argument == tmp_path / name else argument for argument in files]
        out = tmp_path / f"m{number}"
        assert pipe(*given, out, text=(tmp_path / name).read_text()) == (0, "", "")
        assert rf.load(out).log_prob("to be") == expected
    code, output, _ = pipe("train", "-", "-o", tmp_path / "m2", *TRAIN, text=TEXT)
    assert code == 0 and "corpus    standard input, by character, " in output


READERS = [["train", "-", "-o", "none"], ["train", "{text}", "--valid", "-", "-o", "none"],
           ["score", "{model}", "-"], ["score", "{model}", "--file", "-"], ["next", "{model}", "-"],
           ["sample", "{model}", "--prefix", "-"]]  # fmt: skip


@pytest.mark.parametrize("command", READERS)
def test_standard_input_that_is_no_text(
    command: list[str], model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    arguments = [part.format(model=model, text=tmp_path / "text") for part in command]
    wrong = {
        "naïve".encode("latin-1"): "byte 0xef at offset 2 (invalid continuation byte)",
        "to be".encode("utf-16"): "UTF-16, by its byte order mark; iconv -f UTF-16 -t UTF-8 "
        "converts it",
    }
    for data, reason in wrong.items():
        expected = f"rnnfast: standard input: expected UTF-8 text, got {reason}\n"
        assert pipe(*arguments, text=data) == (1, "", expected)
    if command[0] == "train":
        expected = "rnnfast: standard input: expected text, got an empty file\n"
        assert pipe(*arguments, text=" \n") == (1, "", expected)
    if os.name == "posix":
        process = start(*arguments, preexec_fn=lambda: os.close(0))
        expected = "rnnfast: standard input: it is closed\n"
        assert process.communicate(timeout=60) == ("", expected) and process.returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


def test_what_is_no_text_is_no_standard_stream(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file of the name - is read or written by accident; ./- is one."""
    monkeypatch.chdir(tmp_path)
    wanted = ": expected the path of a file, got '-'; ./- is one\n"
    for arguments in (
        ["train", "-o", "-"], ["sample", "-"], ["score", "-", "a"], ["next", "-"], ["info", "-"],
        ["export", "-", "m"], ["export", model, "-"], ["quantize", "-", "m"],
        ["quantize", model, "-"],
    ):  # fmt: skip
        code, output, errors = pipe(*arguments)
        assert (code, output) == (2, "") and errors.endswith(wanted)
    assert list(tmp_path.iterdir()) == []
    assert pipe("train", "-", "-o", "./-", *TRAIN, "-q", text=TEXT) == (0, "", "")
    assert pipe("info", "./-")[0] == 0
    code, _, errors = pipe("train", "-", "--valid", "-", "-o", "m", text=TEXT)
    assert code == 2 and errors.endswith(
        "expected standard input for CORPUS or --valid, got it for both\n"
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_pipes_by_name(model: Path, tmp_path: Path) -> None:
    """As a shell's <(...) gives them."""

    def named(name: str) -> Path:
        path = tmp_path / name
        os.mkfifo(path)
        threading.Thread(target=path.write_text, args=(TEXT,), daemon=True).start()
        return path

    (tmp_path / "text").write_text(TEXT)
    expected = pipe("score", model, "--file", tmp_path / "text")
    assert expected[0] == 0 and pipe("score", model, "--file", named("a")) == expected
    train = ["train", named("b"), "--valid", named("c"), "-o", tmp_path / "m", *TRAIN, "-q"]
    assert pipe(*train) == (0, "", "")
    other = ["train", tmp_path / "text", "--valid", tmp_path / "text", "-o", tmp_path / "n"]
    assert pipe(*other, *TRAIN, "-q") == (0, "", "")
    a, b = (rf.load(tmp_path / name).history_[-1]["valid_loss"] for name in "mn")
    assert a == b


# Readers that go


@pytest.mark.skipif(os.name != "posix", reason="a pipe without a reader is another error")
@pytest.mark.parametrize("command", [*COMMANDS, "-h", "--version"])
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_reader_that_has_gone(command: str, more: list[str], model: Path) -> None:
    """Not a word, and the exit code that shells know."""
    if command.startswith("-"):
        arguments: list[object] = [command]
    else:
        arguments = [command, model, *(["to be"] if command == "score" else []), *more]
    reader, writer = os.pipe()
    os.close(reader)
    process = start(*arguments, stdout=writer)
    os.close(writer)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (141, "")


@pytest.mark.skipif(os.name != "posix", reason="a pipe without a reader is another error")
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_training_whose_reader_has_gone(more: list[str], tmp_path: Path) -> None:
    """The model is what counts."""
    (tmp_path / "c").write_text(TEXT)
    reader, writer = os.pipe()
    os.close(reader)
    process = start("train", tmp_path / "c", "-o", tmp_path / "m", *TRAIN, *more, stdout=writer)
    os.close(writer)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and "rnnfast:" not in errors
    assert len(rf.load(tmp_path / "m").history_) == 3


# --quiet


def test_quiet(model: Path, tmp_path: Path) -> None:
    """Results and errors, nothing else: a file that is written is the result."""
    for arguments in (
        ["score", model, "to beZ"], ["next", model, "to bZ"],
        ["sample", model, "--seed", 1, "--prefix", "toZ"],
    ):  # fmt: skip
        code, output, errors = pipe(*arguments)
        assert code == 0 and output and "unknown to the model" in errors
        assert pipe(*arguments, "-q") == (0, output, "")
    train = ["train", "-", *SMALL, "--epochs", 2, "-o"]
    short = "to be or not"
    code, _, errors = pipe(*train, tmp_path / "m", text=short)
    assert code == 0 and errors.startswith(
        "text: 11 characters to learn from are less than --batch-size x --sequence-length, 5 x 10; "
        "taking a --batch-size of 1\n"
    )
    assert pipe(*train, tmp_path / "m1", "--quiet", text=short) == (0, "", "")
    code, output, errors = pipe(*train, tmp_path / "m2", "-q", "--json", text=short)
    assert (code, errors) == (0, "") and objects(output)[0]["saved"] == str(tmp_path / "m2")
    code, output, errors = pipe(*train, tmp_path / "m2", "-q", text=short)
    assert (code, output) == (1, "") and "--force replaces it" in errors


def test_quiet_tells_what_goes_wrong(tmp_path: Path) -> None:
    """A model that is worse than one that has learned nothing is no note."""
    options = ["--lr", 1e4, "--epochs", 2, "-q"]
    code, output, errors = pipe("train", "-", "-o", tmp_path / "m", *SMALL, *options, text=TEXT)
    assert (code, output) == (0, "")
    assert "is far above" in errors and errors.count("\n") == 1


def test_quiet_export(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    assert pipe("export", model, tmp_path / "m.onnx", "--quiet") == (0, "", "")
    assert (tmp_path / "m.onnx").exists()


# --patience


def test_patience(tmp_path: Path) -> None:
    """It stops, says so, and has the weights of the best epoch."""
    options = ["--patience", 2, "--lr", 0.5, "--epochs", 400, "--lines", *SMALL]
    code, output, errors = pipe("train", "-", "-o", tmp_path / "m", *options, "--json", text=TEXT)
    assert code == 0
    (facts,) = objects(output)
    assert facts["stopped"] == "patience" and facts["epochs"] == facts["best_epoch"] + 2 < 400
    assert f"stopped after epoch {facts['epochs']}, no better one in 2, " in errors
    assert rf.load(tmp_path / "m").patience == 2
    # Nothing of this text can be held out.
    short = ["train", "-", "-o", tmp_path / "m2", *SMALL, "--patience", 2]
    code, _, errors = pipe(*short, text="ab" * 4 + "z")
    assert code == 1
    message = "rnnfast: --patience: expected None without validation, which it waits for\n"
    assert errors.endswith(message)


# Completion


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("rnnfast s", ["show", "sample", "score"]),
        ("rnnfast train --pat", ["--patience"]),
        ("rnnfast train --cell gr", ["gru"]),
        ("rnnfast train --level ", ["char", "word", "subword"]),
        ("rnnfast export m o --part e", ["encoder"]),
    ],
)
def test_completion(words: str, expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_RNNFAST_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    code, output, errors = pipe()
    assert (code, output.split(), errors) == (0, expected, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_completion(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    code, output, errors = pipe("--show-completion", shell)
    assert (code, errors) == (0, "")
    assert f"_RNNFAST_COMPLETE=complete_{shell}" in output
