"""The command line: what it prints, what it leaves on the disk, and its exit codes."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import rnnfast as rf
from command_line import LINES, SMALL, CliRunner, app, end, fails, run, start
from rnnfast.__main__ import main
from rnnfast.data import load_dinosaurs
from rnnfast.nn.recurrent.base import LAYERS

# train


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rnnfast {rf.__version__}\n"
    for arguments in (["-h"], ["train", "-h"]):
        assert main(arguments) == 0
        assert "Usage: rnnfast" in capsys.readouterr().out


def test_train(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    output = run("train", corpus, "--lines", "-o", out, "--epochs", 4, *SMALL, "--threads", 1)
    for part in (
        "LSTM, 1 layer of 8 units, ",
        f"{corpus}, by character, ",
        "4 epochs, ",
        " nats a character, perplexity ",
        f"saved     {out}",
        "samples",
    ):
        assert part in output
    lm = rf.load(out)
    assert lm.lines and lm.hidden_size == 8 and len(lm.history_) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.txt", out.name]
    best = lm.history_[lm.best_epoch_ - 1]["valid_loss"]
    assert f"{best:.4f} nats" in output


def test_train_shows_progress_and_samples(corpus: Path, tmp_path: Path) -> None:
    arguments = ["train", str(corpus), "-o", str(tmp_path / "m"), "--epochs", "4", *SMALL]
    progress = CliRunner().invoke(app, [*arguments, "--sample-every", "2"]).stderr
    assert progress.count("-- sample after epoch") == 2
    assert progress.count(" char/s, ") == 4
    without = CliRunner().invoke(app, [*arguments, "--force", "--sample-every", "0"]).stderr
    assert without.count(" char/s, ") == 4 and "-- sample" not in without
    assert CliRunner().invoke(app, [*arguments, "--force", "--quiet"]).output == ""


def test_train_by_word_with_a_validation_text(corpus: Path, tmp_path: Path) -> None:
    valid = tmp_path / "valid.txt"
    valid.write_text("to be or not to be", encoding="utf-8")
    options = ["--level", "word", "--cell", "gru", "--embedding-size", 4, "--valid", valid]
    output = run("train", corpus, *options, *SMALL, "--epochs", 1, "-o", tmp_path / "m")
    assert "GRU" in output and "by word" in output
    lm = rf.load(tmp_path / "m")
    assert not lm.lines and "question" in lm.vocabulary_


def test_train_without_a_corpus_takes_the_dinosaurs(tmp_path: Path) -> None:
    options = ["--hidden-size", 4, "--layers", 1, "--epochs", 1]
    output = run("train", "-o", tmp_path / "m", *options)
    assert "names of dinosaurs" in output
    lm = rf.load(tmp_path / "m")
    assert lm.lines
    assert set("".join(load_dinosaurs())) >= set(lm.vocabulary_.tokens) - {"<UNK>", "<EOS>"}


def test_same_seed_same_model(corpus: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        run("train", corpus, "-o", tmp_path / name, "--epochs", 2, *SMALL, "--seed", 7, "-q")
    one, two = rf.load(tmp_path / "a"), rf.load(tmp_path / "b")
    assert one.log_prob("to be") == two.log_prob("to be")


def test_stopped_by_ctrl_c_and_resumed(
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "m"
    arguments = ["train", str(corpus), "-o", str(out), "--epochs", "6", *SMALL]
    assert main([*arguments[:3], str(tmp_path / "whole"), *arguments[4:]]) == 0
    whole = rf.load(tmp_path / "whole")

    sample, pressed = rf.LanguageModel.sample, []

    def press(*arguments: Any, **options: Any) -> Any:
        if not pressed:
            pressed.append(os.kill(os.getpid(), signal.SIGINT))
        return sample(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(rf.LanguageModel, "sample", press)
        assert main([*arguments, "--sample-every", "2"]) == 130
    captured = capsys.readouterr()
    assert "stopped by Ctrl-C after epoch 2 of 6" in captured.err
    assert "the same command with --resume goes on" in captured.out
    assert len(rf.load(out).history_) == 2
    assert (tmp_path / "m.checkpoint").exists()
    assert main([*arguments, "--resume"]) == 0
    assert not (tmp_path / "m.checkpoint").exists()
    resumed = rf.load(out)
    assert len(resumed.history_) == 6
    assert resumed.log_prob("to be") == whole.log_prob("to be")


# sample, score, next, info


def test_sample(model: Path) -> None:
    output = run("sample", model, "-n", 3, "--seed", 5, "--length", 30)
    assert output.splitlines() == rf.load(model).sample(3, seed=5, max_length=30)
    output = run("sample", model, "--prefix", "to", "--temperature", 0, "--top-k", 2)
    assert output.startswith("to")
    assert run("sample", model, "--top-p", 0.5, "--allow-unknown", "--seed", 1).endswith("\n")


def test_score(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lm = rf.load(model)
    output = run("score", model, "to be")
    assert f"log-probability  {lm.log_prob('to be'):.4f} nats" in output
    assert f"perplexity       {lm.perplexity('to be'):.4f}" in output
    assert "characters       6, the end of each line counted" in output
    file = tmp_path / "text"
    file.write_text("to be\nor not\n", encoding="utf-8")
    assert main(["score", str(model), str(file)]) == 0  # the letters of the path
    assert "TEXT: read as the text itself, though" in capsys.readouterr().err
    output = run("score", model, "--file", file)
    assert f"log-probability  {lm.log_prob('to be') + lm.log_prob('or not'):.4f} nats" in output


def test_next(model: Path) -> None:
    lines = run("next", model, "to b", "-k", 3).splitlines()
    expected = rf.load(model).next_tokens("to b", 3)
    assert lines == [f"{p:.4f}  {t if t != ' ' else repr(t)}" for t, p in expected]
    assert len(run("next", model).splitlines()) == 10


def test_info(model: Path) -> None:
    output = run("info")
    assert rf.__version__ in output and rf.cpu_info()["level"] in output
    output = run("info", model)
    for part in ("LanguageModel", "hidden_size", "vocabulary", "valid_loss", "file size"):
        assert part in output


@pytest.mark.parametrize("best", [1, 2, 3, 0])
def test_info_tells_the_loss_of_the_weights_that_are_kept(best: int, tmp_path: Path) -> None:
    path = tmp_path / "m"
    lm = rf.LanguageModel(lines=True, hidden_size=8, seed=0)
    lm.fit(LINES, epochs=3, verbose=0)
    lm.best_epoch_ = best
    lm.save(path)
    facts = dict(line.split(maxsplit=1) for line in run("info", path).splitlines()[1:])
    if best:
        assert facts["trained"] == f"3 epochs, 3 steps; weights of epoch {best}"
        kept = lm.history_[best - 1]
        assert (facts["loss"], facts["valid_loss"]) == (
            f"{kept['loss']:.4g}",
            f"{kept['valid_loss']:.4g}",
        )
    else:
        assert facts["trained"] == "3 epochs, 3 steps; weights of the last step"
        assert facts["loss"].split() == ["of", "epoch", "3", f"{lm.history_[-1]['loss']:.4g}"]


def test_info_of_other_models(tmp_path: Path) -> None:
    model = rf.SequenceClassifier(
        hidden_size=4, epochs=4, validation_fraction=0.2, verbose=0, seed=1
    )
    model.fit(["good", "bad"] * 8, ["+", "-"] * 8).save(tmp_path / "m")
    output = run("info", tmp_path / "m")
    kept = model.history_[model.best_epoch_ - 1]
    assert f"weights of epoch {model.best_epoch_}" in output
    assert f"{kept['valid_accuracy']:.4g}" in output.split("valid_accuracy")[1]


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_layers_are_no_model(
    more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "layer"
    rf.save(path, rf.LSTM(2, 3, seed=0))
    assert fails(capsys, "info", path, *more) == (1, f"{path}: expected a model, got LSTM")
    for command in (["sample", path], ["score", path, "a"], ["next", path]):
        expected = f"{path}: expected a LanguageModel, got LSTM"
        assert fails(capsys, *command, *more) == (1, expected)


# Wrong usage


def test_usage_errors(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    code, message = fails(capsys, "trian")
    assert code == 2 and message.startswith("No such command 'trian'.")
    assert fails(capsys, "train", "--epochs", "0")[0] == 2
    code, message = fails(capsys, "train", "--cell", "cnn")
    assert code == 2 and message.endswith(f": expected one of {', '.join(LAYERS)}, got 'cnn'")
    assert fails(capsys, "sample")[0] == 2
    code, message = fails(capsys, "score", model)
    assert code == 2 and "expected either a TEXT, a --file or --stream" in message
    assert fails(capsys, "score", model, "a", "--file", model)[0] == 2


def test_errors_are_one_line(
    capsys: pytest.CaptureFixture[str], corpus: Path, model: Path, tmp_path: Path
) -> None:
    none, out = tmp_path / "none", tmp_path / "m"
    assert fails(capsys, "sample", none) == (1, f"{none}: No such file or directory")
    assert fails(capsys, "info", tmp_path) == (1, f"{tmp_path}: Is a directory")
    code, message = fails(capsys, "score", corpus, "a")
    assert code == 1 and message.startswith(f"{corpus}: damaged, cut short or not a safetensors")
    assert fails(capsys, "train", none, "-o", out) == (1, f"{none}: No such file or directory")
    code, message = fails(capsys, "train", corpus, "-o", none / "m")
    assert (code, message) == (1, f"{none / 'm'}: --out: its folder does not exist")
    (tmp_path / "latin").write_bytes("na\u00efve".encode("latin-1"))
    code, message = fails(capsys, "train", tmp_path / "latin", "-o", out)
    assert code == 1 and "expected UTF-8 text, got byte 0xef at offset 2" in message
    (tmp_path / "empty").write_bytes(b" \n")
    assert "got an empty file" in fails(capsys, "train", tmp_path / "empty", "-o", out)[1]
    assert "got none among 2" in fails(capsys, "next", model, "ZZ")[1]
    code, message = fails(capsys, "train", corpus, "-o", out, "--resume", *SMALL)
    assert (code, message) == (1, f"no unfinished training: {out}.checkpoint does not exist")
    assert not out.exists()
    code, message = fails(capsys, "sample", model, "--temperature", "nan")
    assert code == 2 and message.startswith("Invalid value for '--temperature': expected")


def test_training_that_explodes(
    capsys: pytest.CaptureFixture[str], corpus: Path, tmp_path: Path
) -> None:
    arguments = ["train", corpus, "-o", tmp_path / "m", "-q", "--lr", "1e38", "--cell", "rnn"]
    code, message = fails(capsys, *arguments, *SMALL, "--epochs", "5")
    assert code == 1 and "step " in message and "lower the learning rate" in message


def test_without_typer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "typer", None)
    expected = 'the command line needs typer: pip install "rnnfast[cli]"'
    assert fails(capsys, "info") == (1, expected)


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--help"], ["train", "--help"]):
        assert main(arguments) == 0
        assert "Usage: rnnfast" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["sample"], ["score", "to be"], ["next"], ["info"]])
def test_a_command_that_is_stopped_says_so(
    model: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
) -> None:
    def load(path: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(rf, "load", load)
    assert main([command[0], str(model), *command[1:]]) == 130
    assert capsys.readouterr().err == "rnnfast: stopped\n"


# As a process


def test_process_that_is_stopped(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    process = start("train", corpus, "-o", out, "--epochs", 100_000, *SMALL)
    deadline = time.monotonic() + 60
    while not (tmp_path / "m.checkpoint").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    code, output, errors = end(process)
    assert code == 130, errors
    assert "stopped by Ctrl-C" in errors
    assert "--resume" in output
    assert rf.load(out).stopped_ == "interrupt"


def test_process_that_fails(tmp_path: Path) -> None:
    code, output, errors = end(start("info", tmp_path / "none"))
    assert (code, output) == (1, "")
    assert errors == f"rnnfast: {tmp_path / 'none'}: No such file or directory\n"


def test_reader_that_goes_away(model: Path) -> None:
    process = start("sample", model, "-n", 20_000, "--length", 20)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 141
    process.stderr.close()
