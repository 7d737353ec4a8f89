"""What the supervised models read: text, tokens and series, encoded."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from rnnfast.models.parts.reading.inputs import (
    Inputs,
    SeriesInputs,
    TokenInputs,
    inputs_from_dict,
    learn_inputs,
)
from rnnfast.models.parts.reading.sequences import read_sequences
from rnnfast.models.parts.reading.tokens import make_tokenizer
from rnnfast.text import CharTokenizer, WordTokenizer

WORDS, CHARS = WordTokenizer(), CharTokenizer()


def learn(X: Any, **options: Any) -> Inputs:
    return learn_inputs("X", read_sequences("X", X, WORDS), WORDS, **options)


@pytest.mark.parametrize(
    "X",
    [
        ["a b", "", "c"],
        ("a b", "", "c"),
        np.array(["a b", "", "c"]),
        np.array(["a b", "", "c"], object),
        [["a", "b"], [], ["c"]],
        [("a", "b"), (), ("c",)],
        [np.array(["a", "b"]), [], np.array(["c"], object)],
    ],
    ids=repr,
)
def test_text_and_tokens(X: Any) -> None:
    tokens = read_sequences("X", X, WORDS)
    assert tokens == [["a", "b"], [], ["c"]]
    assert read_sequences("X", tokens, WORDS) == tokens
    inputs = learn(X)
    assert isinstance(inputs, TokenInputs) and inputs.size == 4
    assert inputs.vocabulary.tokens == ("<UNK>", "a", "b", "c")
    ids = inputs.encode("X", ["c x", "y z", ""])
    assert [row.tolist() for row in ids] == [[3, 0], [0, 0], []]
    assert [row.dtype for row in ids] == [np.int64] * 3


def test_characters() -> None:
    assert read_sequences("X", ["ab", " "], CHARS) == [["a", "b"], [" "]]
    assert make_tokenizer("char") == CHARS
    assert make_tokenizer("word", {"lower": True}) == WordTokenizer(lower=True)


SERIES = [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 9.0]]]


@pytest.mark.parametrize(
    "X",
    [
        [np.ones(5), np.zeros(2)],
        [[], np.ones(5)],
        [[1.0, 2.0], [3, 4.5]],
        [np.ones(3), np.ones((2, 1))],
    ],
    ids=repr,
)
def test_series_of_one_number_a_step(X: Any) -> None:
    arrays = read_sequences("X", X, WORDS)
    assert [array.shape for array in arrays] == [(len(item), 1) for item in X]
    for array, item in zip(arrays, X, strict=True):
        np.testing.assert_array_equal(np.ravel(array), np.ravel(item))


@pytest.mark.parametrize(
    "X",
    [
        SERIES,
        [np.array(rows) for rows in SERIES],
        [np.array(SERIES[0], np.float32), np.array(SERIES[1], np.int8)],
        np.array([SERIES[0], [[5.0, 9.0], [0.0, 0.0]]]),
        [np.array(SERIES[0]), [], np.array(SERIES[1])],
        [[], SERIES[0]],
    ],
    ids=repr,
)
def test_series(X: Any) -> None:
    arrays = read_sequences("X", X, WORDS)
    assert all(isinstance(array, np.ndarray) and array.shape[1:] == (2,) for array in arrays)
    assert [len(array) for array in arrays] == [len(item) for item in X]
    for array, item in zip(arrays, X, strict=True):
        if len(item):
            np.testing.assert_array_equal(array, item)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_standardised(dtype: str) -> None:
    rng = np.random.default_rng(0)
    X = [rng.normal(7.0, [1.0, 100.0, 0.0], (length, 3)) for length in (3, 8, 1)]
    inputs = learn(X, dtype=dtype)
    assert isinstance(inputs, SeriesInputs) and inputs.size == 3
    steps = np.concatenate(inputs.encode("X", X))
    assert steps.dtype == dtype
    np.testing.assert_allclose(steps.mean(axis=0, dtype=float), 0, atol=1e-6)
    np.testing.assert_allclose(steps[:, :2].std(axis=0, dtype=float), 1, rtol=1e-6)
    np.testing.assert_array_equal(steps[:, 2], 0)  # a feature that does not change
    all_steps = np.concatenate(X)
    np.testing.assert_allclose(
        inputs.encode("X", [[[1.0, 2.0, 3.0]]])[0],
        (np.array([[1.0, 2.0, 3.0]]) - all_steps.mean(axis=0)) / [*all_steps.std(axis=0)[:2], 1],
        rtol=1e-5,
    )
    assert [array.shape for array in inputs.encode("X", [[], ()])] == [(0, 3), (0, 3)]
    plain = learn(X, dtype=dtype, standardize=False)
    np.testing.assert_array_equal(plain.encode("X", X)[1], X[1].astype(dtype))


@pytest.mark.parametrize("X", [["a b", "c"], [np.arange(6).reshape(3, 2) / 7]], ids=repr)
def test_kept_in_files(X: Any) -> None:
    inputs = learn(X)
    again = inputs_from_dict(inputs.to_dict())
    for one, other in zip(inputs.encode("X", X), again.encode("X", X), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match=r"^inputs: expected the type 'tokens' or 'series', got 3"):
        inputs_from_dict({"type": 3})


def test_vocabulary_is_cut() -> None:
    X = ["a a a b b c"]
    assert learn(X, min_count=2).size == 3
    assert learn(X, max_vocabulary_size=1).size == 2
    assert learn(X, eos="<EOS>").size == 5


ONES = np.ones((2, 3))


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([], ValueError, "^X: expected at least one sequence, got none$"),
        (np.empty((0, 2, 3)), ValueError, "^X: expected at least one sequence, got none$"),
        ("text", TypeError, "^X: expected a list of str, .*, got str; a single one stands"),
        (None, TypeError, "^X: expected a list of str, of token lists .*, got NoneType$"),
        ({"a": 1}, TypeError, "^X: expected a list of str, .*, got dict$"),
        (ONES, ValueError, r"^X: expected an array of shape .*, got \(2, 3\); X\[\.\.\., np\.n"),
        (np.array(1.0), ValueError, r"^X: expected an array of shape \(N, T, F\), got \(\)$"),
        (["a", ["b"]], TypeError, r"^X\[1\]: expected a str as X\[0\] is, got list$"),
        ([[], "b"], TypeError, r"^X\[0\]: expected a str as X\[1\] is, got list$"),
        ([["a"], "b"], TypeError, r"^X\[1\]: expected a token list as X\[0\] is, got str$"),
        ([ONES, "b"], TypeError, r"^X\[1\]: expected an array as X\[0\] is, got str$"),
        (["b", ONES], TypeError, r"^X\[1\]: expected a str as X\[0\] is, got an array of shape"),
        ([["a"], None], TypeError, r"^X\[1\]: expected a str, tokens or an array, got NoneType$"),
        (["a", 3], TypeError, r"^X\[1\]: expected a str, tokens or an array, got int$"),
        ([["a"], np.array("b")], TypeError,
         r"^X\[1\]: expected a str, tokens or an array, got an array of shape \(\)$"),
        ([[], np.array(3.0)], TypeError,
         r"^X\[1\]: expected a str, tokens or an array, got an array of shape \(\)$"),
        (["a", math.nan], TypeError, r"^X\[1\]: expected a str, tokens or an array, got float$"),
        ([["a", 3]], TypeError, r"^X\[0\]\[1\]: expected a str, got int$"),
        ([ONES, np.ones((2, 4))], ValueError,
         r"^X\[1\]: expected shape \(T, 3\) as X\[0\] has, got \(2, 4\); "
         r"time is the first axis, X\[1\]\.T turns \(channels, time\)$"),
        ([np.ones((5, 0))], ValueError, r"^X\[0\]: expected shape \(T, F\), got \(5, 0\)$"),
        ([[[1.0, 2.0], [3.0]]], ValueError, r"^X\[0\]: expected shape \(T, F\), got a ragged list"),
        ([ONES * 1j], TypeError, r"^X\[0\]: expected real numbers or str, got dtype complex128$"),
        ([ONES, np.where(np.arange(6).reshape(2, 3) == 4, math.nan, 1.0)], ValueError,
         r"^X\[1\]: expected finite numbers, got nan at step 1, feature 1$"),
        ([ONES * math.inf], ValueError,
         r"^X\[0\]: expected finite numbers, got inf at step 0, feature 0$"),
    ],
    ids=repr,
)  # fmt: skip
def test_bad_sequences(X: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        read_sequences("X", X, WORDS)


@pytest.mark.parametrize(
    ("train", "X", "error", "message"),
    [
        (["a"], [ONES], TypeError, "^X: expected text or tokens as in training, got arrays$"),
        ([ONES], ["a"], TypeError, r"^X\[0\]: expected an array \(T, 3\) as in training, got text"),
        ([ONES], [np.ones((2, 4))], ValueError, r"^X\[0\]: expected shape \(T, 3\), got \(2, 4\)$"),
        ([ONES], [ONES * 1e300], ValueError, r"^X\[0\]: expected numbers within float32 when st"),
    ],
)
def test_bad_kind_or_size(train: Any, X: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        learn(train).encode("X", X)


@pytest.mark.parametrize("X", [["", " "], [[], []], [np.ones((0, 3))]], ids=repr)
def test_nothing_to_learn_from(X: Any) -> None:
    with pytest.raises(ValueError, match=r"^X: expected sequences with something in them, got em"):
        learn(X)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_series_together_are_encoded_as_each(dtype: str) -> None:
    """Short ones go together, of one dtype; those before and after a long one by themselves."""
    rng = np.random.default_rng(0)
    lengths = [*rng.integers(0, 9, 40), 9000, 3]
    for kinds in (["f4"], ["f8"], ["f4", "f8", "i4"]):
        X = [
            (1e3 * rng.normal(size=(length, 2))).astype(kinds[n % len(kinds)])
            for n, length in enumerate(lengths)
        ]
        inputs = learn(X, dtype=dtype)
        assert isinstance(inputs, SeriesInputs)
        for number, found in enumerate(inputs.encode("X", X)):
            np.testing.assert_array_equal(found, inputs.encode_one("X", X[number]), strict=True)


def test_one_of_many_series_is_named() -> None:
    X = [np.ones((3, 1)) * n for n in range(50)]
    inputs = learn(X, dtype="float32")
    X[30] = np.full((3, 1), 1e300)
    with pytest.raises(ValueError, match=r"X\[30\]: expected numbers within float32"):
        inputs.encode("X", X)
    X[30][1] = np.nan
    with pytest.raises(ValueError, match=r"X\[30\]: expected finite numbers, got nan at step 1"):
        inputs.encode("X", X)
