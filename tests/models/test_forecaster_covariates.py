"""Covariates of a forecaster go by the names of their columns, and of their series."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from forecast_cases import small

pd = pytest.importorskip("pandas")

STEPS, AHEAD = 60, 3
rng = np.random.default_rng(0)
BOTH = pd.DataFrame(
    {"temp": rng.normal(size=STEPS + AHEAD), "price": rng.normal(size=STEPS + AHEAD)}
)
SERIES = (3 * BOTH["temp"] - BOTH["price"]).to_numpy()[:STEPS]
TURNED, RENAMED = BOTH[["price", "temp"]], BOTH.rename(columns={"temp": "humidity"})
WRONG = [(TURNED, "got 'price'"), (RENAMED, "got 'humidity'")]
ORDER = r"expected the columns of fit in their order, 'temp' at 0, "


def fitted(path: Path | None = None) -> Any:
    model = small(lags=4, horizon=2).fit(SERIES, future_covariates=BOTH[:STEPS])
    if path is None:
        return model
    model.save(path / "model.safetensors")
    return rf.load(path / "model.safetensors")


@pytest.mark.parametrize(("frame", "got"), WRONG)
@pytest.mark.parametrize("loaded", [False, True])
def test_other_columns_are_refused(frame: Any, got: str, loaded: bool, tmp_path: Path) -> None:
    model = fitted(tmp_path if loaded else None)
    ahead, all_of, given = frame[STEPS:], frame, frame[:STEPS]
    calls = [
        lambda: model.predict(AHEAD, future_covariates=ahead),
        lambda: model.predict(AHEAD, after=SERIES, future_covariates=all_of),
        lambda: model.score(SERIES, future_covariates=given),
        lambda: model.evaluate(SERIES, future_covariates=given),
        lambda: model.backtest(SERIES, future_covariates=given),
        lambda: model.fit(SERIES, future_covariates=given, warm_start=True),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=f"^future_covariates: {ORDER}{got}$"):
            call()
    found = model.predict(AHEAD, future_covariates=BOTH[STEPS:])
    with pytest.warns(UserWarning, match="future_covariates: expected columns with names, as in f"):
        np.testing.assert_array_equal(
            model.predict(AHEAD, future_covariates=BOTH[STEPS:].to_numpy()), found
        )


def test_arrays_have_no_names() -> None:
    model = small(lags=4, horizon=2).fit(SERIES, future_covariates=BOTH[:STEPS].to_numpy())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = model.predict(AHEAD, future_covariates=BOTH[STEPS:].to_numpy())
        np.testing.assert_array_equal(model.predict(AHEAD, future_covariates=BOTH[STEPS:]), found)


def test_several_series_have_the_same_columns() -> None:
    known = [BOTH[:STEPS], TURNED[:STEPS]]
    with pytest.raises(
        ValueError, match=r"^future_covariates\[1\]: expected 'temp' as column 0, as"
    ):
        small(lags=4).fit([SERIES, SERIES], future_covariates=known)
    model = small(lags=4).fit([SERIES, SERIES], future_covariates=[BOTH[:STEPS]] * 2)
    with pytest.raises(ValueError, match=rf"^future_covariates\[1\]: {ORDER}got 'price'$"):
        model.predict(AHEAD, future_covariates=[BOTH[STEPS:], TURNED[STEPS:]])


# Of a long table, whose series are sorted by name

SHOPS = ["zeta", "alpha"]
HOLIDAYS = {shop: (rng.random(STEPS + AHEAD) < 0.3).astype(float) for shop in SHOPS}
LONG = pd.DataFrame(
    [(shop, day, HOLIDAYS[shop][day]) for shop in SHOPS for day in range(STEPS)],
    columns=["shop", "day", "sold"],
)
SIZES = pd.DataFrame({"area": [3.0, 1.0], "age": [5.0, 9.0]}, index=SHOPS)
TABLE = {"series_column": "shop", "time_column": "day", "value_column": "sold"}


def of_shops(**given: Any) -> Any:
    return small(lags=4, horizon=2, **TABLE).fit(LONG, **given)


def test_series_have_names(tmp_path: Path) -> None:
    model = of_shops()
    assert model.series_names_ == ("alpha", "zeta")
    model.save(tmp_path / "model.safetensors")
    assert rf.load(tmp_path / "model.safetensors").series_names_ == ("alpha", "zeta")
    assert small(lags=4).fit([SERIES, SERIES]).series_names_ == (0, 1)


def test_future_covariates_by_name() -> None:
    known = {shop: HOLIDAYS[shop][:STEPS] for shop in SHOPS}
    model = of_shops(future_covariates=known)
    listed = of_shops(future_covariates=[known["alpha"], known["zeta"]])
    coming = {shop: HOLIDAYS[shop][STEPS:] for shop in SHOPS}
    np.testing.assert_array_equal(
        model.predict(AHEAD, future_covariates=coming),
        listed.predict(AHEAD, future_covariates=[coming["alpha"], coming["zeta"]]),
    )
    for wrong in ({"alpha": known["alpha"]}, {**known, "beta": known["zeta"]}):
        with pytest.raises(
            ValueError, match=r"^future_covariates: expected each of the names of the ser"
        ):
            of_shops(future_covariates=wrong)


def test_static_covariates_by_name() -> None:
    found = of_shops(static_covariates=SIZES).predict(AHEAD)
    for same in (SIZES.loc[["alpha", "zeta"]], SIZES.loc[["alpha", "zeta"]].reset_index(drop=True)):
        np.testing.assert_array_equal(of_shops(static_covariates=same).predict(AHEAD), found)
    with pytest.raises(
        ValueError, match=r"^static_covariates: expected each of the names .* got 'zeta' 0 times$"
    ):
        of_shops(static_covariates=SIZES.rename(index={"zeta": "beta"}))
    with pytest.raises(
        ValueError, match=r"^static_covariates: expected each of the names of the series, al"
    ):
        of_shops(static_covariates=pd.concat([SIZES, SIZES]))
    model = of_shops(static_covariates=SIZES)
    with pytest.raises(
        ValueError, match=r"^static_covariates: expected the columns of fit in their"
    ):
        model.predict(AHEAD, after=LONG, static_covariates=SIZES[["age", "area"]])
