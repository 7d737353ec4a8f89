"""Forecasters with no option beside forecasts that need no network, on public series.

The series are those that statsmodels carries. The last sixth of each is foretold from rolling
origins, one season or, without one, eight steps ahead; every method learns once from what stands
before, and then reads what has come by each origin. ETS is fitted anew at each origin, as it has no
other way to go on. An error is the root mean squared one, divided by that of the season before, or
without a season by that of the last number.

darts' `RNNModel`, where it is installed with PyTorch Lightning: an LSTM with its defaults, 25 units
and 100 epochs, that reads two seasons, or without one 24 steps, of series scaled to 0 to 1.
"""

from __future__ import annotations

import argparse
import logging
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm
from common import Clock
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

import rnnfast as rf
from rnnfast.metrics import rmse

ORIGINS = 6


def read_series() -> dict[str, tuple[pd.Series, int | None]]:
    """Return series by name, each with the steps of a season."""
    data = sm.datasets
    co2 = data.co2.load_pandas().data["co2"].resample("MS").mean().interpolate()
    elnino = data.elnino.load_pandas().data.set_index("YEAR").to_numpy().ravel()
    quarters = data.macrodata.load_pandas().data
    index = pd.period_range("1959Q1", periods=len(quarters), freq="Q").to_timestamp()

    def yearly(values: Any, first: int) -> pd.Series:
        numbers = np.asarray(values, np.float64)
        return pd.Series(numbers, pd.date_range(str(first), periods=len(numbers), freq="YS"))

    return {
        "CO2, months": (co2, 12),
        "El Nino, months": (
            pd.Series(elnino, pd.date_range("1950", periods=len(elnino), freq="MS")), 12,
        ),
        "GDP, quarters": (pd.Series(quarters["realgdp"].to_numpy(), index), None),
        "unemployment, quarters": (pd.Series(quarters["unemp"].to_numpy(), index), None),
        "prices, quarters": (pd.Series(quarters["cpi"].to_numpy(), index), None),
        "sunspots, years": (yearly(data.sunspots.load_pandas().data["SUNACTIVITY"], 1700), 11),
        "Nile, years": (yearly(data.nile.load_pandas().data["volume"], 1871), None),
    }  # fmt: skip


def by_rnnfast(
    series: pd.Series, origins: list[int], horizon: int, seed: int
) -> tuple[list[Any], list[Any]]:
    """Return the forecasts of `Forecaster`, told nothing but the horizon, and without averaging."""
    model = rf.Forecaster(horizon=horizon, seed=seed, verbose=0).fit(series[: origins[0]])
    print(f"    chosen: {dict(list(model.chosen_.items())[:8])}")
    averaged = [model.predict(after=series[:origin]) for origin in origins]
    model._codec = replace(model._codec, companions=())
    return averaged, [model.predict(after=series[:origin]) for origin in origins]


def by_ets(series: pd.Series, origins: list[int], horizon: int, season: int | None) -> list[Any]:
    """Return forecasts of exponential smoothing, additive, with a damped trend."""
    options: dict[str, Any] = {"error": "add", "trend": "add", "damped_trend": True}
    if season is not None:
        options |= {"seasonal": "add", "seasonal_periods": season}
    return [
        ETSModel(series[:origin], **options).fit(disp=False).forecast(horizon).to_numpy()
        for origin in origins
    ]


def by_darts(
    series: pd.Series, origins: list[int], horizon: int, lags: int, seed: int
) -> list[Any] | None:
    """Return forecasts of an LSTM of darts; None: darts is not installed."""
    try:
        import pytorch_lightning  # noqa: F401  # which the model needs
        from darts import TimeSeries
        from darts.dataprocessing.transformers import Scaler
        from darts.models import RNNModel
    except ImportError:
        return None
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    quiet = {"accelerator": "cpu", "enable_progress_bar": False, "logger": False}
    whole = TimeSeries.from_series(series.astype(np.float32))
    scaler = Scaler().fit(whole[: origins[0]])
    model = RNNModel(
        input_chunk_length=lags, training_length=lags + horizon, model="LSTM",
        random_state=seed, pl_trainer_kwargs={**quiet, "enable_model_summary": False},
    )  # fmt: skip
    model.fit(scaler.transform(whole[: origins[0]]))
    return [
        scaler.inverse_transform(
            model.predict(horizon, series=scaler.transform(whole[:origin]), show_warnings=False)
        ).values()[:, 0]
        for origin in origins
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--without-darts", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    clock = Clock()
    for name, (series, season) in read_series().items():
        horizon = season or 8
        first = len(series) - max(round(len(series) / 6), horizon + ORIGINS)
        places = np.linspace(first, len(series) - horizon, ORIGINS).round().astype(int)
        origins = sorted({*places.tolist()})
        values = series.to_numpy()
        true = np.stack([values[origin : origin + horizon] for origin in origins])
        back = season or 1
        naive = [np.resize(values[origin - back : origin], horizon) for origin in origins]
        print(f"{name}: {len(origins)} origins, {horizon} steps")
        errors: dict[str, list[float]] = {"naive": [rmse(true, naive)]}
        errors["ETS"] = [rmse(true, by_ets(series, origins, horizon, season))]
        for seed in range(arguments.seeds):
            found, alone = by_rnnfast(series, origins, horizon, seed)
            errors.setdefault("Forecaster()", []).append(rmse(true, found))
            errors.setdefault("its best choice alone", []).append(rmse(true, alone))
            each = [rmse(*pair) / errors["naive"][0] for pair in zip(true, found, strict=True)]
            print(f"    by origin: {' '.join(f'{one:.2f}' for one in each)}")
            if not arguments.without_darts:
                lags = 2 * (season or 12)
                other = by_darts(series, origins, horizon, lags, seed)
                if other is not None:
                    errors.setdefault("darts RNNModel", []).append(rmse(true, other))
        parts = [
            f"{method} {np.mean(each) / errors['naive'][0]:.2f}" for method, each in errors.items()
        ]
        print(f"  of the naive error {errors['naive'][0]:.4g}: {', '.join(parts)}", flush=True)
    print(f"{arguments.seeds} seed(s); {clock}")


if __name__ == "__main__":
    main()
