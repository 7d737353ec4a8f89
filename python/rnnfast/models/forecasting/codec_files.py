"""What a model's file says of what is foretold: of windows, the ends of series, and the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnfast._checks import check_bool, check_list
from rnnfast._checks.arrays import as_numbers, require_finite
from rnnfast.models.forecasting.calendar import check_calendar, names_of
from rnnfast.models.forecasting.choosing import window_rows
from rnnfast.models.forecasting.chosen import check_chosen
from rnnfast.models.forecasting.companions import Companion
from rnnfast.models.forecasting.intervals import Calibration
from rnnfast.models.forecasting.line import Line
from rnnfast.models.forecasting.panel import Panel
from rnnfast.models.forecasting.tails import read_tail, tail_to_dict
from rnnfast.models.forecasting.tracks import Track, make_tracks
from rnnfast.models.forecasting.windows import Windows
from rnnfast.models.parts.reading.inputs import Inputs, SeriesInputs

if TYPE_CHECKING:
    from rnnfast.models.forecasting.codec import WindowCodec


def codec_to_dict(codec: WindowCodec, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `read_codec` reads, with what a `NumberCodec` says, ``own``."""
    assert codec.panel is not None
    described = {name: value for name, value in own.items() if name != "single"}
    described["windows"] = codec.windows.to_dict()
    described |= tail_to_dict(codec.panel)
    described["single"] = codec.single
    if codec.features:
        described["calendar"] = list(codec.features)
    if codec.line is not None:
        described["line"] = codec.line.to_dict()
    if codec.companions:
        described["companions"] = [one.to_dict() for one in codec.companions]
    if codec.chosen:
        described["chosen"] = dict(codec.chosen)
    if codec.calibration is not None:
        described["calibration"] = codec.calibration.to_dict()
    if codec.level.size:
        described["level"] = codec.level.tolist()
    return described


def read_codec(codec: WindowCodec, learned: Mapping[str, Any], inputs: Inputs) -> WindowCodec:
    """Return a codec, which knows its numbers, as a file describes it.

    Raises
    ------
    KeyError, TypeError, ValueError
        If the file says what cannot be.
    """
    outputs = codec.numbers.size
    single = check_bool("single", learned["single"])
    panel = read_tail(learned, single)
    windows = Windows.from_dict(learned["windows"], panel.channels)
    foretold = windows.horizon * len(windows.targets)
    if foretold != outputs:
        raise ValueError(
            f"windows: expected horizon x targets of the {outputs} numbers that the network "
            f"predicts, got {foretold}"
        )
    if single and panel.channels != 1:
        raise ValueError(f"single: expected False of {panel.channels} channels, got True")
    assert isinstance(inputs, SeriesInputs)
    made = replace(
        codec, single=single, windows=windows, panel=panel,
        features=_features_of(learned, panel),
    )  # fmt: skip
    if made.width != inputs.size:
        raise ValueError(f"tail: expected {inputs.size} numbers of a step, got {made.width}")
    for values in panel.values:
        shape = (windows.reach, panel.channels)
        if len(values) < shape[0] or (not codec.masked and values.shape != shape):
            raise ValueError(f"tail: expected shape {shape}, got {values.shape}")
        if not codec.masked:
            require_finite("tail", values, ("step", "channel"))
        if windows.logarithm and (values[:, windows.targets] <= 0).any():  # NaN is missing
            raise ValueError("tail: expected numbers above 0 with logarithms, got others")
    features, masked = made.features, codec.masked
    _require_readable(windows, inputs, make_tracks(panel, windows.horizon, features, masked))
    if "line" in learned:
        size = windows.lags * inputs.size
        made = replace(made, line=Line.from_dict(learned["line"], size, outputs))
    if "companions" in learned:
        companions = tuple(
            Companion.from_dict(one, windows, panel.channels, inputs.size)
            for one in check_list("companions", learned["companions"], "mappings")
        )
        made = replace(made, companions=companions)
    if "chosen" in learned:
        made = replace(made, chosen=check_chosen(learned["chosen"]))
    if "calibration" in learned:
        shape = (windows.horizon, len(windows.targets))
        calibration = Calibration.from_dict(learned["calibration"], shape)
        made = replace(made, calibration=calibration)
    if codec.loss == "negative_binomial":
        level = as_numbers("level", learned["level"])
        if level.shape != (outputs,) or not (level > 0).all():
            raise ValueError(f"level: expected {outputs} numbers above 0, got others")
        made = replace(made, level=level)
    return made


def _require_readable(windows: Windows, inputs: SeriesInputs, tracks: Sequence[Track]) -> None:
    """Raise ValueError if the ends of series cannot be read."""
    for track in tracks:
        rows, _ = window_rows(windows, track, np.array([len(track.read)]))
        inputs.encode_one("tail", rows[0])


def _features_of(learned: Mapping[str, Any], panel: Panel) -> tuple[str, ...]:
    """Return what a file says is read of a calendar; raise if the ends of series have none."""
    features = check_calendar(learned.get("calendar", ()))
    if isinstance(features, bool):
        raise TypeError("calendar: expected names, got a bool")
    for times in panel.times:
        names_of("calendar", features, times)
    return features
