"""Ways to average the forecasts of `Forecaster`, and its best choice alone, on many short series.

How forecasts are averaged was chosen on these: others than `forecasting.py` has. They are columns
of US quarters and months and further series that statsmodels carries, some of aeon, where that is
installed, and ones that are made up: walks, trends, seasons and cycles. Each is foretold from six
origins behind its first two thirds, and behind its first five sixths, as `forecasting.py` does.
Errors are shares of that of the naive forecast. Models are trained once, in three minutes; with
``--store`` and ``--read`` what they foretold is kept, so that other rules can be tried on it.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels
import statsmodels.api as sm
from common import Clock
from forecast_rules import Part, compare
from forecasting import ORIGINS

import rnnfast as rf
from rnnfast.metrics import rmse
from rnnfast.models.forecasting.choosing import (
    CUTS,
    Choice,
    choose,
    fit_line,
    window_forecasts,
    window_rows,
    window_targets,
)
from rnnfast.models.forecasting.judging import naive_forecasts
from rnnfast.models.forecasting.options import said_by
from rnnfast.models.forecasting.tracks import Track
from rnnfast.models.forecasting.windows import Windows

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


def answers(values: np.ndarray, season: int | None, part: float, seed: int) -> Part | None:
    """Return forecasts behind a part of a series, and errors within it, by name.

    ``true`` ``(O, h)`` is what came behind each origin, ``averaged`` what the model foretold,
    ``made`` ``(M, O, h)`` of what, as `forecast_rules` has them; ``products`` ``(2, M, M)`` are the
    mean products of their errors within each of the parts by which the choice is made, ``naive`` is
    the error behind. None: the naive forecast has none there.
    """
    horizon = season or 8
    first = len(values) - max(round(len(values) * (1 - part)), horizon + ORIGINS)
    last = min(len(values), first + max(round(len(values) / 6), horizon + ORIGINS)) - horizon
    origins = np.unique(np.linspace(first, last, ORIGINS).round().astype(int))
    windows = Windows(1, horizon, (), (0,))
    whole, known = (Track(one, one) for one in (values[:, np.newaxis], values[:first, np.newaxis]))

    def naive(track: Track, places: np.ndarray, steps: int | None) -> np.ndarray:
        found: np.ndarray = naive_forecasts(track, windows, places, steps)[..., 0]
        return found

    true = windows.futures(whole.true, origins)[..., 0]
    error = rmse(true, naive(whole, origins, season))
    if error == 0:
        return None
    model = rf.Forecaster(horizon=horizon, seed=seed, verbose=0).fit(values[:first])
    foretold = [model.predict(after=values[:origin]) for origin in origins]
    seen, companions = model.chosen_["season"], model._codec.companions
    model._codec = replace(model._codec, companions=())
    made = [np.stack([model.predict(after=values[:origin]) for origin in origins])]

    choice = choose([known], said_by(model, seen, (0,), first))
    forms = [choice, *(other for other, _ in choice.others if not other.naive)]
    made += [one.forecast(whole, origins)[..., 0] for one in companions[: len(forms) - 1]]
    products = []
    for start, stop in itertools.pairwise(CUTS):
        cut, end = round(start * first), round(stop * first)
        later = np.arange(cut, end - horizon + 1)
        tried = [by_form(one, known, cut, later) for one in forms]
        tried += [naive(known, later, steps) for steps in (None, seen)]
        missed = np.stack(tried) - windows.futures(known.true, later)[..., 0]
        products.append(np.einsum("mot,not->mn", missed, missed) / missed[0].size)
    return {
        "true": true,
        "averaged": np.stack(foretold),
        "made": np.stack([*made, *(naive(whole, origins, steps) for steps in (None, seen))]),
        "products": np.stack(products),
        "naive": np.array(error),
    }


def by_form(choice: Choice, track: Track, cut: int, places: np.ndarray) -> np.ndarray:
    """Return what follows places by a regression on what stands before a step."""
    windows = choice.windows
    before = windows.places(track.read)
    before = before[before + windows.horizon <= cut]
    rows, own = window_rows(windows, track, before)
    line = fit_line(rows, window_targets(windows, track, before, own), choice.penalty)
    rows, own = window_rows(windows, track, places)
    found: np.ndarray = window_forecasts(windows, track, places, own, line(rows))[..., 0]
    return found


def make_parts(seed: int) -> dict[str, list[Part]]:
    """Return what was foretold behind parts of all series, by their kind."""
    found = {}
    for kind, series in (("carried", carried()), ("made up", made_up())):
        each = [
            answers(values, season, part, seed)
            for values, season in series
            for part in (4 / 6, 5 / 6)
            if part * len(values) >= SHORTEST
        ]
        found[kind] = [one for one in each if one is not None]
    return found


def read_parts(path: Path) -> dict[str, list[Part]]:
    """Return what `main` has stored."""
    found: dict[str, list[dict[str, np.ndarray]]] = {}
    with np.load(path) as stored:
        for key in stored:
            kind, number, name = key.split("/")
            parts = found.setdefault(kind, [])
            parts += [{} for _ in range(int(number) + 1 - len(parts))]
            parts[int(number)][name] = stored[key]
    return {kind: [*parts] for kind, parts in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", type=Path, help="an .npz file for what is foretold")
    parser.add_argument("--read", type=Path, help="such a file: nothing is foretold anew")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    clock = Clock()
    kinds = make_parts(arguments.seed) if arguments.read is None else read_parts(arguments.read)
    if arguments.store is not None:
        flat = {
            f"{kind}/{number}/{name}": array
            for kind, parts in kinds.items()
            for number, part in enumerate(parts)
            for name, array in part.items()
        }
        np.savez(arguments.store, **flat)
    compare(kinds)
    print(f"{arguments.read or f'seed {arguments.seed}'}; {clock}")


if __name__ == "__main__":
    main()
