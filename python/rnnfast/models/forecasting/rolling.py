"""Forecasts from every place of series: rolling origins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnnfast import metrics
from rnnfast._checks import check_int
from rnnfast.models.forecasting.asking import whole_panel
from rnnfast.models.forecasting.codec import WindowCodec
from rnnfast.models.forecasting.intervals import Calibration, pair_of, rolling_widths
from rnnfast.models.forecasting.judging import units_of
from rnnfast.models.forecasting.outputs import DISTRIBUTIONS
from rnnfast.models.forecasting.panel import Layout, Panel, require_steps
from rnnfast.models.forecasting.prepared import Prepared
from rnnfast.models.forecasting.tracks import make_tracks
from rnnfast.models.forecasting.windows import Floats


@dataclass(frozen=True, eq=False)
class Origins:
    """Series, and the places that forecasts are made from."""

    panel: Panel
    prepared: Prepared

    @classmethod
    def of(
        cls, codec: WindowCodec, how: Layout, X: Any, future: Any, static: Any, stride: Any
    ) -> Origins:
        """Return every so manieth place of series that fit a codec; raise unless they do."""
        stride = check_int("stride", stride, 1)
        panel = whole_panel("X", codec, how, X, future, static)
        windows = codec.windows
        require_steps("X", panel, windows.reach + windows.horizon, "")
        tracks = make_tracks(panel, windows.horizon, codec.features, codec.masked)
        places = [windows.places(track.read)[::stride] for track in tracks]
        return cls(panel, Prepared(codec, tracks, places))


def rolling(model: Any, origins: Origins, coverage: float | None) -> tuple[Floats, ...]:
    """Return what came and what was foretold, ``(N, h, k)``; with a coverage bounds too."""
    codec, prepared = model._codec, origins.prepared
    network, inputs = model.network_, model.inputs_
    pairs = [*zip(prepared.tracks, prepared.places, strict=True)]
    true = np.concatenate([codec.windows.futures(track.true, places) for track, places in pairs])
    predicted = codec.forecast(network, inputs, "X", prepared.tracks, prepared.places)
    if coverage is None:
        return true, predicted
    if codec.loss in DISTRIBUTIONS or codec.calibration is None:
        raise ValueError(
            "coverage: expected None of a distribution, or of a model without windows held out, "
            f"got {coverage:g}"
        )
    bounds = [_bounds(model, prepared, number, coverage) for number in range(len(pairs))]
    low, high = (np.concatenate([pair[side] for pair in bounds]) for side in (0, 1))
    return true, predicted, low, high


def _bounds(model: Any, prepared: Prepared, number: int, coverage: float) -> tuple[Floats, Floats]:
    codec = model._codec
    track, places = prepared.tracks[number], prepared.places[number]
    foretold = codec.quantiles_of(model.network_, model.inputs_, "X", [track], [places])
    unit = units_of(codec, track, places)
    known: Calibration = codec.calibration
    pair = pair_of(np.array(codec.levels), coverage)
    true = codec.windows.futures(track.true, places)
    own = replace(known, true=true, foretold=foretold, unit=unit)
    horizon = codec.windows.horizon
    widths = rolling_widths(known.misses(pair), own.misses(pair), places, horizon, coverage)
    return known.widened(foretold, unit, widths, pair)


def mean_r2(true: Floats, predicted: Floats, weights: Any) -> float:
    """Return R^2, the mean over columns; what is missing is left out."""
    if np.isfinite(true).all():
        return metrics.r2(true, predicted, sample_weight=weights)
    size = true.shape[1] * true.shape[2]
    true, predicted = (array.reshape(len(array), size) for array in (true, predicted))
    scores = []
    for column, foretold in zip(true.T, predicted.T, strict=True):
        known = np.isfinite(column)
        own = None if weights is None else weights[known]
        if known.any():
            scores.append(metrics.r2(column[known], foretold[known], sample_weight=own))
    if not scores:
        raise ValueError("X: expected a number that is foretold, got only missing ones")
    return float(np.mean(scores))
