"""How long a season is: by what people live by, or by how series go along with themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnfast.models.forecasting.times import Times
from rnnfast.models.forecasting.windows import Floats

# The longest that is looked for, and how alike changes a season apart are at least.
_LONGEST, _LEAST = 400, 0.3


def find_season(series: Sequence[Floats], times: Sequence[Times | None]) -> int | None:
    """Return the steps of a season of series ``(T_i, k)``; None: there is none.

    It is that of the index if changes go along with those a season before, or else the lag at which
    they do most.
    """
    total, parts = np.zeros(_LONGEST + 1), np.zeros(_LONGEST + 1)
    for one in series:
        for column in one.T:
            with np.errstate(over="ignore", invalid="ignore"):
                found = _correlations(np.diff(column))
            total[: len(found)] += found
            parts[: len(found)] += 1
    count = int(np.count_nonzero(parts))
    if count < 4:
        return None
    alike = total[:count] / parts[:count]
    lengths = sum(len(one) for one in series)
    least = max(_LEAST, 2.5 / np.sqrt(lengths))
    known = next((one.season for one in times if one is not None and one.season), None)
    if known is not None and known < count and alike[known] > least:
        return known
    below = np.flatnonzero(alike < 0)
    if not len(below):
        return None
    inner = np.where(np.arange(2, count - 1) > below[0], alike[2:-1], 0.0)  # not what is just slow
    peaks = 2 + np.flatnonzero((inner >= alike[1:-2]) & (inner > alike[3:]) & (inner > least))
    if not len(peaks):
        return None
    best = int(peaks[alike[peaks].argmax()])
    # Twice a season is as alike: the shortest of which the best is a multiple.
    for lag in peaks[alike[peaks] >= 0.9 * alike[best]].tolist():
        if abs(best - lag * round(best / lag)) <= 0.05 * best:
            return int(lag)
    return best


def _correlations(changes: Floats) -> Floats:
    """Return the correlation of changes with those a lag before, for lags up to a third."""
    changes = np.where(np.isfinite(changes), changes, 0.0)  # what is missing says nothing
    longest = min(len(changes) // 3, _LONGEST)
    moved = changes - changes.mean() if len(changes) else changes
    size = np.abs(moved).max(initial=0.0)
    if longest < 4 or size == 0:
        return np.empty(0)
    moved = moved / size
    power = np.abs(np.fft.rfft(moved, 2 * len(moved))) ** 2
    found = np.fft.irfft(power)[: longest + 1]
    result: Floats = found / found[0]
    return result
