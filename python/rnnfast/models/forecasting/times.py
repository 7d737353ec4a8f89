"""What a series calls its steps: the index of pandas that follows it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast._checks import check_int
from rnnfast._checks.messages import one_line, shown

# The unit of a frequency by the beginning of its name, in the order in which they are tried, and
# how many of them a season has that people live by.
_UNITS = (
    ("Q", "quarter"), ("BQ", "quarter"), ("M", "month"), ("BM", "month"), ("W", "week"),
    ("B", "workday"), ("D", "day"), ("h", "hour"), ("H", "hour"), ("min", "minute"),
    ("T", "minute"), ("s", "second"), ("S", "second"),
)  # fmt: skip
_SEASONS = {
    "quarter": 4, "month": 12, "week": 52, "workday": 5, "day": 7, "hour": 24, "minute": 60,
    "second": 60,
}  # fmt: skip
_MINUTES_A_DAY = 1440


def has_times(index: Any) -> bool:
    """Return whether an index of pandas has times, so many that they tell if they are even."""
    pandas = sys.modules.get("pandas")
    kinds = () if pandas is None else (pandas.DatetimeIndex, pandas.PeriodIndex)
    return isinstance(index, kinds) and len(index) > 2


def require_times(label: str, given: Any, index: Any) -> None:
    """Raise ValueError if what is known beside a series begins with other times than ``index``.

    Only where both have times of one kind: all else goes by its place.
    """
    own, pandas = getattr(given, "index", None), sys.modules.get("pandas")
    kinds = () if pandas is None else (pandas.DatetimeIndex, pandas.PeriodIndex)
    if not any(isinstance(own, kind) and isinstance(index, kind) for kind in kinds):
        return
    differ = np.flatnonzero(np.asarray(own[: len(index)] != index))  # type: ignore[index]
    if len(differ):
        at = int(differ[0])
        raise ValueError(
            f"{label}: expected the times of the steps that it belongs to, {index[at]} in row "
            f"{at}, got {own[at]}"  # type: ignore[index]
        )


def _even_step(index: Any) -> int | None:
    """Return by how much integers in an index of pandas go on; None: they do not, evenly."""
    if hasattr(index, "step"):  # of a RangeIndex, which may be of one
        return int(index.step)
    if getattr(index.dtype, "kind", "") not in "iu" or len(index) < 2 or index.hasnans:
        return None
    first, last = int(index[0]), int(index[-1])
    step = int(index[1]) - first
    if step == 0 or last - first != step * (len(index) - 1) or max(abs(first), abs(last)) >= 2**62:
        return None
    even = np.diff(index.to_numpy(np.int64)) == step
    return step if even.all() else None


@dataclass(frozen=True)
class Times:
    """The last step of an index of pandas, and how it goes on.

    Attributes
    ----------
    kind : {"datetime", "period", "range"}
        Whether it is a DatetimeIndex, a PeriodIndex, or a RangeIndex or what could be one.
    end : str or int
        Its last step.
    step : str or int
        The frequency, or the step of a range.
    zone : str, optional
        The time zone.
    """

    kind: str
    end: str | int
    step: str | int
    zone: str | None = None

    @classmethod
    def of(cls, name: str, index: Any) -> Times | None:
        """Return those of an index; None: it is none of pandas, or does not go on evenly.

        Raises
        ------
        ValueError
            If times do not rise.
        """
        pandas = sys.modules.get("pandas")
        if pandas is None or not isinstance(index, pandas.Index) or len(index) == 0:
            return None
        if (step := _even_step(index)) is not None:
            return cls("range", int(index[-1]), step)
        if not isinstance(index, (pandas.DatetimeIndex, pandas.PeriodIndex)):
            return None
        if index.hasnans or not (index.is_monotonic_increasing and index.is_unique):
            raise ValueError(f"{name}: expected times that rise, got others in the index")
        if isinstance(index, pandas.PeriodIndex):
            regular = len(index) == len(pandas.period_range(index[0], index[-1], freq=index.freq))
            return cls("period", str(index[-1]), index.freqstr) if regular else None
        step = index.freqstr
        if step is None and len(index) > 2:
            step = pandas.DatetimeIndex(index, freq="infer").freqstr
        if step is None:
            return None
        zone = None if index.tz is None else str(index.tz)
        return cls("datetime", index[-1].isoformat(), step, zone)

    @property
    def season(self) -> int | None:
        """How many steps a season has that people live by; None: that is not known."""
        unit = self.unit
        if unit is None:
            return None
        times = int(re.match(r"\d*", str(self.step))[0] or 1)  # type: ignore[index]
        whole = _MINUTES_A_DAY if unit == "minute" and times > 1 else _SEASONS[unit]
        return whole // times if whole % times == 0 and whole > times else None

    @property
    def unit(self) -> str | None:
        """What a step is so many of, such as ``"month"``; None: years, or it is not known."""
        if self.kind == "range":
            return None
        name = str(self.step).lstrip("0123456789")
        return next((unit for start, unit in _UNITS if name.startswith(start)), None)

    @property
    def seconds(self) -> float:
        """How long a step is in the mean of the last ten: of workdays two weeks over ten."""
        index = self.last(11)
        index = index.to_timestamp() if self.kind == "period" else index
        return float((index[-1] - index[0]).total_seconds()) / 10

    def following(self, count: int) -> Any:
        """Return the index of so many steps that follow."""
        return self._range(count + 1, forward=True)[1:]

    def last(self, count: int) -> Any:
        """Return the index of so many steps, the last of which is the last one."""
        return self._range(count, forward=False)

    def moved(self, count: int) -> Times:
        """Return those of a series that has so many steps more."""
        if count == 0:
            return self
        end = self.following(count)[-1]
        if self.kind == "range":
            return Times("range", int(end), self.step)
        text = str(end) if self.kind == "period" else end.isoformat()
        return Times(self.kind, text, self.step, self.zone)

    def _range(self, count: int, forward: bool) -> Any:
        import pandas

        if self.kind == "range":
            end, step = int(self.end), int(self.step)
            first = end if forward else end - (count - 1) * step
            return pandas.RangeIndex(first, first + count * step, step)
        if self.kind == "period":
            edge = pandas.Period(self.end, freq=self.step)
            sides = {"start": edge} if forward else {"end": edge}
            return pandas.period_range(**sides, periods=count, freq=self.step)
        moment = pandas.Timestamp(self.end)
        if self.zone is not None:
            moment = moment.tz_convert(self.zone)
        sides = {"start": moment} if forward else {"end": moment}
        return pandas.date_range(**sides, periods=count, freq=self.step)

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads."""
        return {"kind": self.kind, "end": self.end, "step": self.step, "zone": self.zone}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Times:
        """Return the times that a file describes; raise if it describes none."""
        kind, end, step, zone = (settings[name] for name in ("kind", "end", "step", "zone"))
        if kind == "range":
            return cls(
                kind, check_int("times.end", end, -(2**62)), check_int("times.step", step, -(2**62))
            )
        if kind not in ("datetime", "period"):
            raise ValueError(f"times.kind: expected a kind of index, got {shown(kind)}")
        texts = (end, step) if zone is None else (end, step, zone)
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("times: expected texts, got another")
        return cls(kind, one_line(end), one_line(step), zone)
