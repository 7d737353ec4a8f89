"""Figures of forecasts."""

from __future__ import annotations

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.diagnostics import plotting

pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")

WAVE = np.sin(np.arange(80.0) / 4)
OPTIONS = {"lags": 6, "horizon": 3, "hidden_size": 3, "epochs": 1, "seed": 0, "verbose": 0}


def model(series: object = WAVE, **options: object) -> rf.Forecaster:
    return rf.Forecaster(**{**OPTIONS, **options}).fit(series)


def test_what_is_drawn() -> None:
    fitted = model(validation_fraction=0.4)
    ax = plotting.plot_forecast(fitted, true=np.zeros(3))
    past, forecast, true = ax.lines
    np.testing.assert_array_equal(past.get_ydata(), WAVE[-6:])
    np.testing.assert_array_equal(forecast.get_ydata(), fitted.predict())
    assert list(past.get_xdata()) == [-5, -4, -3, -2, -1, 0]
    assert list(forecast.get_xdata()) == [1, 2, 3] and (true.get_ydata() == 0).all()
    low, high = fitted.predict_interval()
    box = ax.collections[0].get_paths()[0].get_extents()
    assert box.ymin == pytest.approx(low.min()) and box.ymax == pytest.approx(high.max())
    far = plotting.plot_forecast(fitted, 9, after=WAVE[:40], ax=ax)
    assert far is ax and len(ax.collections) == 1 and len(ax.lines) == 5
    pyplot.close("all")
    two = plotting.plot_forecast(model(np.stack([WAVE, WAVE**2], axis=1)), coverage=None)
    assert len(two.lines) == 4 and not two.collections
    several = plotting.plot_forecast(model([WAVE, 5 * WAVE]), number=1)
    np.testing.assert_array_equal(several.lines[0].get_ydata(), 5 * WAVE[-6:])
    assert plotting.plot_forecast(model(loss="gaussian"), 9).collections
    pyplot.close("all")


def test_times() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    series = pandas.Series(WAVE, pandas.period_range("2000-01", periods=80, freq="M"))
    ax = plotting.plot_forecast(model(series))
    assert ax.lines[1].get_xdata()[0] == np.datetime64("2006-09-01")
    pyplot.close("all")


def test_what_is_no_forecast() -> None:
    with pytest.raises(TypeError, match=r"^model: expected a Forecaster, got ndarray$"):
        plotting.plot_forecast(WAVE)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has not been fitted"):
        plotting.plot_forecast(rf.Forecaster())
    with pytest.raises(ValueError, match=r"^true: expected shape \(3,\), got \(2,\)$"):
        plotting.plot_forecast(model(), true=[1, 2])
    with pytest.raises(ValueError, match=r"^number: expected at most 0, got 1$"):
        plotting.plot_forecast(model(), number=1)
