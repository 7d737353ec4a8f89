"""``rnnfast train`` with the options of published recipes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rnnfast as rf
from command_line import fails, run

TEXT = " no it was n't black monday\n but while the stock did n't fall\n\n it was black\n" * 8
SMALL = ["--hidden-size", "8", "--layers", "1", "--batch-size", "2", "--sequence-length", "7"]
SMALL += ["--level", "word", "--epochs", "3", "--threads", "1", "-q"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus").write_text(TEXT)
    (tmp_path / "vectors").write_text("".join(f"{w} 1 2 3 4\n" for w in ("it", "was", "black")))
    return tmp_path


def load(name: str = "model.safetensors") -> rf.LanguageModel:
    lm: rf.LanguageModel = rf.load(name)
    return lm


def test_a_recipe() -> None:
    run(
        "train", "corpus", *SMALL, "--optimizer", "sgd", "--lr", 1, "--schedule", "1,2",
        "--decay", 0.5, "--clip-norm", 5, "--loss-reduction", "example", "--init", "uniform",
        "--init-range", 0.1, "--newline", "<eos>", "--whitespace",
    )  # fmt: skip
    lm = load()
    assert (lm.optimizer, lm.learning_rate, lm.schedule) == ("sgd", 1.0, [1, 2])
    assert lm.schedule_options == {"gamma": 0.5}
    assert (lm.init, lm.init_range, lm.loss_reduction) == ("uniform", 0.1, "example")
    assert lm.tokenizer_options == {"mode": "whitespace", "newline": "<eos>"}
    # The rate after each epoch is that of the next one.
    assert [record["learning_rate"] for record in lm.history_] == [0.5, 0.25, 0.25]


def test_rates_and_no_bound() -> None:
    run("train", "corpus", *SMALL, "--schedule", "0:0.5,2:0.25", "--clip-norm", 0, "-o", "m")
    lm = load("m")
    assert lm.schedule == {0: 0.5, 2: 0.25} and lm.clip_norm is None
    assert [record["learning_rate"] for record in lm.history_] == [0.5, 0.25, 0.25]
    run("train", "corpus", *SMALL, "--schedule", "constant", "-o", "constant")
    assert load("constant").schedule == "constant"


def test_embeddings_frozen() -> None:
    run("train", "corpus", *SMALL, "--embeddings", "vectors", "--freeze", "embedding")
    lm = load()
    assert lm.embedding_size == 4  # as the file has it
    table = lm.network_.modules["embedding"].parameters()["weight"].data
    np.testing.assert_array_equal(table[lm.vocabulary_.encode(["black"])], [[1, 2, 3, 4]])


def test_going_on_takes_them_over(capsys: pytest.CaptureFixture[str]) -> None:
    run("train", "corpus", *SMALL, "--newline", "<eos>", "--embedding-size", 4)
    run("train", "corpus", "--from", "model.safetensors", "--schedule", "1", "--decay", 0.5, "-q",
        "--epochs", 2, "--embeddings", "vectors", "-o", "m")  # fmt: skip
    assert load("m").schedule == [1]
    assert load("m").tokenizer_options == {"newline": "<eos>"}
    code, message = fails(capsys, "train", "corpus", "--from", "m", "--newline", "<s>", "-o", "n")
    assert code == 1 and message.startswith("tokenizer_options: expected {'newline': '<eos>'}, wi")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--schedule", "linear"], "expected one of constant, cosine, step, plateau, or epochs as"),
        (["--schedule", "1:2:3"], "expected one of constant,"),
        (["--schedule", "1:2,1:3"], "expected one of constant,"),
        (["--schedule", "1,x"], "expected one of constant,"),
        (["--schedule", "3,2"], "--schedule: expected each above the one before, got 2 behind 3"),
        (["--decay", "0.5"], "expected --schedule with epochs, as 4,6,8, with --decay"),
        (["--newline", "a b"], "expected a word without white space, got 'a b'"),
        (
            ["--newline", "x", "--level", "char"],
            "expected --level word with --newline, got --le",
        ),
        (["--whitespace", "--level", "char"], "expected --level word with --whitespace, got --lev"),
        (["--init", "uniform"], "--init-range: expected a number with --init='uniform', got None"),
        (["--embeddings", "none"], "none: No such file or directory"),
        (["--embeddings", "corpus"], "corpus, line 1: "),
        (["--embeddings", "vectors", "--embedding-size", "5"], "--embedding-size: expected 4, as"),
    ],
)
def test_bad_input(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    code, got = fails(capsys, "train", "corpus", *SMALL, *options)
    assert message in got
    assert code in (1, 2) and not (folder / "model.safetensors").exists()
