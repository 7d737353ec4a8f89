"""Forms of a series that foretold its end about as well, and the naive forecast, averaged."""

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
from rnnfast.models.forecasting.judging import naive_forecasts
from rnnfast.models.forecasting.line import Line
from rnnfast.models.forecasting.tracks import Track
from rnnfast.models.forecasting.windows import Windows

GROWING = np.exp(0.01 * MONTHS + np.cumsum(0.03 * NOISE[:, 1]))
WALK = np.cumsum(NOISE[:, 2])
WAVES = 5 * np.sin(2 * np.pi * MONTHS / 12) + 2 * NOISE[:, 3]


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
    others = [pair for pair in best.others if not pair[0].naive]
    assert others
    for other, weight in others:
        assert other.error is not None
        assert weight == pytest.approx((best.error / other.error) ** 3)
        assert 1 / 6 <= weight <= 1
        assert other.windows.reach <= best.windows.reach
        assert other.windows.logarithm <= best.windows.logarithm
        form = other.windows.differences, other.windows.logarithm
        assert form not in forms
        forms.add(form)
        # Chosen alone, of the windows that reach no further, it is the best of its form.
        alone = chosen(GROWING, differences=form[0], logarithm=form[1])
        assert alone.windows.reach > best.windows.reach or alone.error == other.error
    weights = [weight for _, weight in others]
    assert weights == sorted(weights, reverse=True)


def naive_error(series: np.ndarray, horizon: int, back: int) -> float:
    """Return the error of naive forecasts of the last two fifths, place by place."""
    series, errors = np.asarray(series, np.float64), []
    for start, stop in ((0.6, 0.8), (0.8, 1.0)):
        cut, end = round(start * len(series)), round(stop * len(series))
        squares = [
            (series[place + step] - series[place - back + step % back]) ** 2
            for place in range(cut, end - horizon + 1)
            for step in range(horizon)
        ]
        errors.append(np.sqrt(np.mean(squares)) / np.abs(np.diff(series)).mean())
    return float(np.mean(errors))


@pytest.mark.parametrize(
    ("series", "season", "back"),
    [(WALK, None, 1), (WAVES, 12, 12), (WALK, 60, 1), (WALK, 1, 1)],
    ids=["last number", "season before", "season beyond what is read", "season of one"],
)
def test_the_naive_forecast_counts_half_of_what_its_error_says(
    series: np.ndarray, season: int | None, back: int
) -> None:
    lags = 12 if season == 60 else None  # which `averaged` does not look at
    best = chosen(series, season=season, lags=lags)
    naive, weight = best.others[-1]
    assert [one.naive for one, _ in best.others] == [False] * (len(best.others) - 1) + [True]
    assert naive.windows == Windows(back, 4, (), (0,)) and best.error is not None
    error = naive_error(series, 4, back)
    assert naive.error == pytest.approx(error, rel=1e-12)
    assert weight == pytest.approx(0.5 * min(best.error / error, 1.0) ** 3, rel=1e-12)


def test_a_naive_forecast_that_is_far_worse_does_not_count() -> None:
    assert not any(one.naive for one, _ in chosen(SEASONAL).others)
    line = 5.0 * MONTHS + 0.1 * NOISE[:, 0]
    assert not any(one.naive for one, _ in chosen(line).others)


def test_a_naive_forecast_that_is_better_counts_half() -> None:
    still = np.where(MONTHS < 70, WALK, WALK[70])
    naive, weight = chosen(still).others[-1]
    assert naive.naive and naive.error == 0 and weight == 0.5


def test_wide_series_have_their_last_numbers_again() -> None:
    wide = np.concatenate([WALK[:, np.newaxis], np.zeros((132, 59))], axis=1)
    track = Track(wide, wide[:, :1])
    said = Said(
        lags=None, differences=(1,), logarithm=None, local=None, linear=None, horizon=4, season=12,
        targets=(0,), averaged=True,
    )  # fmt: skip
    naive = choose([track], said).others[-1][0]
    assert naive.naive and naive.windows.lags == 1


@pytest.mark.parametrize("season", [None, 1, 3, 12])
@pytest.mark.parametrize("horizon", [1, 7, 13])
def test_a_line_that_foretells_the_same_again(horizon: int, season: int | None) -> None:
    windows = Windows(season or 1, horizon, (), (2, 0))
    track = Track(NOISE, NOISE[:, :4])
    places = np.array([12, 30, 131])
    again = Companion(windows, Line.again(windows, 8), 1.0).forecast(track, places)
    np.testing.assert_array_equal(again, naive_forecasts(track, windows, places, season))
    for row, place in enumerate(places):
        for step in range(horizon):
            before = NOISE[place - windows.lags + step % windows.lags]
            np.testing.assert_array_equal(again[row, step], before[[2, 0]])
    own = replace(windows, local=True)
    again = Companion(own, Line.again(own, 8), 1.0).forecast(track, places)
    np.testing.assert_allclose(
        again, naive_forecasts(track, windows, places, season), rtol=1e-12, atol=1e-12
    )


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


@pytest.mark.filterwarnings("ignore:a naive forecast")
def test_forecasts_bounds_and_backtests_have_the_naive_forecast_in_them(tmp_path: Path) -> None:
    model = small(horizon=4, season=12, validation_fraction=0.4).fit(WAVES)
    codec = model._codec
    *others, naive = codec.companions
    assert naive.windows == Windows(12, 4, (), (0,))
    series = 3 * NOISE[:40, 5] + 20
    _, averaged_rows = model.backtest(series)
    foretold = model.predict(after=series)
    total = 1 + sum(one.weight for one in codec.companions)
    model._codec = replace(codec, companions=tuple(others))
    less = total - naive.weight
    expected = (less * model.predict(after=series) + naive.weight * series[-12:-8]) / total
    np.testing.assert_allclose(foretold, expected, rtol=1e-12)
    places = len(series) - 4 - len(averaged_rows) + 1 + np.arange(len(averaged_rows))
    before = series[places[:, np.newaxis] - 12 + np.arange(4)]
    expected = (less * model.backtest(series)[1] + naive.weight * before) / total
    np.testing.assert_allclose(averaged_rows, expected, rtol=1e-12)
    model._codec = codec
    low, high = model.predict_interval(after=series, coverage=0.8)
    assert (low < foretold).all() and (foretold < high).all()
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(rf.load(tmp_path / "m").predict(after=series), foretold)


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
