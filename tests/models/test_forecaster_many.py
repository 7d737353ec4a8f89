"""Several series in one model, what is known beside them, and numbers that are missing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from forecast_cases import NOISE, SEASONAL, small
from rnnfast._checks.adjustments import AdjustmentWarning
from rnnfast.models.forecasting.tracks import filled

MANY = [SEASONAL, 3 * SEASONAL[:90] + 100, SEASONAL[10:70] - 5]
ROWS = np.stack([SEASONAL, 2 * SEASONAL, SEASONAL[::-1]])


def test_a_list_of_series(tmp_path: Path) -> None:
    model = small(lags=6, horizon=3, linear=True).fit(MANY)
    assert model.predict(7).shape == (3, 7)
    # Each goes on as it does by itself.
    for number, one in enumerate(MANY):
        np.testing.assert_allclose(model.predict(7, after=one), model.predict(7)[number])
    np.testing.assert_allclose(model.predict(7, after=MANY), model.predict(7), rtol=1e-12)
    true, predicted = model.backtest(MANY)
    assert true.shape == predicted.shape == (124 + 82 + 52, 3)
    np.testing.assert_array_equal(true[124:206], model.backtest(MANY[1])[0])
    model.save(tmp_path / "m")
    read = rf.load(tmp_path / "m")
    np.testing.assert_array_equal(read.predict(7), model.predict(7))
    assert read.score(MANY) == model.score(MANY)
    again = read.fit(MANY, warm_start=True, epochs=1)
    assert again.predict().shape == (3, 3)


def test_several_channels_of_several_series() -> None:
    pairs = [np.stack([one, one**2], axis=1) for one in MANY]
    assert small(lags=6, horizon=3).fit(pairs).predict(5).shape == (3, 5, 2)
    assert small(lags=6, horizon=3, targets=[1]).fit(pairs).predict().shape == (3, 3, 1)


def test_the_ends_of_all_are_held_out() -> None:
    model = small(lags=6, horizon=3, epochs=1, validation_fraction=0.25).fit(MANY)
    kept = [round(0.25 * count) for count in (124, 82, 52)]
    assert model.history_[0]["count"] == 3 * (124 + 82 + 52 - sum(kept))
    assert model.chosen_["windows"] == sum(kept)


def test_series_too_short_for_the_choice() -> None:
    """They are learned from all the same, and one without a second window holds none out."""
    for options in ({}, {"lags": 6, "horizon": 2, "linear": True}):
        model = small(**options).fit([SEASONAL, SEASONAL[:30], NOISE[:26, 0]])
        assert np.isfinite(model.predict(3)).all()
        assert np.isfinite(model.score([SEASONAL, SEASONAL[:60]]))
    with pytest.raises(ValueError, match=r"^X\[1\]: expected at least 8 steps, lags \+ horizon"):
        small(lags=6, horizon=2).fit([SEASONAL, SEASONAL[:5]])
    one = small(lags=6, horizon=2).fit([SEASONAL, SEASONAL[:8]])
    assert one.chosen_["windows"] == round(0.1 * 125)


def test_rows_and_columns() -> None:
    listed = small(lags=6).fit([*ROWS])
    for layout, table in (("rows", ROWS), ("columns", ROWS.T)):
        model = small(lags=6, layout=layout).fit(table)
        np.testing.assert_array_equal(model.predict(4), listed.predict(4))
        np.testing.assert_array_equal(model.predict(4, after=table), listed.predict(4))
    with pytest.raises(ValueError, match=r"^X: expected shape \(N, T\) with layout='rows', got"):
        small(lags=6, layout="rows").fit(SEASONAL)


def test_own_scales() -> None:
    """A window scaled by its own mean and deviation is alike at any level and size."""
    model = small(lags=6, scaling="window", epochs=1, dtype="float64").fit(MANY)
    base = model.predict(after=SEASONAL[:40])
    moved = model.predict(after=1000 * SEASONAL[:40] - 77)
    np.testing.assert_allclose(moved, 1000 * base - 77, rtol=1e-9)
    assert np.isfinite(model.predict(after=np.full(10, 4.0))).all()


# Covariates

SALES = np.random.default_rng(8).integers(0, 2, 150).astype(np.float64)
BOUGHT = 5 + 10 * SALES[:132] + 0.1 * NOISE[:, 7]


def test_what_is_known_ahead_is_used(tmp_path: Path) -> None:
    options: dict[str, Any] = {"lags": 4, "horizon": 3, "linear": True}
    model = small(**options).fit(BOUGHT, future_covariates=SALES[:132])
    foretold = model.predict(9, future_covariates=SALES[132:141])
    np.testing.assert_allclose(foretold, 5 + 10 * SALES[132:141], atol=1)
    after = model.predict(9, after=BOUGHT, future_covariates=SALES[:141])
    np.testing.assert_allclose(after, foretold, rtol=1e-9)
    assert model.score(BOUGHT, future_covariates=SALES[:132]) > 0.9
    assert small(**options).fit(BOUGHT).score(BOUGHT) < 0.5
    model.save(tmp_path / "m")
    read = rf.load(tmp_path / "m")
    np.testing.assert_array_equal(read.predict(9, future_covariates=SALES[132:141]), foretold)
    for call, message in (
        (
            lambda: model.predict(),
            r"^future_covariates: expected 1 column as in fit, of the \d+ steps to come, got None$",
        ),
        (
            lambda: model.predict(9, future_covariates=SALES[:4]),
            r"^future_covariates: expected shape \(9, 1\), of the steps that follow, got \(4, 1\)$",
        ),
        (
            lambda: model.predict(2, after=BOUGHT, future_covariates=SALES[:132]),
            r"^future_covariates: expected 134 rows, 132 of the series and 2 that follow, got 132$",
        ),
        (lambda: model.score(BOUGHT), r"^future_covariates: expected 1 column as in fit, got Non"),
        (
            lambda: small(lags=4).fit(BOUGHT, future_covariates=SALES[:9]),
            r"^future_covariates: expected 132 rows, got 9$",
        ),
        (
            lambda: small(lags=4).fit(BOUGHT).predict(future_covariates=SALES[:1]),
            r"^future_covariates: expected None, as in fit, got some$",
        ),
        (
            lambda: small(lags=4).fit(BOUGHT, future_covariates=SALES[:132], valid=BOUGHT),
            r"^valid: expected None with covariates, got some",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_covariates_of_several_series() -> None:
    pairs = [BOUGHT, BOUGHT[:100]]
    known = [SALES[:132], SALES[:100]]
    model = small(lags=4, horizon=2).fit(
        pairs, future_covariates=known, static_covariates=[[1], [0]]
    )
    following = [SALES[132:137], SALES[100:105]]
    found = model.predict(5, future_covariates=following)
    assert found.shape == (2, 5)
    longer = [SALES[:137], SALES[:105]]
    np.testing.assert_allclose(model.predict(5, after=pairs, future_covariates=longer), found)
    other = model.predict(5, after=pairs, future_covariates=longer, static_covariates=[[0], [1]])
    assert (other != found).any()
    with pytest.raises(ValueError, match=r"^static_covariates: expected some, of series that fit"):
        model.predict(5, after=[BOUGHT] * 3, future_covariates=[SALES[:137]] * 3)
    with pytest.raises(ValueError, match=r"^static_covariates: expected shape \(2, S\), got \(3,"):
        small(lags=4).fit(pairs, static_covariates=[[1], [2], [3]])
    with pytest.raises(TypeError, match=r"^future_covariates: expected a list of 2 arrays, one a"):
        small(lags=4).fit(pairs, future_covariates=SALES)


# Weights


def test_steps_that_do_not_count() -> None:
    """A weight of 0 is as if the windows that foretell the step first were not there."""
    weights = np.ones(132)
    weights[:66] = 0
    model = small(lags=6, horizon=2, dtype="float64", batch_size=200)
    weighted = model.fit(SEASONAL, sample_weight=weights).predict(4)
    alone = small(lags=6, horizon=2, dtype="float64", batch_size=200).fit(SEASONAL[60:]).predict(4)
    np.testing.assert_allclose(weighted, alone, rtol=1e-9)
    assert (small(lags=6).fit(SEASONAL).predict() != weighted[:1]).any()
    weights[:] = np.linspace(1, 2, 132)
    tiny, large = (model.evaluate(SEASONAL, sample_weight=weights * by) for by in (1e-60, 1e60))
    assert tiny == pytest.approx(model.evaluate(SEASONAL, sample_weight=weights), rel=1e-6)
    assert large == pytest.approx(tiny, rel=1e-6)
    one = small(lags=6).fit(MANY, sample_weight=[1, 2, 1])
    assert one.score(MANY, sample_weight=[1, 0, 1]) != one.score(MANY)
    for wrong, message in (
        (np.ones(5), r"^sample_weight: expected shape \(132,\), got \(5,\)$"),
        (np.zeros(132), "^sample_weight: expected a number above 0, got zeros only$"),
        (np.r_[np.ones(3), np.zeros(129)], "^sample_weight: expected a number above 0 at a step"),
    ):
        with pytest.raises(ValueError, match=message):
            small(lags=6).fit(SEASONAL, sample_weight=wrong)


@pytest.mark.filterwarnings("ignore:a naive forecast:RuntimeWarning")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lags": 6, "horizon": 2, "linear": True},
        {"lags": 6, "linear": True, "scaling": "window"},
        {"loss": "negative_binomial"},
    ],
)
def test_a_series_that_does_not_count_is_as_if_it_was_not_there(options: Any) -> None:
    """In what is chosen, in the linear part and in the scale of counts."""
    counts = options.get("loss") == "negative_binomial"
    one, other = NOISE[:60, 0].cumsum(), 50 * NOISE[:70, 1].cumsum()
    if counts:
        one, other = np.abs(one).round(), np.abs(other).round()
    both = small(**options).fit([one, other], sample_weight=[1, 0])
    alone = small(**options).fit([one])
    np.testing.assert_array_equal(both.predict(3, after=one), alone.predict(3, after=one))
    assert both.chosen_ == alone.chosen_
    # Only ratios matter.
    twice = small(**options).fit([one, other], sample_weight=[2, 2])
    np.testing.assert_array_equal(twice.predict(3), small(**options).fit([one, other]).predict(3))


def test_the_line_of_weighted_windows_does_not_see_what_is_held_out() -> None:
    """What is held out is the end of what counts."""
    weights = np.r_[np.ones(80), np.zeros(52)]
    options = {"lags": 4, "linear": True, "validation_fraction": 0.5, "epochs": 1}
    changed = SEASONAL.copy()
    changed[60:] = 7 - 30 * NOISE[60:132, 2]
    lines = [
        small(**options).fit(series, sample_weight=weights)._codec.line.weight
        for series in (SEASONAL, changed)
    ]
    np.testing.assert_array_equal(*lines)


def test_the_scale_of_weighted_counts() -> None:
    one, other = np.arange(60) % 5, 100 + np.arange(60) % 7
    options = {"loss": "negative_binomial", "lags": 4, "batch_size": 500, "dtype": "float64"}
    twice = small(**options).fit([one, one, other]).predict(after=one)
    weighted = small(**options).fit([one, other], sample_weight=[2, 1]).predict(after=one)
    np.testing.assert_allclose(weighted, twice, rtol=1e-6)


def test_the_loss_of_weighted_windows_with_missing_numbers() -> None:
    """It is a mean over the numbers that are there, each as often as its window counts."""
    one, other = (NOISE[:60, n].cumsum() for n in (0, 1))
    one[[5, 6, 20]] = other[[40, 41]] = math.nan
    options = {
        "lags": 4, "horizon": 3, "batch_size": 500, "dtype": "float64", "missing": "mask",
        "validation_fraction": 0.25,
    }  # fmt: skip
    weighted = small(**options).fit([one, other], sample_weight=[2, 1]).history_
    twice = small(**options).fit([one, one, other]).history_
    for name in ("loss", "valid_loss", "valid_rmse"):
        np.testing.assert_allclose([r[name] for r in weighted], [r[name] for r in twice], rtol=1e-6)


@pytest.mark.filterwarnings("ignore:a naive forecast:RuntimeWarning")
def test_logarithms_are_of_all_of_many_series() -> None:
    """Of very many some are looked at for the choice, but none is without a logarithm."""
    series = [
        np.exp((0.1 + n % 7 / 50) * np.arange(60) + 0.01 * NOISE[:60, n % 5]) for n in range(102)
    ]
    assert small(epochs=1).fit(series).chosen_["logarithm"]
    series[1] = series[1] - 100
    model = small(epochs=1).fit(series)
    assert not model.chosen_["logarithm"] and np.isfinite(model.predict()).all()


# Missing numbers


@pytest.mark.filterwarnings("ignore:(X|after). 1 number missing at the end")
def test_missing_numbers_are_refused_or_masked(tmp_path: Path) -> None:
    gaps = SEASONAL.copy()
    gaps[[0, 17, 18, 60, 131]] = math.nan
    with pytest.raises(
        ValueError, match=r"^X: expected finite numbers, got nan at step 0; missing='mask'"
    ):
        small(lags=6).fit(gaps)
    model = small(lags=6, horizon=2, differences=[1], missing="mask").fit(gaps)
    forecast = model.predict(5)
    assert np.isfinite(forecast).all() and np.isfinite(model.score(gaps))
    np.testing.assert_allclose(model.predict(5, after=gaps), forecast, rtol=1e-9)
    true, predicted = model.backtest(gaps)
    assert np.isnan(true).sum() == 7 and np.isfinite(predicted).all()
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(rf.load(tmp_path / "m").predict(5), forecast)
    automatic = small(missing="mask").fit(gaps)
    assert np.isfinite(automatic.predict(5)).all()
    with pytest.raises(ValueError, match=r"^X: expected numbers in each channel, got only miss"):
        small(lags=3, missing="mask").fit(np.full(40, math.nan))
    with pytest.raises(ValueError, match=r"^X: expected finite numbers, got inf at step 3$"):
        small(lags=3, missing="mask").fit(np.where(np.arange(132) == 3, math.inf, gaps))


def test_no_window_holds_what_it_misses() -> None:
    """What stands in place of a missing number is not learned from."""
    gaps = SEASONAL.copy()
    gaps[50:60] = math.nan
    model = small(lags=3, horizon=2, missing="mask", epochs=1, validation_fraction=0).fit(gaps)
    assert model.history_[0]["count"] == 2 * (132 - 3 - 1) - 2 * 10


def test_a_file_of_logarithms_with_missing_ends(tmp_path: Path) -> None:
    gaps = np.exp(SEASONAL / 100)
    gaps[-3:-1] = math.nan
    model = small(lags=6, logarithm=True, missing="mask", epochs=1).fit(gaps)
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(rf.load(tmp_path / "m").predict(4), model.predict(4))


def test_what_is_often_missing() -> None:
    """Where no window is whole."""
    given = np.where(np.arange(132) % 3 == 1, math.nan, SEASONAL)
    for options in ({}, {"lags": 6, "horizon": 6}):
        model = small(missing="mask", **options).fit(given)
        assert np.isfinite(model.predict(5)).all() and model.score(given) > -10


def test_filled() -> None:
    given = np.array([[math.nan, 1], [2, math.nan], [math.nan, math.nan], [3, 4]])
    np.testing.assert_array_equal(filled(given), [[2, 1], [2, 1], [2, 1], [3, 4]])


def test_numbers_missing_at_the_end_are_told() -> None:
    wave = np.sin(np.arange(60.0))
    gaps = wave.copy()
    gaps[-2:] = math.nan
    model = small(lags=6, horizon=2, missing="mask", validation_fraction=0.4).fit(gaps)
    message = "^X: 2 numbers missing at the end; forecasts read the one before in their place, and "
    for ask in (model.predict, lambda: model.predict_interval(coverage=0.5)):
        with pytest.warns(AdjustmentWarning, match=message):
            ask()
    with pytest.warns(AdjustmentWarning, match="^after: 2 numbers missing at the end; "):
        model.predict(after=gaps)
    model.predict(after=wave)  # warns of nothing: warnings are errors here


def test_rolling_bounds_that_are_infinite_are_told() -> None:
    wave = np.sin(np.arange(60.0))
    model = small(lags=6, horizon=2, validation_fraction=0.2).fit(wave)
    with pytest.warns(AdjustmentWarning, match=r"^backtest: expected more windows before"):
        _, _, low, high = model.backtest(wave, coverage=0.999)
    assert np.isinf(low).any() and np.isinf(high).any()
