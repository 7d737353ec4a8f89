"""The windows of a `Forecaster`: differences before its network, and sums after it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnnfast.interop.onnx.export.graph import Graph
from rnnfast.interop.onnx.export.model_inputs import standardised
from rnnfast.interop.onnx.export.sequences import Value
from rnnfast.models.forecasting.codec import WindowCodec
from rnnfast.models.forecasting.line import Line
from rnnfast.models.forecasting.windows import Windows
from rnnfast.models.parts.reading.inputs import Inputs, SeriesInputs


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
    form = _Form(g, codec, series, windows)
    changed = form.read()
    x = g.add("Transpose", standardised(g, changed, inputs), perm=[1, 0, 2])

    def give(changes: str) -> None:
        if codec.line is not None:
            changes = g.add("Add", changes, form.by_line(changed, codec.line))
        future = _averaged(g, codec, series, form.add_up(changes))
        if codec.single:
            g.output("y", g.squeeze(future, 2), ["batch", windows.horizon], np.float64)
        else:
            g.output("y", future, ["batch", windows.horizon, k], np.float64)

    return Value(x, "steps", size), give


class _Form:
    """The differences of the last steps of series, and what is foretold by them, in a graph."""

    def __init__(self, g: Graph, codec: WindowCodec, series: str, windows: Windows) -> None:
        # Of the steps that the model reads, the last ones are enough.
        reach = codec.windows.reach
        self._g, self._windows = g, windows
        shorter = windows.reach < reach
        self._series = g.slice(series, reach - windows.reach, reach, 1) if shorter else series
        targets = g.add("Gather", self._series, g.constant(windows.targets, np.int64), axis=2)
        if windows.logarithm:
            targets = g.add("Log", targets)
        self._levels, length = [targets], windows.reach
        for lag in windows.differences:
            later = g.slice(self._levels[-1], lag, length, 1)
            earlier = g.slice(self._levels[-1], 0, length - lag, 1)
            self._levels.append(g.add("Sub", later, earlier))
            length -= lag
        self._size = codec.width

    def read(self) -> str:
        """Return each channel as it is, or the changes of it, ``(B, lags, F)``."""
        g, windows = self._g, self._windows
        read = g.slice(self._series, windows.lost, windows.reach, 1)
        column = {channel: self._size + place for place, channel in enumerate(windows.targets)}
        columns = [column.get(channel, channel) for channel in range(self._size)]
        both, chosen = g.concat([read, self._levels[-1]], 2), g.constant(columns, np.int64)
        return g.add("Gather", both, chosen, axis=2)

    def by_line(self, changed: str, line: Line) -> str:
        """Return the changes ``(B, h * k)`` that a line foretells."""
        g = self._g
        rows = g.add("Reshape", changed, g.integers(-1, self._windows.lags * self._size))
        foretold = g.add("MatMul", rows, g.constant(line.weight, np.float64))
        return g.add("Add", foretold, g.constant(line.bias, np.float64))

    def add_up(self, changes: str) -> str:
        """Return the next steps, ``(B, h, k)``, by their changes ``(B, h * k)``."""
        g, windows = self._g, self._windows
        shape = g.integers(-1, windows.horizon, len(windows.targets))
        future = g.add("Reshape", changes, shape)
        known = windows.reach - windows.lost
        for lag, level in zip(windows.differences[::-1], self._levels[-2::-1], strict=True):
            known += lag
            future = _add_up(g, g.slice(level, known - lag, known, 1), future, lag, windows.horizon)
        return g.add("Exp", future) if windows.logarithm else future


def _averaged(g: Graph, codec: WindowCodec, series: str, found: str) -> str:
    """Return the average of forecasts and those of the model's companions."""
    if not codec.companions:
        return found
    total = 1.0 + sum(one.weight for one in codec.companions)
    mean = g.add("Div", found, g.constant(total, np.float64))
    for one in codec.companions:
        form = _Form(g, codec, series, one.windows)
        other = form.add_up(form.by_line(form.read(), one.line))
        if codec.windows.logarithm:
            above = g.add("Greater", other, g.constant(0.0, np.float64))
            other = g.add("Where", above, other, found)
        part = g.add("Mul", other, g.constant(one.weight / total, np.float64))
        mean = g.add("Add", mean, part)
    return mean


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
