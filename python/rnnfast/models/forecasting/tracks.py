"""Series as the network's windows are cut of them: filled, with covariates beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnfast.models.forecasting.calendar import features_of
from rnnfast.models.forecasting.panel import Panel
from rnnfast.models.forecasting.windows import Floats


@dataclass(frozen=True, eq=False)
class Track:
    """One series.

    Attributes
    ----------
    read : ndarray, shape (T, E)
        F channels, of which missing numbers are as the last one before, the first ones as the first
        that is known; then covariates of the step, those of the step a horizon later, static ones,
        and for masked series 1 where a channel is known.
    true : ndarray, shape (T, F)
        The channels, NaN where missing.
    """

    read: Floats
    true: Floats


def make_tracks(
    panel: Panel, horizon: int, features: tuple[str, ...], masked: bool, ahead: int = 0
) -> list[Track]:
    """Return the tracks of series whose covariates are known for ``ahead`` steps after the end."""
    tracks = []
    for number, values in enumerate(panel.values):
        steps, given = len(values), panel.known[number]
        if features:
            times = panel.times[number]
            assert times is not None
            index = times.last(steps)
            if ahead:
                index = index.append(times.following(ahead))
            given = np.concatenate(
                [given.reshape(-1, given.shape[1]) if given.shape[1] else np.empty((len(index), 0)),
                 features_of(index, features)], axis=1
            )  # fmt: skip
        columns = [filled(values) if masked else values]
        if given.shape[1]:
            # What is not known yet is read of no window that is learned from.
            later = given[np.minimum(np.arange(horizon, horizon + steps), len(given) - 1)]
            columns += [given[:steps], later]
        if panel.static.shape[1]:
            columns.append(np.repeat(panel.static[[number]], steps, axis=0))
        if masked:
            columns.append((~np.isnan(values)).astype(np.float64))
        read = np.concatenate(columns, axis=1) if len(columns) > 1 else columns[0]
        tracks.append(Track(read, values))
    return tracks


def filled(values: Floats) -> Floats:
    """Return series with the last known number in place of missing ones, first ones the first."""
    known = ~np.isnan(values)
    steps = np.arange(len(values))[:, np.newaxis]
    last = np.maximum.accumulate(np.where(known, steps, -1), axis=0)
    place = np.where(last < 0, known.argmax(axis=0), last)
    result: Floats = np.take_along_axis(values, place, axis=0)
    return result
