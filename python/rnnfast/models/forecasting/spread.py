"""How far series may stray from a forecast: paths that they may take, and bounds between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnfast.data.batches import Ints
from rnnfast.models.forecasting import asking
from rnnfast.models.forecasting.codec import WindowCodec
from rnnfast.models.forecasting.intervals import pair_of, width_of
from rnnfast.models.forecasting.judging import units_of
from rnnfast.models.forecasting.outputs import DISTRIBUTIONS
from rnnfast.models.forecasting.panel import Panel
from rnnfast.models.forecasting.tracks import Track
from rnnfast.models.forecasting.windows import Floats
from rnnfast.models.parts.networks.encoder_network import EncoderNetwork
from rnnfast.models.parts.reading.inputs import Inputs

# Paths that are drawn side by side.
_PATHS = 1000


def paths_of(
    codec: WindowCodec,
    network: EncoderNetwork,
    inputs: Inputs,
    panel: Panel,
    n: int,
    steps: int,
    rng: np.random.Generator,
    *,
    name: str,
) -> Floats:
    """Return paths ``(N, n, steps, k)``; `name` is what messages call the series.

    Raises
    ------
    ValueError
        If the loss is no distribution.
    """
    if codec.loss not in DISTRIBUTIONS:
        known = ", ".join(DISTRIBUTIONS)
        raise ValueError(f"sample_paths: expected a loss of {known}, got {codec.loss!r}")

    def answer(tracks: Sequence[Track], places: Sequence[Ints]) -> Floats:
        return codec.drawn(network, inputs, name, tracks, places, rng)

    paths = asking.room_for(len(panel.values), n, steps, len(codec.windows.targets))
    for first in range(0, n, _PATHS):
        some = paths[:, first : first + _PATHS]
        drawn = asking.go_on(codec, asking.repeated(panel, some.shape[1]), steps, answer)
        some[...] = drawn.reshape(some.shape)
    return paths


def bounds_of(
    codec: WindowCodec,
    network: EncoderNetwork,
    inputs: Inputs,
    panel: Panel,
    steps: int,
    coverage: float,
    *,
    name: str,
) -> tuple[Any, Any]:
    """Return both bounds, ``(N, steps, k)``, of what lies within them with a probability.

    Raises
    ------
    ValueError
        If no windows were held out, or not so many steps, and the loss is no distribution.
    """
    if codec.loss in DISTRIBUTIONS:
        rng = np.random.default_rng(0)
        paths = paths_of(codec, network, inputs, panel, 1000, steps, rng, name=name)
        low, high = np.quantile(paths, [(1 - coverage) / 2, (1 + coverage) / 2], axis=1)
        return low, high
    if steps > codec.windows.horizon:
        raise ValueError(
            f"steps: expected at most horizon {codec.windows.horizon}, the steps that were "
            f"held out, got {steps}"
        )
    calibration = codec.calibration
    if calibration is None:
        raise ValueError(
            "predict_interval: expected a model fitted with windows held out, "
            "validation_fraction above 0, got none"
        )
    pair = pair_of(np.array(codec.levels), coverage)
    widths = width_of(calibration.misses(pair), coverage)
    bounds: list[tuple[Floats, Floats]] = []

    def answer(tracks: Sequence[Track], places: Sequence[Ints]) -> Floats:
        made = codec.quantiles_of(network, inputs, name, tracks, places)
        both = zip(tracks, places, strict=True)
        unit = np.concatenate([units_of(codec, *one) for one in both])
        bounds.append(calibration.widened(made, unit, widths, pair))
        return bounds[0][0]

    asking.go_on(codec, panel, steps, answer)
    low, high = (bound[:, :steps] for bound in bounds[0])
    return low, high
