"""A series as windows: what is read, what follows, and differences between steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_int, check_integers
from rnnfast._checks.messages import shown
from rnnfast.data.batches import Ints

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    """How windows are cut of a series ``(T, F)``.

    A place t stands between the steps that are known, 0 to t - 1, and the next ones, which begin
    with t.

    Attributes
    ----------
    lags : int
        Steps that are read before a place.
    horizon : int
        h, steps that follow it.
    differences : tuple of int
        Lags of the differences of the target channels, taken one after another.
    targets : tuple of int
        The k channels to foretell.
    """

    lags: int
    horizon: int
    differences: tuple[int, ...]
    targets: tuple[int, ...]

    @property
    def lost(self) -> int:
        """Steps at the start of a series that have no difference."""
        return sum(self.differences)

    @property
    def reach(self) -> int:
        """Steps that must be known before a place."""
        return self.lags + self.lost

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any], channels: int) -> Windows:
        """Return the windows, of series of so many channels, that a file describes.

        Raises
        ------
        TypeError, ValueError, KeyError
            If the settings are none, with the field's name.
        """
        name = "windows"
        return cls(
            check_int(f"{name}.lags", settings["lags"], 1),
            check_int(f"{name}.horizon", settings["horizon"], 1),
            tuple(check_integers(f"{name}.differences", settings["differences"], 1)),
            check_targets(f"{name}.targets", settings["targets"], channels),
        )

    def places(self, series: Floats) -> Ints:
        """Return all places with enough steps before and after them."""
        return np.arange(self.reach, len(series) - self.horizon + 1)

    def inputs(self, series: Floats, places: Ints) -> list[Floats]:
        """Return what is read before each place, ``(lags, F)``: targets by their differences."""
        changes = series[self.lost :].copy()
        changes[:, self.targets] = self._levels(series)[-1]
        return [changes[place - self.reach :][: self.lags] for place in places.tolist()]

    def futures(self, series: Floats, places: Ints) -> Floats:
        """Return the targets after each place, ``(N, h, k)``."""
        after = places[:, np.newaxis] + np.arange(self.horizon)
        future: Floats = series[after][..., self.targets]
        return future

    def changes(self, series: Floats, places: Ints) -> Floats:
        """Return the differences of the targets after each place, ``(N, h, k)``."""
        after = places[:, np.newaxis] + np.arange(self.horizon) - self.lost
        changes: Floats = self._levels(series)[-1][after]
        return changes

    def add_up(self, series: Floats, places: Ints, changes: Floats) -> Floats:
        """Return the targets whose differences after each place are ``changes``, ``(N, h, k)``."""
        future, lost = changes, self.lost
        levels = self._levels(series)
        for lag, level in zip(self.differences[::-1], levels[-2::-1], strict=True):
            lost -= lag
            before = level[places[:, np.newaxis] - lost + np.arange(-lag, 0)]
            whole = np.concatenate([before, future], axis=1)
            for step in range(lag, whole.shape[1]):
                whole[:, step] += whole[:, step - lag]
            future = whole[:, lag:]
        return future

    def rounding(self, series: Floats, dtype: np.dtype[Any]) -> Floats:
        """Return by how much differences of equal ones may vary, ``(k,)``: what rounding leaves.

        ``dtype`` is that of the series as it was given, whose levels are rounded to it.
        """
        targets = series[:, self.targets]
        if not self.differences or dtype.kind != "f":
            return np.zeros(targets.shape[1])
        # Each level is off by half a unit in the last place, and each difference adds two up.
        unit = float(np.finfo(dtype).eps) * np.abs(targets).max(axis=0)
        bound: Floats = 4.0 * 2 ** len(self.differences) * unit
        return bound

    def _levels(self, series: Floats) -> list[Floats]:
        """Return the target channels, then their differences, each taken of the last."""
        levels = [series[:, self.targets]]
        for lag in self.differences:
            levels.append(levels[-1][lag:] - levels[-1][:-lag])
        return levels


def check_targets(name: str, targets: Any, channels: int) -> tuple[int, ...]:
    """Return the channels to foretell; ValueError unless they are different ones of so many."""
    numbers = check_integers(name, targets, 0)
    if not numbers or len(set(numbers)) < len(numbers) or max(numbers) >= channels:
        raise ValueError(
            f"{name}: expected different numbers below {channels}, got {shown(numbers)}"
        )
    return tuple(numbers)
