"""Numbers that a calendar tells of a step: where in the day, the week or the year it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnfast._checks import check_list
from rnnfast._checks.messages import shown
from rnnfast.models.forecasting.times import Times
from rnnfast.models.forecasting.windows import Floats

# What pandas calls each, its first number and how many there are before it begins anew.
FEATURES = {
    "minute": ("minute", 0, 60),
    "hour": ("hour", 0, 24),
    "dayofweek": ("day_of_week", 0, 7),
    "day": ("day", 1, 31),
    "dayofyear": ("day_of_year", 1, 366),
    "month": ("month", 1, 12),
    "quarter": ("quarter", 1, 4),
}
_BY_UNIT = {
    "quarter": ("quarter",),
    "month": ("month",),
    "week": ("dayofyear",),
    "workday": ("dayofweek", "dayofyear"),
    "day": ("dayofweek", "dayofyear"),
    "hour": ("hour", "dayofweek", "dayofyear"),
    "minute": ("minute", "hour", "dayofweek"),
    "second": ("minute", "hour", "dayofweek"),
}


def check_calendar(calendar: Any) -> bool | tuple[str, ...]:
    """Return what is to be read of a calendar: names, or whether those that the index tells of.

    Raises
    ------
    TypeError, ValueError
        If it is something else.
    """
    if isinstance(calendar, (bool, np.bool_)):
        return bool(calendar)
    names = check_list("calendar", calendar, "str")
    for name in names:
        if not isinstance(name, str) or name not in FEATURES:
            raise ValueError(f"calendar: expected some of {', '.join(FEATURES)}, got {shown(name)}")
    return tuple(names)


def names_of(name: str, calendar: bool | tuple[str, ...], times: Times | None) -> tuple[str, ...]:
    """Return the features of a series; ``name`` is for messages.

    Raises
    ------
    ValueError
        If it has no index of times, or none that is finer than a year.
    """
    if not calendar:
        return ()
    if times is None or times.kind == "range":
        raise ValueError(
            f"{name}: expected a DatetimeIndex or PeriodIndex of even steps with calendar, got "
            f"{'another index' if times is None else 'a RangeIndex'}"
        )
    chosen = _BY_UNIT.get(times.unit or "", ()) if calendar is True else calendar
    if not chosen:
        raise ValueError(
            f"{name}: expected steps shorter than a year with calendar, got {times.step}"
        )
    return chosen


def features_of(index: Any, names: Sequence[str]) -> Floats:
    """Return the sine and cosine of each feature of an index, ``(T, 2 * features)``."""
    columns = []
    for name in names:
        attribute, first, count = FEATURES[name]
        angle = 2 * np.pi * (np.asarray(getattr(index, attribute), np.float64) - first) / count
        columns += [np.sin(angle), np.cos(angle)]
    return np.stack(columns, axis=1) if columns else np.empty((len(index), 0))
