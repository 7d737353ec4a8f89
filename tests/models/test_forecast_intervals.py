"""Intervals: what they hold of series whose spread is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rnnfast as rf
from forecast_cases import SEASONAL, small
from rnnfast.models.forecasting.intervals import pair_of, rolling_widths, width_of

WIDE = np.random.default_rng(9)
SPREAD = 5 + 3 * np.sin(np.arange(900) / 4) + WIDE.normal(size=900)


def share(true: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    return float(((low <= true) & (true <= high)).mean())


@pytest.mark.parametrize("loss", ["mse", "quantile"])
@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_coverage(loss: str, coverage: float) -> None:
    model = small(loss=loss, lags=8, horizon=2, validation_fraction=0.4).fit(SPREAD[:600])
    true, predicted, low, high = model.backtest(SPREAD[592:], coverage=coverage)
    assert predicted.shape == low.shape == (299, 2) and (low <= high).all()
    assert share(true, low, high) == pytest.approx(coverage, abs=0.06)


def test_intervals_of_what_follows(tmp_path: Path) -> None:
    model = small(lags=8, horizon=4, validation_fraction=0.4).fit(SPREAD[:600])
    low, high = model.predict_interval(3)
    forecast = model.predict(3)
    assert low.shape == (3,) and (low < forecast).all() and (forecast < high).all()
    narrow = model.predict_interval(3, coverage=0.5)
    assert (narrow[1] - narrow[0] < high - low).all()
    model.save(tmp_path / "m")
    read = rf.load(tmp_path / "m").predict_interval(3)
    np.testing.assert_array_equal(read, (low, high))
    growing = small(lags=8, logarithm=True).fit(np.exp(SPREAD / 4))
    bounds = growing.predict_interval(coverage=0.9)
    assert (bounds[0] > 0).all() and (bounds[0] < bounds[1]).all()
    many = small(lags=8, horizon=2).fit([SPREAD[:300], 100 * SPREAD[300:500]])
    low, high = many.predict_interval()
    assert low.shape == (2, 2) and ((high - low)[1] > 30 * (high - low)[0]).all()


def test_intervals_that_cannot_be() -> None:
    model = small(lags=8, horizon=2, validation_fraction=0).fit(SPREAD[:200])
    with pytest.raises(ValueError, match=r"^predict_interval: expected a model fitted with windo"):
        model.predict_interval()
    model = small(lags=8, horizon=2).fit(SPREAD[:100])
    with pytest.raises(ValueError, match=r"^steps: expected at most horizon 2, the steps that w"):
        model.predict_interval(3)
    with pytest.raises(ValueError, match=r"^coverage: expected a finite number above 0 and below"):
        model.predict_interval(coverage=1.0)
    with pytest.warns(RuntimeWarning, match=r"^predict_interval: expected 99 windows held out f"):
        low, high = model.predict_interval(coverage=0.99)
    assert np.isinf(low).all() and np.isinf(high).all()


def test_widths() -> None:
    """The ceil((n + 1) coverage)-th smallest, counted by hand."""
    misses = np.array([5.0, 1.0, 3.0, 2.0, 4.0, 9.0, 7.0, 8.0, 6.0])
    assert width_of(misses, 0.5) == 5.0 and width_of(misses, 0.9) == 9.0
    assert width_of(misses, 0.11) == 2.0 and np.isinf(width_of(misses, 0.91))
    assert width_of(np.r_[misses, np.nan], 0.9) == 9.0
    assert np.isinf(width_of(np.empty((0, 2)), 0.5)).all()
    before, after = np.zeros((3, 1, 1)), np.arange(1.0, 7.0).reshape(6, 1, 1)
    widths = rolling_widths(before, after, np.arange(10, 16), 2, 0.7)
    # At place 12 the first has come true: of [0, 0, 0, 1] the fourth, ceil(5 * 0.7).
    assert widths.ravel().tolist() == [0.0, 0.0, 1.0, 2.0, 2.0, 3.0]
    assert pair_of(np.array([0.05, 0.25, 0.5, 0.75, 0.95]), 0.9) == (0, 4)
    assert pair_of(np.array([0.5]), 0.9) == (0, 0)


def test_backtests_of_every_so_manieth_place() -> None:
    model = small(lags=8, horizon=2).fit(SEASONAL)
    true, predicted = model.backtest(SEASONAL)
    some = model.backtest(SEASONAL, stride=5)
    np.testing.assert_array_equal(some[0], true[::5])
    np.testing.assert_allclose(some[1], predicted[::5], rtol=1e-12)
    with pytest.raises(ValueError, match=r"^stride: expected at least 1, got 0$"):
        model.backtest(SEASONAL, stride=0)
