"""A series as windows: what is read, what follows each place, and differences between steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_bool, check_int, check_integers
from rnnfast._checks.messages import listed, shown
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
    logarithm : bool
        Whether these are differences of logarithms.
    local : bool
        Whether each window's differences have their own mean taken off and are divided by their own
        deviation.
    """

    lags: int
    horizon: int
    differences: tuple[int, ...]
    targets: tuple[int, ...]
    logarithm: bool = False
    local: bool = False

    @property
    def lost(self) -> int:
        """Steps at the start of a series that have no difference."""
        return sum(self.differences)

    @property
    def reach(self) -> int:
        """Steps that must be known before a place."""
        return self.lags + self.lost

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads."""
        described = {
            "lags": self.lags,
            "horizon": self.horizon,
            "differences": self.differences,
            "targets": self.targets,
        }
        further = {"logarithm": self.logarithm, "local": self.local}
        return {**described, **{name: True for name, value in further.items() if value}}

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
            check_bool(f"{name}.logarithm", settings.get("logarithm", False)),
            check_bool(f"{name}.local", settings.get("local", False)),
        )

    def places(self, series: Floats) -> Ints:
        """Return all places with enough steps before and after them."""
        return np.arange(self.reach, len(series) - self.horizon + 1)

    def inputs(self, series: Floats, places: Ints) -> list[Floats]:
        """Return what is read before each place, ``(lags, F)``: targets by their differences."""
        return [*self.rows(series, places)]

    def rows(self, series: Floats, places: Ints) -> Floats:
        """Return what `inputs` does as one array, ``(N, lags, F)``."""
        changes = series[self.lost :].copy()
        changes[:, self.targets] = self._levels(series)[-1]
        if not len(places):
            return np.empty((0, self.lags, series.shape[1]))
        every = np.lib.stride_tricks.sliding_window_view(changes, self.lags, axis=0)
        rows: Floats = np.ascontiguousarray(every[places - self.reach].transpose(0, 2, 1))
        return rows

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
        if not self.logarithm:
            return future
        with np.errstate(over="ignore"):
            return np.minimum(np.exp(future), np.finfo(np.float64).max)

    def own_scale(self, inputs: Floats) -> tuple[Floats, Floats]:
        """Return the mean and deviation of windows ``(N, lags, F)``, each ``(N, 1, k)``."""
        own = inputs[..., self.targets]
        # Divided by a power of 2, by which nothing is rounded, no square is too large or too small.
        exponent = np.frexp(np.abs(own).max(axis=1, keepdims=True))[1]
        own = np.ldexp(own, -exponent)
        mean = np.ldexp(own.mean(axis=1, keepdims=True), exponent)
        deviation = np.ldexp(own.std(axis=1, keepdims=True), exponent)
        size = np.abs(mean)
        return mean, np.where(deviation > 1e-6 * size, deviation, np.where(size > 0, size, 1.0))

    def rounding(self, series: Floats, dtype: np.dtype[Any]) -> Floats:
        """Return by how much differences of equal ones may vary, ``(k,)``: what rounding leaves.

        ``dtype`` is that of the series as it was given, whose levels are rounded to it.
        """
        targets = series[:, self.targets]
        if self.logarithm:
            targets, dtype = np.log(targets), np.dtype(np.float64)
        if not self.differences or dtype.kind != "f":
            return np.zeros(targets.shape[1])
        # Each level is off by half a unit in the last place, and each difference adds two up.
        unit = float(np.finfo(dtype).eps) * np.abs(targets).max(axis=0)
        bound: Floats = 4.0 * 2 ** len(self.differences) * unit
        return bound

    def _levels(self, series: Floats) -> list[Floats]:
        """Return the target channels, then their differences, each taken of the last."""
        targets = series[:, self.targets]
        levels = [np.log(targets) if self.logarithm else targets]
        for lag in self.differences:
            levels.append(levels[-1][lag:] - levels[-1][:-lag])
        return levels


def check_chosen(name: str, targets: Any) -> None:
    """Raise TypeError or ValueError unless they are None, numbers of columns or their names."""
    if targets is None or _are_names(targets):
        return
    if isinstance(targets, np.ndarray):
        check_integers(name, targets, 0)
        return
    if isinstance(targets, str) or not isinstance(targets, Sequence):
        got = type(targets).__name__
        raise TypeError(f"{name}: expected a list of integers, or of names, got {got}")
    if any(isinstance(one, str) for one in targets):
        raise TypeError(f"{name}: expected numbers of columns, or names, got {shown(targets)}")
    check_integers(name, targets, 0)


def numbers_of_names(name: str, targets: Any, names: tuple[str, ...] | None) -> Any:
    """Return the numbers of columns that are named; of numbers, what is given.

    Raises
    ------
    ValueError
        If a name is none of the table's, or there is no table with names.
    """
    if not _are_names(targets):
        return targets
    if names is None:
        raise ValueError(
            f"{name}: expected numbers of columns, from 0 on, of X without names, got "
            f"{shown(list(targets))}"
        )
    unknown = [one for one in targets if one not in names]
    if unknown:
        raise ValueError(f"{name}: expected some of {listed(names)}, got {shown(str(unknown[0]))}")
    double = [one for one in targets if names.count(one) > 1]
    if double:
        raise ValueError(
            f"{name}: expected names of one column each, got {shown(str(double[0]))}, which "
            "several have"
        )
    return [names.index(one) for one in targets]


def _are_names(targets: Any) -> bool:
    if isinstance(targets, np.ndarray):
        return targets.ndim == 1 and targets.size > 0 and targets.dtype.kind == "U"
    many = isinstance(targets, (list, tuple)) and len(targets) > 0
    return many and all(isinstance(one, str) for one in targets)


def check_targets(name: str, targets: Any, channels: int) -> tuple[int, ...]:
    """Return the channels to foretell; ValueError unless they are different ones of so many."""
    numbers = check_integers(name, targets, 0)
    if not numbers or len(set(numbers)) < len(numbers) or max(numbers) >= channels:
        raise ValueError(
            f"{name}: expected different numbers below {channels}, got {shown(numbers)}"
        )
    return tuple(numbers)
