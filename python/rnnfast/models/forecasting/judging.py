"""What a forecaster is worth on windows that were held out, beside forecasts that need no model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rnnfast.data.batches import Ints
from rnnfast.models.forecasting.codec import WindowCodec
from rnnfast.models.forecasting.intervals import MOST_WINDOWS, Calibration
from rnnfast.models.forecasting.prepared import Prepared
from rnnfast.models.forecasting.tracks import Track
from rnnfast.models.forecasting.windows import Floats, Windows


def naive_forecasts(track: Track, windows: Windows, places: Ints, season: int | None) -> Floats:
    """Return the season before each step, or without one the last step, ``(N, h, k)``."""
    ahead = np.arange(windows.horizon)
    back = 1 + ahead if season is None else season * (1 + ahead // season)
    before = np.maximum(places[:, np.newaxis] + ahead - back, 0)
    found: Floats = track.read[before][..., windows.targets]
    return found


def calibrate(codec: WindowCodec, network: Any, inputs: Any, held: Prepared) -> WindowCodec:
    """Return a codec that knows how far its forecasts missed the windows held out."""
    tracks = held.tracks
    count, places = MOST_WINDOWS // max(1, sum(map(bool, held.counts))), []
    for one in held.places:
        places.append(one[-max(count, 10) :])
    if not sum(map(len, places)):
        return codec
    pairs = [*zip(tracks, places, strict=True)]
    true = np.concatenate([codec.windows.futures(track.true, where) for track, where in pairs])
    foretold = codec.quantiles_of(network, inputs, "X", tracks, places)
    unit = np.concatenate([units_of(codec, *pair) for pair in pairs])
    calibration = Calibration(true, foretold, unit, codec.windows.logarithm)
    return replace(codec, calibration=calibration)


def units_of(codec: WindowCodec, track: Track, places: Ints) -> Floats:
    """Return how large changes are before places, ``(N, 1, k)``; 1 of a single series."""
    windows = codec.windows
    assert codec.panel is not None
    if not codec.panel.several:
        return np.ones((len(places), 1, len(windows.targets)))
    levels = track.read[:, windows.targets]
    changes = np.abs(np.diff(np.log(levels) if windows.logarithm else levels, axis=0))
    found = np.ones((len(places), 1, levels.shape[1]))
    if windows.reach > 1:
        for number, place in enumerate(places.tolist()):
            found[number, 0] = changes[place - windows.reach : place - 1].mean(axis=0)
    return np.where(found > 0, found, 1.0)


def judge(codec: WindowCodec, network: Any, inputs: Any, held: Prepared) -> dict[str, float]:
    """Return the error of forecasts of the windows held out, and that of naive ones, by name.

    Root mean squared, each channel's as a share of its mean change, so that all count alike.
    """
    season = codec.chosen.get("season")
    foretold = codec.forecast(network, inputs, "X", held.tracks, held.places)
    errors = {"model": _error(codec, held, foretold)}
    naive = {"persistence": None} if season is None else {"persistence": None, "season": season}
    for name, steps in naive.items():
        parts = [
            naive_forecasts(track, codec.windows, places, steps)
            for track, places in zip(held.tracks, held.places, strict=True)
        ]
        errors[name] = _error(codec, held, np.concatenate(parts))
    return errors


def _error(codec: WindowCodec, held: Prepared, foretold: Floats) -> float:
    squares, first = [], 0
    for track, places in zip(held.tracks, held.places, strict=True):
        if not len(places):
            continue
        part = foretold[first : first + len(places)]
        first += len(places)
        levels = track.read[:, codec.windows.targets]
        size = np.abs(np.diff(levels, axis=0)).mean(axis=0)
        with np.errstate(over="ignore"):
            missed = (part - codec.windows.futures(track.true, places)) / np.where(
                size > 0, size, 1
            )
            squares.append(np.minimum(missed**2, 1e300).ravel())
    every = np.concatenate(squares)
    every = every[~np.isnan(every)]
    return float(np.sqrt(every.mean())) if len(every) else 0.0
