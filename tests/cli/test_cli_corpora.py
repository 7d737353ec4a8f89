"""`rnnfast train` and `score` of several files, folders and packed ones."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import rnnfast as rf
from command_line import LINES, SMALL, environment, fails, run
from rnnfast.__main__ import main
from rnnfast.io.tensors import collect_arrays

TRAIN = [*SMALL, "--epochs", "1", "-q"]
TEXT = "\n".join(LINES) + "\n"


@pytest.fixture(autouse=True)
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, set_threads: Callable[[int], None]
) -> Path:
    set_threads(1)
    monkeypatch.chdir(tmp_path)
    Path("whole").write_text(TEXT, encoding="utf-8")
    Path("texts/more").mkdir(parents=True)
    cut = TEXT.index("\n", 100) + 1
    Path("texts/a.txt").write_text(TEXT[:cut], encoding="utf-8")
    Path("texts/more/b.txt.gz").write_bytes(gzip.compress(TEXT[cut:].encode()))
    return tmp_path


def assert_same(first: str, second: str) -> None:
    one, two = (collect_arrays(rf.load(path)._modules()) for path in (first, second))
    for name, array in one.items():
        np.testing.assert_array_equal(two[name], array, err_msg=name)


def test_several_files_and_folders() -> None:
    """Are one text, as they are in one file."""
    assert main(["train", "whole", "--valid", "texts/a.txt", "-o", "m", *TRAIN]) == 0
    for number, given in enumerate(
        (
            ["texts"],
            ["texts/"],
            ["texts/a.txt", "texts/more"],
            ["texts/a.txt", "texts/more/b.txt.gz"],
        )
    ):
        assert main(["train", *given, "--valid", "texts/a.txt", "-o", f"n{number}", *TRAIN]) == 0
        assert_same(f"n{number}", "m")
    twice = ["--valid", "texts/a.txt", "--valid", "texts/more"]
    assert main(["train", "whole", *twice, "-o", "n", *TRAIN]) == 0
    assert main(["train", "whole", "--valid", "whole", "-o", "o", *TRAIN]) == 0
    assert rf.load("n").history_[0]["valid_loss"] == rf.load("o").history_[0]["valid_loss"]
    assert run("score", "m", "--file", "texts") == run("score", "m", "--file", "whole")
    both = ["--file", "texts/a.txt", "--file", "texts/more"]
    assert run("score", "m", *both) == run("score", "m", "--file", "whole")
    told = json.loads(run("train", "texts/a.txt", "texts/more", "-o", "p", "--json", *TRAIN))
    assert told["corpus"] == f"texts/a.txt, {Path('texts/more')}"


def test_what_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    Path("bad.gz").write_bytes(gzip.compress(TEXT.encode())[:-4])
    Path("a.zst").write_bytes(b"text")
    code, message = fails(capsys, "train", "empty", "-o", "m")
    assert code == 1 and message.startswith("empty: expected a folder with files that end in .txt,")
    code, message = fails(capsys, "train", "bad.gz", "-o", "m")
    assert code == 1 and message.startswith("bad.gz: expected a gzip file that is whole, got a dam")
    code, message = fails(capsys, "train", "whole", "none", "-o", "m")
    assert (code, message) == (1, "none: No such file or directory")
    code, message = fails(capsys, "train", "texts", "-o", "texts/a.txt", "--force")
    assert code == 1 and message.startswith(
        "--out: expected another file than CORPUS for the model"
    )
    code, message = fails(capsys, "train", "whole", "-", "-o", "m")
    assert code == 2 and message.endswith(
        "expected standard input alone for CORPUS, got it with 1 more"
    )
    code, message = fails(capsys, "train", "a.zst", "-o", "m")
    assert code == 1 and message.startswith("a.zst: expected ")
    assert {path.name for path in Path().iterdir()} == {
        "whole", "texts", "empty", "bad.gz", "a.zst"
    }  # fmt: skip


SLOW = """
import sys, time
from rnnfast.models.parts.language import spool
from rnnfast.models.parts.language import text_source
spool.IN_MEMORY = 0
read = text_source.read_pieces
def slowly(path, told):
    for number, piece in enumerate(read(path, told)):
        for place in range(0, len(piece), 10):
            yield piece[place : place + 10]
            if place == 100:
                print("half", flush=True)
                time.sleep({seconds})
text_source.read_pieces = slowly
from rnnfast.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_while_it_reads(number: signal.Signals, folder: Path) -> None:
    """Nothing is left that is trusted later, and the next one clears up after a kill."""
    command = ["train", "whole", "-o", "m", *SMALL, "--epochs", "1"]

    def start(seconds: float) -> subprocess.Popen[str]:
        code = SLOW.replace("{seconds}", str(seconds))
        return subprocess.Popen(
            [sys.executable, "-c", code, *command],
            env=environment(TMPDIR=str(folder)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    process = start(60)
    assert process.stdout is not None and process.stdout.readline() == "half\n"
    time.sleep(0.2)
    process.send_signal(number)
    errors = process.communicate(timeout=60)[1]
    left = sorted(path.name for path in folder.iterdir() if path.name not in ("whole", "texts"))
    if number == signal.SIGKILL:
        assert all(name.endswith(".rnnfast.tmp") for name in left)
    else:
        assert left == [] and len(errors.splitlines()) == 1
        assert process.returncode == (130 if number == signal.SIGINT else 143)
    process = start(0)
    assert process.communicate(timeout=60)[1].count("Traceback") == 0 and process.returncode == 0
    left = sorted(path.name for path in folder.iterdir() if path.name not in ("whole", "texts"))
    assert left == ["m"]
