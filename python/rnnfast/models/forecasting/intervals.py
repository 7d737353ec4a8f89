"""Intervals that hold what comes as often as they say: split-conformal calibration.

How far forecasts of windows that were held out missed says how wide intervals of others are to be
(Vovk, Gammerman and Shafer 2005; of quantiles Romano, Patterson and Candès 2019). With windows that
came like those to come, an interval holds a number with at least the probability asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast._checks import check_real
from rnnfast._checks.arrays import as_numbers
from rnnfast.models.forecasting.windows import Floats

# Windows that are kept of those held out, the last ones.
MOST_WINDOWS = 1000


def check_coverage(coverage: Any) -> float:
    """Return a share of numbers that intervals are to hold, between 0 and 1; raise otherwise."""
    return check_real("coverage", coverage, 0, 1, above=True, below=True)


@dataclass(frozen=True, eq=False)
class Calibration:
    """What came of windows that were held out, and what was foretold.

    Attributes
    ----------
    true : ndarray, shape (n, h, k)
        NaN where missing.
    foretold : ndarray, shape (n, h, k, Q)
        Point forecasts, Q = 1, or quantiles.
    unit : ndarray, shape (n, 1, k)
        How large changes are there: what is missed is measured in it.
    logarithm : bool
        Whether what is missed is measured by ratios.
    """

    true: Floats
    foretold: Floats
    unit: Floats
    logarithm: bool

    def joined(self, other: Calibration) -> Calibration:
        """Return both, this one's windows first."""
        return Calibration(
            np.concatenate([self.true, other.true]),
            np.concatenate([self.foretold, other.foretold]),
            np.concatenate([self.unit, other.unit]),
            self.logarithm,
        )

    def misses(self, pair: tuple[int, int]) -> Floats:
        """Return by how much each number lies outside of its pair of quantiles, ``(n, h, k)``."""
        true, foretold = self._measured(self.true), self._measured(self.foretold)
        low, high = foretold[..., pair[0]], foretold[..., pair[1]]
        return np.maximum(low - true, true - high) / self.unit

    def widened(
        self, foretold: Floats, unit: Floats, widths: Floats, pair: tuple[int, int]
    ) -> tuple[Floats, Floats]:
        """Return the bounds ``(N, h, k)`` of intervals of forecasts ``(N, h, k, Q)``."""
        measured, more = self._measured(foretold), widths * unit
        low, high = measured[..., pair[0]] - more, measured[..., pair[1]] + more
        low, high = np.minimum(low, high), np.maximum(low, high)
        if not self.logarithm:
            return low, high
        with np.errstate(over="ignore"):
            return np.exp(low), np.exp(high)

    def _measured(self, numbers: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.log(numbers) if self.logarithm else numbers

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads."""
        missing = np.isnan(self.true)
        true = self.true.astype(object)
        true[missing] = None
        return {
            "true": true.tolist(),
            "foretold": self.foretold.tolist(),
            "unit": self.unit.tolist(),
            "logarithm": self.logarithm,
        }

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any], shape: tuple[int, int]) -> Calibration:
        """Return the calibration that a file describes, of ``shape`` (h, k); raise otherwise."""
        true = np.array(settings["true"], np.float64)
        foretold, unit = (as_numbers(name, settings[name]) for name in ("foretold", "unit"))
        count = len(true)
        if (
            true.shape != (count, *shape)
            or foretold.shape[:-1] != true.shape
            or unit.shape != (count, 1, shape[1])
            or not np.isfinite(foretold).all()
            or not (np.isfinite(unit) & (unit > 0)).all()
        ):
            raise ValueError(f"calibration: expected {count} windows of shape {shape}, got others")
        return cls(true, foretold, unit, bool(settings["logarithm"]))


def pair_of(levels: Floats, coverage: float) -> tuple[int, int]:
    """Return which quantiles are the nearest to those of an interval; of points both the same."""
    low = int(np.abs(levels - (1 - coverage) / 2).argmin())
    high = int(np.abs(levels - (1 + coverage) / 2).argmin())
    return low, high


def width_of(misses: Floats, coverage: float) -> Floats:
    """Return the ``ceil((n + 1) coverage)``-th smallest of misses along the first axis.

    NaN is left out; where there are too few for the coverage, infinity.
    """
    count = np.count_nonzero(~np.isnan(misses), axis=0)
    rank = np.ceil((count + 1) * coverage - 1e-9).astype(np.int64)
    ordered = np.sort(misses, axis=0)  # NaN last
    place = np.clip(rank - 1, 0, max(len(misses) - 1, 0))
    if not len(misses):
        return np.full(misses.shape[1:], np.inf)
    found = np.take_along_axis(ordered, place[np.newaxis], axis=0)[0]
    result: Floats = np.where(rank > count, np.inf, found)
    return result


def rolling_widths(
    before: Floats, misses: Floats, places: Any, horizon: int, coverage: float
) -> Floats:
    """Return widths at each place, of windows held out and of those that have come true by then.

    Parameters
    ----------
    before : ndarray, shape (n, h, k)
        Misses of windows held out in training.
    misses : ndarray, shape (N, h, k)
        Of the windows of a series, in order.
    places : ndarray of int, shape (N,)
        Where each begins.
    horizon : int
        h.
    coverage : float
        The share.

    Returns
    -------
    ndarray, shape (N, h, k)
        Of the last n windows, or 100 if n is less, whose last step was known at the place.
    """
    widths, most = np.empty(misses.shape), max(len(before), 100)
    every = np.concatenate([before, misses])
    ends = places + horizon
    for number, place in enumerate(places.tolist()):
        known = len(before) + int(np.searchsorted(ends, place, side="right"))
        widths[number] = width_of(every[max(0, known - most) : known], coverage)
    return widths
