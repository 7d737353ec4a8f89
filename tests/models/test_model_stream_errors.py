"""What streams of models refuse, in what words, and that no sequence has taken a step then."""

from __future__ import annotations

import functools
import re
from typing import Any

import numpy as np
import pytest

import rnnfast as rf

SMALL: dict[str, Any] = {
    "hidden_size": 4, "epochs": 1, "seed": 0, "verbose": 0, "validation_fraction": 0,
}  # fmt: skip
SERIES = np.random.default_rng(0).normal(size=(8, 5, 3))
TOKENS = [["a", "b", "c", "d", "e"]] * 8
LABELS = [["O", "B-x", "I-x", "O", "O"]] * 8
NAN = float("nan")


def raises(error: type[Exception], message: str) -> Any:
    return pytest.raises(error, match=f"^{re.escape(message)}$")


@functools.cache
def model_of(kind: str, **options: Any) -> Any:
    options = SMALL | options
    if kind == "series":
        return rf.SequenceClassifier(**options).fit(SERIES, ["p", "q"] * 4)
    if kind == "ids":
        return rf.SequenceClassifier(**options).fit([np.arange(4)] * 8, ["p", "q"] * 4)
    if kind == "text":
        return rf.LanguageModel(lines=True, **options).fit("abc\ncab\n" * 4)
    return rf.SequenceTagger(**{"bidirectional": False} | options).fit(TOKENS, LABELS)


def test_models_that_cannot() -> None:
    backwards = (
        "stream: expected a model with bidirectional=False, got one whose reverse direction begins "
        "at an end that a stream has not seen"
    )
    with raises(ValueError, backwards):
        model_of("series", bidirectional=True).stream()
    with raises(ValueError, backwards):
        model_of("words", bidirectional=True).stream()
    with raises(
        ValueError,
        "stream: expected a model with crf=False, got one whose likeliest labels depend on those "
        "to come, up to the end",
    ):
        model_of("words", crf=True).stream()
    with raises(
        ValueError,
        "stream: expected beam_size 1, got 3, whose search chooses among whole sequences, at the "
        "end",
    ):
        model_of("words", feed_labels=True, beam_size=3).stream()
    with raises(
        ValueError,
        "stream: expected a model that answers while it reads, got a Seq2Seq, which writes when it "
        "has read all",
    ):
        rf.Seq2Seq(**SMALL).fit(TOKENS, TOKENS).stream()
    with raises(
        ValueError,
        "stream: expected a model that reads a series from its beginning on, got a Forecaster, "
        "which begins anew with the last lags steps at each; predict(after=series) takes them",
    ):
        rf.Forecaster(lags=3, **SMALL).fit(np.arange(40.0)).stream()
    with pytest.raises(rf.models.base.NotFittedError, match="has not been fitted"):
        rf.SequenceClassifier().stream()


@pytest.mark.parametrize("kind", ["series", "text"])
@pytest.mark.parametrize(
    ("batch_size", "error", "message"),
    [
        (0, ValueError, "batch_size: expected at least 1, got 0"),
        (2.0, TypeError, "batch_size: expected an integer, got float"),
        (True, TypeError, "batch_size: expected an integer, got a bool"),
    ],
)
def test_batch_size(kind: str, batch_size: Any, error: type[Exception], message: str) -> None:
    with raises(error, message):
        model_of(kind).stream(batch_size)


@pytest.mark.parametrize("kind", ["series", "words", "text"])
@pytest.mark.parametrize("batch_size", [2**62, 2**48])
def test_sizes_that_nobody_has(kind: str, batch_size: int) -> None:
    with pytest.raises(MemoryError, match=r"^batch_size: a stream of "):
        model_of(kind).stream(batch_size)


STEPS: list[tuple[str, Any, Any, type[Exception], str]] = [
    ("series", np.ones((2, 4)), None, ValueError, "x: expected shape (2, 3), got (2, 4)"),
    ("series", np.ones(3), None, ValueError, "x: expected shape (2, 3), got (3,)"),
    (
        "series",
        np.ones((2, 3)) * NAN,
        None,
        ValueError,
        "x: expected finite numbers, got nan at row 0, number 0",
    ),
    (
        "series",
        np.full((2, 3), 1e300),
        None,
        ValueError,
        "x: expected numbers within float32 when standardised",
    ),
    ("series", ["a", "b"], None, TypeError, "x: expected real numbers, got dtype <U1"),
    ("series", "a", None, TypeError, "x: expected real numbers, got dtype <U1"),
    ("series", None, None, TypeError, "x: expected real numbers, got None"),
    (
        "series",
        [[1.0, 2.0, 3.0], [1.0]],
        None,
        ValueError,
        "x: expected shape (2, 3), got a ragged list",
    ),
    ("series", np.ones((2, 3)), [0], ValueError, "x: expected shape (1, 3), got (2, 3)"),
    ("series", np.ones((1, 3)), [2], ValueError, "rows: expected numbers from 0 to 1, got 2"),
    ("series", np.ones((2, 3)), [1, 1], ValueError, "rows: expected each once, got 1 again"),
    (
        "series",
        np.ones((1, 3)),
        1,
        TypeError,
        "rows: expected a list or an array of integers, got int",
    ),
    ("words", "a", None, TypeError, "x: expected 2 tokens, a list of str, got str"),
    ("words", ["a"], None, ValueError, "x: expected one token for each of 2, got 1"),
    ("words", ["a", 1], None, TypeError, "x[1]: expected a str, got int"),
    ("words", [["a"], ["b"]], None, TypeError, "x: expected tokens, a list of str, got ['a']"),
    ("words", [0, 1], None, TypeError, "x: expected tokens, a list of str, got 0"),
    (
        "words",
        np.ones((2, 3)),
        None,
        TypeError,
        "x: expected tokens, a list of str, got array([1., 1., 1.])",
    ),
    ("words", None, None, TypeError, "x: expected 2 tokens, a list of str, got NoneType"),
    ("ids", [0, 9], None, ValueError, "x: expected ids of the vocabulary, from 0 to 3, got 9"),
    ("ids", [0, -1], None, ValueError, "x: expected no negative number, got -1"),
    ("ids", [0, 1.5], None, TypeError, "x: expected integers, got dtype float64"),
    ("text", ["a", "bc"], None, ValueError, "x[1]: expected one character, got 'bc'"),
    ("text", ["a", ""], None, ValueError, "x[1]: expected one character, got ''"),
    ("text", ["a", "<EOS>"], None, ValueError, "x[1]: expected one character, got '<EOS>'"),
    (
        "text",
        [1, 2],
        None,
        ValueError,
        "x: expected no '<EOS>', which ends a sequence, got its id; reset(rows) begins another one",
    ),
]


@pytest.mark.parametrize(("kind", "x", "rows", "error", "message"), STEPS)
def test_a_step(kind: str, x: Any, rows: Any, error: type[Exception], message: str) -> None:
    stream = model_of(kind).stream(2)
    good = {"series": SERIES[:2, 0], "ids": [0, 1], "text": ["a", "b"]}.get(kind, ["a", "b"])
    stream(good)
    before = [np.asarray(s).tobytes() for s in (stream._layers.state, stream.steps)]
    with raises(error, message):
        stream(x, rows)
    assert [np.asarray(s).tobytes() for s in (stream._layers.state, stream.steps)] == before
    if rows is not None and "rows" in message:
        with raises(error, message):
            stream.reset(rows)


def test_the_end_of_a_line_by_word() -> None:
    model = rf.LanguageModel(level="word", lines=True, **SMALL).fit("a b\nb a\n" * 4)
    with raises(ValueError, "x: expected no '<EOS>', which ends a sequence, got it at 0"):
        model.stream()("<EOS>")
    model.stream()("never seen")  # reads as <UNK>
