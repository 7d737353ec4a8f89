"""What does not change, but for rounding: scores, standardised numbers, and what is predicted."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast import metrics
from rnnfast._checks.arrays import constant_columns
from rnnfast.models.parts.reading.inputs import SeriesInputs
from rnnfast.models.parts.reading.scaling import mean_and_scale

RNG = np.random.default_rng(3)
FLOAT64 = np.dtype(np.float64)


def exact_r2(true: list[float], predicted: list[float]) -> float:
    """The definition in rational numbers; a constant counts as in scikit-learn."""
    t, p = [Fraction(x) for x in true], [Fraction(x) for x in predicted]
    mean = sum(t) / len(t)
    spread = sum((x - mean) ** 2 for x in t)
    missed = sum((x - y) ** 2 for x, y in zip(t, p, strict=True))
    if spread == 0:
        return 1.0 if missed == 0 else 0.0
    return float(1 - missed / spread)


@pytest.mark.parametrize("constant", [0.1, 1e-6, 1e300, -3.7, 0.0, 1e-320])
@pytest.mark.parametrize("count", [1, 2, 57, 1000])
def test_r2_of_a_constant(constant: float, count: int) -> None:
    true = [constant] * count
    assert metrics.r2(true, true) == 1.0 == exact_r2(true, true)
    wrong = [constant * 1.1 + 1e-300] * count
    assert metrics.r2(true, wrong) == 0.0 == exact_r2(true, wrong)


def test_r2_of_a_constant_up_to_rounding() -> None:
    true = np.full(50, 0.1)
    true[::3] = 0.3 - 0.2  # 0.09999999999999998
    assert len(set(true.tolist())) == 2
    assert metrics.r2(true, np.full(50, 0.1)) == 1.0
    assert metrics.r2(true, np.full(50, 0.11)) == 0.0
    single = true.astype(np.float32)
    single[0] = np.nextafter(single[0], np.float32(1))
    assert metrics.r2(single, np.full(50, 0.11)) == 0.0
    # The same numbers in float64 do change.
    wide = single.astype(np.float64)
    assert metrics.r2(wide, wide) == 1.0 and metrics.r2(wide, np.full(50, wide.mean())) <= 1e-6
    assert metrics.r2([5, 5, 5], [5, 5, 6]) == 0.0  # integers have no rounding
    assert metrics.r2([2**53, 2**53 + 2, 2**53], [2**53, 2**53 + 2, 2**53]) == 1.0


@pytest.mark.parametrize("scale", [1e-200, 1e-160, 1.0, 1e160, 1e200])
def test_metrics_do_not_depend_on_units(scale: float) -> None:
    true, predicted = RNG.normal(size=(2, 40))
    expected = exact_r2(true.tolist(), predicted.tolist())
    assert metrics.r2(true * scale, predicted * scale) == pytest.approx(expected, rel=1e-12)
    expected = float(np.sqrt(np.mean((true - predicted) ** 2)))
    assert metrics.rmse(true * scale, predicted * scale) == pytest.approx(expected * scale, 1e-12)


def test_r2_at_a_high_level() -> None:
    true = 1e9 + RNG.normal(size=30)
    predicted = true + 0.5 * RNG.normal(size=30)
    expected = exact_r2(true.tolist(), predicted.tolist())
    assert metrics.r2(true, predicted) == pytest.approx(expected, rel=1e-9)


def test_r2_as_scikit_learn() -> None:
    scores = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    t, p = RNG.normal(size=(2, 30, 4))
    t[:, 1] = p[:, 1] = 2.5
    t[:, 2] = 2.5
    assert metrics.r2(t, p) == pytest.approx(scores.r2_score(t, p), rel=1e-12)


@pytest.mark.parametrize("count", [1, 3, 1000, 1_000_000])
def test_mean_and_scale_of_a_constant(count: int) -> None:
    # Adding 0.1 a million times is off by 1e-11 of it: more than what tells a constant apart.
    rows = np.full((count, 1), 0.1)
    mean, scale = mean_and_scale([rows], FLOAT64)
    assert mean.tolist() == [0.1] and scale.tolist() == [0.0]


@pytest.mark.parametrize("power", [-1000, -700, -500, 0, 500, 700, 1000])
def test_mean_and_scale_of_any_size(power: int) -> None:
    """The same bits, times that power of 2: no square vanishes or overflows."""
    rows = np.random.default_rng(0).normal((0, 3), size=(50, 2))
    mean, scale = mean_and_scale([rows], FLOAT64)
    np.testing.assert_allclose(mean, rows.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(scale, rows.std(axis=0), rtol=1e-14)
    factor = np.array([2.0**power, 1.0])
    others = mean_and_scale([rows * factor], FLOAT64)
    np.testing.assert_array_equal(others, (mean * factor, scale * factor))


def test_the_least_numbers_that_there_are() -> None:
    mean, scale = mean_and_scale([np.array([[0.0], [5e-324], [0.0]])], FLOAT64)
    assert mean[0] >= 0 and scale[0] > 0
    mean, scale = mean_and_scale([np.array([[1.7e308], [-1.7e308]])], FLOAT64)
    assert (mean.tolist(), scale.tolist()) == ([0], [1.7e308])


SIZES = [2.0**-700, 2.0**700]


@pytest.mark.parametrize("size", SIZES)
def test_models_of_numbers_of_any_size(size: float) -> None:
    options: dict[str, Any] = {
        "hidden_size": 3, "epochs": 2, "verbose": 0, "seed": 0, "dtype": "float64",
        "validation_fraction": 0.1,
    }  # fmt: skip
    series = np.sin(np.arange(60.0))
    steps = [np.random.default_rng(n).normal(size=(5, 2)) for n in range(12)]

    def answers(size: float) -> list[Any]:
        given = [one * size for one in steps]
        sums = [one.sum() for one in given]
        forecaster = rf.Forecaster(lags=5, horizon=2, **options).fit(series * size)
        regressor = rf.SequenceRegressor(**options).fit(given, sums)
        stepwise = rf.StepRegressor(**options).fit(given, given)
        figures = stepwise.evaluate(given, given)
        records = [m.history_[-1]["valid_rmse"] for m in (forecaster, regressor, stepwise)]
        return [
            np.array([*forecaster.predict(6), *regressor.predict(given), *records]) / size,
            np.array([figures["rmse"], figures["mae"]]) / size,
            [forecaster.score(series * size), regressor.score(given, sums), figures["r2"]],
        ]

    for one, other in zip(answers(1.0), answers(size), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-12)


def test_what_counts_as_constant() -> None:
    level = np.array([[1.0, 1000.0, 1e-6, 0.0]])
    rows = np.repeat(level, 4, axis=0)
    assert constant_columns(rows, FLOAT64).all()
    rows[1] = np.nextafter(rows[1], 2e9)
    assert constant_columns(rows, FLOAT64)[:3].all()
    assert not constant_columns(rows, np.dtype(np.int64)).any()
    rows[1] = level[0] * (1 + 1e-12) + 1e-300  # small, but no rounding of float64
    assert not constant_columns(rows, FLOAT64).any()
    assert constant_columns(rows, np.dtype(np.float32))[:3].all()
    assert constant_columns(np.array([[1e308], [-1e308]]), FLOAT64).tolist() == [False]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_constant_features(dtype: Any) -> None:
    value = 7 if dtype == "int64" else 0.1
    series = [np.stack([np.full(9, value), np.arange(9)], 1).astype(dtype)] * 3
    inputs = SeriesInputs.learn(series, True, "float32")
    assert inputs.scale[0] == 1.0 and inputs.scale[1] == pytest.approx(np.std(np.arange(9)))
    encoded = inputs.encode("X", series)[0]
    assert (encoded[:, 0] == 0).all()
    assert encoded[:, 1].std() == pytest.approx(1)


def fit(model: Any, *arguments: Any) -> Any:
    options: dict[str, Any] = {"epochs": 2, "validation_fraction": 0.1, "seed": 1, "verbose": 0}
    return model.set_params(hidden_size=4, **options).fit(*arguments)


X = [RNG.normal(size=(5, 2)) for _ in range(20)]


@pytest.mark.parametrize("constant", [1e-6, 0.1, -1e12])
@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_constant_targets(constant: float, loss: str) -> None:
    y = np.full(20, constant)
    model = fit(rf.SequenceRegressor(loss=loss), X, y)
    assert model.target_scale_.tolist() == [0.0] and model.target_mean_.tolist() == [constant]
    np.testing.assert_array_equal(model.predict(X[:3]), y[:3])
    assert model.score(X, y) == 1.0 and model.score(X, y * 1.1) == 0.0
    assert model.history_[-1]["valid_rmse"] == 0.0 == model.history_[-1]["valid_loss"]
    steps = fit(rf.StepRegressor(loss=loss), X, [np.full(5, constant)] * 20)
    np.testing.assert_array_equal(steps.predict(X[:1])[0], np.full(5, constant))
    figures = {"rmse": 0.0, "mae": 0.0, "r2": 1.0}
    assert model.evaluate(X, y) == {"loss": 0.0, **figures}
    found = steps.evaluate(X, [np.full(5, constant)] * 20)
    assert {name: found[name] for name in figures} == figures


def test_one_of_several_targets(tmp_path: Any) -> None:
    y = np.stack([RNG.normal(size=20), np.full(20, 0.1), np.full(20, -1e-6)], 1)
    model = fit(rf.SequenceRegressor(), X, y)
    predicted = model.predict(X)
    np.testing.assert_array_equal(predicted[:, 1:], y[:, 1:])
    assert predicted[:, 0].std() > 0 and model.target_scale_[0] == pytest.approx(
        y[:18, 0].std(), rel=0.5
    )
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(rf.load(tmp_path / "m").predict(X), predicted)
    # Others than in training are measured in their own units.
    other = fit(
        rf.SequenceRegressor(),
        X,
        y,
    )
    assert np.isfinite(other.history_[-1]["valid_loss"])
    steps = fit(rf.StepRegressor(), X, [np.repeat(row[np.newaxis], 5, axis=0) for row in y])
    np.testing.assert_array_equal(steps.predict(X[:1])[0][:, 1:], np.repeat(y[:1, 1:], 5, axis=0))


def test_targets_that_are_constant_only_in_training() -> None:
    y, held_out = np.full(20, 2.0), np.full(4, 5.0)
    model = rf.SequenceRegressor(hidden_size=4, epochs=1, verbose=0, seed=0)
    model.fit(X, y, valid=(X[:4], held_out))
    assert model.history_[0]["valid_rmse"] == 3.0 and model.history_[0]["valid_loss"] == 9.0


@pytest.mark.parametrize("level", [0.0, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("slope", [1e-3, -0.1, 7.0])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_forecast_of_a_line(level: float, slope: float, dtype: Any) -> None:
    line = (level + slope * np.arange(80)).astype(dtype)
    model = fit(rf.Forecaster(lags=5, horizon=3, differences=[1]), line)
    expected = level + slope * np.arange(80, 86)
    # What the levels' rounding allows: of their mean change, over six steps.
    bound = 8 * np.finfo(dtype).eps * np.abs(expected).max()
    np.testing.assert_allclose(model.predict(6), expected, rtol=0, atol=bound)
    assert model.target_scale_.tolist() == [0.0] * 3
    assert model.inputs_.scale.tolist() == [1.0]


def test_forecasts_of_what_repeats() -> None:
    season = np.tile([0.1, 0.7, 0.3], 20)
    model = fit(rf.Forecaster(lags=6, horizon=3, differences=[3]), season)
    np.testing.assert_allclose(model.predict(6), season[:6], rtol=1e-14)
    square = 0.25 * np.arange(60.0) ** 2
    model = fit(rf.Forecaster(lags=4, horizon=2, differences=[1, 1]), square)
    np.testing.assert_allclose(model.predict(4), 0.25 * np.arange(60.0, 64) ** 2, rtol=1e-13)
    for constant in (1e-6, 0.1):
        model = fit(rf.Forecaster(lags=4, horizon=2), np.full(40, constant))
        np.testing.assert_array_equal(model.predict(5), np.full(5, constant))
        assert model.score(np.full(40, constant)) == 1.0
    both = np.stack([np.full(60, 0.1), np.sin(np.arange(60))], 1)
    model = fit(rf.Forecaster(lags=4, horizon=2), both)
    np.testing.assert_array_equal(model.predict(2)[:, 0], [0.1, 0.1])
    assert model.target_scale_[0] == model.target_scale_[2] == 0 and model.target_scale_[1] > 0.5


def test_small_changes_are_no_rounding() -> None:
    series = 1000 + 1e-6 * np.sin(np.arange(100))  # a hundred million units in the last place
    model = fit(rf.Forecaster(lags=5, differences=[1]), series)
    assert (model.target_scale_ > 0).all() and model.inputs_.scale[0] < 1e-5
