"""Data made to order: the adding problem and agreement over a distance."""

from __future__ import annotations

import re

import numpy as np
import pytest

from rnnfast.data import adding_problem, agreement_sentences


@pytest.mark.parametrize("length", [2, 3, 50])
def test_adding_problem(length):
    x, y = adding_problem(400, length, seed=3)
    assert x.shape == (400, length, 2) and y.shape == (400,)
    assert x.dtype == y.dtype == np.float32
    numbers, marks = x[..., 0], x[..., 1]
    assert ((numbers >= 0) & (numbers < 1)).all() and np.isin(marks, (0, 1)).all()
    half = length // 2
    assert (marks[:, :half].sum(1) == 1).all() and (marks[:, half:].sum(1) == 1).all()
    np.testing.assert_array_equal((numbers * marks).sum(1), y)
    assert set(marks.nonzero()[1]) == set(range(length))  # every step is marked somewhere


def test_chance_level_of_the_adding_problem():
    _, y = adding_problem(20_000, 4, seed=0, dtype=np.float64)
    assert y.dtype == np.float64
    assert np.mean((y - 1) ** 2) == pytest.approx(1 / 6, rel=0.03)


@pytest.mark.parametrize("clause", [1, 2, 3, 4, 5, 6, 7, 10, 30])
def test_agreement(clause):
    data = agreement_sentences(51, clause, seed=5)
    assert data.plural.sum() == 25
    for sentence, plural in zip(data.sentences, data.plural, strict=True):
        words = sentence.split(" ")
        assert words[:1] + words[2:4] == ["the", ",", "which"]
        assert words[1].endswith("s") == plural
        assert words[data.verb] == data.verbs[int(plural)]
        assert words[data.verb - 1] == "," and len(words) == data.verb + 2
        assert data.verb - 1 == clause + 4
        assert not {"was", "were", ","} & set(words[4 : data.verb - 1])


def test_the_clause_does_not_tell_the_number():
    data = agreement_sentences(4000, 3, seed=2)
    clauses = [re.search("which (.*) ,", s)[1].split()[-1].endswith("s") for s in data.sentences]
    assert abs(np.corrcoef(clauses, data.plural)[0, 1]) < 0.05


def test_seeds():
    np.testing.assert_array_equal(adding_problem(5, 9, seed=4)[0], adding_problem(5, 9, seed=4)[0])
    assert not np.array_equal(adding_problem(5, 9, seed=4)[0], adding_problem(5, 9, seed=5)[0])
    first = agreement_sentences(9, 8, seed=4)
    assert first.sentences == agreement_sentences(9, 8, seed=4).sentences
    assert first.sentences != agreement_sentences(9, 8, seed=5).sentences


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: adding_problem(0, 5), ValueError, "n: expected at least 1, got 0"),
        (lambda: adding_problem(3, 1), ValueError, "length: expected at least 2, got 1"),
        (lambda: adding_problem(3, 2.0), TypeError, "length: expected an integer, got float"),
        (
            lambda: adding_problem(3, 2, dtype="int32"),
            ValueError,
            "dtype: expected float32 or float64, got int32",
        ),
        (lambda: agreement_sentences(3, 0), ValueError, "clause: expected at least 1, got 0"),
        (
            lambda: agreement_sentences(3, 1, seed="x"),
            TypeError,
            "seed: expected None, an integer of at least 0 or a generator, got 'x'",
        ),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()
