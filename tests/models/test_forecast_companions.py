"""Forms of a series that foretold its end about as well, whose forecasts are averaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from forecast_cases import MONTHS, NOISE, SEASONAL, small
from rnnfast.models.forecasting.choosing import Choice, Said, choose, fit_line
from rnnfast.models.forecasting.companions import Companion, averaged
from rnnfast.models.forecasting.line import Line
from rnnfast.models.forecasting.tracks import Track
from rnnfast.models.forecasting.windows import Windows

GROWING = np.exp(0.01 * MONTHS + np.cumsum(0.03 * NOISE[:, 1]))


def chosen(series: Any, **options: Any) -> Choice:
    series = np.asarray(series, np.float64).reshape(len(series), -1)
    said: dict[str, Any] = {
        "lags": None, "differences": None, "logarithm": None, "local": None, "linear": None,
        "horizon": 4, "season": None, "targets": (0,), "averaged": True,
    }  # fmt: skip
    return choose([Track(series, series)], Said(**{**said, **options}))


def test_others_are_the_best_of_each_form_by_their_errors() -> None:
    best = chosen(GROWING)
    forms = {(best.windows.differences, best.windows.logarithm)}
    assert best.others and best.error is not None
    for other, weight in best.others:
        assert other.error is not None
        assert weight == pytest.approx((best.error / other.error) ** 5)
        assert 0.05 <= weight <= 1
        assert other.windows.reach <= best.windows.reach
        assert other.windows.logarithm <= best.windows.logarithm
        form = other.windows.differences, other.windows.logarithm
        assert form not in forms
        forms.add(form)
        # Chosen alone, of the windows that reach no further, it is the best of its form.
        alone = chosen(GROWING, differences=form[0], logarithm=form[1])
        assert alone.windows.reach > best.windows.reach or alone.error == other.error
    weights = [weight for _, weight in best.others]
    assert weights == sorted(weights, reverse=True)


def test_what_is_exact_is_not_averaged() -> None:
    assert chosen(2.0 * MONTHS, logarithm=False).others == ()
    assert chosen(np.zeros(60)).others == ()


def test_an_average_is_that_of_the_forecasts() -> None:
    windows = Windows(3, 2, (1,), (0,))
    series = GROWING[:20, np.newaxis]
    track, places = Track(series, series), np.array([5, 20])
    last = Companion(Windows(1, 2, (1,), (0,)), Line(np.zeros((1, 2)), np.zeros(2)), 0.5)
    level = Companion(Windows(2, 2, (), (0,)), Line(np.zeros((2, 2)), np.array([7.0, 9.0])), 0.25)
    found = np.array([[1.0, 2], [3, 4]])[:, :, np.newaxis]
    mean = averaged(found, [last, level], windows, track, places)
    expected = (found[..., 0] + 0.5 * series[[4, 19]] + 0.25 * np.array([7.0, 9.0])) / 1.75
    np.testing.assert_allclose(mean[..., 0], expected, rtol=1e-14)
    assert averaged(found, [], windows, track, places) is found
    below = Companion(Windows(2, 2, (), (0,)), Line(np.zeros((2, 2)), np.array([-7.0, 9.0])), 1.0)
    logarithms = Windows(3, 2, (1,), (0,), logarithm=True)
    mean = averaged(found, [below], logarithms, track, places)
    np.testing.assert_allclose(mean[..., 0], [[1, 5.5], [3, 6.5]], rtol=1e-14)


def test_a_line_without_a_penalty_is_the_mean() -> None:
    x, y = NOISE[:30, :6].reshape(30, 3, 2), NOISE[:30, 6:8]
    np.testing.assert_allclose(fit_line(x, y, None)(x), np.tile(y.mean(axis=0), (30, 1)))
    counts = np.arange(30.0)
    mean = np.average(y, axis=0, weights=counts)
    np.testing.assert_allclose(fit_line(x, y, None, counts)(x)[3], mean, rtol=1e-14)


def test_a_forecaster_averages_what_it_was_told_nothing_of(tmp_path: Path) -> None:
    model = small(horizon=4).fit(GROWING)
    companions = model._codec.companions
    assert model.chosen_["averaged"] == 1 + len(companions) > 1
    track = Track(GROWING[:, np.newaxis], GROWING[:, np.newaxis])
    at = np.array([len(GROWING)])
    parts = [one.forecast(track, at)[0, :, 0] for one in companions]
    weights = [one.weight for one in companions]
    total = 1 + sum(weights)
    own = total * model.predict() - np.tensordot(weights, parts, 1)
    model._codec = replace(model._codec, companions=())
    np.testing.assert_allclose(model.predict(), own, rtol=1e-9)
    model._codec = replace(model._codec, companions=companions)
    model.save(tmp_path / "m")
    read = rf.load(tmp_path / "m")
    np.testing.assert_array_equal(read.predict(9), model.predict(9))
    for mine, other in zip(read.predict_interval(), model.predict_interval(), strict=True):
        np.testing.assert_array_equal(mine, other)
    model.fit(GROWING, warm_start=True)
    assert len(model._codec.companions) == len(companions)


@pytest.mark.parametrize(
    "options",
    [{"lags": 5}, {"lags": 5, "linear": True}, {"linear": False}, {"loss": "quantile"}],
    ids=str,
)
def test_what_is_said_is_not_averaged(options: dict[str, Any]) -> None:
    model = small(horizon=4, **options).fit(GROWING)
    assert model._codec.companions == () and model.chosen_["averaged"] == 1


def test_series_of_all_kinds_are_averaged() -> None:
    tables = small(horizon=3, targets=[1], missing="mask")
    series = np.stack([MONTHS, GROWING, NOISE[:, 0]], axis=1).astype(np.float64)
    series[[40, 90], [1, 2]] = np.nan
    covariates = NOISE[:, 2:4]
    tables.fit(series, future_covariates=covariates)
    assert tables._codec.companions
    assert np.isfinite(tables.predict(future_covariates=NOISE[:3, 2:4])).all()
    many = small(horizon=3).fit([GROWING, 30 * GROWING[:90], SEASONAL + 1])
    assert {one.windows.local for one in many._codec.companions} <= {many._codec.windows.local}
    assert np.isfinite(many.predict(20)).all()
    weighted = small(horizon=3).fit(GROWING, sample_weight=MONTHS + 1.0)
    assert np.isfinite(weighted.predict(20)).all()


@pytest.mark.filterwarnings("ignore:a naive forecast")
def test_what_is_too_large_for_a_line_is_not_averaged(tmp_path: Path) -> None:
    model = small(horizon=4).fit(1e298 * np.cumsum(NOISE[:, 4]))
    assert np.isfinite(model.predict(9)).all() and not model.chosen_["linear"]
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(rf.load(tmp_path / "m").predict(9), model.predict(9))
    with pytest.raises(ValueError, match=r"^X: expected numbers below 1e280 with a linear part, "):
        small(lags=3, linear=True).fit(1e298 * np.cumsum(NOISE[:, 4]))
    assert not Line(np.zeros((2, 1)), np.array([1e290])).bounded
    assert Line(np.zeros((2, 1)), np.array([1e270])).bounded


@pytest.mark.filterwarnings("ignore:a naive forecast")
def test_logarithms_never_foretell_less_than_0() -> None:
    falling = np.exp(-0.08 * MONTHS + np.cumsum(0.1 * NOISE[:, 3]))
    model = small(horizon=4, logarithm=True).fit(falling)
    codec = model._codec
    line = Line(np.zeros((1, 4)), np.full(4, -1.0))
    below = Companion(Windows(1, 4, (1,), (0,)), line, 1.0)
    model._codec = replace(codec, companions=(below,))
    assert (model.predict(100) > 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lags": 99}, "^companions: expected windows within those of the model, "),
        ({"horizon": 3}, "^companions: expected windows within those of the model, "),
        ({"local": True}, "^companions: expected windows within those of the model, "),
    ],
    ids=str,
)
def test_companions_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    described = Companion(Windows(3, 2, (1,), (0,)), Line(np.zeros((3, 2)), np.zeros(2)), 0.5)
    settings = described.to_dict()
    settings["windows"] |= change
    model = Windows(4, 2, (1,), (0,))
    with pytest.raises(ValueError, match=message):
        Companion.from_dict(settings, model, 1, 1)
    for weight in (0.0, 1.5):
        with pytest.raises(ValueError, match=r"^companions\.weight: expected a finite number"):
            Companion.from_dict({**described.to_dict(), "weight": weight}, model, 1, 1)
    read = Companion.from_dict(described.to_dict(), model, 1, 1)
    assert read.windows == described.windows and read.weight == 0.5
