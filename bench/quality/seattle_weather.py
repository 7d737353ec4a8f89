"""The highest temperature of a day in Seattle, a week ahead: the last year is held out."""

from __future__ import annotations

import csv
from datetime import date

import numpy as np
from common import Clock, compare_forecasts, make_parser

import rnnfast as rf

YEAR = 365
WEEK = 7


def main() -> None:
    parser = make_parser(
        __doc__, "timeseries-pd", lags=14, epochs=25, hidden_size=32, dropout=0.3, batch_size=32,
        lr=0.003, cell="gru",
    )  # fmt: skip
    arguments = parser.parse_args()

    rows = []
    with open(arguments.data / "seattle-weather.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            angle = 2 * np.pi * date.fromisoformat(row["date"]).timetuple().tm_yday / 365.25
            names = ("temp_max", "temp_min", "precipitation", "wind")
            rows.append([*(float(row[name]) for name in names), np.sin(angle), np.cos(angle)])
    series = np.array(rows)
    if arguments.validate:
        series = series[:-YEAR]
    start = len(series) - YEAR
    clock = Clock()
    model = rf.Forecaster(
        lags=arguments.lags,
        horizon=WEEK,
        targets=[0],
        cell=arguments.cell,
        hidden_size=arguments.hidden_size,
        dropout=arguments.dropout,
        learning_rate=arguments.lr,
        batch_size=arguments.batch_size,
        epochs=arguments.epochs,
        validation_fraction=0,
        seed=arguments.seed,
        verbose=0,
    ).fit(series[:start])
    print(model)
    compare_forecasts(model, series, start, 0, YEAR)
    print(f"{'validation' if arguments.validate else 'held out'}; {clock}, seed {arguments.seed}")


if __name__ == "__main__":
    main()
