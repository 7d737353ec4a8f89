"""What the scripts of this folder share: arguments, parts of the data, and what they print."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

import rnnfast as rf
from rnnfast.metrics import rmse
from rnnfast.models.base import Model

M = TypeVar("M", bound=Model)

DATA = Path(__file__).parents[3] / "shared" / "data"


def make_parser(description: str | None, data: str, **defaults: Any) -> argparse.ArgumentParser:
    """Return a parser of the path of the data, ``--seed``, ``--validate``, and what is given.

    Parameters
    ----------
    description : str
        The script's first line.
    data : str
        The folder under ``DATA``.
    **defaults
        Further options by name, with their defaults, whose type they take; ``none`` says None where
        a text is wanted. Hyperparameters have the models' names, by which `make_model` finds them.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("data", nargs="?", type=Path, default=DATA / data, help="folder of data")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--validate",
        action="store_true",
        help="score on a tenth of the training part, to choose hyperparameters",
    )
    for name, default in defaults.items():
        kind = _text if isinstance(default, str) else type(default)
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=default)
    return parser


def _text(argument: str) -> str | None:
    return None if argument == "none" else argument


def make_model(kind: type[M], arguments: argparse.Namespace, **options: Any) -> M:
    """Return a model with the hyperparameters that the command line names, and with ``options``."""
    known = kind().get_params()
    named = {name: value for name, value in vars(arguments).items() if name in known}
    return kind(**{**named, **options})


def scored_part(arguments: argparse.Namespace) -> str:
    """Return what is scored, for messages."""
    return "validation" if arguments.validate else "held out"


def folds(classes: Sequence[Any], k: int, seed: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the numbers of the examples to learn from and to score, k times.

    Each example is scored once; each part has its share of every class.
    """
    order = np.random.default_rng(seed).permutation(len(classes))
    order = order[np.argsort(np.array(classes)[order], kind="stable")]
    for first in range(k):
        test = np.sort(order[first::k])
        yield np.setdiff1d(order, test), test


def validation_part(train: np.ndarray, classes: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return a tenth of the training part in place of the part to score, and the rest of it."""
    inner, held_out = next(folds([classes[number] for number in train], 10))
    return train[inner], train[held_out]


def take(items: Sequence[Any], numbers: np.ndarray) -> list[Any]:
    """Return the items of these numbers."""
    return [items[number] for number in numbers]


class Clock:
    """CPU seconds since it was made: what a run costs, however busy the machine is."""

    def __init__(self) -> None:
        self._began = time.process_time()

    def __str__(self) -> str:
        return (
            f"{time.process_time() - self._began:.1f} CPU seconds, {rf.get_num_threads()} thread(s)"
        )


def naive_forecasts(
    values: np.ndarray, start: int, count: int, horizon: int, period: int
) -> dict[str, np.ndarray]:
    """Return forecasts that need no model, by what they are.

    Parameters
    ----------
    values : ndarray, shape (T,)
        The whole series.
    start : int
        The first step that is foretold.
    count, horizon : int
        How many forecasts, each one step later than the one before, of how many steps.
    period : int
        Steps of a season, at least the horizon.

    Returns
    -------
    dict of str to ndarray, shape (count, horizon)
    """
    places = np.arange(start, start + count)[:, np.newaxis]
    last = np.broadcast_to(values[places - 1], (count, horizon))
    return {
        "persistence (the last value)": last,
        f"seasonal (the value {period} steps before)": values[places + np.arange(horizon) - period],
    }


def print_errors(true: np.ndarray, forecasts: Mapping[str, np.ndarray]) -> None:
    """Print the root mean squared error of forecasts ``(N, horizon)`` by name."""
    print(f"RMSE of {len(true)} forecasts, {true.shape[1]} steps each:")
    for name, forecast in forecasts.items():
        each = np.sqrt(((forecast - true) ** 2).mean(axis=0))
        steps = " ".join(f"{error:.2f}" for error in each)
        print(f"  {name}: {rmse(true, forecast):.2f} (by step: {steps})")


def compare_forecasts(
    model: rf.Forecaster, series: np.ndarray, start: int, column: int, period: int
) -> None:
    """Print the root mean squared error of forecasts, and of two that need no model.

    Parameters
    ----------
    model : Forecaster
        Fitted on what stands before ``start``.
    series : ndarray, shape (T,) or (T, F)
        The whole series.
    start : int
        The first step that is scored; every forecast that foretells none before it counts.
    column : int
        The channel that is foretold.
    period : int
        Steps of a season, at least the horizon.
    """
    reach = model.chosen_["lags"] + sum(model.chosen_["differences"])
    true, predicted = model.backtest(series[start - reach :])
    true, predicted = (array.reshape(*array.shape[:2]) for array in (true, predicted))
    values = series.reshape(len(series), -1)[:, column]
    naive = naive_forecasts(values, start, *true.shape, period)
    print_errors(true, {"model": predicted, **naive})
