"""Averaged forecasts of `Forecaster` beside those of its best choice alone, on many short series.

How forecasts are averaged was chosen on these: others than `forecasting.py` has. They are columns
of US quarters and months and further series that statsmodels carries, some of aeon, where that is
installed, and ones that are made up: walks, trends, seasons and cycles. Each is foretold from six
origins behind its first two thirds, and behind its first five sixths, as `forecasting.py` does.
Errors are shares of that of the naive forecast.
"""

from __future__ import annotations

import argparse
import importlib.util
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import statsmodels
import statsmodels.api as sm
from common import Clock
from forecasting import ORIGINS

import rnnfast as rf
from rnnfast.metrics import rmse

RESULTS = Path(statsmodels.__file__).parent / "tsa"
MONTHS = "statespace/tests/results/frbny_nowcast/Nowcasting/data/US/2016-07-29.csv"
# What `forecasting.py` measures on, under other names.
MEASURED = ("realgdp", "unemp", "cpi", "GDPC1", "UNRATE", "CPIAUCSL", "A261RX1Q020SBEA")
SHORTEST = 60


def carried() -> Iterator[tuple[np.ndarray, int | None]]:
    """Yield series that packages carry, each with the steps of its season."""
    quarters = sm.datasets.macrodata.load_pandas().data.drop(columns=["year", "quarter"])
    for table in (quarters, pd.read_csv(RESULTS / MONTHS, index_col=0)):
        for name in table.columns.difference(MEASURED):
            values = table[name].dropna().to_numpy(np.float64)
            if len(values) >= 150:
                yield values, None
    for name in ("BAA", "SP500", "stkprc", "UN"):
        table = pd.read_csv(RESULTS / "tests/results" / f"{name}.csv")
        yield table.iloc[:, 0].dropna().to_numpy(np.float64), None
    for column in sm.datasets.interest_inflation.load_pandas().data[["Dp", "R"]].to_numpy().T:
        yield column, None
    yield (
        pd.read_csv(RESULTS / "holtwinters/tests/results/housing-data.csv")["HOUSTNSA"].to_numpy(
            np.float64
        ),
        12,
    )
    if importlib.util.find_spec("aeon") is None:
        print("aeon is not installed: without its series")
        return
    import aeon

    data = Path(aeon.__file__).parent / "datasets" / "data"
    for name, season in (("Airline", 12), ("Lynx", None), ("PBS_dataset", None)):
        table = pd.read_csv(data / name / f"{name}.csv")
        yield table.iloc[:, -1].to_numpy(np.float64), season
    changes = pd.read_csv(data / "Uschange" / "Uschange.csv")
    for name in ("Consumption", "Savings", "Production"):
        yield changes[name].to_numpy(np.float64), None


def made_up() -> Iterator[tuple[np.ndarray, int | None]]:
    """Yield series of eleven kinds, four of each, with the steps of their seasons."""
    for seed in range(4):
        rng, steps = np.random.default_rng(seed), 160 + 40 * seed
        months = np.arange(steps)
        noise = rng.normal(size=steps)
        walk = np.cumsum(noise)
        kept = _recursive(noise, [(0.3, 0.6, 0.8, 0.95)[seed]])
        season = 10 * np.sin(2 * np.pi * months / 12) * (0.2, 0.5, 1, 2)[seed]
        yield 100 + walk + (0.1, 0.3, 0.6, 1.0)[seed] * months, None
        yield np.exp((0.01, 0.02, 0.005, 0.01)[seed] * months + 0.012 * walk), None
        yield walk, None
        slope = 0.3 + np.cumsum(0.05 * rng.normal(size=steps))
        yield 50 + np.cumsum(slope + 0.5 * noise), None
        yield 10 + kept, None
        yield 0.1 * months + kept, None
        yield _recursive(noise, [1.4, -0.8]), None
        yield 0.2 * months + season + noise, 12
        yield walk + 0.3 * months + season, 12
        yield np.exp(0.01 * months + 0.03 * season + 0.05 * noise), 12
        yield 500 / (1 + np.exp((0.5 * steps - months) / (0.18 * steps))) + walk, None


def _recursive(noise: np.ndarray, weights: list[float]) -> np.ndarray:
    found = np.zeros(len(noise))
    for step in range(len(weights), len(noise)):
        before = found[step - len(weights) : step][::-1]
        found[step] = before @ weights + noise[step]
    return found


def errors(
    values: np.ndarray, season: int | None, part: float, seed: int
) -> tuple[float, float] | None:
    """Return the errors of the average and of the best choice alone behind a part of a series.

    None: the naive forecast has no error there.
    """
    horizon = season or 8
    first = len(values) - max(round(len(values) * (1 - part)), horizon + ORIGINS)
    last = min(len(values), first + max(round(len(values) / 6), horizon + ORIGINS)) - horizon
    origins = np.unique(np.linspace(first, last, ORIGINS).round().astype(int)).tolist()
    true = np.stack([values[origin : origin + horizon] for origin in origins])
    back = season or 1
    naive = rmse(true, [np.resize(values[o - back : o], horizon) for o in origins])
    if naive == 0:
        return None
    model = rf.Forecaster(horizon=horizon, seed=seed, verbose=0).fit(values[:first])

    def share(model: Any) -> float:
        return rmse(true, [model.predict(after=values[:origin]) for origin in origins]) / naive

    average = share(model)
    model._codec = replace(model._codec, companions=())
    return average, share(model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    clock = Clock()
    for kind, series in (("carried", [*carried()]), ("made up", [*made_up()])):
        each = [
            errors(values, season, part, arguments.seed)
            for values, season in series
            for part in (4 / 6, 5 / 6)
            if part * len(values) >= SHORTEST
        ]
        found = np.array([pair for pair in each if pair is not None])
        means, worse = np.exp(np.log(found).mean(axis=0)), (found > 1).mean(axis=0)
        print(f"{kind}, {len(series)} series, {len(found)} parts of them:")
        for number, name in enumerate(("averaged", "best alone")):
            print(
                f"  {name}: {means[number]:.3f} of the naive error in the geometric mean, "
                f"{worse[number]:.0%} lose to it",
                flush=True,
            )
    print(f"seed {arguments.seed}; {clock}")


if __name__ == "__main__":
    main()
