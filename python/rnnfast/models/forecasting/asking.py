"""What follows series: one horizon after another, each read as if it had come true."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rnnfast._checks.adjustments import warn_caller
from rnnfast._checks.messages import counted
from rnnfast.data.batches import Ints
from rnnfast.models.forecasting.codec import WindowCodec
from rnnfast.models.forecasting.covariates import of_each, read_rows, require_columns
from rnnfast.models.forecasting.panel import (
    Layout,
    Panel,
    read_panel,
    require_steps,
)
from rnnfast.models.forecasting.times import require_times
from rnnfast.models.forecasting.tracks import Track, make_tracks
from rnnfast.models.forecasting.windows import Floats

Answer = Callable[[Sequence[Track], Sequence[Ints]], Floats]


def panel_after(
    codec: WindowCodec, how: Layout, after: Any, future: Any, static: Any, steps: int
) -> Panel:
    """Return the series that are to go on for ``steps``, with what is known ahead."""
    fitted = codec.panel
    assert fitted is not None
    if after is not None:
        _require_columns(fitted, future, static)
        panel = read_panel("after", after, how, known=future, static=static, ahead=steps)
        require_like_fit("after", codec, panel)
        tell_of_times("after", codec, panel)
        panel = with_known_static(codec, panel, static)
        require_steps("after", panel, codec.windows.reach, "")
        return panel if codec.masked else panel.tail(codec.windows.reach)
    if static is not None:
        raise ValueError("static_covariates: expected None without after, got some")
    width = fitted.known[0].shape[1]
    require_width("future_covariates", future, width, f", of the {counted(steps, 'step')} to come")
    if not width:
        return fitted
    _require_columns(fitted, future, None)
    items = of_each("future_covariates", future, fitted.names, fitted.several)
    known = []
    for number, (item, before) in enumerate(zip(items, fitted.known, strict=True)):
        label = f"future_covariates[{number}]" if fitted.several else "future_covariates"
        rows = read_rows(label, item)
        if rows.shape != (steps, width):
            raise ValueError(
                f"{label}: expected shape {(steps, width)}, of the steps that follow, got "
                f"{rows.shape}"
            )
        times = fitted.times[number]
        require_times(label, item, None if times is None else times.following(steps))
        known.append(np.concatenate([before, rows]))
    return replace(fitted, known=known)


def _require_columns(fitted: Panel, future: Any, static: Any) -> None:
    require_columns("future_covariates", future, fitted.known_names)
    require_columns("static_covariates", static, fitted.static_names)


def require_width(name: str, future: Any, width: int, of: str = "") -> None:
    """Raise ValueError if covariates are there though `fit` had none, or the other way round."""
    if (future is None) != (width == 0):
        columns = f"{counted(width, 'column')} as in fit{of}"
        expected = "None, as in fit" if width == 0 else columns
        raise ValueError(f"{name}: expected {expected}, got {'None' if future is None else 'some'}")


def require_like_fit(name: str, codec: WindowCodec, panel: Panel) -> None:
    """Raise ValueError unless series are like those of `fit`, and can be read as they were."""
    fitted = codec.panel
    assert fitted is not None
    for number, values in enumerate(panel.values):
        shape = values.shape[:1] if panel.single else values.shape
        if panel.single != codec.single or panel.channels != fitted.channels:
            expected = "(T,)" if codec.single else f"(T, {fitted.channels})"
            label = panel.label(name, number)
            raise ValueError(f"{label}: expected shape {expected} as in fit, got {shape}")
        if codec.windows.logarithm:
            levels = values[:, codec.windows.targets]
            if (levels <= 0).any():
                raise ValueError(
                    f"{panel.label(name, number)}: expected numbers above 0, of which the model "
                    f"reads logarithms, got {levels[levels <= 0][0]:g}"
                )
    width = fitted.known[0].shape[1]
    if panel.known[0].shape[1] != width:
        raise ValueError(
            f"future_covariates: expected {width} columns as in fit, got {panel.known[0].shape[1]}"
        )
    if codec.features and any(one is None or one.kind == "range" for one in panel.times):
        raise ValueError(f"{name}: expected an index of even times, as in fit, got another")


def tell_of_times(name: str, codec: WindowCodec, panel: Panel) -> None:
    """Warn of series whose times are not even, or whose steps are not as long as those of `fit`."""
    assert codec.panel is not None
    fitted = [one for one in codec.panel.times if one is not None and one.kind != "range"]
    if len(fitted) < len(codec.panel.times):
        return
    for text in panel.unevenness(name):
        warn_caller(text)
    steps = {one.step for one in fitted}
    for number, times in enumerate(panel.times):
        if times is None or times.kind == "range" or times.step in steps:
            continue
        if not any(2 / 3 < times.seconds / one.seconds < 3 / 2 for one in fitted):
            return warn_caller(
                f"{panel.label(name, number)}: expected steps of {fitted[0].step} as in fit, got "
                f"{times.step}; they are read as if they were"
            )


def tell_of_end(name: str, codec: WindowCodec, panel: Panel) -> None:
    """Warn of series that end with missing numbers: forecasts go on from the ones before them."""
    for number, values in enumerate(panel.values):
        known = np.flatnonzero(~np.isnan(values[:, codec.windows.targets]).any(axis=1))
        count = len(values) - 1 - int(known[-1]) if len(known) else 0
        if count:
            warn_caller(
                f"{panel.label(name, number)}: {counted(count, 'number')} missing at the end; "
                "forecasts read the one before in their place, and are worse than intervals say"
            )


def with_known_static(codec: WindowCodec, panel: Panel, static: Any) -> Panel:
    """Return series with the static covariates that they had in `fit`, if none are given."""
    fitted = codec.panel
    assert fitted is not None
    width = fitted.static.shape[1]
    if static is None and width:
        places = {name: number for number, name in enumerate(fitted.names)}
        if not all(name in places for name in panel.names) or panel.several != fitted.several:
            raise ValueError("static_covariates: expected some, of series that fit has not had")
        panel = replace(panel, static=fitted.static[[places[name] for name in panel.names]])
    if panel.static.shape[1] != width:
        raise ValueError(
            f"static_covariates: expected {width} numbers as in fit, got {panel.static.shape[1]}"
        )
    return panel


def go_on(codec: WindowCodec, panel: Panel, steps: int, answer: Answer) -> Floats:
    """Return the next steps of series, ``(N, steps, k)``, by what answers for one horizon."""
    windows = codec.windows
    if steps > windows.horizon and len(windows.targets) < panel.channels:
        raise ValueError(
            f"steps: expected at most horizon {windows.horizon}, as channels that are not "
            f"foretold cannot be read beyond it, got {steps}"
        )
    found = room_for(len(panel.values), steps, len(windows.targets))
    for done in range(0, steps, windows.horizon):
        tracks = make_tracks(panel, windows.horizon, codec.features, codec.masked, steps - done)
        future = answer(tracks, [np.array([len(track.read)]) for track in tracks])
        found[:, done : done + windows.horizon] = future[:, : steps - done]
        if done + windows.horizon < steps:  # then all channels are foretold
            rows = np.empty_like(future)
            rows[..., windows.targets] = future
            longer = [np.concatenate(pair) for pair in zip(panel.values, rows, strict=True)]
            times = [None if one is None else one.moved(windows.horizon) for one in panel.times]
            panel = replace(panel, values=longer, times=times)
            panel = panel if codec.masked else panel.tail(windows.reach)
    return found


def room_for(*shape: int) -> Floats:
    """Return memory for forecasts of a shape; MemoryError if there is none."""
    try:
        return np.empty(shape)
    except ValueError:  # of more numbers than there are addresses
        raise MemoryError(f"steps: expected forecasts that fit in memory, got {shape}") from None


def repeated(panel: Panel, count: int) -> Panel:
    """Return each series so many times, one after another."""
    return replace(
        panel,
        values=[one for one in panel.values for _ in range(count)],
        known=[one for one in panel.known for _ in range(count)],
        times=[one for one in panel.times for _ in range(count)],
        names=tuple(name for name in panel.names for _ in range(count)),
        static=np.repeat(panel.static, count, axis=0),
    )


def whole_panel(
    name: str, codec: WindowCodec, how: Layout, X: Any, future: Any, static: Any
) -> Panel:
    """Return series, all steps of which are given, that are like those of `fit`."""
    assert codec.panel is not None
    _require_columns(codec.panel, future, static)
    panel = read_panel(name, X, how, known=future, static=static)
    require_width("future_covariates", future, codec.panel.known[0].shape[1])
    require_like_fit(name, codec, panel)
    tell_of_times(name, codec, panel)
    return with_known_static(codec, panel, static)
