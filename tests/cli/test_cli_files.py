"""What `rnnfast train` may write: looked at before the first step, and never what it reads."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

import rnnfast as rf
from command_line import LINES, SMALL, contents, fails
from rnnfast.__main__ import main
from rnnfast.io import files as _files
from rnnfast.io.tensors import kind_of
from rnnfast.models.language_model import LanguageModel

TRAIN = [*SMALL, "--epochs", "2", "-q"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the corpus ``c.txt`` and the text ``v.txt`` to validate on."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.txt").write_text("\n".join(LINES), encoding="utf-8")
    (tmp_path / "v.txt").write_text("to be or not", encoding="utf-8")
    return tmp_path


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*arguments: Any, **options: Any) -> None:
        raise AssertionError("training has begun")

    monkeypatch.setattr(LanguageModel, "fit", fit)


def link(target: str, kind: str, name: str) -> str:
    """Return another path of a file."""
    if kind == "symlink":
        os.symlink(target, name)
    elif kind == "hard link":
        os.link(target, name)
    elif kind == "relative":
        os.mkdir("sub")
        return f"sub/../{target}"
    else:
        return os.path.abspath(target)
    return name


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("kind", ["symlink", "hard link", "relative", "absolute"])
@pytest.mark.parametrize("force", [[], ["--force"], ["--resume"], ["--force", "--resume"]])
@pytest.mark.parametrize("text", ["c.txt", "v.txt"])
def test_the_texts_are_never_replaced(
    capsys: pytest.CaptureFixture[str], folder: Path, kind: str, force: list[str], text: str
) -> None:
    arguments = ["train", "c.txt", "--valid", "v.txt", *TRAIN, *force]
    which = "CORPUS" if text == "c.txt" else "--valid"
    path = link(text, kind, "other")
    before = contents(folder)
    for out in (text, path):
        expected = f"--out: expected another file than {which} for the model, got {out}"
        assert fails(capsys, *arguments, "-o", out) == (1, expected)
    assert contents(folder) == before


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("force", [[], ["--force"], ["--resume"]])
@pytest.mark.parametrize("which", ["CORPUS", "--valid"])
def test_nor_is_the_checkpoint_a_text(
    capsys: pytest.CaptureFixture[str], folder: Path, force: list[str], which: str
) -> None:
    os.symlink("c.txt" if which == "CORPUS" else "v.txt", "m.checkpoint")
    before = contents(folder)
    arguments = ["train", "c.txt", "--valid", "v.txt", "-o", "m", *TRAIN, *force]
    expected = f"--out: expected another file than {which} for the checkpoint, got m.checkpoint"
    assert fails(capsys, *arguments) == (1, expected)
    assert contents(folder) == before


@pytest.mark.usefixtures("no_training")
def test_where_no_file_can_be_written(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "d").mkdir()
    (folder / "e.checkpoint").mkdir()
    os.mkfifo("pipe")
    for out, message in (
        ("d", "d: --out: expected a file, got a folder"),
        ("e", "e.checkpoint: --out: expected a file, got a folder"),
        ("no/m", "no/m: --out: its folder does not exist"),
        ("c.txt/m", "c.txt/m: --out: its folder does not exist"),
        ("pipe", "pipe: --out: cannot be written, not a regular file"),
        ("/dev/null", "/dev/null: --out: cannot be written, not a regular file"),
    ):
        for force in ([], ["--force"]):
            assert fails(capsys, "train", "c.txt", "-o", out, *TRAIN, *force) == (1, message)
    for out in ("", "x/", "no/x/"):  # a folder was meant, whether it is there or not
        message = f"Invalid value for '-o' / '--out': expected the path of a file, got {out!r}"
        assert fails(capsys, "train", "c.txt", "-o", out, *TRAIN) == (2, message)
    assert not (folder / "d").joinpath("m").exists()


@pytest.mark.usefixtures("no_training")
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no folder that takes no files")
def test_a_folder_that_takes_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    """One where even the superuser may write none."""
    code, message = fails(capsys, "train", "c.txt", "-o", "/proc/self/m", *TRAIN)
    assert code == 1 and message.startswith("/proc/self/m: --out: cannot be written, ")


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("what", ["folder", "file"])
def test_read_only(
    capsys: pytest.CaptureFixture[str], folder: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "d").mkdir()
    (folder / "d" / "m").write_bytes(b"old")
    path = folder / "d" if what == "folder" else folder / "d" / "m"
    path.chmod(0o500)
    if os.geteuid() == 0:  # whom modes do not stop
        real_open, real_access = os.open, os.access

        def refuse(name: Any, flags: int, mode: int = 0o777) -> int:
            if what == "folder" and flags & os.O_CREAT:
                raise PermissionError(13, "Permission denied", name)
            return real_open(name, flags, mode)

        monkeypatch.setattr(_files.os, "open", refuse)

        def allowed(name: Any, mode: int) -> bool:
            return real_access(name, mode) and not (what == "file" and mode == os.W_OK)

        monkeypatch.setattr(_files.os, "access", allowed)
    expected = (1, "d/m: --out: cannot be written, Permission denied")
    assert fails(capsys, "train", "c.txt", "-o", "d/m", "--force", *TRAIN) == expected
    path.chmod(0o700)
    assert (folder / "d" / "m").read_bytes() == b"old"


def test_a_second_training_asks_first(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first with the default name; then refused, forced."""
    arguments = ["train", "c.txt", *TRAIN]
    assert main(arguments) == 0
    capsys.readouterr()
    before = contents(folder)
    assert set(before) == {"c.txt", "v.txt", "model.safetensors"}
    message = "model.safetensors: exists; --force replaces it, --out names another file"
    assert fails(capsys, *arguments) == (1, message)
    assert fails(capsys, *arguments, "--resume") == (
        1,
        "no unfinished training: model.safetensors.checkpoint does not exist; --from "
        "model.safetensors goes on with the model",
    )
    assert contents(folder) == before
    assert main([*arguments, "--force", "--seed", "5"]) == 0
    assert contents(folder)["model.safetensors"] != before["model.safetensors"]
    assert len(contents(folder)) == 3


def stop_after(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl-C after some step of the next training."""
    fit = LanguageModel.fit

    def stopped(*arguments: Any, **options: Any) -> LanguageModel:
        options["callbacks"] = [
            lambda p: os.kill(os.getpid(), signal.SIGINT) if p.step == step else None
        ]
        monkeypatch.setattr(LanguageModel, "fit", fit)
        return fit(*arguments, **options)

    monkeypatch.setattr(LanguageModel, "fit", stopped)


def test_an_unfinished_training_is_not_replaced(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    arguments = ["train", "c.txt", *TRAIN]
    stop_after(3, monkeypatch)
    assert main(arguments) == 130
    capsys.readouterr()
    before = contents(folder)
    assert len(before) == 4
    message = (
        "model.safetensors.checkpoint: exists, of a training that has not ended; --resume goes on "
        "with it, --force begins anew"
    )
    for missing in (None, "model.safetensors"):
        if missing:
            (folder / missing).unlink()
            before = contents(folder)
        assert fails(capsys, *arguments) == (1, message)
        assert contents(folder) == before
    # One that cannot begin gives the old checkpoint back.
    with monkeypatch.context() as patch:
        patch.setattr("rnnfast.training.checkpointer.write_checkpoint", full)
        assert fails(capsys, *arguments, "--force")[0] == 1
    assert contents(folder) == before
    # Another training that begins in its place and is stopped; it is the one that goes on.
    stop_after(2, monkeypatch)
    assert main([*arguments, "--force", "--seed", "9"]) == 130
    assert main([*arguments, "--seed", "9", "--resume"]) == 0
    assert set(contents(folder)) == {"c.txt", "v.txt", "model.safetensors"}
    assert main([*arguments[:2], "-o", "whole", *arguments[2:], "--seed", "9"]) == 0
    assert rf.load("whole").log_prob("to be") == rf.load("model.safetensors").log_prob("to be")


def test_resuming_does_not_replace_what_is_no_model(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["train", "c.txt", "-o", "m", *TRAIN, "--resume"]
    stop_after(3, monkeypatch)
    assert main(arguments[:-1]) == 130
    capsys.readouterr()
    (folder / "m").write_text("a letter")
    message = "m: exists and is no model; --force replaces it"
    assert fails(capsys, *arguments) == (1, message)
    assert (folder / "m").read_text() == "a letter"
    assert main([*arguments, "--force"]) == 0
    assert kind_of(folder / "m") == "model"


def test_another_training_in_the_same_place_at_the_same_time(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first has not ended an epoch yet; its place is taken all the same."""
    arguments = ["train", "c.txt", "-o", "m", *SMALL, "--epochs", "1"]
    inner: list[int] = []

    fit = LanguageModel.fit

    def fit_with_another(*given: Any, **options: Any) -> LanguageModel:
        if not inner:
            options["callbacks"] = [
                lambda p: inner.append(main(arguments)) if p.step == 1 else None
            ]
        return fit(*given, **options)

    monkeypatch.setattr(LanguageModel, "fit", fit_with_another)
    assert main(arguments) == 0
    assert inner == [1]
    assert "m.checkpoint: exists, of a training that has not ended" in capsys.readouterr().err


def test_a_model_that_cannot_be_saved_is_in_the_checkpoint(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["train", "c.txt", "-o", "m", *TRAIN]

    def full(*given: Any) -> None:
        raise OSError(28, "not written, No space left on device", "m")

    with monkeypatch.context() as patch:
        patch.setattr(LanguageModel, "save", full)
        assert fails(capsys, *arguments) == (
            1,
            "m: not written, No space left on device; m.checkpoint has it, --resume saves it",
        )
    assert main([*arguments, "--resume"]) == 0
    assert main([*arguments[:3], "whole", *arguments[4:]]) == 0
    assert rf.load("m").log_prob("to be") == rf.load("whole").log_prob("to be")
    assert not (folder / "m.checkpoint").exists()


def test_a_training_that_fails_at_once_leaves_nothing(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    arguments = ["train", "c.txt", "-o", "m", *TRAIN, "--cell", "rnn"]
    before = contents(folder)
    assert fails(capsys, *arguments, "--lr", "1e38")[0] == 1
    assert contents(folder) == before
    assert main(arguments) == 0
