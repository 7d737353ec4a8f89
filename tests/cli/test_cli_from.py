"""`rnnfast train --from`, and trainings that are prolonged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rnnfast as rf
from command_line import LINES, SMALL, environment, fails, run
from rnnfast.__main__ import main
from rnnfast.io.tensors import collect_arrays, description_of, read_tensors, write_tensors
from rnnfast.training.checkpointer import keeping

TRAIN = [*SMALL, "--epochs", "2", "-q"]
MORE = ["zebra quiz", "to be", "jazz"] * 12


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.txt").write_text("\n".join(LINES), encoding="utf-8")
    (tmp_path / "more.txt").write_text("\n".join(MORE), encoding="utf-8")
    assert main(["train", "c.txt", "-o", "m", *TRAIN]) == 0
    return tmp_path


def weights(path: str) -> dict[str, np.ndarray]:
    return collect_arrays(rf.load(path)._modules())


def assert_same(first: str, second: str) -> None:
    one, two = weights(first), weights(second)
    for name, array in one.items():
        np.testing.assert_array_equal(two[name], array, err_msg=name)


def interrupted(monkeypatch: pytest.MonkeyPatch, arguments: list[str], step: int) -> None:
    """Run a training that Ctrl-C stops after so many steps."""
    fit = rf.LanguageModel.fit

    def stopped(*given: object, **options: object) -> rf.LanguageModel:
        options["callbacks"] = [
            lambda p: os.kill(os.getpid(), signal.SIGINT) if p.step == step else None
        ]
        return fit(*given, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(rf.LanguageModel, "fit", stopped)
        assert main(arguments) == 130


def test_from_is_a_warm_start() -> None:
    assert main(["train", "more.txt", "--from", "m", "-o", "n", "--epochs", "3", "-q"]) == 0
    text = Path("more.txt").read_text(encoding="utf-8")
    lm = rf.load("m").fit(text, warm_start=True, epochs=3, verbose=0)
    lm.save("expected")
    assert_same("n", "expected")
    assert {*"zqj"} < {*rf.load("n").vocabulary_.tokens}
    assert rf.load("n").hidden_size == 8  # not the command's own default


def test_options_of_training_may_be_others() -> None:
    options = [
        "--lr",
        "0.02",
        "--batch-size",
        "3",
        "--seed",
        "9",
        "--dropout",
        "0.3",
        "--patience",
        "4",
    ]
    assert main(["train", "c.txt", "--from", "m", "-o", "n", "--epochs", "1", "-q", *options]) == 0
    lm = rf.load("n")
    assert (lm.learning_rate, lm.batch_size, lm.seed, lm.dropout) == (0.02, 3, 9, 0.3)
    assert (lm.patience, lm.sequence_length, lm.num_layers) == (4, 10, 1)


def test_what_does_not_fit(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    Path("tags").write_bytes(b"no model")
    words = rf.SequenceClassifier(hidden_size=2, epochs=1, verbose=0)
    words.fit(["a b", "b a"] * 6, [0, 1] * 6).save("other")
    before = Path("m").read_bytes()
    cases: list[tuple[list[str], str]] = [
        (["--from", "m", "--hidden-size", "9"],
         "--hidden-size: expected 8, with which the model was trained, got 9; without --from it is "
         "trained anew"),
        (["--from", "m", "--layers", "2"], "--layers: expected 1, with which the model was"),
        (["--from", "m", "--cell", "gru"], "cell: expected 'lstm', with which the model was"),
        (["--from", "m", "--lines"], "lines: expected False, with which the model was"),
        (["--from", "m", "--no-extend"],
         "text: expected tokens that the model knows with --no-extend, got "),
        (["--from", "m", "--freeze", "head"],
         "--freeze: expected some of embedding, recurrent, output, or parameters of one as "
         "embedding.weight, got 'head'"),
        (["--from", "absent"], "absent: "),
        (["--from", "tags"], "tags: "),
        (["--from", "other"], "other: expected a LanguageModel, got SequenceClassifier"),
    ]  # fmt: skip
    for options, message in cases:
        code, said = fails(capsys, "train", "more.txt", "-o", "n", *options, "-q")
        assert code == 1 and said.startswith(message), said
        assert not Path("n").exists() and not Path("n.checkpoint").exists()
    assert Path("m").read_bytes() == before


def test_the_file_of_from_is_replaced_when_told(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "more.txt", "--from", "m", "-o", "m", "--epochs", "1", "-q"]
    before = Path("m").read_bytes()
    message = "m: exists; --force replaces it, --out names another file"
    assert fails(capsys, *arguments) == (1, message)
    assert Path("m").read_bytes() == before
    assert main([*arguments, "--force"]) == 0
    assert "z" in rf.load("m").vocabulary_
    Path("n.checkpoint").write_bytes(Path("m").read_bytes())
    code, said = fails(capsys, "train", "c.txt", "--from", "n.checkpoint", "-o", "n", "--force")
    assert code == 1 and "expected another file than --from for the checkpoint" in said


def test_frozen_layers() -> None:
    options = ["--freeze", "recurrent", "--freeze", "embedding", "--epochs", "1", "-q"]
    assert main(["train", "c.txt", "--from", "m", "-o", "n", *options]) == 0
    old, new = weights("m"), weights("n")
    moved = {name.partition(".")[0] for name in old if (old[name] != new[name]).any()}
    assert moved == {"output"}


@pytest.mark.parametrize("out", ["n", "m"])
def test_stopped_and_resumed(out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the model that was gone on with has been replaced by what was stopped."""
    arguments = ["train", "more.txt", "--from", "m", "--epochs", "4", "-q"]
    assert main([*arguments, "-o", "whole"]) == 0
    interrupted(monkeypatch, [*arguments, "-o", out, "--force"], 5)
    assert main([*arguments, "-o", out, "--resume"]) == 0
    assert not Path(f"{out}.checkpoint").exists()
    assert_same(out, "whole")


def test_a_finished_training_is_prolonged(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "c.txt", "-o", "n", *SMALL, "-q"]
    assert main([*arguments, "--epochs", "2", "--keep-checkpoint"]) == 0
    assert_same("n", "m")
    assert Path("n.checkpoint").exists()
    capsys.readouterr()
    assert fails(capsys, *arguments) == (
        1,
        "n.checkpoint: exists, of a training that has ended; --resume, with more --epochs, goes on "
        "with it, --force begins anew",
    )
    assert main([*arguments, "--epochs", "4", "--resume"]) == 0
    assert len(rf.load("n").history_) == 4
    lm = rf.load("m")  # the same in Python
    text = Path("c.txt").read_text(encoding="utf-8")
    lm.fit(text, epochs=2, verbose=0, checkpoint="c")
    lm.fit(text, epochs=4, verbose=0, checkpoint="c", resume=True).save("expected")
    assert_same("n", "expected")
    # What was kept stays, also where there is nothing to train.
    assert main([*arguments, "--epochs", "4", "--resume"]) == 0
    assert_same("n", "expected")
    assert main([*arguments, "--epochs", "5", "--resume"]) == 0
    assert len(rf.load("n").history_) == 5
    assert Path("n.checkpoint").exists()


def position(path: str) -> dict[str, object]:
    kind, description = description_of(path)
    assert kind == "checkpoint"
    return dict(description["position"])


@pytest.mark.parametrize("kept", [True, False])
def test_an_interrupted_training_remembers_whether_it_is_kept(
    kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["train", "c.txt", "-o", "n", *SMALL, "-q"]
    begun = [*arguments, "--epochs", "2", *(["--keep-checkpoint"] if kept else [])]
    interrupted(monkeypatch, begun, 3)
    assert position("n.checkpoint")["kept"] is kept
    assert main([*arguments, "--epochs", "2", "--resume"]) == 0
    assert Path("n.checkpoint").exists() is kept
    if kept:
        longer = [*arguments, "--epochs", "4", "--resume"]
        interrupted(monkeypatch, longer, position("n.checkpoint")["step"] + 3)  # type: ignore[operator]
        assert not position("n.checkpoint")["ended"]
        assert main(longer) == 0
        assert len(rf.load("n").history_) == 4
        assert position("n.checkpoint")["kept"] is True


def test_a_wish_for_a_training_that_has_ended_is_written(folder: Path) -> None:
    """Also where nothing is left to train, which writes no checkpoint."""
    text = Path("c.txt").read_text(encoding="utf-8")
    rf.load("m").fit(text, epochs=2, verbose=0, checkpoint="n.checkpoint")
    assert position("n.checkpoint")["kept"] is None
    arguments = ["train", "c.txt", "-o", "n", *SMALL, "-q", "--resume", "--epochs"]
    assert main([*arguments, "2", "--keep-checkpoint"]) == 0
    assert position("n.checkpoint")["kept"] is True
    assert main([*arguments, "3"]) == 0
    assert Path("n.checkpoint").exists()


def test_a_training_that_python_goes_on_with_says_nothing_of_a_wish() -> None:
    """Whatever the command that began it was told."""
    text = Path("c.txt").read_text(encoding="utf-8")
    model = rf.LanguageModel(level="char", hidden_size=4, batch_size=2, sequence_length=8, seed=0)
    given: dict[str, object] = {"epochs": 2, "verbose": 0, "checkpoint": "k.checkpoint"}
    with keeping(False):
        model.fit(text, **given, callbacks=[lambda p: p.step == 1])  # type: ignore[arg-type]
    assert position("k.checkpoint")["kept"] is False
    model.fit(text, **given, resume=True)  # type: ignore[arg-type]
    assert position("k.checkpoint")["kept"] is None


def test_a_checkpoint_that_does_not_say_stays_where_it_has_outlived_the_model() -> None:
    """As an older version, or `fit` in Python, has left it."""
    text = Path("c.txt").read_text(encoding="utf-8")
    rf.load("m").fit(text, epochs=2, verbose=0, checkpoint="n.checkpoint")
    tensors, description = read_tensors("n.checkpoint", "checkpoint")
    del description["position"]["kept"]
    write_tensors("n.checkpoint", "checkpoint", tensors, description)
    old = Path("n.checkpoint").read_bytes()
    arguments = ["train", "c.txt", "-o", "n", *SMALL, "-q", "--resume", "--epochs"]
    assert main([*arguments, "3"]) == 0
    assert len(rf.load("n").history_) == 3 and not Path("n.checkpoint").exists()
    Path("n.checkpoint").write_bytes(old)
    assert main([*arguments, "3"]) == 0
    assert position("n.checkpoint")["kept"] is True


KILLED = """
import os, signal, sys
import rnnfast as rf
from rnnfast.__main__ import main

def killed(self, path):
    os.kill(os.getpid(), signal.SIGKILL)

rf.LanguageModel.save = killed
main(sys.argv[1:])
"""


@pytest.mark.parametrize("start", [[], ["--from", "m"]])
def test_killed_between_the_end_and_the_file(start: list[str]) -> None:
    """The checkpoint is there until the model is: it saves the model, and makes more epochs."""
    options = start or SMALL
    arguments = ["train", "c.txt", "-o", "n", *options, "-q"]
    command = [sys.executable, "-c", KILLED, *arguments, "--epochs", "2"]
    done = subprocess.run(command, env=environment(), capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert Path("n.checkpoint").exists() and not Path("n").exists()
    kept = Path("n.checkpoint").read_bytes()
    assert main([*arguments, "--epochs", "2", "--resume"]) == 0
    assert len(rf.load("n").history_) == 2 and not Path("n.checkpoint").exists()
    assert main([*arguments[:3], "whole", *arguments[4:], "--epochs", "2"]) == 0
    assert_same("n", "whole")
    Path("n.checkpoint").write_bytes(kept)  # beside a model, as where --force replaces one
    assert main([*arguments, "--epochs", "3", "--resume"]) == 0
    assert len(rf.load("n").history_) == 3 and not Path("n.checkpoint").exists()


def test_it_is_told() -> None:
    said = run("train", "more.txt", "--from", "m", "-o", "n", "--epochs", "1", "--json")
    assert '"saved": "n"' in said
