"""Series as users give them: one or several, with what is known beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnnfast._checks.arrays import hint_time_first, read_array
from rnnfast._checks.exporters import is_exporter
from rnnfast._checks.messages import shown
from rnnfast._checks.tables import column_names, is_table
from rnnfast.models.forecasting.covariates import Names, read_known, read_static
from rnnfast.models.forecasting.long_tables import split_long
from rnnfast.models.forecasting.times import Times, has_times
from rnnfast.models.forecasting.windows import Floats
from rnnfast.models.parts.codecs.numbers import read_numbers
from rnnfast.models.parts.reading.series import common_dtype

_SHAPE = "(T,) or (T, F)"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How what `fit` is given is to be read, as `Forecaster` has it.

    Attributes
    ----------
    layout : {"channels", "columns", "rows"}
        What an array or table with two axes holds.
    series_column, time_column, value_column : str, optional
        Of a long table.
    missing : {"refuse", "mask"}
        What becomes of NaN.
    calendar : bool or sequence of str
        What is read of the index.
    """

    layout: str
    series_column: Any
    time_column: Any
    value_column: Any
    missing: str
    calendar: Any

    @property
    def long(self) -> bool:
        """Whether it reads long tables."""
        return self.value_column is not None


@dataclass(frozen=True, eq=False)
class Panel:
    """One series or several, checked.

    Attributes
    ----------
    values : list of ndarray of float64
        ``(T_i, F)``, with NaN where missing numbers are masked.
    single : bool
        Whether a series came without an axis of channels.
    several : bool
        Whether they came as several, be it one.
    dtype : dtype
        Of the numbers as they were given.
    times : list of Times or None
        Of each.
    names : tuple
        What they are called; their numbers if they are not.
    known : list of ndarray
        Covariates that are known ahead, ``(T_i, C)``; more rows than steps reach beyond the end.
    static : ndarray, shape (N, S)
        What does not change within a series.
    title : object, optional
        The name of a Series of pandas.
    uneven : tuple of int
        Which of them have times that do not go on evenly.
    known_names, static_names : tuple of str, optional
        What tables of covariates call their columns.
    """

    values: list[Floats]
    single: bool
    several: bool
    dtype: np.dtype[Any]
    times: list[Times | None]
    names: tuple[Any, ...]
    known: list[Floats]
    static: Floats
    title: Any = None
    uneven: tuple[int, ...] = ()
    known_names: Names = None
    static_names: Names = None

    @property
    def channels(self) -> int:
        """F."""
        return int(self.values[0].shape[1])

    def label(self, name: str, number: int) -> str:
        """Return what messages call a series."""
        return f"{name}[{shown(self.names[number])}]" if self.several else name

    def unevenness(self, name: str) -> tuple[str, ...]:
        """Return what to tell of times that do not go on evenly."""
        if not self.uneven:
            return ()
        others = len(self.uneven) - 1
        more = f", and in {others} others" if others else ""
        return (
            f"{self.label(name, self.uneven[0])}: times in the index are not even{more}; rows are "
            "read as if they were: asfreq() of pandas puts in those that are missing",
        )

    def tail(self, steps: int) -> Panel:
        """Return the last steps of each."""
        return replace(
            self,
            values=[one[-steps:].copy() for one in self.values],
            known=[
                one[len(all_of) - steps :].copy() if one.shape[1] else one[:0]
                for one, all_of in zip(self.known, self.values, strict=True)
            ],
        )


def read_panel(
    name: str, X: Any, how: Layout, *, known: Any = None, static: Any = None, ahead: int = 0
) -> Panel:
    """Read series and what is known beside them.

    Parameters
    ----------
    name : str
        The argument, for messages.
    X : object
        As `Forecaster.fit` takes it.
    how : Layout
        How to read it.
    known, static : object
        Future and static covariates, as `Forecaster.fit` takes them.
    ahead : int
        Further rows that future covariates have beyond the end.
    """
    masked = how.missing == "mask"
    items, names, several = _items(name, X, how)
    read = [_read_one(f"{name}[{shown(names[n])}]" if several else name, item, masked)
            for n, item in enumerate(items)]  # fmt: skip
    single = read[0].ndim == 1
    for number, array in enumerate(read):
        if array.shape[1:] != read[0].shape[1:]:
            raise ValueError(
                f"{name}[{shown(names[number])}]: expected shape "
                f"{'(T,)' if single else f'(T, {read[0].shape[1]})'} as the first series has, got "
                f"{array.shape}"
            )
    values = [with_channels(array.astype(np.float64)) for array in read]
    times = [
        Times.of(name, getattr(item, "index", None)) if hasattr(item, "iloc") else None
        for item in items
    ]
    indices = [getattr(item, "index", None) for item in items]
    future, known_names = read_known(
        "future_covariates", known, values, indices, names, several, ahead
    )
    named = not isinstance(X, (list, tuple))
    constant, static_names = read_static("static_covariates", static, names, several, named)
    return Panel(
        values, single, several, common_dtype(read), times, tuple(names), future, constant,
        None if several else getattr(X, "name", None),
        tuple(number for number, index in enumerate(indices)
              if times[number] is None and has_times(index)),
        known_names, static_names,
    )  # fmt: skip


def _items(name: str, X: Any, how: Layout) -> tuple[list[Any], list[Any], bool]:
    """Return series, their names, and whether they are several."""
    if how.long and is_table(X):
        return split_long(name, X, how.series_column, how.time_column, how.value_column)
    if (
        isinstance(X, (list, tuple))
        and X
        and all((isinstance(item, np.ndarray) and item.ndim) or is_exporter(item) for item in X)
    ):
        return list(X), list(range(len(X))), True
    if how.layout == "channels":
        return [X], [0], False
    table = is_table(X)
    if table and hasattr(X, "iloc"):  # of pandas: the index goes with each column
        if how.layout == "columns":
            return [X.iloc[:, n] for n in range(X.shape[1])], list(column_names(X)), True
        return [*X.to_numpy()], list(X.index), True
    array = read_array(name, X, "shape (N, T)" if how.layout == "rows" else "shape (T, N)")
    if array.ndim != 2 or 0 in array.shape:
        expected = "(N, T)" if how.layout == "rows" else "(T, N)"
        raise ValueError(
            f"{name}: expected shape {expected} with layout={how.layout!r}, got {array.shape}"
        )
    if how.layout == "columns":
        names = list(column_names(X)) if table else list(range(array.shape[1]))
        return [*array.T], names, True
    return [*array], list(range(len(array))), True


def _read_one(name: str, X: Any, masked: bool) -> Any:
    """Return one series as it was given; with ``masked``, NaN is missing."""
    if not masked:
        try:
            return read_numbers(name, X, _SHAPE)
        except ValueError as error:
            hint = "; missing='mask' leaves out what is nan" if "got nan" in str(error) else ""
            raise ValueError(f"{error}{_hint_several(X) or hint}") from None
        except TypeError as error:
            hint = ""
            if is_table(X):
                hint = "; times belong in the index, of a long table value_column names the numbers"
            raise TypeError(f"{error}{hint}") from None
    array = read_array(name, X, f"shape {_SHAPE}")
    if array.dtype.kind != "f":
        return read_numbers(name, array, _SHAPE)
    missing = np.isnan(array)
    read_numbers(name, np.where(missing, 0, array), _SHAPE)
    if missing.all(axis=0).any():
        raise ValueError(f"{name}: expected numbers in each channel, got only missing ones")
    return array


def _hint_several(X: Any) -> str:
    """Return what a message ends with where several series seem to stand in lists."""
    items = X if isinstance(X, (list, tuple)) else ()
    if not items or not all(isinstance(item, (list, tuple)) for item in items):
        return ""
    lengths = [len(item) for item in items]
    if max(lengths) <= len(items):  # more steps than numbers in each
        return ""
    return "; several series are a list of arrays, [np.array(one) for one in X]"


def with_channels(array: Floats) -> Floats:
    """Return numbers ``(T,)`` or ``(T, F)`` with both axes."""
    return array[:, np.newaxis] if array.ndim == 1 else array


def require_steps(name: str, panel: Panel, needed: int, what: str, X: Any = None) -> None:
    """Raise ValueError unless each series has so many steps."""
    for number, one in enumerate(panel.values):
        if len(one) < needed:
            raise ValueError(
                f"{panel.label(name, number)}: expected at least {needed} steps{what}, got "
                f"{len(one)}" + (_hint_several(X) or hint_time_first(name, one.shape))
            )
