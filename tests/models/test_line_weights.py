"""How much each line of a language model's corpus counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.data import split_items

RNG = np.random.default_rng(2)
LINES = ["".join(RNG.choice(list("abc"), n)) for n in RNG.integers(0, 7, 20)]
KINDS = [str(len(line) % 3) for line in LINES]
OPTIONS: dict[str, Any] = {
    "lines": True, "hidden_size": 4, "embedding_size": 3, "batch_size": 50, "epochs": 3,
    "verbose": 0, "seed": 1, "dtype": "float64", "validation_fraction": 0.0, "clip_norm": None,
    "optimizer": "sgd", "learning_rate": 0.1,
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


def train(lines: list[str], weights: Any = None, **options: Any) -> rf.LanguageModel:
    condition = options.pop("condition", None)
    model = rf.LanguageModel(**{**OPTIONS, **options})
    return model.fit(lines, condition=condition, sample_weight=weights)


def parameters(model: Any) -> dict[str, Any]:
    return {
        f"{place}.{key}": parameter.data
        for place, module in model._modules().items()
        for key, parameter in module.parameters().items()
    }


def assert_close(first: Any, second: Any) -> None:
    other = parameters(second)
    for key, values in parameters(first).items():
        np.testing.assert_allclose(values, other[key], rtol=1e-9, atol=1e-11, err_msg=key)
    for one, two in zip(first.history_, second.history_, strict=True):
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-9)


def test_the_loss_is_the_weighted_mean_of_tokens() -> None:
    weights = RNG.uniform(0.5, 3, 20)
    model = train(LINES, weights, epochs=1, learning_rate=1e-12)
    counts = np.array([len(line) + 1 for line in LINES])
    log_probs = np.array([model.log_prob(line) for line in LINES])
    expected = -(weights @ log_probs) / (weights @ counts)
    assert model.history_[0]["loss"] == pytest.approx(expected, rel=1e-9)
    assert model.score(LINES, sample_weight=weights) == pytest.approx(-expected, rel=1e-9)
    evaluation = model.evaluate(LINES, sample_weight=weights)
    assert evaluation.perplexity == pytest.approx(np.exp(expected), rel=1e-9)
    assert model.score(LINES) == pytest.approx(log_probs.sum() / counts.sum(), rel=1e-9)


def test_weight_2_is_the_line_twice() -> None:
    weights = np.where(np.arange(20) % 4 == 1, 2, 1)
    assert_close(train(LINES, weights), train([*LINES, *LINES[1::4]]))
    assert_close(train(LINES, weights), train(LINES, weights * 2.0**700))


@pytest.mark.parametrize("condition", [None, KINDS])
def test_weight_0_is_leaving_the_line_out(condition: list[str] | None) -> None:
    weights = np.where(np.arange(20) % 5 == 2, 0, 1)
    kept = np.flatnonzero(weights)
    for options in ({}, {"batch_size": 4, "validation_fraction": 0.3, "optimizer": "adam"}):
        chosen = None if condition is None else [condition[n] for n in kept]
        one = train(LINES, weights, condition=condition, **options)
        two = train([LINES[n] for n in kept], condition=chosen, **options)
        if "batch_size" in options:
            assert_close(one, two)
        else:
            for key, values in parameters(one).items():
                np.testing.assert_allclose(values, parameters(two)[key], rtol=1e-12, err_msg=key)


def test_what_is_held_out_has_weights() -> None:
    weights = RNG.uniform(0.5, 3, 20)
    model = train(LINES, weights, validation_fraction=0.3)
    kept = split_items(range(20), 0.3, np.random.default_rng(0))[1]
    score = model.score([LINES[n] for n in kept], sample_weight=weights[kept])
    best = model.history_[model.best_epoch_ - 1]
    assert best["valid_loss"] == pytest.approx(-score, rel=1e-9)


def test_what_is_refused(tmp_path: Any) -> None:
    for weights, message in (
        (np.ones(19), r"^sample_weight: expected shape \(20,\), got \(19,\)$"),
        (np.zeros(20), r"^sample_weight: expected a number above 0, got zeros only$"),
        (np.full(20, np.nan), r"^sample_weight\[0\]: expected a finite number of at least 0, got"),
        (np.full(20, -1), r"^sample_weight\[0\]: expected a finite number of at least 0, got -1$"),
    ):
        with pytest.raises(ValueError, match=message):
            train(LINES, weights)
        with pytest.raises(ValueError, match=message):
            train(LINES).score(LINES, sample_weight=weights)
    running = rf.LanguageModel(epochs=1, verbose=0, hidden_size=3)
    message = r"^sample_weight: expected a list of lines with lines=True, got a running text$"
    with pytest.raises(ValueError, match=message):
        running.fit("abcab" * 20, sample_weight=[1])
    with pytest.raises(ValueError, match=message):
        train(LINES).evaluate("ab\nc", sample_weight=[1, 1])
    path, model = tmp_path / "c", rf.LanguageModel(**{**OPTIONS, "batch_size": 5})
    weights = np.arange(1, 21)
    model.fit(LINES, sample_weight=weights, checkpoint=path, callbacks=[lambda p: p.step == 2])
    for other in (None, weights[::-1]):
        with pytest.raises(ValueError, match=r"cannot resume with another corpus: expected"):
            model.fit(LINES, sample_weight=other, checkpoint=path, resume=True)
    model.fit(LINES, sample_weight=weights, checkpoint=path, resume=True)


def test_sums_count_each_line_as_often_as_its_weight_says() -> None:
    lines = ["aaab", "aabb", "aaac"] * 6
    lm = rf.LanguageModel(lines=True, hidden_size=4, seed=1).fit(lines, epochs=1, verbose=0)
    weighed = lm.evaluate(lines, sample_weight=[1] * 17 + [100])
    repeated = lm.evaluate(lines[:17] + lines[17:] * 100)
    assert weighed.num_tokens == pytest.approx(repeated.num_tokens, rel=1e-6)
    assert weighed.log_prob == pytest.approx(repeated.log_prob, rel=1e-5)
    assert weighed.loss == pytest.approx(repeated.loss, rel=1e-5)
    twice = lm.evaluate(lines, sample_weight=[2] * 18)
    assert twice.num_tokens == 2 * lm.evaluate(lines).num_tokens
