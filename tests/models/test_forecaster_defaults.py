"""A forecaster that is told nothing: what it chooses, says, and never loses to."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from forecast_cases import MONTHS, NOISE, SEASONAL, small
from rnnfast.models.forecasting.choosing import Said, choose
from rnnfast.models.forecasting.line import ridge
from rnnfast.models.forecasting.season import find_season
from rnnfast.models.forecasting.tracks import Track
from rnnfast.models.forecasting.windows import Windows


def rmse(true: Any, predicted: Any) -> float:
    return float(np.sqrt(np.mean((np.asarray(true) - predicted) ** 2)))


GROWING = np.exp(0.01 * MONTHS + 0.3 * np.sin(2 * np.pi * MONTHS / 12) + 0.02 * NOISE[:, 1])
SERIES = {
    "trend": 3.0 * MONTHS + NOISE[:, 2],
    "season": 10 * np.sin(2 * np.pi * MONTHS / 12) + NOISE[:, 3],
    "both": SEASONAL,
    "growing": GROWING,
}


@pytest.mark.parametrize("name", [*SERIES])
def test_no_option_loses_to_no_naive_forecast(name: str) -> None:
    series = SERIES[name]
    model = small().fit(series[:108])
    model.predict(12)
    season = 12 if name in ("season", "both", "growing") else 1
    errors: dict[str, list[float]] = {"model": [], "last": [], "season": []}
    for place in range(96, 121, 3):
        true = series[place : place + 12]
        before = series[place - season : place]
        errors["model"].append(rmse(true, model.predict(12, after=series[:place])))
        errors["last"].append(rmse(true, series[place - 1]))
        errors["season"].append(rmse(true, np.resize(before, 12)))
    means = {kind: np.mean(values) for kind, values in errors.items()}
    assert means["model"] <= 0.9 * min(means["last"], means["season"])


def test_what_was_chosen_is_told(tmp_path: Path) -> None:
    model = small().fit(SEASONAL)
    chosen = model.chosen_
    assert chosen["season"] == chosen["horizon"] == 12 and len(model.predict()) == 12
    assert set(chosen["errors"]) == {"model", "persistence", "season"}
    assert chosen["errors"]["model"] == min(chosen["errors"].values())
    assert set(chosen) == {
        "lags", "horizon", "season", "differences", "logarithm", "scaling", "linear", "averaged",
        "network", "windows", "errors",
    }  # fmt: skip
    model.save(tmp_path / "m")
    read = rf.load(tmp_path / "m")
    assert read.chosen_ == chosen
    np.testing.assert_array_equal(read.predict(20), model.predict(20))
    assert small().fit(GROWING).chosen_["logarithm"] is True


@pytest.mark.filterwarnings("ignore:a naive forecast")
def test_what_is_said_is_not_chosen() -> None:
    model = small(differences=[1], logarithm=False, linear=False, horizon=3).fit(GROWING)
    chosen = model.chosen_
    assert (chosen["differences"], chosen["logarithm"], chosen["linear"]) == ([1], False, False)
    assert chosen["horizon"] == 3
    said = small(lags=5).fit(SEASONAL).chosen_
    assert (said["lags"], said["horizon"], said["differences"]) == (5, 1, [])
    assert (said["logarithm"], said["linear"], said["scaling"]) == (False, False, "all")


def test_a_naive_forecast_that_is_better_is_told() -> None:
    rng = np.random.default_rng(0)
    # What was learned has no season; what is held out repeats itself exactly.
    series = np.concatenate([rng.normal(size=100), np.tile([5.0, -5.0, 3.0, -4.0], 5)])
    with pytest.warns(RuntimeWarning, match=r"^a naive forecast, the season before, is better on"):
        small(season=4, differences=[], validation_fraction=0.1).fit(series)


def test_verbose_tells_what_was_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    small(verbose=2, epochs=1).fit(SEASONAL)
    lines = capsys.readouterr().err
    assert "chosen: lags " in lines and "held out, errors in mean changes: model " in lines


@pytest.mark.parametrize("value", [0.0, 0.1, -1e12, 1e-6])
def test_constant_series_have_a_score(value: float) -> None:
    series = np.full(60, value)
    model = small().fit(series)
    np.testing.assert_allclose(model.predict(7), series[:7], rtol=1e-12)
    assert model.score(series) == 1.0


def test_series_that_hardly_change_have_a_score() -> None:
    series = 1000 + 1e-9 * NOISE[:, 5]
    assert -1 < small().fit(series).score(series) <= 1


@pytest.mark.parametrize("count", [3, 4, 6, 9, 15, 24])
def test_short_series(count: int) -> None:
    model = small().fit(NOISE[:count, 0])
    assert np.isfinite(model.predict(5)).all()


def test_too_short_series() -> None:
    with pytest.raises(ValueError, match=r"^X: expected at least 3 steps, .*, got 2$"):
        small().fit([1.0, 2.0])


def test_logarithms_of_what_has_none() -> None:
    with pytest.raises(ValueError, match=r"^X: expected numbers above 0 with logarithm, got -1$"):
        small(lags=3, logarithm=True).fit(np.r_[np.arange(1.0, 40), -1, np.arange(1.0, 30)])
    model = small(lags=3, logarithm=True).fit(GROWING)
    with pytest.raises(ValueError, match=r"^after: expected numbers above 0, of which .*, got 0$"):
        model.predict(after=np.zeros(5))
    assert (model.predict(200) > 0).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scaling": "none"}, ValueError, "^scaling: expected one of None, all, window, got"),
        ({"logarithm": 1}, TypeError, "^logarithm: expected a bool, got int$"),
        ({"season": 0}, ValueError, "^season: expected at least 1, got 0$"),
        ({"missing": "drop"}, ValueError, "^missing: expected one of refuse, mask, got 'drop'$"),
        ({"layout": "wide"}, ValueError, "^layout: expected one of channels, columns, rows, got"),
        ({"loss": "huber"}, ValueError, "^loss: expected one of mse, mae, quantile, gaussian, "),
        ({"quantiles": [0.1, 0.9]}, ValueError, "^quantiles: expected different levels that rise"),
        ({"quantiles": [0.5, 1.0]}, ValueError, "^quantiles: expected a finite number above 0 and"),
        ({"calendar": ["moon"]}, ValueError, "^calendar: expected some of minute, hour, .*'moon'$"),
        ({"validation_fraction": None}, TypeError, "^validation_fraction: expected a number, got"),
        ({"series_column": "s"}, ValueError, "^value_column: expected a column, with the others"),
    ],
    ids=str,
)  # fmt: skip
def test_bad_options(options: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        small(**options).fit(SEASONAL)


# The parts


def test_seasons() -> None:
    for steps in (3, 7, 12, 24):
        wave = np.sin(2 * np.pi * MONTHS / steps) + 0.1 * NOISE[:, 6]
        for series in (wave, wave + 5 * MONTHS):
            assert find_season([series[:, np.newaxis]], [None]) == pytest.approx(steps, rel=0.05)
    for none in (NOISE[:, :1], np.cumsum(NOISE[:, :1], axis=0), np.ones((50, 1)), np.ones((3, 1))):
        assert find_season([none], [None]) is None


def test_ridge_is_least_squares_with_a_penalty() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(40, 3)) * [1, 10, 100] + 5, rng.normal(size=(40, 2))
    x[:, 2] += x[:, 0]
    for penalty, line in zip((0.1, 50.0), ridge(x, y, (0.1, 50.0)), strict=True):
        z = (x - x.mean(axis=0)) / x.std(axis=0)
        weight = np.linalg.solve(z.T @ z + penalty * np.eye(3), z.T @ (y - y.mean(axis=0)))
        np.testing.assert_allclose(line(x), z @ weight + y.mean(axis=0), rtol=1e-9)
    with_missing = np.where(np.arange(40)[:, np.newaxis] == 3, math.nan, y)
    rest = np.arange(40) != 3
    one, other = ridge(x, with_missing, [1.0])[0], ridge(x[rest], y[rest], [1.0])[0]
    np.testing.assert_array_equal(one.weight, other.weight)
    # Rows that count several times, beside a penalty that knows how many there are.
    counts = rng.integers(1, 4, 40)
    (one,) = ridge(x, y, [1.0], counts.astype(float))
    (other,) = ridge(x.repeat(counts, 0), y.repeat(counts, 0), [counts.mean()])
    np.testing.assert_allclose(one(x), other(x), rtol=1e-9)


def test_the_choice_does_not_see_what_it_is_measured_on() -> None:
    said = Said(
        lags=None, differences=None, logarithm=None, local=None, linear=None, horizon=2,
        season=12, targets=(0,),
    )  # fmt: skip
    series = SEASONAL[:, np.newaxis]
    one = choose([Track(series, series)], said)
    line = 2.0 * MONTHS[:, np.newaxis]
    assert choose([Track(line, line)], said).windows.differences == (1,)
    assert one.error is not None and 0 < one.error < 0.2


def test_logarithms_are_undone() -> None:
    windows = Windows(3, 4, (2, 1), (0,), logarithm=True)
    series = GROWING[:40, np.newaxis]
    places = windows.places(series)
    changes = windows.changes(series, places)
    np.testing.assert_allclose(
        windows.add_up(series, places, changes), windows.futures(series, places), rtol=1e-12
    )
    levels = np.log(GROWING[:40])
    twice = levels[3:] - levels[1:-2] - levels[2:-1] + levels[:-3]
    np.testing.assert_allclose(windows.inputs(series, places)[0][:, 0], twice[:3], atol=1e-12)


def test_a_training_that_chose_is_resumed(tmp_path: Path) -> None:
    whole = small(epochs=3).fit(SEASONAL)
    path = tmp_path / "c"
    part = small(epochs=3)
    part.fit(SEASONAL, checkpoint=path, callbacks=[lambda progress: progress.step == 5])
    assert part.stopped_ == "callback"
    part.fit(SEASONAL, checkpoint=path, resume=True)
    assert part.chosen_ == whole.chosen_
    np.testing.assert_array_equal(part.predict(20), whole.predict(20))
