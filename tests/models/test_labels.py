"""Labels that do not count, tokens that end a line, and what is scored where nothing stands."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.generation.search import beam_search
from rnnfast.models.parts.reading.labels import find_classes, read_labels

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(6, 2)) for _ in range(30)]
OPTIONS = {"verbose": 0, "hidden_size": 6, "seed": 0, "validation_fraction": 0.0}


def labels_of(x: np.ndarray, ignored: bool = True) -> list[int]:
    """The sign of the first feature; every third step does not count."""
    labels = (x[:, 0] > 0).astype(int)
    if ignored:
        labels[::3] = -100
    return labels.tolist()


Y = [labels_of(x) for x in X]


def test_steps_that_do_not_count() -> None:
    tagger = rf.SequenceTagger(epochs=60, learning_rate=0.05, **OPTIONS).fit(X, Y)
    assert tagger.classes_.tolist() == [0, 1]
    predicted = tagger.predict(X)
    assert {label for labels in predicted for label in labels} == {0, 1}
    true, found = (np.concatenate(labels) for labels in (Y, predicted))
    counted = true >= 0
    right = float((true == found)[counted].mean())
    assert tagger.score(X, Y) == pytest.approx(right) and right > 0.9
    # The steps that do not count follow the same rule, which the network has learned.
    assert tagger.score(X, [labels_of(x, ignored=False) for x in X]) > 0.9


def test_they_leave_no_trace() -> None:
    """The same weights whatever would have stood there, were it ignored by hand."""
    model = rf.SequenceTagger(epochs=2, **OPTIONS).fit(X, Y, valid=(X, Y))
    loss = model.history_[-1]["valid_loss"]
    log_p = [np.log(p) for p in model.predict_proba(X)]
    by_hand = [
        -float(row[step, label])
        for row, labels in zip(log_p, Y, strict=True)
        for step, label in enumerate(labels)
        if label >= 0
    ]
    # The weights kept are those of the best epoch.
    figures = [record["valid_loss"] for record in model.history_]
    assert min(abs(np.mean(by_hand) - figure) for figure in [loss, *figures]) < 1e-5


def test_class_weights_count_what_counts() -> None:
    balanced = rf.SequenceTagger(epochs=1, class_weight="balanced", **OPTIONS).fit(X, Y)
    flat = np.concatenate(Y)
    flat = flat[flat >= 0]
    expected = len(flat) / (2 * np.bincount(flat))
    np.testing.assert_allclose(balanced.class_weights_, expected, rtol=1e-6)


def test_where_each_step_reads_the_label_before() -> None:
    model = rf.SequenceTagger(epochs=1, feed_labels=True, **OPTIONS)
    with pytest.raises(
        ValueError,
        match=r"^y\[0\]: expected labels that count with feed_labels=True, got -100 at 0$",
    ):
        model.fit(X, Y)
    whole = [labels_of(x, ignored=False) for x in X]
    with pytest.raises(ValueError, match=r"^y of valid\[0\]: expected labels that count with"):
        model.fit(X, whole, valid=(X, Y))
    model.fit(X, whole)
    assert 0 <= model.score(X, Y) <= 1


def test_where_nothing_counts() -> None:
    tagger = rf.SequenceTagger(epochs=1, **OPTIONS)
    nothing = [[-100] * 6] * 30
    with pytest.raises(ValueError, match=r"^y: expected a step that counts, got none$"):
        tagger.fit(X, nothing)
    tagger.fit(X, Y)
    with pytest.raises(ValueError, match=r"^y: expected labels that count, got none$"):
        tagger.score(X, nothing)
    with pytest.raises(ValueError, match=r"^y of valid: expected a sequence to validate on of lab"):
        tagger.fit(X, Y, valid=(X, nothing))
    # A batch of which nothing counts is no step.
    some = [*nothing[:29], [0, 1, 0, 1, 0, 1]]
    assert rf.SequenceTagger(epochs=1, batch_size=5, **OPTIONS).fit(X, some).history_


def test_a_sequence_that_does_not_count() -> None:
    y = [0, 1, -100] * 10
    message = r"^y\[2\]: expected a class, got -100, which stands for what does not count; leave"
    classifier = rf.SequenceClassifier(epochs=1, **OPTIONS)
    with pytest.raises(ValueError, match=message):
        classifier.fit(X, y)
    classifier.fit(X, [0, 1, 2] * 10)
    with pytest.raises(ValueError, match=message):
        classifier.score(X, y)


def test_other_labels_are_classes() -> None:
    for labels in (["-100", "x"], [-99, -101], [True, False]):
        assert find_classes("y", labels).tolist() == sorted(labels)
    tagger = rf.SequenceTagger(epochs=1, **OPTIONS)
    tagger.fit(X, [["-100", "x"] * 3] * 30)
    assert tagger.classes_.tolist() == ["-100", "x"]


def test_labels_beyond_int64() -> None:
    for big in (2**63, -(2**63) - 1):
        with pytest.raises(ValueError, match=rf"^y\[1\]: expected a 64-bit integer, got {big}$"):
            read_labels("y", [1, big])
    assert read_labels("y", [2**63 - 1, -(2**63)]) == [2**63 - 1, -(2**63)]


# Lines

LINES = ["a b", "b a b", "a", "b b"] * 5
WORDS: dict[str, Any] = {
    "level": "word",
    "lines": True,
    "tokenizer_options": {"mode": "whitespace"},
    "hidden_size": 4,
    "seed": 0,
}


@pytest.fixture(scope="module")
def lines() -> rf.LanguageModel:
    return rf.LanguageModel(**WORDS).fit(LINES, epochs=2, verbose=0)


def test_the_token_that_ends_a_line(lines: rf.LanguageModel) -> None:
    stop = r"expected no '<EOS>', which ends a sequence, got it at"
    with pytest.raises(ValueError, match=rf"^text\[\d+\]: {stop} 1$"):
        rf.LanguageModel(**WORDS).fit([*LINES, "a <EOS> b"], epochs=1, verbose=0)
    with pytest.raises(ValueError, match=rf"^valid\[1\]: {stop} 0$"):
        rf.LanguageModel(**WORDS).fit(LINES, ["a", "<EOS>"], epochs=1, verbose=0)
    with pytest.raises(ValueError, match=rf"^text\[1\]: {stop} 1$"):
        lines.evaluate(["a", "a <EOS>"])
    with pytest.raises(ValueError, match=rf"^sentence: {stop} 1$"):
        lines.log_prob("a <EOS> b")
    for ask in (lines.next_tokens, lambda prefix: lines.sample(prefix=prefix)):
        with pytest.raises(ValueError, match=rf"^prefix: {stop} 0$"):
            ask("<EOS>")
    # It is a word as others where words do not end.
    running = rf.LanguageModel(**{**WORDS, "lines": False}, batch_size=2, sequence_length=4)
    running.fit(" ".join([*LINES, "a <EOS> b"] * 3), epochs=1, verbose=0)
    assert "<EOS>" in running.vocabulary_ and math.isfinite(running.log_prob("a <EOS> b"))
    # Characters never make one.
    assert rf.LanguageModel(lines=True, hidden_size=4).fit(["<EOS>", "ab"] * 9, epochs=1, verbose=0)


def test_empty_lines_are_scored(lines: rf.LanguageModel) -> None:
    ends = math.log(dict(lines.next_tokens("", 9))["<EOS>"])
    assert lines.log_prob("") == pytest.approx(ends, rel=1e-5)
    one = lines.evaluate([""])
    assert one.num_tokens == 1 and one.log_prob == pytest.approx(ends, rel=1e-5)
    assert lines.evaluate("") == lines.evaluate("\n \n") == one
    assert lines.perplexity([""]) == pytest.approx(math.exp(-ends), rel=1e-5)
    three = lines.evaluate(["", "", ""])
    assert three.num_tokens == 3 and three.log_prob == pytest.approx(3 * ends, rel=1e-5)
    mixed = lines.evaluate(["", "a b"])
    assert mixed.log_prob == pytest.approx(ends + lines.log_prob("a b"), rel=1e-5)
    with pytest.raises(ValueError, match=r"^text: expected text, got an empty corpus$"):
        lines.evaluate([])
    with pytest.raises(ValueError, match=r"^text: expected text, got an empty corpus$"):
        rf.LanguageModel(**WORDS).fit(["", ""], epochs=1, verbose=0)
    running = rf.LanguageModel(hidden_size=4, batch_size=2, sequence_length=4)
    running.fit("abcab" * 9, epochs=1, verbose=0)
    with pytest.raises(ValueError, match=r"^text: expected text, got an empty corpus$"):
        running.evaluate("")


class Uniform:
    """Scores of four tokens, all alike."""

    def step(self, tokens: np.ndarray) -> np.ndarray:
        return np.zeros((*tokens.shape, 4))

    def select(self, parents: np.ndarray, sequences: np.ndarray) -> None:
        pass


def test_search_without_an_end() -> None:
    with pytest.raises(
        ValueError, match=r"^forbidden: expected other tokens than 0, the end, got i"
    ):
        beam_search(Uniform(), 1, start=3, end=0, forbidden=[0, 1])
    for forbidden in ([4], np.array([4])):
        with pytest.raises(ValueError, match=r"^forbidden: expected tokens from 0 to 3, got 4$"):
            beam_search(Uniform(), 1, start=3, end=0, forbidden=forbidden)
    with pytest.raises(ValueError, match=r"^forbidden: expected no negative number, got -1$"):
        beam_search(Uniform(), 1, start=3, end=0, forbidden=[-1])
    with pytest.raises(TypeError, match=r"^forbidden: expected integers, got dtype float64$"):
        beam_search(Uniform(), 1, start=3, end=0, forbidden=[1.0])
    with pytest.raises(ValueError, match=r"^end: expected tokens from 0 to 3, got 9$"):
        beam_search(Uniform(), 1, start=3, end=9)
    # All others forbidden: it ends at once, with the probability 1/4 that it had.
    ((found,),) = beam_search(Uniform(), 1, start=3, end=0, forbidden=[1, 2, 3])
    assert found.tokens.tolist() == [] and found.log_prob == pytest.approx(math.log(0.25))
    assert len(beam_search(Uniform(), 2, start=3, end=0, max_length=0)) == 2
    assert beam_search(Uniform(), 0, start=3, end=0) == []


@pytest.mark.parametrize("model", [rf.SequenceClassifier, rf.SequenceTagger])
def test_texts_that_numpy_would_shorten_are_no_labels(model: type) -> None:
    tags = ["p", "q", "p\0"]
    y = tags if model is rf.SequenceClassifier else [tags]
    place = "y[2]" if model is rf.SequenceClassifier else "y[0][2]"
    x = [["a"], ["b"], ["c"]] if model is rf.SequenceClassifier else [["a", "b", "c"]]
    with pytest.raises(ValueError, match=rf"^{re.escape(place)}: expected no NUL at its end, got"):
        model(verbose=0).fit(x, y)
