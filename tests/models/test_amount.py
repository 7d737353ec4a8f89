"""How much supervised models are trained if nobody says, and what tells the best epoch."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.models.parts.fitting.amount import (
    Amount,
    choose_amount,
    choose_batch_size,
    choose_epochs,
    choose_fraction,
    choose_patience,
)
from rnnfast.models.parts.reading.scaling import mean_and_scale
from rnnfast.training.checkpoints import Position
from rnnfast.training.messages import _still_improving

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(3, 2)) for _ in range(24)]
Y = [int(x[:, 0].sum() > 0) for x in X]
TEXT = "to be or not to be " * 100
STEPS = [[int(v > 0) for v in x[:, 1]] for x in X]


def small(**options: Any) -> rf.SequenceClassifier:
    return rf.SequenceClassifier(**{"hidden_size": 3, "seed": 1, "verbose": 0, **options})


# What is chosen


@pytest.mark.parametrize(
    ("count", "batch_size", "epochs"),
    # By hand: a sixth, then a thirty-second, at most 64, as powers of two; 600 steps in at most 100
    # epochs; 4,000 in 5 to 30.
    [
        (1, 1, 100), (5, 1, 100), (6, 1, 100), (12, 2, 100), (24, 4, 100), (48, 8, 100),
        (100, 8, 47), (300, 8, 30), (511, 8, 30), (512, 16, 30), (2000, 32, 30), (10_000, 64, 25),
        (54_000, 64, 5), (10**6, 64, 5),
    ],
)  # fmt: skip
def test_batches_and_epochs_by_examples(count: int, batch_size: int, epochs: int) -> None:
    assert choose_batch_size(count) == batch_size
    assert choose_epochs(-(-count // batch_size)) == epochs
    given = choose_amount(count, None, None, None, held_out=False)
    assert given == Amount(epochs, batch_size, None, {"batch_size": batch_size, "epochs": epochs})


def test_patience_and_fraction() -> None:
    assert [choose_patience(epochs) for epochs in (1, 5, 9, 30, 100)] == [3, 3, 3, 10, 34]
    assert [choose_fraction(n, watched=False) for n in (1, 399, 400)] == [0.0, 0.0, 0.1]
    assert choose_fraction(2, watched=True) == 0.1


def test_what_is_given_is_kept() -> None:
    assert choose_amount(500, 20, 32, None, held_out=True) == Amount(20, 32, None, {})
    chosen = choose_amount(500, None, 50, None, held_out=True)
    assert chosen == Amount(60, 50, 20, {"epochs": 60, "patience": 20})
    assert choose_amount(500, None, 50, 4, held_out=True).patience == 4


def test_the_history_and_the_summary_tell_what_was_chosen(tmp_path: Any) -> None:
    model = small().fit(X, Y)  # 24: four at a time, six steps an epoch
    assert len(model.history_) == 100 and model.history_[-1]["step"] == 600
    assert "valid_loss" not in model.history_[0] and model.best_epoch_ == 0
    said = "100 epochs, 600 steps (chosen: batch_size 4, epochs 100); weights of the last step"
    assert f"training: {said}" in str(model.summary()) and said in model.card()
    model.save(tmp_path / "m")
    assert said in str(rf.load(tmp_path / "m").summary())
    assert model.get_params()["epochs"] is None is model.get_params()["batch_size"]
    assert "chosen" not in str(small(epochs=2, batch_size=8).fit(X, Y).summary())


@pytest.mark.parametrize(
    "options", [{"patience": 2}, {"monitor": "accuracy"}, {"schedule": "plateau"}]
)
def test_what_watches_has_something_to_watch(options: dict[str, Any]) -> None:
    model = small(epochs=2, **options).fit(X, Y)
    assert model.history_[0]["count"] == 22 and "valid_loss" in model.history_[0]


def test_enough_examples_are_held_out_and_stop_a_chosen_training() -> None:
    many = [one for one in X[:20] for _ in range(20)]
    model = small(learning_rate=0.03, batch_size=32).fit(many, RNG.integers(2, size=400).tolist())
    assert model.history_[0]["count"] == 360  # of classes that say nothing
    assert model.stopped_ == "patience" and len(model.history_) < 50
    assert "chosen: epochs 50, patience 17" in str(model.summary())


def test_few_examples_of_a_class_are_no_error_unless_something_is_asked() -> None:
    names = [f"{n}" for n in range(24)]
    small(epochs=1).fit(X, names)
    with pytest.raises(ValueError, match=r"^X: expected at least 2 examples of a class, to hold"):
        small(epochs=1, patience=2).fit(X, names)


# What is told at the end


def told(model: Any, *arguments: Any, **options: Any) -> str:
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", stream)
        model.fit(*arguments, verbose=2, **options)
    return stream.getvalue().splitlines()[-1]


def test_the_end_tells_what_was_chosen_and_whether_it_still_became_better() -> None:
    slow = small(epochs=4, learning_rate=0.05, schedule="constant")
    end = told(slow, X, Y)
    assert end.startswith("4 epochs made, 24 steps (chosen: batch_size 4); weights of the last ste")
    assert end.endswith("; the loss was still getting better, more epochs may help")
    end = told(slow, X, Y, valid=(X, Y))
    assert end.endswith("; valid_loss was still getting better, more epochs may help")
    whole = told(small(learning_rate=0.05), X, Y)
    assert "better" not in whole and "(chosen: batch_size 4, epochs 100)" in whole


@pytest.mark.parametrize(
    ("losses", "improves"),
    [
        ([2.30, 2.26, 2.23], True),  # has hardly begun, while a schedule lowers the rate
        ([2.3, 2.2, 2.0, 1.8, 1.6, 1.5, 1.45, 1.44], True),
        ([2.3, 1.0, 0.5, 0.45, 0.43, 0.42, 0.42, 0.42], False),
        ([2.3, 2.301, 2.299, 2.298], False),  # learns nothing
        ([2.3, 1.0, 0.5, 0.3, 0.25, 0.2], True),  # by more than a tenth in the end
        ([2.3, 2.4], False),
    ],
)
def test_when_a_training_is_told_to_be_getting_better(losses: list[float], improves: bool) -> None:
    position = Position()
    position.history = [{"loss": loss} for loss in losses]
    assert _still_improving(position, "valid_loss", False) == improves


# What tells the best epoch


@pytest.mark.parametrize(
    ("model", "targets", "known"),
    [
        (rf.SequenceClassifier, Y, ["loss", "accuracy"]),
        (rf.SequenceRegressor, np.array(Y) * 1.0, ["loss", "rmse"]),
        (rf.SequenceTagger, STEPS, ["loss", "accuracy"]),
        (rf.MultiLabelTagger, [np.array(s)[:, None] for s in STEPS], ["loss", "accuracy", "f1"]),
        (rf.StepRegressor, [x[:, 0] for x in X], ["loss", "mae", "r2", "rmse"]),
        (rf.CTCRecognizer, ["ab"[y] for y in Y], ["loss", "error_rate"]),
        (rf.Seq2Seq, ["ab"[y] for y in Y], ["loss", "perplexity"]),
    ],
)
def test_every_model_is_told_by_any_of_its_figures(
    model: Any, targets: Any, known: list[str]
) -> None:
    options: dict[str, Any] = {"hidden_size": 3, "epochs": 4, "seed": 1, "verbose": 0}
    for name in known:
        fitted = model(**options, monitor=name, learning_rate=0.1).fit(X, targets)
        figure = f"valid_{'loss' if name == 'perplexity' else name}"
        values = [record[figure] for record in fitted.history_]
        best = max(values) if name in ("accuracy", "f1", "r2") else min(values)
        assert fitted.best_epoch_ == values.index(best) + 1
    said = ", ".join(sorted(known))
    for wrong in ("valid_loss", 3):
        with pytest.raises(ValueError, match=rf"^monitor: expected None or one of {said}, got "):
            model(**options, monitor=wrong).fit(X, targets)
    with pytest.raises(ValueError, match=r"^monitor: expected None without validation, which meas"):
        model(**options, monitor="loss", validation_fraction=0).fit(X, targets)


def test_a_language_model_has_two_names_for_one_figure() -> None:
    options: dict[str, Any] = {"hidden_size": 3, "epochs": 2, "seed": 1, "verbose": 0}
    for name in ("loss", "perplexity"):
        rf.LanguageModel(**options, monitor=name).fit(TEXT)
    for name, value in (("monitor", "f1"), ("batch_size", None), ("validation_fraction", None)):
        with pytest.raises((ValueError, TypeError), match=f"^{name}: expected "):
            rf.LanguageModel(**{**options, name: value}).fit(TEXT)


# What can be asked afterwards


@pytest.mark.parametrize(
    ("model", "targets", "known"),
    [
        (rf.SequenceClassifier, Y, "loss accuracy"),
        (rf.SequenceRegressor, np.array(Y) * 1.0, "loss rmse mae r2"),
        (rf.SequenceTagger, STEPS, "loss accuracy"),
        (rf.MultiLabelTagger, [np.array(s)[:, None] for s in STEPS], "loss f1 accuracy"),
        (rf.StepRegressor, [x[:, 0] for x in X], "loss rmse mae r2"),
        (rf.CTCRecognizer, ["ab"[y] for y in Y], "loss error_rate"),
        (rf.Seq2Seq, ["ab"[y] for y in Y], "loss perplexity accuracy"),
    ],
)
def test_every_model_evaluates_alike(model: Any, targets: Any, known: str) -> None:
    options: dict[str, Any] = {"hidden_size": 3, "epochs": 2, "seed": 1, "verbose": 0}
    fitted = model(**options).fit(X, targets, valid=(X, targets))
    figures = fitted.evaluate(X, targets)
    assert type(figures) is dict and list(figures) == known.split()
    kept = fitted.history_[fitted.best_epoch_ - 1]
    for name in (name for name in figures if f"valid_{name}" in kept):
        assert figures[name] == pytest.approx(kept[f"valid_{name}"], rel=1e-6)
    scored = fitted.score(X, targets)
    by = "r2" if "r2" in figures else "f1" if "f1" in figures else "accuracy"
    found = 1 - figures["error_rate"] if "error_rate" in figures else figures[by]
    assert found == pytest.approx(scored, rel=1e-6)


def test_a_forecaster_and_a_language_model_evaluate_too() -> None:
    options: dict[str, Any] = {"hidden_size": 3, "epochs": 2, "seed": 1, "verbose": 0}
    series = np.sin(np.arange(80) / 3)
    figures = rf.Forecaster(lags=5, **options).fit(series).evaluate(series)
    assert list(figures) == ["loss", "rmse", "mae", "r2"]
    lm = rf.LanguageModel(**options).fit(TEXT)
    told = lm.evaluate("to be")
    assert dict(told) == {
        "loss": told.loss, "perplexity": np.exp(told.loss), "log_prob": told.log_prob,
        "num_tokens": 5,
    }  # fmt: skip


# No epochs


def test_no_epochs_take_nothing_that_only_a_training_looks_at() -> None:
    model = small(epochs=2).fit(X, Y)
    for name, given in (
        ("valid", {"valid": (X, Y)}), ("callbacks", {"callbacks": [print]}),
        ("checkpoint", {"resume": True}),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"^epochs: expected at least 1 with {name}, got 0$"):
            model.fit(X, Y, warm_start=True, epochs=0, **given)
    card = model.card()
    model.set_params(learning_rate=0.5).fit(X, Y, warm_start=True, epochs=0)
    assert model.card() == card  # of the training that made the weights


# Memory


def test_nothing_is_copied_whole_to_find_mean_and_scale() -> None:
    part = RNG.normal(size=(1000, 100)).astype(np.float32)
    parts = [part] * 150  # 120 MB in float64, of which one part is there in float32
    tracemalloc.start()
    mean, scale = mean_and_scale(parts, part.dtype)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6
    np.testing.assert_allclose(mean, part.mean(axis=0, dtype=float), rtol=1e-10)
    np.testing.assert_allclose(scale, part.std(axis=0, dtype=float), rtol=1e-10)
    weighted = mean_and_scale([part, part], part.dtype, weights=np.repeat([1.0, 3.0], 1000))
    np.testing.assert_allclose(weighted, (mean, scale), rtol=1e-10)
