"""Beam search against all sequences of a small Markov chain."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from rnnfast.generation.search import _best, beam_search

END, START = 0, 3


class Chain:
    """Scores of the next of 3 tokens by the token before and how many there were.

    A table ``(steps, 4, 3)`` for each sequence; what a hypothesis has said is its state.
    """

    def __init__(self, tables):
        self.tables, self.steps = tables, 0

    def step(self, tokens):
        self.steps += 1
        return np.stack(
            [self.tables[b, self.steps - 1, row] for b, row in enumerate(tokens.T)], axis=1
        )

    def select(self, parents, sequences):
        assert parents.shape[1] == len(sequences)
        self.tables = self.tables[sequences]


class Memory(Chain):
    """The same with a state of its own for each hypothesis: the last token, kept by hand."""

    def __init__(self, tables):
        super().__init__(tables)
        self.said = np.full((1, len(tables)), -1)

    def step(self, tokens):
        self.said = np.where(self.said < 0, tokens, self.said)
        return super().step(self.said)

    def select(self, parents, sequences):
        super().select(parents, sequences)
        self.said = np.full_like(self.said[parents, sequences], -1)


def tables(num_sequences=4, steps=5):
    return np.random.default_rng(0).normal(scale=1.5, size=(num_sequences, steps, 4, 3))


def all_sequences(table, max_length, penalty):
    """Every sequence that ends, with its score, the best first."""
    log_p = table - np.logaddexp.reduce(table, axis=2, keepdims=True)
    found = []
    for length in range(max_length + 1):
        for tokens in itertools.product([1, 2], repeat=length):
            path = [START, *tokens, END]
            total = sum(log_p[t, a, b] for t, (a, b) in enumerate(itertools.pairwise(path)))
            found.append((total / (length + 1) ** penalty, total, list(tokens)))
    return sorted(found, key=lambda item: -item[0])


@pytest.mark.parametrize("penalty", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("decoder", [Chain, Memory])
def test_a_wide_beam_finds_the_best_of_all(decoder, penalty):
    scores = tables()
    found = beam_search(
        decoder(scores), 4, start=START, end=END, beam_size=100, max_length=4,
        length_penalty=penalty,
    )  # fmt: skip
    for table, hypotheses in zip(scores, found, strict=True):
        want = all_sequences(table, 4, penalty)
        best = hypotheses[0]
        assert best.tokens.tolist() == want[0][2]
        assert best.score == pytest.approx(want[0][0], rel=1e-12)
        assert best.log_prob == pytest.approx(want[0][1], rel=1e-12)
        listed = [score for score, _, _ in want]
        assert all(any(abs(h.score - score) < 1e-12 for score in listed) for h in hypotheses)
        assert [h.score for h in hypotheses] == sorted((h.score for h in hypotheses), reverse=True)


def test_greedy_takes_the_likeliest_each_time():
    scores = tables(steps=4)
    found = beam_search(Chain(scores), 4, start=START, end=END, max_length=3)
    for table, ((tokens, _, _),) in zip(scores, found, strict=True):
        want, token = [], START
        for t in range(3):
            token = int(table[t, token].argmax())
            if token == END:
                break
            want.append(token)
        assert tokens.tolist() == want


def test_sequences_do_not_disturb_each_other():
    scores = tables(num_sequences=6)
    options = {"start": START, "end": END, "beam_size": 2, "max_length": 4}
    together = beam_search(Memory(scores), 6, **options)
    for b in range(6):
        (alone,) = beam_search(Memory(scores[b : b + 1]), 1, **options)
        assert [h.tokens.tolist() for h in alone] == [h.tokens.tolist() for h in together[b]]
        assert [h.score for h in alone] == [h.score for h in together[b]]


def test_forbidden_tokens_and_no_length():
    scores = tables()
    found = beam_search(
        Chain(scores), 4, start=START, end=END, beam_size=3, max_length=4, forbidden=[2]
    )
    assert not any((h.tokens == 2).any() for hypotheses in found for h in hypotheses)
    found = beam_search(Chain(scores), 4, start=START, end=END, beam_size=3, max_length=0)
    assert [[h.tokens.tolist() for h in hypotheses] for hypotheses in found] == [[[]]] * 4


def test_a_penalty_of_the_length_prefers_longer_ones():
    # The end has 0.4 at once; 1 and then the end 0.6 * 0.6.
    table = np.log(np.array([[0.4, 0.6, 1e-9], [0.6, 0.2, 0.2], [1.0, 1e-9, 1e-9]]))
    scores = np.repeat(table[np.newaxis, :, np.newaxis], 4, axis=2)
    options = {"start": START, "end": END, "beam_size": 5, "max_length": 2}
    ((short, *_),) = beam_search(Chain(scores), 1, **options, length_penalty=0.0)
    ((long, *_),) = beam_search(Chain(scores), 1, **options, length_penalty=1.0)
    assert short.tokens.tolist() == [] and long.tokens.tolist() == [1]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"beam_size": 0}, "beam_size: expected at least 1, got 0"),
        ({"max_length": -1}, "max_length: expected at least 0, got -1"),
        (
            {"length_penalty": -1.0},
            "length_penalty: expected a finite number of at least 0, got -1.0",
        ),
    ],
)
def test_wrong_arguments(changed, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        beam_search(Chain(tables()), 4, start=START, end=END, **changed)


@pytest.mark.parametrize("count", [1, 3, 4, 9, 40])
def test_the_best_of_all_sums(count):
    """Whether they are found one after another or by a partition; equal ones in their order."""
    rng = np.random.default_rng(count)
    log_probs = rng.normal(size=(3, 5))
    scores = rng.integers(-4, 1, (3, 5, 8)).astype(np.float32)
    scores[:, 1, 1:] = -np.inf  # hardly anything is possible
    scores[:, 2] = rng.normal(size=(3, 8))
    before = scores.copy()
    values, parents, tokens = _best(log_probs, scores, count)
    np.testing.assert_array_equal(scores, before)
    for b in range(5):
        sums = (log_probs[:, b, np.newaxis] + scores[:, b]).reshape(-1)
        np.testing.assert_array_equal(values[:, b], -np.sort(-sums)[:count])
        places = parents[:, b] * 8 + tokens[:, b]
        assert len(set(places.tolist())) == len(places) == min(count, 24)
        np.testing.assert_array_equal(sums[places], values[:, b])
