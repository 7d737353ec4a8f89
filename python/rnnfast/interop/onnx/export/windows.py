"""The windows of a `Forecaster`: differences before its network, and sums after it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnnfast.interop.onnx.export.graph import Graph
from rnnfast.interop.onnx.export.model_inputs import standardised
from rnnfast.interop.onnx.export.sequences import Value
from rnnfast.models.forecasting.codec import WindowCodec
from rnnfast.models.parts.inputs import Inputs, SeriesInputs


def forecast(g: Graph, codec: WindowCodec, inputs: Inputs) -> tuple[Value, Callable[[str], None]]:
    """Add the input of the last steps of series, ``(B, reach, F)``, or without F if they have none.

    Returns
    -------
    x : Value
        What the network reads, time first.
    give : callable
        Takes the changes ``(B, h * k)`` that it foretells, in their units, and adds the output, the
        series' next steps.
    """
    _require_plain(codec)
    assert isinstance(inputs, SeriesInputs)
    windows, size = codec.windows, inputs.size
    k = len(windows.targets)
    if codec.single:
        series = g.unsqueeze(g.input("x", np.float64, ["batch", windows.reach]), 2)
    else:
        series = g.input("x", np.float64, ["batch", windows.reach, size])
    channels = g.constant(windows.targets, np.int64)
    targets = g.add("Gather", series, channels, axis=2)
    if windows.logarithm:
        targets = g.add("Log", targets)
    levels, length = [targets], windows.reach
    for lag in windows.differences:
        later = g.slice(levels[-1], lag, length, 1)
        levels.append(g.add("Sub", later, g.slice(levels[-1], 0, length - lag, 1)))
        length -= lag
    read = g.slice(series, windows.lost, windows.reach, 1)
    # Each channel as it is, or the changes of it: columns of both side by side.
    column = {channel: size + number for number, channel in enumerate(windows.targets)}
    chosen = g.constant([column.get(channel, channel) for channel in range(size)], np.int64)
    changed = g.add("Gather", g.concat([read, levels[-1]], 2), chosen, axis=2)
    x = g.add("Transpose", standardised(g, changed, inputs), perm=[1, 0, 2])

    def give(changes: str) -> None:
        if codec.line is not None:
            rows = g.add("Reshape", changed, g.integers(-1, windows.lags * size))
            foretold = g.add("MatMul", rows, g.constant(codec.line.weight, np.float64))
            foretold = g.add("Add", foretold, g.constant(codec.line.bias, np.float64))
            changes = g.add("Add", changes, foretold)
        future = g.add("Reshape", changes, g.integers(-1, windows.horizon, k))
        known = windows.reach - windows.lost
        for lag, level in zip(windows.differences[::-1], levels[-2::-1], strict=True):
            known += lag
            future = _add_up(g, g.slice(level, known - lag, known, 1), future, lag, windows.horizon)
        if windows.logarithm:
            future = g.add("Exp", future)
        if codec.single:
            g.output("y", g.squeeze(future, 2), ["batch", windows.horizon], np.float64)
        else:
            g.output("y", future, ["batch", windows.horizon, k], np.float64)

    return Value(x, "steps", size), give


def _require_plain(codec: WindowCodec) -> None:
    """Raise ValueError for what a graph of the last steps alone cannot read or tell."""
    assert codec.panel is not None
    reasons = {
        f"loss={codec.loss!r}": codec.loss not in ("mse", "mae"),
        "scaling='window'": codec.windows.local,
        "missing='mask'": codec.masked,
        "covariates": codec.width > codec.panel.channels,
    }
    for reason, holds in reasons.items():
        if holds:
            raise ValueError(f"model: expected a Forecaster without {reason}, got one with")


def _add_up(g: Graph, before: str, changes: str, lag: int, horizon: int) -> str:
    """Return what follows ``before``, its last ``lag`` steps, by changes over so many steps."""
    steps = [g.slice(before, number, number + 1, 1) for number in range(lag)]
    for number in range(horizon):
        change = g.slice(changes, number, number + 1, 1)
        steps.append(g.add("Add", change, steps[number]))
    return g.concat(steps[lag:], 1)
