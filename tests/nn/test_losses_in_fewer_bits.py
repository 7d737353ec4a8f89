"""Losses and draws of output layers in fewer bits: those of the scores that the layers give."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.nn.losses import log_softmax

WORDS: dict[str, dict[str, Any]] = {
    "int8": {"numbers": "int8"},
    "int8-16": {"numbers": "int8", "activations": 16},
    "bfloat16": {"numbers": "bfloat16"},
}
# Rows, features, classes: odd ones, and more rows than are scored at once.
SIZES = ((1, 1, 2), (3, 17, 33), (97, 33, 65), (200, 65, 17))


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def targets(rows: int, classes: int) -> Any:
    found = np.random.default_rng(1).integers(0, classes, rows)
    found[1::5] = -100
    return found


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("sizes", SIZES)
def test_a_loss_is_that_of_the_scores(word: str, sizes: Any, set_threads: Any) -> None:
    rows, features, classes = sizes
    layer = rf.quantize(rf.Linear(features, classes, seed=0), **WORDS[word])
    h, y = numbers(rows, features), targets(rows, classes)
    weights = np.random.default_rng(2).uniform(0, 2, rows).astype(np.float32)
    options: dict[str, dict[str, Any]] = {
        "plain": {},
        "weights": {"weights": weights},
        "classes": {"class_weights": np.linspace(0.5, 2, classes, dtype=np.float32)},
        "smoothing": {"label_smoothing": 0.1, "ignore_index": 1, "reduction": "sum"},
    }
    for each in options.values():
        each = {"backward": False, **each}
        y = np.abs(y) % classes if "ignore_index" in each else y
        expected, _ = rf.cross_entropy(layer(h), y, **each)
        set_threads(1)
        loss, dh = rf.linear_cross_entropy(layer, h, y, **each)
        assert dh is None and loss == pytest.approx(expected, rel=1e-12, nan_ok=True)
        set_threads(2)
        assert rf.linear_cross_entropy(layer, h, y, **each)[0] == loss
        fortran = np.asfortranarray(h)
        assert rf.linear_cross_entropy(layer, fortran, y, **each)[0] == loss


def test_what_is_no_number() -> None:
    layer = rf.quantize(rf.Linear(3, 4, seed=0))
    for bad in (np.nan, np.inf):
        h = np.full((2, 3), bad, np.float32)
        with pytest.raises(ValueError, match=r"^h: expected finite numbers, got NaN or infinity"):
            rf.linear_cross_entropy(layer, h, [0, 1], backward=False)
    with pytest.raises(TypeError, match=r"^backward: expected numbers of float32 or float64"):
        rf.linear_cross_entropy(layer, numbers(2, 3), [0, 1])
    with pytest.raises(ValueError, match=r"^targets: expected classes from 0 to 3"):
        rf.linear_cross_entropy(layer, numbers(2, 3), [0, 4], backward=False)
    empty, _ = rf.linear_cross_entropy(
        layer, numbers(0, 3), np.zeros(0, int), backward=False, reduction="sum"
    )
    assert empty == 0.0


@pytest.mark.parametrize("word", WORDS)
def test_an_adaptive_softmax(word: str, set_threads: Any) -> None:
    for rows, features, classes, cutoffs in (
        (1, 3, 17, [1, 2]),
        (33, 17, 65, [5, 20]),
        (210, 33, 520, [17, 200, 519]),
    ):
        layer = rf.AdaptiveSoftmax(features, classes, cutoffs, 2.0, True, seed=0)
        small = rf.quantize(layer, **WORDS[word])
        h = numbers(rows, features)
        log_probs = small.log_prob(h).astype(np.float64)
        for ignored in (-100, *cutoffs):
            y = targets(rows, classes)
            y[y == -100] = ignored
            weights = np.random.default_rng(2).uniform(0, 2, rows).astype(np.float32)
            each = -log_probs[np.arange(rows), np.maximum(y, 0)] * (y != ignored)
            arguments: dict[str, Any] = {"ignore_index": ignored, "reduction": "sum"}
            for factor, more in ((1, {}), (weights, {"weights": weights})):
                arguments = {**arguments, **more, "backward": False}
                set_threads(1)
                loss, _ = small.loss(h, y, **arguments)
                assert loss == pytest.approx((each * factor).sum(), rel=1e-6, abs=1e-6)
                set_threads(2)
                assert small.loss(h, y, **arguments)[0] == loss


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("output", ["linear", "adaptive"])
@pytest.mark.parametrize("embedded", [True, False])
def test_draws_are_those_of_the_scores(word: str, output: str, embedded: bool) -> None:
    """`sample` draws what steps of the stream, the layer's scores and `draw` give."""
    classes, inputs = 33, 9 if embedded else 35
    last: Any = rf.Linear(17, classes, seed=2)
    if output == "adaptive":
        last = rf.AdaptiveSoftmax(17, classes, [5, 20], 2.0, seed=2)
    layer, last = (rf.quantize(each, **WORDS[word]) for each in (rf.LSTM(inputs, 17, seed=1), last))
    table = rf.quantize(rf.Embedding(35, inputs, seed=3), **WORDS[word]) if embedded else None
    prefix, seed, length = [4, 2], 5, 30
    drawn = rf.sample(
        layer.stream(3), last, embedding=table, prefix=prefix, max_length=length, seed=seed
    )
    step = layer.stream(3)
    h = step(np.zeros((3, inputs), np.float32)).copy()
    for token in prefix:
        ids = np.full(3, token)
        h = step(ids if table is None else table(ids)).copy()
    for position in range(length):
        scores = last(h) if output == "linear" else last.log_prob(h)
        tokens = rf.generation.draw(scores, seed=seed, position=position)
        assert [row[position] for row in drawn] == tokens.tolist()
        h = step(tokens if table is None else table(tokens)).copy()


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(
    "options",
    [{}, {"embedding_size": 9}, {"embedding_size": 17, "tie_weights": True}],
    ids=["one-hot", "embedded", "tied"],
)
def test_a_language_model_answers_alike(word: str, options: dict[str, Any]) -> None:
    text = "to be or not to be that is the question " * 20
    model = rf.LanguageModel(hidden_size=17, batch_size=4, seed=0, **options).fit(
        text, epochs=1, verbose=0
    )
    small = rf.quantize(model, **WORDS[word])
    network = small.network_
    ids = np.array([1, 3, 2, 0, 5, 4])
    h, state = [], None
    inputs = np.concatenate([[network.start], ids[:-1]])
    for each in inputs:  # one at a time
        log_probs, state = network.step(np.array([each]), state)
        h.append(log_probs[0])
    at_once, _ = network.encoder(inputs[:, np.newaxis])
    scores = log_softmax(network.output(at_once[:, 0]))
    assert np.array(h).tobytes() == scores.tobytes()
    whole = float(scores[np.arange(len(ids)), ids].sum(dtype=np.float64))
    batch = rf.data.batches.Batch(inputs[:, np.newaxis], ids[:, np.newaxis], np.array([len(ids)]))
    assert -network.loss(batch, None)[0] == pytest.approx(whole, rel=1e-6)
    # The likeliest tokens, by draws and by steps.
    (drawn,) = network.sample(1, ids[:0], max_length=12, temperature=0.0, seed=0)
    token, state, found = np.array([network.start]), None, []
    for _ in range(12):
        log_probs, state = network.step(token, state)
        token = log_probs.argmax(axis=1)
        found.append(int(token[0]))
    assert drawn.tolist() == found
    assert math.isfinite(small.log_prob("to be"))
