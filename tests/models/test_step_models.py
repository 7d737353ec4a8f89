"""MultiLabelTagger and StepRegressor: learning, asking, files, resumption, bad input."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import rnnfast as rf
from rnnfast.training import Progress

Array = npt.NDArray[Any]

QUICK: dict[str, Any] = {"hidden_size": 10, "learning_rate": 0.03, "seed": 1, "verbose": 0,
                         "epochs": 15, "batch_size": 8}  # fmt: skip


def series(count: int, seed: int = 0) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(int(rng.integers(3, 9)), 2)) for _ in range(count)]


X = series(80)
# Is the first number above 0? Was it at the step before? Is the second one?
LABELS = [
    np.stack([x[:, 0] > 0, np.concatenate([[False], x[:-1, 0] > 0]), x[:, 1] > 0], axis=1)
    for x in X
]
# Running sums, far from standardised.
NUMBERS = [100 + 10 * x.cumsum(axis=0) for x in X]


@pytest.fixture(scope="module")
def tagger() -> rf.MultiLabelTagger:
    return rf.MultiLabelTagger(**QUICK, validation_fraction=0.1).fit(X, LABELS)


@pytest.fixture(scope="module")
def regressor() -> rf.StepRegressor:
    return rf.StepRegressor(**QUICK).fit(X, NUMBERS)


def test_labels_are_learned(tagger: rf.MultiLabelTagger) -> None:
    figures = tagger.evaluate(X, LABELS)
    assert figures["f1"] == tagger.score(X, LABELS) > 0.93
    predicted, p = tagger.predict(X), tagger.predict_proba(X)
    right = sum(int((a & b).sum()) for a, b in zip(predicted, LABELS, strict=True))
    wrong = sum(int((a != b).sum()) for a, b in zip(predicted, LABELS, strict=True))
    assert figures["f1"] == pytest.approx(2 * right / (2 * right + wrong))
    assert figures["accuracy"] == pytest.approx(right / (right + wrong))
    assert predicted[0].dtype == np.bool_ and p[0].dtype == np.float32
    for a, b in zip(predicted, p, strict=True):
        np.testing.assert_array_equal(a, b > 0.5)
    # The loss is that of the course, over all steps.
    loss = 0.0
    for rows, y in zip(p, LABELS, strict=True):
        q = rows.astype("float64")
        loss -= float((y * np.log(q) + (1 - y) * np.log(1 - q)).sum())
    assert figures["loss"] == pytest.approx(loss / sum(map(len, X)), rel=1e-4)
    best = tagger.history_[tagger.best_epoch_ - 1]
    assert best["valid_loss"] == min(record["valid_loss"] for record in tagger.history_)


def test_numbers_are_learned(regressor: rf.StepRegressor) -> None:
    figures = regressor.evaluate(X, NUMBERS)
    assert figures["r2"] == regressor.score(X, NUMBERS) > 0.9
    predicted = regressor.predict(X)
    errors = np.concatenate([a - b for a, b in zip(predicted, NUMBERS, strict=True)])
    assert figures["rmse"] == pytest.approx(np.sqrt((errors**2).mean()))
    assert figures["mae"] == pytest.approx(np.abs(errors).mean())
    assert [rows.shape for rows in predicted] == [x.shape for x in X]


def test_one_number_a_step() -> None:
    flat = [rows[:, 0] for rows in NUMBERS]
    options: dict[str, Any] = {**QUICK, "epochs": 3}
    one = rf.StepRegressor(**options).fit(X, flat)
    two = rf.StepRegressor(**options).fit(X, [rows[:, :1] for rows in NUMBERS])
    for a, b in zip(one.predict(X), two.predict(X), strict=True):
        assert a.shape == (len(b),)
        np.testing.assert_array_equal(a, b[:, 0])
    assert one.score(X, flat) == two.score(X, flat) == one.score(X, [y[:, :1] for y in NUMBERS])
    assert one.predict(X)[0].ndim == 1


def test_arrays_of_equal_lengths() -> None:
    x = np.random.default_rng(0).normal(size=(20, 4, 2))
    options: dict[str, Any] = {**QUICK, "epochs": 2}
    assert len(rf.StepRegressor(**options).fit(x, x[..., 0]).predict(x)) == 20
    model = rf.MultiLabelTagger(**options, dtype="float64").fit(x, (x > 0).astype(int))
    assert model.predict_proba(x)[0].dtype == np.float64
    lists = rf.MultiLabelTagger(**options, dtype="float64").fit(x.tolist(), (x > 0).tolist())
    np.testing.assert_array_equal(lists.predict_proba(x)[3], model.predict_proba(x)[3])


def test_labels_of_words() -> None:
    words = [["big", "cat"], ["cat", "runs"], ["dog"], []] * 6
    y = [[[1, 0], [0, 1]], [[0, 1], [0, 0]], [[0, 1]], []] * 6
    model = rf.MultiLabelTagger(**QUICK, char_encoder=True).fit(words, y)
    assert model.predict([["big", "dog"], []])[0].tolist() == [[True, False], [False, True]]
    assert model.predict([["big"], []])[1].shape == (0, 2)


def test_empty_sequences_may_stand_anywhere() -> None:
    x, y = [np.empty((0, 2)), *X[:20]], [np.empty((0, 2)), *NUMBERS[:20]]
    model = rf.StepRegressor(**{**QUICK, "epochs": 2}).fit(x, y)
    assert model.predict(x)[0].shape == (0, 2)
    assert np.isfinite(model.score(x, y))


@pytest.mark.parametrize("kind", ["tagger", "regressor"])
def test_files(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    model = request.getfixturevalue(kind)
    model.save(tmp_path / "model.safetensors")
    loaded = rf.load(tmp_path / "model.safetensors")
    assert type(loaded) is type(model) and loaded.get_params() == model.get_params()
    for a, b in zip(loaded.predict(X), model.predict(X), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("kind", "y"), [("MultiLabelTagger", LABELS), ("StepRegressor", NUMBERS)])
def test_resumption_gives_the_same_bits(kind: str, y: Any, tmp_path: Path) -> None:
    options: dict[str, Any] = {**QUICK, "dropout": 0.2, "epochs": 3}
    whole = getattr(rf, kind)(**options).fit(X, y)

    def stop(progress: Progress) -> bool:
        return progress.step == 13

    path = tmp_path / "checkpoint"
    model = getattr(rf, kind)(**options).fit(X, y, checkpoint=path, callbacks=[stop])
    assert model.stopped_ == "callback"
    model.fit(X, y, checkpoint=path, resume=True)
    for a, b in zip(whole.predict(X), model.predict(X), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("kind", "y"), [("MultiLabelTagger", LABELS), ("StepRegressor", NUMBERS)])
def test_scikit_learn(kind: str, y: Any) -> None:
    base = pytest.importorskip("sklearn.base")
    selection = pytest.importorskip("sklearn.model_selection")
    model = getattr(rf, kind)(**{**QUICK, "epochs": 4})
    assert base.clone(model).get_params() == model.get_params()
    scores = selection.cross_val_score(model, X, y, cv=2)
    assert (scores > 0.2).all() and (scores < 1).all()


ONE = [np.zeros((2, 2)), np.ones((3, 2))]


def test_absolute_error_is_not_drawn_by_single_misses() -> None:
    x = [np.zeros((5, 1))] * 40
    y = [np.array([1.0, 1.0, 1.0, 1.0, 100.0])[:, None]] * 40  # the last step cannot be told
    options: dict[str, Any] = {**QUICK, "cell": "rnn", "standardize": False, "epochs": 60}
    options["cell_options"] = {"bias": False}  # the state stays zero
    found = {
        loss: rf.StepRegressor(**options, loss=loss).fit(x, y).predict(x)[0].mean()
        for loss in ("mse", "mae")
    }
    assert found["mse"] > 3
    assert found["mae"] == pytest.approx(1, abs=0.2)
    with pytest.raises(ValueError, match=r"^loss: expected one of mse, mae, got 'max'$"):
        rf.StepRegressor(**options, loss="max").fit(x, y)


BAD: list[tuple[str, Any, Any, type[Exception], str]] = [
    ("MultiLabelTagger", ONE, ONE[:1], ValueError, "y: expected one for each of the 2 in X, got 1"),
    (
        "MultiLabelTagger",
        ONE,
        ONE[::-1],
        ValueError,
        "y[0]: expected 2, one for each step of X[0], got 3",
    ),
    (
        "MultiLabelTagger",
        ONE,
        [ONE[0], ONE[1][:, :1]],
        ValueError,
        "y[1]: expected shape (T, 2), got (3, 1)",
    ),
    ("MultiLabelTagger", ONE, [ONE[0], 2 * ONE[1]], ValueError, "y[1]: expected 0 and 1, got 2"),
    (
        "MultiLabelTagger",
        ONE,
        [ONE[0], ONE[1] * np.nan],
        ValueError,
        "y[1]: expected finite numbers, got nan",
    ),
    (
        "MultiLabelTagger",
        ONE,
        [[[0], [1, 1]]] * 2,
        ValueError,
        "y[0]: expected shape (T, K), got a",
    ),
    (
        "MultiLabelTagger",
        ONE,
        [["a", "b"]] * 2,
        TypeError,
        "y[0]: expected real numbers, got dtype",
    ),
    ("MultiLabelTagger", ONE, [[0, 1]] * 2, ValueError, "y[0]: expected shape (T, K), got (2,)"),
    ("MultiLabelTagger", ONE, [], ValueError, "y: expected at least one array with something in"),
    ("MultiLabelTagger", ONE, 3, TypeError, "y: expected a list of arrays, got int"),
    (
        "StepRegressor",
        ONE,
        [ONE[0], np.full((3, 2), np.inf)],
        ValueError,
        "y[1]: expected finite numbers, got inf",
    ),
    (
        "StepRegressor",
        ONE,
        [ONE[0], np.zeros((3, 2, 1))],
        ValueError,
        "y[1]: expected shape (T, K)",
    ),
    ("StepRegressor", ONE, ["ab", "abc"], TypeError, "y[0]: expected real numbers, got dtype <U2"),
    ("StepRegressor", [], [], ValueError, "X: expected at least one sequence, got none"),
]


@pytest.mark.parametrize(("kind", "inputs", "targets", "error", "message"), BAD)
def test_bad_input(
    kind: str, inputs: Any, targets: Any, error: type[Exception], message: str
) -> None:
    model = getattr(rf, kind)(**{**QUICK, "epochs": 1})
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        model.fit(inputs, targets)
    assert not hasattr(model, "network_")


def test_bad_input_later(tagger: rf.MultiLabelTagger, regressor: rf.StepRegressor) -> None:
    with pytest.raises(ValueError, match=r"^y\[0\]: expected shape \(T, 3\), got \(2, 2\)$"):
        tagger.score(ONE, ONE)
    with pytest.raises(ValueError, match=r"^y\[0\]: expected shape \(T, 2\), got \(2, 1\)$"):
        regressor.score(ONE, [rows[:, :1] for rows in ONE])
    with pytest.raises(ValueError, match=r"^X\[0\]: expected shape \(T, 2\), got \(4, 3\)$"):
        regressor.predict(np.zeros((1, 4, 3)))
    with pytest.raises(TypeError, match=r"^X\[0\]: expected an array \(T, 2\) as in training, got"):
        tagger.predict([["a"]])
    fresh = rf.MultiLabelTagger(**{**QUICK, "epochs": 1})
    with pytest.raises(
        ValueError, match=r"^y of valid\[0\]: expected shape \(T, 3\), got \(2, 2\)"
    ):
        fresh.fit(X, LABELS, valid=(ONE, ONE))
    assert not hasattr(fresh, "network_")
    nothing = [np.empty((0, 2))]
    with pytest.raises(ValueError, match=r"^X of valid: expected sequences with something in them"):
        rf.StepRegressor(**QUICK).fit(X, NUMBERS, valid=(nothing, nothing))
    with pytest.raises(ValueError, match=r"^X: expected sequences with something in them, got"):
        tagger.score(nothing, [np.empty((0, 3))])


def test_one_place_has_no_r2() -> None:
    """Neither has one step, nor one place of a forecaster."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(5, 2)) for _ in range(8)]
    model = rf.StepRegressor(hidden_size=4, epochs=1, seed=0, verbose=0)
    model.fit(X, [x[:, 0] for x in X])
    with pytest.warns(match="^y: expected at least 2 steps for R.2, got 1; the score is NaN$"):
        assert np.isnan(model.score([X[0][:1]], [X[0][:1, 0]]))
    assert np.isfinite(model.score([X[0][:2]], [X[0][:2, 0]]))
    series = np.sin(np.arange(80) / 5)
    forecaster = rf.Forecaster(lags=10, horizon=1, epochs=1, seed=0, verbose=0).fit(series)
    with pytest.warns(match="^X: expected at least 2 places to foretell from for R.2, got 1; the"):
        assert np.isnan(forecaster.score(series[-11:]))
    assert np.isfinite(forecaster.score(series[-12:]))
