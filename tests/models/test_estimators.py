"""What the supervised models share: training, checkpoints, files, scikit-learn."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.io.tensors import collect_arrays
from rnnfast.models.base import Model, NotFittedError
from rnnfast.models.estimator import Estimator
from rnnfast.models.parts.fitting.examples import ExampleBatches, digest, hold_out, pad_batch

RNG = np.random.default_rng(0)
TEXTS = ["good film", "a bad film", "good", "bad bad", "so good", "so very bad"] * 4
MOODS = ["+", "-", "+", "-", "+", "-"] * 4
SERIES = [RNG.normal(size=(length, 2)) for length in RNG.integers(1, 7, 24)]
SUMS = np.array([[x.sum(), x[0, 0]] for x in SERIES])
WAVES = np.stack([np.sin(np.arange(60) / 3), np.cos(np.arange(60) / 3)], axis=1)

# A model's class, its hyperparameters, what `fit` takes.
CASES: dict[str, tuple[type[Estimator], dict[str, Any], tuple[Any, Any]]] = {
    "words": (rf.SequenceClassifier, {"class_weight": "balanced"}, (TEXTS, MOODS)),
    "chars": (
        rf.SequenceClassifier,
        {"level": "char", "embedding_size": None, "cell": "gru", "word_dropout": 0.1},
        (TEXTS, MOODS),
    ),
    "deep": (
        rf.SequenceClassifier,
        {"num_layers": 2, "bidirectional": True, "pooling": "concat", "dtype": "float64"},
        (SERIES, [n % 3 for n in range(24)]),
    ),
    "numbers": (rf.SequenceRegressor, {"loss": "mae"}, (SERIES, SUMS)),
    "graded text": (rf.SequenceRegressor, {"pooling": "mean"}, (TEXTS, np.arange(24.0))),
    "forecast": (rf.Forecaster, {"lags": 8, "horizon": 3, "differences": [2, 1]}, (WAVES, None)),
}


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


@pytest.fixture(params=CASES)
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


def make(name: str, **options: Any) -> Any:
    kind, own, _ = CASES[name]
    defaults: dict[str, Any] = {
        "hidden_size": 5, "embedding_size": 4, "batch_size": 4, "epochs": 3, "dropout": 0.2,
        "seed": 3, "validation_fraction": 0.25, "verbose": 0,
    }  # fmt: skip
    return kind(**{**defaults, **own, **options})


def fit(name: str, model: Any = None, **options: Any) -> Any:
    return (make(name) if model is None else model).fit(*CASES[name][2], **options)


def answers(name: str, model: Any) -> np.ndarray:
    if isinstance(model, rf.Forecaster):
        result: np.ndarray = model.predict(10)
    elif isinstance(model, rf.SequenceClassifier):
        result = model.predict_proba(CASES[name][2][0])
    else:
        result = model.predict(CASES[name][2][0])
    return result


def assert_same(first: Any, second: Any) -> None:
    one, two = collect_arrays(first._modules()), collect_arrays(second._modules())
    assert one.keys() == two.keys()
    for key in one:
        np.testing.assert_array_equal(one[key], two[key], err_msg=key)


def without_seconds(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{k: v for k, v in record.items() if k != "seconds"} for record in history]


# Training


def test_same_seed_same_model(name: str) -> None:
    first = fit(name)
    assert_same(first, fit(name))
    assert_same(first, fit(name, first))  # anew
    other = fit(name, make(name, seed=4))
    key = "output.weight"
    assert (collect_arrays(other._modules())[key] != collect_arrays(first._modules())[key]).any()


def test_threads_do_not_change_bits(name: str, set_threads: Callable[[int], None]) -> None:
    one = fit(name)
    set_threads(2)
    two = fit(name)
    assert_same(one, two)
    np.testing.assert_array_equal(answers(name, one), answers(name, two))


@pytest.mark.parametrize("stop", [1, 5, 8])
def test_resumed_is_uninterrupted(name: str, tmp_path: Path, stop: int) -> None:
    whole, path = fit(name), tmp_path / "checkpoint"
    stopped = fit(name, checkpoint=path, callbacks=[lambda p: p.step == stop])
    assert stopped.stopped_ == "callback"
    resumed = fit(name, checkpoint=path, resume=True)
    assert_same(resumed, whole)
    assert without_seconds(resumed.history_) == without_seconds(whole.history_)
    assert (resumed.best_epoch_, resumed.stopped_) == (whole.best_epoch_, "finished")


def test_ctrl_c(name: str, tmp_path: Path) -> None:
    def press(progress: Any) -> None:
        if progress.step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    path = tmp_path / "checkpoint"
    with pytest.warns(RuntimeWarning, match=r"^stopped by Ctrl-C in epoch 1 of 3, 2 steps"):
        stopped = fit(name, checkpoint=path, callbacks=[press])
    assert stopped.stopped_ == "interrupt"
    assert np.isfinite(answers(name, stopped)).all()
    assert_same(fit(name, checkpoint=path, resume=True), fit(name))


def test_resuming_with_something_else_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    fit(name, checkpoint=path)
    fit(name, make(name, epochs=4, patience=2), checkpoint=path, resume=True)
    with pytest.raises(ValueError, match=r"another hidden_size: expected 5, got 6$"):
        fit(name, make(name, hidden_size=6), checkpoint=path, resume=True)
    X, y = CASES[name][2]
    shorter = (X[:-1], None if y is None else y[:-1])
    others = [shorter]
    if name == "words":  # the same numbers, other names
        others += [([text.replace("good", "fine") for text in X], y), (X, ["?" + m for m in y])]
    for other in others:
        with pytest.raises(ValueError, match=r"checkpoint: cannot resume with another data: expec"):
            make(name).fit(*other, checkpoint=path, resume=True)


def test_early_stopping_and_best_weights() -> None:
    labels = [MOODS[(7 * n) % 5] for n in range(24)]  # nothing to learn
    model = make("words", epochs=300, patience=3, learning_rate=0.05).fit(TEXTS, labels)
    losses = [record["valid_loss"] for record in model.history_]
    assert model.stopped_ == "patience" and len(losses) < 300
    assert model.best_epoch_ == len(losses) - 3 == 1 + int(np.argmin(losses))


def test_given_validation_part() -> None:
    model = make("words").fit(TEXTS[:18], MOODS[:18], valid=(TEXTS[18:], MOODS[18:]))
    best = model.history_[model.best_epoch_ - 1]
    assert best["count"] == 18
    assert best["valid_accuracy"] == model.score(TEXTS[18:], MOODS[18:])
    none = make("words", validation_fraction=0).fit(TEXTS, MOODS)
    assert "valid_loss" not in none.history_[0] and none.history_[0]["count"] == 24
    held_out = make("words").fit(TEXTS, MOODS)
    assert held_out.history_[0]["count"] == 18


def test_a_callback_may_ask_the_model_in_training(name: str) -> None:
    seen: list[np.ndarray] = []
    fit(name, callbacks=[lambda p: seen.append(answers(name, p.model))])
    assert len(seen) > 3 and (seen[0] != seen[1]).any()


def test_a_failed_fit_changes_nothing(name: str) -> None:
    model = fit(name)
    before, kept = answers(name, model), dict(vars(model))
    with pytest.raises(ValueError, match=r"^X"):
        model.fit([], [] if name == "forecast" else ["+"]) if name != "forecast" else model.fit([])
    model.set_params(cell="cnn")
    with pytest.raises(ValueError, match=r"^cell: expected one of"):
        fit(name, model)
    model.set_params(cell=kept["cell"])
    assert vars(model).keys() == kept.keys()
    assert all(vars(model)[key] is value for key, value in kept.items())
    np.testing.assert_array_equal(answers(name, model), before)


def test_loss_that_explodes() -> None:
    model = make(
        "numbers", optimizer="sgd", learning_rate=1e30, clip_norm=None, cell="rnn", epochs=20,
        cell_options={"nonlinearity": "relu"}, schedule="constant", loss="mse",
    )  # fmt: skip
    with pytest.raises(FloatingPointError, match=r"^step \d+, epoch \d+: .*lower the learning rat"):
        fit("numbers", model)


# Files


def test_saved_and_loaded(name: str, tmp_path: Path) -> None:
    model, path = fit(name), tmp_path / "model.safetensors"
    model.save(path)
    loaded = rf.load(path)
    assert type(loaded) is type(model) and loaded.get_params() == model.get_params()
    assert_same(loaded, model)
    np.testing.assert_array_equal(answers(name, loaded), answers(name, model))
    assert loaded.history_ == model.history_ and loaded.num_parameters == model.num_parameters
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    assert_same(fit(name, loaded), model)  # can be trained again, the same way


def test_not_fitted(name: str) -> None:
    model = make(name)
    for call in (
        lambda: answers(name, model),
        lambda: model.save("m"),
        lambda: model.num_parameters,
    ):
        with pytest.raises(
            NotFittedError, match=rf"^this {type(model).__name__} has not been fitt"
        ):
            call()


@pytest.mark.parametrize("place", range(0, 24, 5))
def test_what_is_wrong_is_told_by_its_place(place: int) -> None:
    """Whatever is held out."""
    options: dict[str, Any] = {"standardize": False, "validation_fraction": 0.5, "verbose": 0}
    wide = [x.copy() for x in SERIES]
    wide[place][0, 0] = 1e300
    message = rf"^{{}}\[{place}\]: expected numbers within float32 when standardised$"
    for kind, y in ((rf.SequenceRegressor, SUMS), (rf.StepRegressor, SERIES)):
        with pytest.raises(ValueError, match=message.format("X")):
            kind(**options).fit(wide, y)
    with pytest.raises(ValueError, match=message.format("y")):
        rf.StepRegressor(**options).fit(SERIES, wide)
    labels = [["XY"[n % 2] for n in range(len(x))] for x in SERIES]
    del labels[place][0]
    with pytest.raises(ValueError, match=rf"^y\[{place}\]: expected {len(SERIES[place])}, one for"):
        rf.SequenceTagger(validation_fraction=0.5, verbose=0).fit(SERIES, labels)


def test_a_class_of_your_own_with_fewer_hyperparameters() -> None:
    class Small(rf.SequenceClassifier):
        def __init__(self, hidden_size: int = 4) -> None:
            super().__init__(hidden_size=hidden_size, epochs=1, verbose=0, seed=1)

    try:
        model = Small(hidden_size=3).fit(TEXTS, MOODS)
        assert model.get_params() == {"hidden_size": 3}
        plain = rf.SequenceClassifier(hidden_size=3, epochs=1, verbose=0, seed=1)
        assert_same(model, plain.fit(TEXTS, MOODS))
    finally:
        del Estimator._classes["Small"]


def test_what_was_learned_cannot_be_set(name: str) -> None:
    model = make(name)
    assert not hasattr(model, "inputs_")
    with pytest.raises(NotFittedError, match=r"has not been fitted; call fit, or rf\.load a file$"):
        model.inputs_  # noqa: B018
    inputs = fit(name, model).inputs_
    with pytest.raises(AttributeError, match=r"expected no change of what fit has learned$"):
        model.inputs_ = None
    assert model.inputs_ is inputs


# Hyperparameters and scikit-learn


def test_the_constructor_only_keeps_what_it_is_given(name: str) -> None:
    kind = CASES[name][0]
    given = {key: object() for key in kind().get_params()}
    assert {"cell", "epochs", "verbose", "seed"} <= given.keys() and "network_" not in given
    params = kind(**given).get_params()
    assert all(params[key] is value for key, value in given.items())
    with pytest.raises(TypeError):
        kind("lstm")  # type: ignore[call-arg, misc]


def test_repr_tells_what_is_not_default() -> None:
    assert repr(rf.SequenceClassifier()) == "SequenceClassifier()"
    assert repr(rf.Forecaster(lags=3, cell="gru")) == "Forecaster(cell='gru', lags=3)"


@pytest.mark.parametrize("case", ["words", "deep", "numbers"])
def test_scikit_learn(case: str) -> None:
    base = pytest.importorskip("sklearn.base", reason="scikit-learn is not installed")
    selection = pytest.importorskip("sklearn.model_selection")
    X, y = CASES[case][2]
    model = make(case)
    assert base.clone(model).get_params() == model.get_params()
    assert base.is_classifier(model) == (case != "numbers")
    assert base.is_regressor(model) == (case == "numbers")
    scores = selection.cross_val_score(model, X, y, cv=3)
    assert scores.shape == (3,) and np.isfinite(scores).all()
    search = selection.GridSearchCV(model, {"hidden_size": [2, 3], "cell": ["rnn"]}, cv=2)
    search.fit(X, y)
    assert search.best_estimator_.network_.encoder.recurrent.hidden_size in (2, 3)
    assert len(search.predict(X)) == 24


def test_scikit_learn_forecasts() -> None:
    selection = pytest.importorskip("sklearn.model_selection", reason="scikit-learn is not instal")
    splits = selection.TimeSeriesSplit(n_splits=2, test_size=20)
    scores = selection.cross_val_score(make("forecast"), WAVES, cv=splits)
    assert scores.shape == (2,) and np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"level": "letter"}, ValueError, "^level: expected 'char' or 'word', got 'letter'$"),
        ({"tokenizer_options": {"x": 1}}, ValueError, "^tokenizer_options: .*'x'"),
        ({"max_vocabulary_size": 0}, ValueError, "^max_vocabulary_size: expected at least"),
        ({"min_count": 0}, ValueError, "^min_count: expected at least 1, got 0$"),
        ({"standardize": 1}, TypeError, "^standardize: expected a bool, got int$"),
        ({"cell": "cnn"}, ValueError, "^cell: expected one of rnn, gru, lstm, .*, got 'cnn'$"),
        ({"hidden_size": 0}, ValueError, "^hidden_size: expected at least 1, got 0$"),
        ({"num_layers": 1.0}, TypeError, "^num_layers: expected an integer, got float$"),
        ({"bidirectional": 1}, TypeError, "^bidirectional: expected a bool, got int$"),
        ({"embedding_size": 0}, ValueError, "^embedding_size: expected at least 1, got 0$"),
        ({"dropout": 1.0}, ValueError, "^dropout: expected a finite number of at least 0 and belo"),
        ({"word_dropout": -0.1}, ValueError, "^word_dropout: expected a finite number of at least"),
        ({"optimizer": "lbfgs"}, ValueError, "^optimizer: expected one of sgd, adam"),
        ({"learning_rate": math.nan}, ValueError, "^learning_rate: .*got nan$"),
        ({"schedule": "linear"}, ValueError, "^schedule: expected one of constant, cosine, step, "),
        ({"clip_norm": 0}, ValueError, "^clip_norm: expected a finite number above 0, got 0$"),
        ({"batch_size": 0}, ValueError, "^batch_size: expected at least 1, got 0$"),
        ({"epochs": 0}, ValueError, "^epochs: expected at least 1, got 0$"),
        ({"validation_fraction": 1}, ValueError, "^validation_fraction: .*below 1, got 1$"),
        ({"patience": 0}, ValueError, "^patience: expected at least 1, got 0$"),
        ({"patience": 2, "validation_fraction": 0}, ValueError, "^patience: expected None without"),
        ({"seed": -1}, ValueError, "^seed: expected None, an integer of at least 0 or a gener"),
        ({"dtype": "float16"}, ValueError, "^dtype: expected 'float32' or 'float64', got 'flo"),
        ({"verbose": -1}, ValueError, "^verbose: expected at least 0, got -1$"),
        ({"pooling": "sum"}, ValueError, "^pooling: expected one of last, mean, max, concat, got"),
    ],
    ids=str,
)  # fmt: skip
def test_bad_hyperparameters(options: dict[str, Any], error: type, message: str) -> None:
    model = make("words", **options)
    with pytest.raises(error, match=message):
        fit("words", model)
    assert not model._is_fitted()


# Parts


def test_every_epoch_has_other_batches_of_similar_length() -> None:
    lengths = np.arange(10, 110)
    epochs = []
    for _ in range(2):
        rng = np.random.default_rng(5)
        epochs.append([list(ExampleBatches(lengths, list, 8, rng)) for _ in range(2)])
    assert epochs[0] == epochs[1]
    first, second = epochs[0]
    assert {frozenset(batch) for batch in first} != {frozenset(batch) for batch in second}
    for batches in (first, second):
        assert len(batches) == 13
        assert sorted(number for batch in batches for number in batch) == list(range(100))
        assert all(np.ptp(lengths[batch]) < 40 for batch in batches)
    in_order = list(ExampleBatches(lengths, list, 8))
    assert in_order[0] == list(range(8))


def test_padding() -> None:
    x, lengths = pad_batch(
        [np.array([1, 2, 3]), np.array([4]), np.array([], int)], np.array([1, 0])
    )
    assert x.tolist() == [[4, 1], [0, 2], [0, 3]] and lengths.tolist() == [1, 3]
    x, lengths = pad_batch([np.zeros((0, 2))], np.array([0]))
    assert x.shape == (1, 1, 2) and lengths.tolist() == [0]


def test_hold_out() -> None:
    train, valid = hold_out(10, 0.3)
    assert sorted([*train, *valid]) == list(range(10)) and len(valid) == 3
    np.testing.assert_array_equal(hold_out(10, 0.3)[1], valid)
    classes = np.repeat([0, 1, 2, 3], [50, 30, 19, 1])
    train, valid = hold_out(100, 0.2, classes)
    assert np.bincount(classes[valid], minlength=4).tolist() == pytest.approx([10, 6, 4, 0], abs=1)
    assert set(classes[train]) == {0, 1, 2, 3} and len(valid) == 20
    assert [len(part) for part in hold_out(5, 0)] == [5, 0]
    assert [len(part) for part in hold_out(2, 0.9)] == [1, 1]
    with pytest.raises(ValueError, match=r"^X: expected at least 2 examples, to hold one out, g"):
        hold_out(1, 0.1)
    with pytest.raises(ValueError, match=r"^X: expected at least 2 examples of a class, to hold"):
        hold_out(3, 0.1, np.arange(3))


def test_digest_tells_apart() -> None:
    a, b = np.array([1, 2]), np.array([3])
    seen = {
        digest([a, b]), digest([b, a]), digest([a], [b]), digest([a]), digest([a.astype("i4")]),
        digest([a.reshape(1, 2)]), digest([a], "x"), digest([a], "y"), digest(),
    }  # fmt: skip
    assert len(seen) == 9 and digest([a.copy(), b]) == digest([a, b])


@pytest.mark.parametrize("number", [np.uint8, np.int8, np.int64])
def test_hyperparameters_may_be_numbers_of_numpy(number: type[np.integer[Any]]) -> None:
    words = [["good", "film"], ["bad", "film"]] * 150
    model = rf.SequenceClassifier(
        hidden_size=number(4), batch_size=number(100), epochs=number(3), seed=number(1), verbose=0
    )
    same = rf.SequenceClassifier(hidden_size=4, batch_size=100, epochs=3, seed=1, verbose=0)
    labels = ["good", "bad"] * 150
    losses = [[r["loss"] for r in m.fit(words, labels).history_] for m in (model, same)]
    assert losses[0] == losses[1]
    assert type(model.batch_size) is number


X_OWN, Y_OWN = np.random.default_rng(0).normal(size=(20, 3, 2)), ["p", "q"] * 10


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Models with constructors of their own, which files know for the time of a test."""
    monkeypatch.setattr(Model, "_classes", dict(Model._classes))

    class Averaging(rf.SequenceClassifier):
        """A model whose constructor takes less, and decides the rest."""

        def __init__(self, average: bool = False) -> None:
            super().__init__(
                hidden_size=8 if average else 4, epochs=2, verbose=0, seed=1,
                pooling="mean" if average else "max",
            )  # fmt: skip
            self.average = average

    class Needing(rf.SequenceClassifier):
        def __init__(self, extra: int, **others: Any) -> None:
            super().__init__(**others)
            self.extra = extra

    return {"Averaging": Averaging, "Needing": Needing}


def test_files_keep_what_a_constructor_of_ones_own_decides(
    own: dict[str, Any], tmp_path: Path
) -> None:
    Averaging, Needing = own["Averaging"], own["Needing"]
    for model in (
        Averaging(average=True),
        Needing(3, hidden_size=4, epochs=2, verbose=0, seed=1, pooling="mean"),
    ):
        model.fit(X_OWN, Y_OWN)
        model.save(tmp_path / "m")
        loaded = rf.load(tmp_path / "m")
        assert loaded.pooling == "mean" and loaded.get_params() == model.get_params()
        np.testing.assert_array_equal(loaded.predict_proba(X_OWN), model.predict_proba(X_OWN))
    assert "hidden_size" in Needing(3).get_params() and Needing(3).get_params()["extra"] == 3


def test_a_resumption_sees_what_a_constructor_of_ones_own_decides(
    own: dict[str, Any], tmp_path: Path
) -> None:
    Averaging = own["Averaging"]
    path = tmp_path / "c"
    Averaging().fit(X_OWN, Y_OWN, checkpoint=path, callbacks=[lambda p: p.step == 1])
    other = Averaging()
    other.learning_rate = 0.5
    with pytest.raises(ValueError, match="cannot resume with another learning_rate"):
        other.fit(X_OWN, Y_OWN, checkpoint=path, resume=True)


def test_a_callback_that_returns_an_array() -> None:
    model = rf.SequenceClassifier(hidden_size=4, epochs=1, verbose=0)
    expected = r"^callbacks: expected each to return True, False or None, got ndarray$"
    with pytest.raises(TypeError, match=expected):
        model.fit(X_OWN, Y_OWN, callbacks=[lambda p: None, lambda p: np.ones(2)])
