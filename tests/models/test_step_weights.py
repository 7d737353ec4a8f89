"""How much each step counts, how much each of several labels, and pairs of sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast import metrics
from rnnfast.models.parts.fitting.examples import hold_out

RNG = np.random.default_rng(3)
X = [RNG.normal(size=(length, 2)) for length in (4, 1, 3, 5, 2, 4, 3, 5)]
TAGS = [["p" if step > 0 else "q" for step in x[:, 0]] for x in X]
SETS = [(x > 0.5).astype(int) for x in X]
SUMS = [x.cumsum(axis=0) for x in X]
WEIGHTS = [RNG.integers(1, 4, len(x)) for x in X]
HOLES = [np.where(RNG.random(len(x)) < 0.4, 0, w) for x, w in zip(X, WEIGHTS, strict=True)]
HOLES[0][0], HOLES[1][0], HOLES[3][:] = 0, 0, 2
KINDS: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "tagger": (rf.SequenceTagger, {"class_weight": "balanced"}, TAGS),
    "fed labels": (rf.SequenceTagger, {"feed_labels": True}, TAGS),
    "labels": (rf.MultiLabelTagger, {"class_weight": "balanced"}, SETS),
    "steps": (rf.StepRegressor, {}, SUMS),
    "absolute": (rf.StepRegressor, {"loss": "mae"}, SUMS),
}
OPTIONS: dict[str, Any] = {
    "hidden_size": 3, "batch_size": 50, "epochs": 3, "verbose": 0, "seed": 1, "dtype": "float64",
    "validation_fraction": 0.0, "clip_norm": None, "optimizer": "sgd", "learning_rate": 0.1,
}  # fmt: skip
STILL: dict[str, Any] = {"epochs": 1, "learning_rate": 1e-12, "standardize": False}


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


@pytest.fixture(params=KINDS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def train(name: str, weights: Any = None, y: Any = None, **options: Any) -> Any:
    kind, own, targets = KINDS[name]
    model = kind(**{**OPTIONS, **own, **options})
    return model.fit(X, targets if y is None else y, sample_weight=weights)


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


def without(name: str, holes: list[Any]) -> tuple[Any, dict[str, Any]]:
    """Targets whose steps of weight 0 have none, and the option that says so."""
    y = KINDS[name][2]
    if name in ("steps", "absolute"):
        gone = [np.where(w[:, np.newaxis] > 0, t, np.nan) for t, w in zip(y, holes, strict=True)]
        return gone, {"ignore_label": np.nan}
    return [
        [label if weight else None for label, weight in zip(np.array(t).tolist(), w, strict=True)]
        for t, w in zip(y, holes, strict=True)
    ], {}


def test_the_loss_is_the_weighted_mean() -> None:
    """``sum(w l) / sum(w)`` of what `predict` tells."""
    model, flat = train("steps", WEIGHTS, **STILL), np.concatenate(WEIGHTS)
    errors = ((np.concatenate(model.predict(X)) - np.concatenate(SUMS)) ** 2).sum(axis=1)
    expected = np.average(errors, weights=flat)
    assert model.history_[0]["loss"] == pytest.approx(expected, rel=1e-9)
    assert abs(errors.mean() / expected - 1) > 1e-3
    tagger = train("tagger", WEIGHTS, class_weight=None, **STILL)
    columns = np.concatenate(TAGS) == tagger.classes_[1]
    p = np.concatenate(tagger.predict_proba(X))
    losses = -np.log(np.where(columns, p[:, 1], p[:, 0]))
    expected = np.average(losses, weights=flat)
    assert tagger.history_[0]["loss"] == pytest.approx(expected, rel=1e-9)


def test_weights_of_a_whole_sequence_are_those_of_its_steps(name: str) -> None:
    each = RNG.integers(1, 4, len(X))
    of_steps = [np.full(len(x), w) for x, w in zip(X, each, strict=True)]
    options = {"validation_fraction": 0.3, "batch_size": 3}
    assert_close(train(name, each, **options), train(name, of_steps, **options))
    model = train(name)
    y = KINDS[name][2]
    assert model.score(X, y, each) == pytest.approx(model.score(X, y, of_steps), rel=1e-12)
    for key, value in model.evaluate(X, y, each).items():
        assert value == pytest.approx(model.evaluate(X, y, of_steps)[key], rel=1e-12)


def test_a_step_of_weight_0_has_no_target() -> None:
    """To the bit, in any batches."""
    ones = [np.where(w > 0, 1, 0) for w in HOLES]
    for name in ("tagger", "labels", "steps", "absolute"):
        y, option = without(name, HOLES)
        for options in ({}, {"batch_size": 2, "validation_fraction": 0.3, "optimizer": "adam"}):
            one = train(name, ones, **options)
            two = train(name, None, y, **options, **option)
            other = parameters(two)
            for key, values in parameters(one).items():
                np.testing.assert_array_equal(values, other[key], err_msg=f"{name} {key}")
            for first, second in zip(one.history_, two.history_, strict=True):
                assert first == pytest.approx(second | {"seconds": first["seconds"]}, rel=1e-12)
        weighted, both = train(name, HOLES), train(name, HOLES, y, **option)
        assert_close(weighted, both)
        assert weighted.score(X, KINDS[name][2], HOLES) == pytest.approx(
            both.score(X, y, HOLES), rel=1e-12
        )


def test_only_ratios_of_weights_matter(name: str) -> None:
    one = train(name, HOLES)
    for factor in (2.0**-1000, 2.0**900):
        assert_close(one, train(name, [w * factor for w in HOLES]))
    assert_close(train(name), train(name, [np.full(len(x), 8) for x in X]))


def test_scores_by_hand() -> None:
    flat = np.concatenate(HOLES)
    tagger = train("tagger")
    right = np.concatenate(tagger.predict(X)) == np.concatenate(TAGS)
    assert tagger.score(X, TAGS, HOLES) == pytest.approx(np.average(right, weights=flat))
    steps = train("steps")
    predicted, true = np.concatenate(steps.predict(X)), np.concatenate(SUMS)
    figures = steps.evaluate(X, SUMS, HOLES)
    for name, metric in {"rmse": metrics.rmse, "mae": metrics.mae, "r2": metrics.r2}.items():
        expected = metric(true, predicted, sample_weight=flat)
        assert figures[name] == pytest.approx(expected, rel=1e-12)
    labels = train("labels")
    p, t = np.concatenate(labels.predict(X)), np.concatenate(SETS) > 0
    w = flat[:, np.newaxis]
    right_sum, total = (w * (p & t)).sum(), (w * p).sum() + (w * t).sum()
    assert labels.score(X, SETS, HOLES) == pytest.approx(2 * right_sum / total)


def test_figures_of_what_is_held_out() -> None:
    for name in ("tagger", "labels", "steps"):
        model = train(name, HOLES, validation_fraction=0.4)
        numbers = [n for n in range(8) if HOLES[n].any()]
        chosen = [numbers[n] for n in hold_out(len(numbers), 0.4)[1]]
        figures = model.evaluate(
            [X[n] for n in chosen], [KINDS[name][2][n] for n in chosen], [HOLES[n] for n in chosen]
        )
        best = model.history_[model.best_epoch_ - 1]
        for key, value in figures.items():
            assert best[f"valid_{key}"] == pytest.approx(value, rel=1e-9)


def test_forms_of_weights() -> None:
    X = RNG.normal(size=(4, 3, 2))
    model = rf.StepRegressor(**OPTIONS)
    weights = RNG.integers(0, 3, (4, 3)) + 0.5
    forms: list[Any] = [weights, weights.tolist(), [*weights], tuple(map(tuple, weights))]
    fitted = [rf.StepRegressor(**OPTIONS).fit(X, X, sample_weight=form) for form in forms]
    for other in fitted[1:]:
        assert_close(fitted[0], other)
    series = pytest.importorskip("pandas", reason="pandas is not installed").Series
    assert_close(fitted[0], model.fit(X, X, sample_weight=[series(row) for row in weights]))


def test_empty_sequences() -> None:
    X = [np.zeros((0, 2)), *RNG.normal(size=(4, 3, 2))]
    weights = [[], *np.ones((4, 3))]
    model = rf.StepRegressor(**OPTIONS).fit(X, X, sample_weight=weights)
    assert model.score(X, X, weights) == pytest.approx(model.score(X, X))


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([np.ones(len(x)) for x in X[1:]], ValueError,
         r"^sample_weight: expected one for each of the 8 sequences, got 7$"),
        ([np.ones(len(x) + 1) for x in X], ValueError,
         r"^sample_weight\[0\]: expected shape \(4,\), got \(5,\)$"),
        ([np.full(len(x), -1.0) for x in X], ValueError,
         r"^sample_weight\[0\]\[0\]: expected a finite number of at least 0, got -1.0$"),
        ([np.full(len(x), np.nan) for x in X], ValueError,
         r"^sample_weight\[0\]\[0\]: expected a finite number of at least 0, got nan$"),
        ([np.zeros(len(x)) for x in X], ValueError,
         r"^sample_weight: expected a number above 0, got zeros only$"),
        ([["a"] * len(x) for x in X], TypeError,
         r"^sample_weight\[0\]: expected real numbers, got dtype <U1$"),
        ([[1.0] * 4, *[1.0] * 7], ValueError,
         r"^sample_weight\[1\]: expected shape \(1,\), got \(\)$"),
        (np.ones((8, 2, 1)), ValueError,
         r"^sample_weight: expected shape \(8,\), got \(8, 2, 1\)$"),
        ("ones", TypeError, r"^sample_weight: expected real numbers, got dtype <U4$"),
        ({1: 2}, TypeError, r"^sample_weight: expected real numbers, got \{1: 2\}$"),
    ],
)  # fmt: skip
def test_what_is_refused(weights: Any, error: type, message: str) -> None:
    for name in KINDS:
        with pytest.raises(error, match=message):
            train(name, weights)
        with pytest.raises(error, match=message):
            train(name).score(X, KINDS[name][2], weights)


def test_a_training_with_other_weights_of_steps_is_not_resumed(tmp_path: Any) -> None:
    path, model = tmp_path / "c", rf.StepRegressor(**{**OPTIONS, "batch_size": 3})
    model.fit(X, SUMS, sample_weight=HOLES, checkpoint=path, callbacks=[lambda p: p.step == 2])
    for other in (None, WEIGHTS):
        with pytest.raises(ValueError, match=r"cannot resume with another data: expected"):
            model.fit(X, SUMS, sample_weight=other, checkpoint=path, resume=True)
    model.fit(X, SUMS, sample_weight=HOLES, checkpoint=path, resume=True)
    whole = rf.StepRegressor(**{**OPTIONS, "batch_size": 3}).fit(X, SUMS, sample_weight=HOLES)
    for key, values in parameters(model).items():
        np.testing.assert_array_equal(values, parameters(whole)[key])


# Labels by the K


def test_weights_of_several_labels() -> None:
    flat = np.concatenate(SETS)
    balanced = train("labels", **STILL)
    false, true = (flat == 0).sum(axis=0), (flat == 1).sum(axis=0)
    np.testing.assert_allclose(balanced.class_weights_, false / true)
    p = np.concatenate(balanced.predict_proba(X))
    expected = -(false / true * flat * np.log(p) + (1 - flat) * np.log(1 - p)).sum(axis=1).mean()
    assert balanced.history_[0]["loss"] == pytest.approx(expected, rel=1e-9)
    assert balanced.evaluate(X, SETS)["loss"] == pytest.approx(expected, rel=1e-9)
    named = train("labels", class_weight={1: 3}, **STILL)
    np.testing.assert_array_equal(named.class_weights_, [1, 3])
    expected = -(np.array([1, 3]) * flat * np.log(p) + (1 - flat) * np.log(1 - p)).sum(axis=1)
    assert named.history_[0]["loss"] == pytest.approx(expected.mean(), rel=1e-9)
    weighted = train("labels", HOLES, **STILL)
    w = np.concatenate(HOLES)
    np.testing.assert_allclose(weighted.class_weights_, (w @ (1 - flat)) / (w @ flat))
    assert train("labels", class_weight=None).class_weights_ is None


def test_a_label_that_is_always_the_same_weighs_1() -> None:
    y = [np.stack([rows[:, 0], np.zeros(len(rows), int), np.ones(len(rows), int)], 1)
         for rows in SETS]  # fmt: skip
    model = rf.MultiLabelTagger(class_weight="balanced", **OPTIONS).fit(X, y)
    assert model.class_weights_[1:].tolist() == [1, 1] and model.class_weights_[0] > 1


def test_weights_of_labels_stay(tmp_path: Any) -> None:
    model = train("labels")
    model.save(tmp_path / "m")
    loaded = rf.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.class_weights_, model.class_weights_)
    assert loaded.evaluate(X, SETS) == model.evaluate(X, SETS)
    turned = [1 - rows for rows in SETS]
    loaded.fit(X, turned, warm_start=True)
    np.testing.assert_allclose(loaded.class_weights_, 1 / model.class_weights_)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("even", ValueError, r"^class_weight: expected None, 'balanced' or a dict, got 'even'$"),
        ([1, 2], ValueError, r"^class_weight: expected None, 'balanced' or a dict, got \[1, 2\]$"),
        ({2: 1.0}, ValueError, r"^class_weight: expected classes of y \(.*\), got 2$"),
        ({0: -1.0}, ValueError, r"^class_weight\[0\]: expected a finite number above 0"),
        ({0: np.nan}, ValueError, r"^class_weight\[0\]: expected a .*, got nan$"),
    ],
)
def test_bad_weights_of_labels(given: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        train("labels", class_weight=given)


# Pairs of sequences


def test_pairs_by_hand() -> None:
    x, y = ["ab", "b", "ba", "abb"], ["b", "ab", "", "ba"]
    weights = np.array([1, 3, 2, 0.5])
    model = rf.Seq2Seq(level="char", embedding_size=3, **{**OPTIONS, **STILL, "standardize": True})
    model.fit(x, y, sample_weight=weights)
    total = count = 0.0
    for source, target, weight in zip(x, y, weights, strict=True):
        batch = model._codec.pairs(
            model._reader.encode("X", [source]), model._codec.encode("y", [list(target)], None)
        )
        loss, terms = model.network_.loss(batch)
        total, count = total + weight * loss, count + weight * terms
        assert terms == len(target) + 1
    assert model.history_[0]["loss"] == pytest.approx(total / count, rel=1e-9)
    right = [p == t for p, t in zip(model.predict(x), y, strict=True)]
    assert model.score(x, y, weights) == pytest.approx(np.average(right, weights=weights))
    assert model.score(x, y, sample_weight=weights, beam_size=2) >= 0


def test_entities_with_weights() -> None:
    true = [["B-a", "I-a", "O"], ["B-b", "O"], ["B-a"]]
    guess = [["B-a", "I-a", "B-b"], ["O", "B-b"], ["B-a"]]
    of_sentences = metrics.entity_scores(true, guess, sample_weight=[1, 2, 3])
    repeated = [[*one[:1], *one[1:2] * 2, *one[2:] * 3] for one in (true, guess)]
    expected = metrics.entity_scores(*repeated)
    assert of_sentences[:3] == pytest.approx(expected[:3])
    for kind, figures in expected.by_type.items():
        assert of_sentences.by_type[kind] == pytest.approx(figures)
    of_tokens = metrics.entity_scores(true, guess, sample_weight=[[1, 9, 4], [2, 5], [3]])
    # Right: a at 0 (1) and a at 0 (3); given besides b at 2 (4) and b at 1 (5); missed b at 0 (2).
    assert of_tokens[:3] == pytest.approx((4 / 13, 4 / 6, 8 / 19))
    with pytest.raises(ValueError, match=r"^sample_weight: expected shape \(3,\), got \(2,\)$"):
        metrics.entity_scores(true, guess, sample_weight=[1, 2])
