"""Forecasts that are averaged with the model's own: regressions on other forms, and the naive one.

Which differences, and whether logarithms, is seldom plain from a short series: forms that foretold
its end nearly as well are as likely to be right about what follows. An average with weights that
fall with the error is better than the best alone (Bates and Granger 1969). A naive forecast that is
not much worse is among them: where a series changes its ways, it misses least.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnnfast._checks import check_real
from rnnfast.data.batches import Ints
from rnnfast.models.forecasting.choosing import window_forecasts, window_rows
from rnnfast.models.forecasting.line import Line
from rnnfast.models.forecasting.tracks import Track
from rnnfast.models.forecasting.windows import Floats, Windows


@dataclass(frozen=True, eq=False)
class Companion:
    """A line, and how much its forecast counts beside the model's own.

    Attributes
    ----------
    windows : Windows
        Which reach no further back than those of the model.
    line : Line
    weight : float
        Above 0, at most 1; the model's is 1.
    """

    windows: Windows
    line: Line
    weight: float

    def forecast(self, track: Track, places: Ints) -> Floats:
        """Return what follows each place, ``(N, h, k)``."""
        rows, own = window_rows(self.windows, track, places)
        return window_forecasts(self.windows, track, places, own, self.line(rows))

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads."""
        windows, line = self.windows.to_dict(), self.line.to_dict()
        return {"windows": windows, "line": line, "weight": self.weight}

    @classmethod
    def from_dict(
        cls, settings: Mapping[str, Any], model: Windows, channels: int, width: int
    ) -> Companion:
        """Return what a file describes, of numbers of a width; raise unless it fits the model's."""
        windows = Windows.from_dict(settings["windows"], channels)
        same = replace(
            model, lags=windows.lags, differences=windows.differences, logarithm=windows.logarithm
        )
        further = windows.reach > model.reach or windows.logarithm > model.logarithm
        if windows != same or further:
            raise ValueError(
                f"companions: expected windows within those of the model, {model}, got {windows}"
            )
        outputs = windows.horizon * len(windows.targets)
        line = Line.from_dict(settings["line"], windows.lags * width, outputs)
        weight = check_real("companions.weight", settings["weight"], 0, 1, above=True)
        return cls(windows, line, weight)


def averaged(
    found: Floats, companions: Sequence[Companion], windows: Windows, track: Track, places: Ints
) -> Floats:
    """Return the average of the model's forecasts ``(N, h, k)`` and those of its companions.

    Where the model reads logarithms, one that is not above 0 counts as the model's.
    """
    if not companions or not len(places):
        return found
    total = 1.0 + sum(one.weight for one in companions)
    mean = found / total
    for one in companions:
        other = one.forecast(track, places)
        if windows.logarithm:
            other = np.where(other > 0, other, found)
        mean = mean + one.weight / total * other
    return mean
