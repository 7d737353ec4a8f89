"""Intervals of forecasts: how many of the numbers that came lie within, on series of all kinds.

Of each series the first three fifths are learned from, with two fifths of their windows held out
for calibration. The rest is foretold from every place: by `Forecaster.backtest` with a coverage,
for whose widths what has come true by then counts too, rolling; and by
`Forecaster.predict_interval`, whose widths are those of the windows held out alone, fixed.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from common import Clock, make_parser, scored_part

import rnnfast as rf

LEARNED = 0.6
OPTIONS = {"cell": "gru", "hidden_size": 16, "validation_fraction": 0.4, "verbose": 0}


def read_series(folder: Path) -> dict[str, tuple[np.ndarray, int]]:
    """Return series by name, each with how many steps ahead it is foretold."""
    sunspots = np.loadtxt(folder / "sunspots.csv", delimiter=",", skiprows=1)[:, 1]
    lines = (folder / "sunspots_monthly.dat").read_text(encoding="utf-8").splitlines()
    years = [line.split() for line in lines if line[:4].isdigit()]
    monthly = np.array([float(number) for year in years for number in year[1:]])
    with open(folder / "co2.csv", encoding="utf-8") as file:
        co2 = np.array([float(row[1] or "nan") for row in [*csv.reader(file)][1:]])
    elnino = np.loadtxt(folder / "elnino.csv", delimiter=",", skiprows=1)[:, 1:].ravel()
    nile = np.loadtxt(folder / "nile.csv", delimiter=",", skiprows=1)[:, 1]
    with open(folder / "seattle-weather.csv", encoding="utf-8") as file:
        weather = np.array([float(row["temp_max"]) for row in csv.DictReader(file)])
    return {
        "sunspots, years": (sunspots, 1),
        "sunspots, months": (monthly, 6),
        "CO2, weeks": (co2, 4),
        "El Nino, months": (elnino, 6),
        "Nile, years": (nile, 1),
        "Seattle, days": (weather, 7),
    }


def share_inside(true: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """Return the share of the numbers that are not missing within bounds."""
    known = ~np.isnan(true)
    return float(((low <= true) & (true <= high))[known].mean())


def main() -> None:
    parser = make_parser(__doc__, "timeseries-pd", coverage=0.9, epochs=10)
    arguments = parser.parse_args()
    clock = Clock()
    print(f"share of numbers within intervals of {arguments.coverage:.0%}:")
    for name, (series, horizon) in read_series(arguments.data).items():
        series = series[: round(LEARNED * len(series))] if arguments.validate else series
        start = round(LEARNED * len(series))
        found = []
        for loss in ("mse", "quantile"):
            model = rf.Forecaster(
                loss=loss, horizon=horizon, missing="mask", seed=arguments.seed,
                epochs=arguments.epochs, **OPTIONS,
            ).fit(series[:start])  # fmt: skip
            reach = model.chosen_["lags"] + sum(model.chosen_["differences"])
            true, _, low, high = model.backtest(
                series[start - reach :], coverage=arguments.coverage
            )
            once = np.array(
                [
                    model.predict_interval(after=series[:place], coverage=arguments.coverage)
                    for place in range(start, start + len(true))
                ]
            )
            rolling = share_inside(true, low, high)
            fixed = share_inside(true, once[:, 0], once[:, 1])
            found.append(f"{loss} {rolling:.1%} rolling, {fixed:.1%} fixed")
        print(f"  {name}, {horizon} ahead, {len(true)} places: {'; '.join(found)}", flush=True)
    print(f"{scored_part(arguments)}; {clock}, seed {arguments.seed}")


if __name__ == "__main__":
    main()
