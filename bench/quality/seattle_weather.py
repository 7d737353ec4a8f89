"""The highest temperature of a day in Seattle, a week ahead: the last year is held out."""

from __future__ import annotations

import csv
from datetime import date

import numpy as np
from common import Clock, compare_forecasts, make_model, make_parser, scored_part

import rnnfast as rf

YEAR = 365
WEEK = 7


def main() -> None:
    parser = make_parser(
        __doc__, "timeseries-pd", lags=14, epochs=25, hidden_size=32, dropout=0.3, batch_size=32,
        learning_rate=0.003, cell="gru",
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
    model = make_model(
        rf.Forecaster, arguments, horizon=WEEK, targets=[0], validation_fraction=0, verbose=0
    ).fit(series[:start])
    print(model)
    compare_forecasts(model, series, start, 0, YEAR)
    print(f"{scored_part(arguments)}; {clock}, seed {arguments.seed}")


if __name__ == "__main__":
    main()
