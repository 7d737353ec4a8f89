"""Forecasts of tables and Series of pandas: the index that follows, calendars, long tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from forecast_cases import SEASONAL, small
from rnnfast._checks.adjustments import AdjustmentWarning

pandas = pytest.importorskip("pandas", reason="pandas is not installed")

DAYS = pandas.date_range("2024-01-01", periods=140, freq="D")
WEEKLY = np.tile([1.0, 2.0, 3.0, 4.0, 5.0, 9.0, 9.0], 20)


@pytest.mark.parametrize(
    ("index", "following"),
    [
        (pandas.date_range("2000-01", periods=132, freq="MS"), ["2011-01-01", "2011-02-01"]),
        (pandas.date_range("2000-01", periods=132, freq="MS", tz="Europe/Berlin"),
         ["2011-01-01 00:00:00+01:00", "2011-02-01 00:00:00+01:00"]),
        (pandas.period_range("2000-01", periods=132, freq="M"), ["2011-01", "2011-02"]),
        (pandas.RangeIndex(10, 274, 2), ["274", "276"]),
    ],
    ids=["times", "zone", "periods", "range"],
)  # fmt: skip
def test_the_index_follows(index: Any, following: list[str], tmp_path: Path) -> None:
    series = pandas.Series(SEASONAL, index=index, name="load")
    model = small(lags=6).fit(series)
    found = model.predict(2, like=True)
    assert [str(one).removesuffix(" 00:00:00") for one in found.index] == following
    assert found.name == "load" and type(found.index) is type(index)
    np.testing.assert_array_equal(found.to_numpy(), model.predict(2))
    model.save(tmp_path / "m")
    pandas.testing.assert_series_equal(rf.load(tmp_path / "m").predict(2, like=True), found)
    later = model.predict(2, after=series[:-12], like=True)
    assert later.index[0] == index[-12]
    frame = pandas.DataFrame({"a": SEASONAL, "b": SEASONAL**2}, index=index)
    both = small(lags=6, targets=[1]).fit(frame).predict(1, like=True)
    assert list(both.columns) == ["b"] and both.index[0] == found.index[0]
    low, high = model.predict_interval(1, like=True, coverage=0.8)
    assert low.index[0] == high.index[0] == found.index[0]


def test_an_index_that_does_not_go_on() -> None:
    uneven = pandas.Series(SEASONAL[:20], index=DAYS[np.r_[0:10, 12:22]])
    with pytest.warns(AdjustmentWarning, match=r"^X: times in the index are not even; rows are "):
        model = small(lags=3).fit(uneven)
    assert model.predict(2).shape == (2,)
    with pytest.raises(
        ValueError, match=r"^like: expected False without after, as .* evenly, got True$"
    ):
        model.predict(2, like=True)
    several = [pandas.Series(SEASONAL[:20], DAYS[:20]), uneven, uneven]
    with pytest.warns(AdjustmentWarning, match=r"^X\[1\]: times .* not even, and in 1 others; "):
        small(lags=3).fit(several)
    whole = uneven.asfreq("D")
    assert small(lags=3, missing="mask").fit(whole).predict(1, like=True).index[0] == DAYS[22]
    with pytest.raises(ValueError, match=r"^X: expected times that rise, got others in the index$"):
        small(lags=3).fit(pandas.Series(SEASONAL[:20], index=DAYS[:20][::-1]))
    with pytest.raises(ValueError, match=r"^X: expected a DatetimeIndex or PeriodIndex of even st"):
        small(lags=3, calendar=True).fit(uneven)
    yearly = pandas.Series(SEASONAL[:20], pandas.period_range("1900", periods=20, freq="Y"))
    with pytest.raises(ValueError, match=r"^X: expected steps shorter than a year with calendar"):
        small(lags=3, calendar=True).fit(yearly)


def test_calendar() -> None:
    """Two steps say nothing of the day of the week; the index does."""
    series = pandas.Series(WEEKLY, index=DAYS)
    options: dict[str, Any] = {"lags": 7, "horizon": 1, "linear": True, "scaling": "all"}
    model = small(**options, calendar=["dayofweek"]).fit(series)
    assert model.inputs_.size == 1 + 2 * 2
    assert np.abs(model.predict(14) - WEEKLY[:14]).mean() < 0.6
    assert model.predict(3, after=series[:20]).shape == (3,)
    with pytest.raises(ValueError, match=r"^after: expected an index of even times, as in fit"):
        model.predict(after=WEEKLY)
    assert small(**options, calendar=True).fit(series).inputs_.size == 1 + 2 * 4


LONG = pandas.DataFrame(
    {
        "shop": ["b"] * 40 + ["a"] * 30,
        "day": [*DAYS[:40], *DAYS[:30]],
        "sold": [*WEEKLY[:40], *(2 * WEEKLY[:30])],
    }
).sample(frac=1, random_state=1)


def test_long_tables(tmp_path: Path) -> None:
    columns: dict[str, Any] = {
        "series_column": "shop", "time_column": "day", "value_column": "sold",
    }  # fmt: skip
    model = small(lags=7, horizon=2, **columns).fit(LONG)
    listed = small(lags=7, horizon=2).fit([2 * WEEKLY[:30], WEEKLY[:40]])
    np.testing.assert_array_equal(model.predict(4), listed.predict(4))
    table = model.predict(2, like=True)
    assert table.columns.tolist() == ["shop", "day", "sold"]
    assert table["shop"].tolist() == ["a", "a", "b", "b"]
    assert table["day"].tolist() == [DAYS[30], DAYS[31], DAYS[40], DAYS[41]]
    pandas.testing.assert_frame_equal(model.predict(2, after=LONG, like=True), table)
    for bound in model.predict_interval(1, like=True, coverage=0.8):
        assert bound["day"].tolist() == [DAYS[30], DAYS[40]] and np.isfinite(bound["sold"]).all()
    with pytest.warns(AdjustmentWarning, match=r"^predict_interval: expected 99 windows"):
        low, _ = model.predict_interval(1, like=True, coverage=0.99)
    assert np.isinf(low["sold"]).all()
    model.save(tmp_path / "m")
    pandas.testing.assert_frame_equal(rf.load(tmp_path / "m").predict(2, like=True), table)
    for wrong, message in (
        ({"value_column": "x"}, r"^value_column: expected one of shop, day, sold, got 'x'$"),
        ({"series_column": "x"}, r"^series_column: expected one of shop, day, sold, got 'x'$"),
    ):
        with pytest.raises(ValueError, match=message):
            small(lags=7, **{**columns, **wrong}).fit(LONG)
    text = LONG.assign(day=LONG["day"].dt.strftime("%d.%m.%Y"))  # sorted as text by the day
    with pytest.raises(TypeError, match=r"^time_column: expected times or numbers in 'day', by wh"):
        small(lags=7, **columns).fit(text)
    with pytest.raises(TypeError, match=r"^time_column: expected times or numbers in 'day', by wh"):
        model.predict(2, after=text)
    with pytest.raises(TypeError, match=r"^X: expected real numbers, .* value_column names the nu"):
        small(lags=7).fit(LONG)
    twice = pandas.concat([LONG, LONG[:1]])
    with pytest.raises(ValueError, match=r"^X\['[ab]'\]: expected each time once, got a time tw"):
        small(lags=7, **columns).fit(twice)


def test_wide_tables() -> None:
    wide = pandas.DataFrame({"a": WEEKLY, "b": 2 * WEEKLY}, index=DAYS)
    model = small(lags=7, layout="columns").fit(wide)
    found = model.predict(3, like=True)
    assert list(found.columns) == ["a", "b"] and found.index[0] == pandas.Timestamp("2024-05-20")
    np.testing.assert_array_equal(found.to_numpy().T, model.predict(3))
    listed = small(lags=7).fit([wide["a"], wide["b"]])
    each = listed.predict(3, after=[wide["a"], wide["b"]], like=True)
    assert [one.name for one in each] == ["a", "b"] and each[0].index[0] == found.index[0]


def test_names_of_columns_beside_covariates(tmp_path: Path) -> None:
    """More is read than the table has: a mask, and a calendar."""
    frame = pandas.DataFrame({"a": WEEKLY, "b": WEEKLY**2}, index=DAYS)
    frame.iloc[5, 0] = np.nan
    model = small(lags=7, missing="mask", calendar=True).fit(frame)
    model.save(tmp_path / "m")
    read = rf.load(tmp_path / "m")
    assert read.feature_names_in_.tolist() == ["a", "b"] and read.n_features_in_ == 2
    np.testing.assert_array_equal(read.predict(3), model.predict(3))
    with pytest.raises(ValueError, match=r"^after: expected the columns of fit in their order"):
        read.predict(after=frame[["b", "a"]])


def test_covariates_of_other_times_are_refused() -> None:
    series = pandas.Series(WEEKLY[:40], index=DAYS[:40])
    known = pandas.Series(np.arange(60.0) % 7, index=DAYS[:60])
    model = small(lags=7).fit(series, future_covariates=known[:40])
    plain = small(lags=7).fit(WEEKLY[:40], future_covariates=known[:40].to_numpy())
    expected = plain.predict(3, future_covariates=known[40:43].to_numpy())
    np.testing.assert_array_equal(model.predict(3, future_covariates=known[40:43]), expected)
    np.testing.assert_array_equal(
        model.predict(3, future_covariates=known[40:43].to_numpy()), expected
    )
    with pytest.raises(ValueError, match=r"^future_covariates: expected the times .* 2024-01-01 "):
        small(lags=7).fit(series, future_covariates=known[1:41])
    with pytest.raises(ValueError, match=r"2024-02-10 00:00:00 in row 0, got 2024-02-11 00:00:00$"):
        model.predict(3, future_covariates=known[41:44])
    with pytest.raises(ValueError, match=r"^future_covariates: expected the times of the steps"):
        model.predict(3, after=series[10:], future_covariates=known[:33])
    found = model.predict(3, after=series[10:], future_covariates=known[10:43])
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match=r"^future_covariates\[1\]: expected the times of the ste"):
        small(lags=7).fit([series, series], future_covariates=[known[:40], known[5:45]])


def test_whole_numbers_in_an_index_go_on() -> None:
    years = pandas.Series(SEASONAL, index=[*range(1900, 1900 + 132)])
    found = small(lags=6).fit(years).predict(2, like=True)
    assert [*found.index] == [2032, 2033]
    for index in ([*range(1900, 2030), 2031, 2030], [5] * 132, [*range(131), 140]):
        model = small(lags=6).fit(pandas.Series(SEASONAL, index=index))
        with pytest.raises(ValueError, match=r"^like: expected False without after, as .* evenly"):
            model.predict(2, like=True)


def test_other_steps_than_those_of_fit_are_told() -> None:
    series = pandas.Series(WEEKLY, index=DAYS)
    model = small(lags=7).fit(series)
    with pytest.warns(AdjustmentWarning, match=r"^after: expected steps of D as in fit, got 3D; "):
        model.predict(2, after=series[::3])
    with pytest.warns(AdjustmentWarning, match=r"^X: expected steps of D as in fit, got 2D; they"):
        model.backtest(series[::2])
    with pytest.warns(AdjustmentWarning, match=r"^after: times in the index are not even; rows "):
        model.predict(2, after=series.drop(DAYS[50]))
    workdays = pandas.Series(WEEKLY[:20], pandas.bdate_range("2024-01-01", periods=20))
    for alike in (series.set_axis(pandas.period_range("2024", periods=140, freq="D")), workdays):
        model.predict(2, after=alike)


def test_targets_by_name(tmp_path: Path) -> None:
    waves = np.sin(np.arange(60)[:, np.newaxis] * [0.3, 0.5, 0.7])
    frame = pandas.DataFrame(waves, columns=["a", "b", "c"])
    by_number = small(lags=6, targets=[2, 0]).fit(frame)
    for X in (frame, [frame, frame]):
        named = small(lags=6, targets=["c", "a"]).fit(X)
        plain = small(lags=6, targets=[2, 0]).fit(X)
        np.testing.assert_array_equal(named.predict(), plain.predict())
    for targets in (np.array(["c", "a"]), ("c", "a")):
        named = small(lags=6, targets=targets).fit(frame)
        named.save(tmp_path / "m")
        loaded = rf.load(tmp_path / "m")
        assert [*loaded.targets] == ["c", "a"]
        np.testing.assert_array_equal(loaded.predict(), by_number.predict())
    assert list(named.predict(like=True).columns) == ["c", "a"]
    named.fit(frame, warm_start=True, epochs=1)
    cases: list[tuple[Any, Any, type[Exception], str]] = [
        (["d"], frame, ValueError, r"^targets: expected some of a, b, c, got 'd'$"),
        (np.array(["d"]), frame, ValueError, r"^targets: expected some of a, b, c, got 'd'$"),
        (np.array(["a"], object), frame, TypeError, "^targets"),
        (["b"], frame.set_axis(["a", "b", "b"], axis=1), ValueError,
         r"^targets: expected names of one column each, got 'b', which several have$"),
        (["a"], frame.to_numpy(), ValueError,
         r"^targets: expected numbers of columns, from 0 on, of X without names, got \['a'\]$"),
        (["a", "a"], frame, ValueError, r"^targets: expected different numbers below 3, got"),
        ("a", frame, TypeError,
         r"^targets: expected a list of integers, or of names, got str$"),
        ([0, "a"], frame, TypeError,
         r"^targets: expected numbers of columns, or names, got \[0, 'a'\]$"),
    ]  # fmt: skip
    for targets, X, error, message in cases:
        with pytest.raises(error, match=message):
            small(lags=6, targets=targets).fit(X)
