"""Forecasts: windows, differences, what is fed back, and bad input."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnfast as rf
from rnnfast import metrics
from rnnfast.models.forecasting.windows import Windows

STEPS = np.arange(160)
WAVE = 10 + 3 * np.sin(STEPS / 4)
PAIR = np.stack([np.sin(STEPS / 4), 100 * np.cos(STEPS / 4)], axis=1)


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


def small(**options: Any) -> rf.Forecaster:
    defaults: dict[str, Any] = {
        "lags": 12, "horizon": 4, "cell": "gru", "hidden_size": 16, "batch_size": 8, "epochs": 2,
        "learning_rate": 0.01, "seed": 3, "verbose": 0,
    }  # fmt: skip
    return rf.Forecaster(**{**defaults, **options})


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 5), st.integers(1, 6), st.lists(st.integers(1, 4), max_size=3), st.booleans()
)  # fmt: skip
def test_windows(lags: int, horizon: int, differences: list[int], both: bool) -> None:
    series = np.random.default_rng(0).normal(size=(30, 3))
    targets = (2, 0) if both else (1,)
    windows = Windows(lags, horizon, tuple(differences), targets)
    places = windows.places(series)
    assert places[0] == lags + sum(differences) and places[-1] + horizon == 30
    changed = series[:, targets].copy()
    for lag in differences:
        changed[lag:] -= changed[:-lag].copy()
    whole = series.copy()
    whole[:, targets] = changed
    inputs = windows.inputs(series, places)
    futures, changes = windows.futures(series, places), windows.changes(series, places)
    for row, place in enumerate(places):
        np.testing.assert_array_equal(inputs[row], whole[place - lags : place])
        np.testing.assert_array_equal(futures[row], series[place : place + horizon, targets])
        np.testing.assert_array_equal(changes[row], changed[place : place + horizon])
    before = changes.copy()
    np.testing.assert_allclose(windows.add_up(series, places, changes), futures, atol=1e-12)
    np.testing.assert_array_equal(changes, before)
    # Only what is known before a place is used.
    last = windows.add_up(series[: places[-1]], places[-1:], changes[-1:])
    np.testing.assert_allclose(last, futures[-1:], atol=1e-12)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_learns_a_wave(cell: str) -> None:
    model = small(cell=cell, epochs=25).fit(WAVE[:130])
    assert np.abs(model.predict() - WAVE[130:134]).max() < 0.3
    assert np.abs(model.predict(30) - WAVE[130:]).max() < 1.0
    assert model.score(WAVE[100:]) > 0.97


def test_several_channels() -> None:
    model = small(epochs=25, lags=8).fit(PAIR[:130])
    assert model.predict(10).shape == (10, 2)
    assert np.abs(model.predict(10) - PAIR[130:140]).max(axis=0) == pytest.approx([0, 0], abs=25)
    assert model.score(PAIR[100:]) > 0.95
    one = small(epochs=25, lags=8, targets=[1]).fit(PAIR[:130])
    assert one.predict().shape == (4, 1) and one.score(PAIR[100:]) > 0.95
    swapped = small(targets=[1, 0]).fit(PAIR)
    true, predicted = swapped.backtest(PAIR)
    np.testing.assert_array_equal(true[:, 0], PAIR[12:157, ::-1])
    np.testing.assert_array_equal(swapped.predict(4, after=PAIR[:20]), predicted[8])


def test_differences_follow_a_trend() -> None:
    line = 5 + 2.0 * np.arange(120)
    model = small(differences=[1], epochs=5).fit(line)
    np.testing.assert_allclose(model.predict(50), line[-1] + 2 * np.arange(1, 51), rtol=1e-3)
    season = np.tile([1.0, 5.0, 2.0, 8.0], 30) + np.arange(120)
    seasonal = small(differences=[4], epochs=5).fit(season)
    foretold = np.tile([1.0, 5.0, 2.0, 8.0], 5) + np.arange(120, 140)
    np.testing.assert_allclose(seasonal.predict(20), foretold, rtol=1e-3)


@pytest.mark.parametrize("options", [{}, {"differences": [3, 1]}], ids=str)
def test_predict_and_backtest_agree(options: dict[str, Any]) -> None:
    model = small(**options).fit(WAVE)
    true, predicted = model.backtest(WAVE)
    reach = 12 + sum(options.get("differences", []))
    assert true.shape == predicted.shape == (160 - reach - 3, 4)
    np.testing.assert_array_equal(true[5], WAVE[reach + 5 : reach + 9])
    # Sums of differences of a longer series are rounded the same way.
    np.testing.assert_array_equal(model.predict(after=WAVE[: reach + 5]), predicted[5])
    np.testing.assert_array_equal(model.predict(after=WAVE), model.predict())
    assert model.score(WAVE) == rf.metrics.r2(true, predicted)


def test_beyond_the_horizon_forecasts_are_read_as_true() -> None:
    model = small(lags=5, horizon=2).fit(WAVE)
    known = list(WAVE)
    for _ in range(3):
        known += model.predict(after=np.array(known)).tolist()
    np.testing.assert_allclose(model.predict(5), known[160:165], rtol=1e-12)


def test_the_end_is_held_out() -> None:
    model = small(validation_fraction=0.2, epochs=1).fit(WAVE)
    count = 160 - 12 - 4 + 1
    cut = count - round(count * 0.2)
    assert model.history_[0]["count"] == 4 * cut
    true, predicted = model.backtest(WAVE)
    rmse = np.sqrt(((true - predicted)[cut:] ** 2).mean())
    assert model.history_[0]["valid_rmse"] == pytest.approx(rmse, rel=1e-5)
    given_part = small(epochs=1).fit(WAVE[: 12 + cut + 3], valid=WAVE[cut:])
    assert given_part.history_[0]["valid_rmse"] == pytest.approx(rmse, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "X", "error", "message"),
    [
        ({}, [], ValueError, r"^X: expected shape \(T,\) or \(T, F\), got \(0,\)$"),
        ({}, "wave", TypeError, "^X: expected real numbers, got dtype <U4$"),
        ({}, WAVE[:16], ValueError, r"^X: expected at least 17 steps, lags \+ horizon \+ differen"),
        ({"validation_fraction": 0}, WAVE[:15], ValueError, "^X: expected at least 16 steps, .*"),
        ({"differences": [5]}, WAVE[:20], ValueError, "^X: expected at least 22 steps, .* got 20$"),
        ({}, np.where(STEPS == 7, math.nan, WAVE), ValueError, "^X: expected finite numbers, got"),
        ({}, np.ones((5, 5, 5)), ValueError, r"^X: expected shape .*, got \(5, 5, 5\)$"),
        ({"lags": 0}, WAVE, ValueError, "^lags: expected at least 1, got 0$"),
        ({"horizon": 1.5}, WAVE, TypeError, "^horizon: expected an integer, got float$"),
        ({"differences": 1}, WAVE, TypeError, "^differences: expected a list of integers, got"),
        ({"differences": [0]}, WAVE, ValueError, r"^differences\[0\]: expected at least 1, got 0$"),
        ({"targets": [1]}, WAVE, ValueError, r"^targets: expected different numbers below 1, got"),
        ({"targets": [0, 0]}, PAIR, ValueError, r"^targets: .* below 2, got \[0, 0\]$"),
        ({"targets": []}, PAIR, ValueError, r"^targets: .* below 2, got \[\]$"),
        ({"targets": [-1]}, PAIR, ValueError, r"^targets\[0\]: expected at least 0, got -1$"),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_bad_series(options: dict[str, Any], X: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        small(**options).fit(X)


def test_other_bad_input() -> None:
    with pytest.raises(TypeError, match=r"^y: expected None, a series foretells itself, got ndarr"):
        small().fit(WAVE, WAVE)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^valid: expected at least 16 steps, got 10$"):
        small().fit(WAVE, valid=WAVE[:10])
    model = small(targets=[0]).fit(PAIR)
    with pytest.raises(ValueError, match=r"^steps: expected at most horizon 4, as channels tha"):
        model.predict(5)
    with pytest.raises(ValueError, match=r"^steps: expected at least 1, got 0$"):
        model.predict(0)
    with pytest.raises(ValueError, match=r"^after: expected at least 12 steps, got 11$"):
        model.predict(after=PAIR[:11])
    with pytest.raises(ValueError, match=r"^after: expected shape \(T, 2\) as in fit, got \(160,"):
        model.predict(after=WAVE)
    with pytest.raises(ValueError, match=r"^X: expected at least 16 steps, got 15$"):
        model.score(PAIR[:15])
    with pytest.raises(ValueError, match=r"^X: expected shape \(T,\) as in fit, got \(160, 2\)$"):
        small().fit(WAVE).backtest(PAIR)


def test_what_was_learned_counts_not_what_is_set_since() -> None:
    model = small().fit(WAVE)
    before = model.predict(9)
    model.set_params(lags=5, horizon=2, differences=[1])
    np.testing.assert_array_equal(model.predict(9), before)
    assert len(model.predict()) == 4


def test_messages_name_what_was_given() -> None:
    model = small().fit(WAVE)
    huge = np.full(12, 1e300)
    message = "^{}: expected numbers within float32 when standardised$"
    with pytest.raises(ValueError, match=message.format("after")):
        model.predict(after=huge)
    with pytest.raises(ValueError, match=message.format("X")):
        model.backtest(np.full(16, 1e300))


@pytest.mark.parametrize("validation_fraction", [0.0, 0.2])
def test_a_forecaster_that_diverges_says_so(validation_fraction: float) -> None:
    """As all models do, wherever the numbers are first seen to be too large."""
    model = small(learning_rate=1e36, optimizer="sgd", clip_norm=None, epochs=5)
    model.set_params(validation_fraction=validation_fraction)
    with pytest.raises(FloatingPointError, match=r"^step \d+, epoch \d+: .*; lower the learning r"):
        model.fit(WAVE * 1e30)


def test_validation_that_is_not_finite_is_a_divergence() -> None:
    """Where a metric, not a layer, is the first that sees it."""
    model = small(learning_rate=1e-3, epochs=1)
    kept = metrics.rmse

    def infinite(true: Any, predicted: Any, **options: Any) -> float:
        return kept(true, np.full_like(predicted, np.inf), **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rnnfast.metrics.rmse", infinite)
        with pytest.raises(FloatingPointError, match=r"predicted: expected finite numbers"):
            model.fit(WAVE)


@pytest.mark.parametrize("options", [{}, {"missing": "mask"}, {"loss": "gaussian"}])
@pytest.mark.parametrize("scale", [2.0**515, 2.0**-540, 2.0**-990])
def test_windows_of_any_size_are_scaled_alike(options: dict[str, Any], scale: float) -> None:
    series = 3 * np.sin(np.arange(60) / 3) + np.arange(60) / 10

    def forecast(times: float) -> Any:
        model = rf.Forecaster(
            scaling="all" if "loss" in options else "window",
            lags=4, horizon=2, hidden_size=3, epochs=2, dtype="float64", seed=0, verbose=0,
            **options,
        )  # fmt: skip
        model.fit(series * times)
        assert np.isfinite(model.history_[-1]["valid_rmse"])
        return model.predict(2) / times

    np.testing.assert_allclose(forecast(scale), forecast(1.0), rtol=1e-9)
