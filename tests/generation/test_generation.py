"""Steps written by a model of several labels a step: from nothing and from a beginning."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import rnnfast as rf

PATTERN = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]])


def shifted(y: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros((1, 3)), y[:-1]])


def fit(pieces: list[np.ndarray], **options: Any) -> rf.MultiLabelTagger:
    defaults: dict[str, Any] = {
        "hidden_size": 16, "learning_rate": 0.03, "batch_size": 4, "epochs": 40, "seed": 1,
        "standardize": False, "verbose": 0,
    }  # fmt: skip
    model = rf.MultiLabelTagger(**{**defaults, **options})
    return model.fit([shifted(y) for y in pieces], pieces)


@pytest.fixture(scope="module")
def melody() -> rf.MultiLabelTagger:
    """Pieces that go round the pattern from any of its steps."""
    return fit([np.roll(np.tile(PATTERN, (4, 1)), -k, axis=0) for k in (0, 1, 2, 3)] * 3)


@pytest.mark.parametrize("standardize", [False, True])
def test_goes_on_as_it_learned(standardize: bool) -> None:
    pieces = [np.roll(np.tile(PATTERN, (4, 1)), -k, axis=0) for k in (0, 1, 2, 3)] * 3
    model = fit(pieces, standardize=standardize)
    begun = [PATTERN[:1], np.tile(PATTERN, (2, 1))[:6], PATTERN[3:]]
    found = model.generate(7, begun, temperature=0)
    for prefix, rest in zip(begun, found, strict=True):
        start = int(np.flatnonzero((prefix[-1] == PATTERN).all(axis=1))[0]) + 1
        expected = np.roll(np.tile(PATTERN, (3, 1)), -start, axis=0)[:7]
        np.testing.assert_array_equal(rest, expected)
        assert rest.dtype == np.bool_


def test_draws_from_the_models_probabilities(melody: rf.MultiLabelTagger) -> None:
    """The first step of many, against what the model says of it; alike after a beginning."""
    first = np.array(melody.generate(1, n=4000, seed=3))[:, 0]
    expected = melody.predict_proba([np.zeros((1, 3))])[0][0]
    np.testing.assert_allclose(first.mean(axis=0), expected, atol=0.03)
    assert len({tuple(row) for row in first.tolist()}) > 2
    begun = np.array([[1, 0, 0], [0, 0, 1], [0, 0, 1]])  # what it does not know well
    after = np.array(melody.generate(1, [begun] * 4000, seed=4))[:, 0]
    read = np.concatenate([np.zeros((1, 3)), begun])
    np.testing.assert_allclose(after.mean(axis=0), melody.predict_proba([read])[0][-1], atol=0.03)
    cold = np.array(melody.generate(1, [begun] * 50, temperature=1e-6, seed=4))[:, 0]
    assert (cold == (melody.predict_proba([read])[0][-1] > 0.5)).all()


def test_seeds_and_neighbours(melody: rf.MultiLabelTagger) -> None:
    one, two = melody.generate(20, n=2, seed=5), melody.generate(20, n=2, seed=5)
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, melody.generate(20, n=2, seed=6))
    # Beginnings of different lengths, one of them empty, side by side and alone.
    begun = [PATTERN[:3], np.zeros((0, 3)), PATTERN[1:2]]
    together = melody.generate(6, begun, temperature=0)
    for prefix, rest in zip(begun, together, strict=True):
        np.testing.assert_array_equal(melody.generate(6, [prefix], temperature=0)[0], rest)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: m.generate(0), ValueError, "steps: expected at least 1, got 0"),
        (lambda m: m.generate(1, n=0), ValueError, "n: expected at least 1, got 0"),
        (lambda m: m.generate(1, temperature=-1), ValueError,
         "temperature: expected a finite number of at least 0, got -1"),
        (lambda m: m.generate(1, [np.ones((2, 4))]), ValueError,
         "prefix[0]: expected shape (T, 3), got (2, 4)"),
        (lambda m: m.generate(1, [np.full((2, 3), 2)]), ValueError,
         "prefix[0]: expected 0 and 1, got 2"),
        (lambda m: rf.MultiLabelTagger(hidden_size=4, epochs=1, verbose=0).fit(
            [np.ones((3, 2))] * 4, [np.ones((3, 3))] * 4).generate(1), ValueError,
         "generate: expected a model that reads the 3 labels of the step before, got one that "
         "reads 2 numbers"),
        (lambda m: fit([PATTERN] * 4, bidirectional=True, epochs=1).generate(1), ValueError,
         "generate: expected bidirectional=False, got True"),
    ],
)  # fmt: skip
def test_bad_arguments(
    melody: rf.MultiLabelTagger, call: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call(melody)
