"""Yearly sunspots, 1, 5 and 11 years ahead: the last 60 years are held out, and scored once.

What is forecast is a mean of forecasts, which errs less than its parts (Bates and Granger 1969): of
networks that read the counts and of as many that read their square roots, since counts vary the
more the larger they are; and then of that mean and of the count 11 years before, in the share that
does best on the training years. To find it, networks that know only what came before foretell each
of the last four times 30 of those years.
"""

from __future__ import annotations

from argparse import Namespace

import numpy as np
from common import Clock, make_model, make_parser, naive_forecasts, print_errors, scored_part

import rnnfast as rf
from rnnfast.metrics import rmse

HELD_OUT = 60
CYCLE = 11
# Where the share is found: so many parts of so many years.
PARTS, YEARS = 4, 30
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def foretell(
    series: np.ndarray, start: int, horizon: int, arguments: Namespace
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forecast from all years of a series from ``start`` on, having learned from those before.

    Returns
    -------
    true, by_networks, by_cycle : ndarray, shape (N, horizon)
        What came, the mean forecast of the networks, and the counts of 11 years before.
    """
    forecasts = []
    for power in (1, 2):
        scaled = series ** (1 / power)
        for number in range(arguments.networks):
            model = make_model(
                rf.Forecaster,
                arguments,
                horizon=horizon,
                optimizer="adamw",
                optimizer_options={"weight_decay": arguments.weight_decay},
                validation_fraction=0,
                seed=arguments.networks * arguments.seed + number,
                verbose=0,
            ).fit(scaled[:start])
            predicted = model.backtest(scaled[start - model.lags :])[1]
            forecasts.append(np.maximum(predicted, 0) ** power)
    places = np.arange(start, start + len(forecasts[0]))[:, np.newaxis] + np.arange(horizon)
    return series[places], np.mean(forecasts, axis=0), series[places - CYCLE]


def choose_share(series: np.ndarray, horizon: int, arguments: Namespace) -> float:
    """Return the share of the cycle before with the least error on the ends of a series."""
    starts = len(series) - YEARS * np.arange(1, PARTS + 1)
    parts = [foretell(series[: s + YEARS], s, horizon, arguments) for s in starts]
    true, by_networks, by_cycle = (np.concatenate(part) for part in zip(*parts, strict=True))
    errors = {s: rmse(true, (1 - s) * by_networks + s * by_cycle) for s in SHARES}
    print(
        f"on training years, RMSE by share of the cycle before, {horizon} years: "
        + ", ".join(f"{share}: {error:.2f}" for share, error in errors.items())
    )
    return min(errors, key=errors.__getitem__)


def main() -> None:
    parser = make_parser(
        __doc__, "timeseries-pd", lags=22, epochs=60, hidden_size=16, dropout=0.2, batch_size=16,
        learning_rate=0.003, weight_decay=0.1, cell="gru", networks=5,
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
        share = choose_share(series[:start], horizon, arguments)
        true, by_networks, by_cycle = foretell(series, start, horizon, arguments)
        forecasts = {
            f"mean, a share of {share} of the cycle before": (1 - share) * by_networks
            + share * by_cycle,
            "networks alone": by_networks,
        }
        naive = naive_forecasts(series, start, *true.shape, CYCLE)
        print_errors(true, {**forecasts, **naive})
    print(f"{scored_part(arguments)}; {clock}, seed {arguments.seed}")


if __name__ == "__main__":
    main()
