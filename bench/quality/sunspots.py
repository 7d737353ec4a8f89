"""Yearly sunspots, 1, 5 and 11 years ahead: the last 60 years are held out."""

from __future__ import annotations

import numpy as np
from common import Clock, compare_forecasts, make_parser

import rnnfast as rf

HELD_OUT = 60
CYCLE = 11


def main() -> None:
    parser = make_parser(
        __doc__, "timeseries-pd", lags=22, epochs=60, hidden_size=16, dropout=0.2, batch_size=16,
        lr=0.003, weight_decay=0.1, cell="gru",
    )  # fmt: skip
    parser.add_argument("--horizons", type=int, nargs="+", default=[1, 5, 11])
    arguments = parser.parse_args()

    table = np.loadtxt(arguments.data / "sunspots.csv", delimiter=",", skiprows=1)
    series = table[:, 1]
    if arguments.validate:
        series = series[:-HELD_OUT]
    start = len(series) - HELD_OUT
    clock = Clock()
    for horizon in arguments.horizons:
        model = rf.Forecaster(
            lags=arguments.lags,
            horizon=horizon,
            cell=arguments.cell,
            hidden_size=arguments.hidden_size,
            dropout=arguments.dropout,
            optimizer="adamw",
            optimizer_options={"weight_decay": arguments.weight_decay},
            learning_rate=arguments.lr,
            batch_size=arguments.batch_size,
            epochs=arguments.epochs,
            validation_fraction=0,
            seed=arguments.seed,
            verbose=0,
        ).fit(series[:start])
        print(model)
        compare_forecasts(model, series, start, 0, CYCLE)
    print(f"{'validation' if arguments.validate else 'held out'}; {clock}, seed {arguments.seed}")


if __name__ == "__main__":
    main()
