"""What is known beside series: their covariates, by the names of columns and of series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from rnnfast._checks.messages import listed, shown
from rnnfast._checks.tables import is_table
from rnnfast.models.forecasting.times import require_times
from rnnfast.models.forecasting.windows import Floats
from rnnfast.models.parts.codecs.numbers import read_numbers
from rnnfast.models.parts.reading.columns import Columns, step_names

Names: TypeAlias = tuple[str, ...] | None  # of columns


def of_each(name: str, given: Any, series: Sequence[Any], several: bool) -> list[Any]:
    """Return what is given of each series: by itself, in a list, or in a dict by their names.

    Raises
    ------
    TypeError
        If it is not one of each.
    ValueError
        If a dict has other names.
    """
    if not several:
        return [given]
    if isinstance(given, Mapping):
        _require_names_of(name, given, series)
        return [given[key] for key in series]
    if not isinstance(given, (list, tuple)) or len(given) != len(series):
        raise TypeError(f"{name}: expected a list of {len(series)} arrays, one a series")
    return [*given]


def read_known(
    name: str,
    known: Any,
    values: Sequence[Floats],
    indices: Sequence[Any],
    series: Sequence[Any],
    several: bool,
    ahead: int,
) -> tuple[list[Floats], Names]:
    """Return future covariates ``(T_i + ahead, C)``, and what tables call their columns.

    Parameters
    ----------
    name : str
        The argument, for messages.
    known : object
        As `Forecaster.fit` takes them.
    values : sequence of ndarray
        The series.
    indices : sequence of object
        Their times, as pandas has them, or None.
    series : sequence of object
        What they are called.
    several : bool
        Whether they came as several.
    ahead : int
        How many steps beyond the end are known.
    """
    if known is None:
        return [np.empty((len(one), 0)) for one in values], None
    items = of_each(name, known, series, several)
    found: list[Floats] = []
    for number, (item, one) in enumerate(zip(items, values, strict=True)):
        label = f"{name}[{number}]" if several else name
        array = read_rows(label, item)
        rows = len(one) + ahead
        if len(array) != rows:
            more = f", {len(one)} of the series and {ahead} that follow" if ahead else ""
            raise ValueError(f"{label}: expected {rows} rows{more}, got {len(array)}")
        require_times(label, item, indices[number])
        if found and array.shape[1] != found[0].shape[1]:
            width = found[0].shape[1]
            raise ValueError(
                f"{label}: expected {width} columns as the first, got {array.shape[1]}"
            )
        found.append(array)
    return found, step_names(name, items)


def read_rows(name: str, item: Any) -> Floats:
    """Return the future covariates of one series ``(T, C)``."""
    array = read_numbers(name, item, "(T,) or (T, C)").astype(np.float64)
    return array[:, np.newaxis] if array.ndim == 1 else array


def read_static(
    name: str, static: Any, series: Sequence[Any], several: bool, named: bool
) -> tuple[Floats, Names]:
    """Return static covariates ``(N, S)``, none ``(N, 0)``, and what a table calls its columns.

    Of series that are ``named``, rows of a table whose index has the names are put in their order.
    """
    count = len(series)
    if static is None:
        return np.empty((count, 0)), None
    if several and named and is_table(static) and hasattr(static, "iloc"):
        static = _by_names(name, static, series)
    array = read_numbers(name, static, "(N, S)" if several else "(S,)").astype(np.float64)
    array = array.reshape(1, -1) if array.ndim == 1 and not several else array
    if array.ndim != 2 or len(array) != count:
        expected = f"({count}, S)" if several else "(S,)"
        raise ValueError(f"{name}: expected shape {expected}, got {array.shape}")
    return array, step_names(name, [static])


def require_columns(name: str, given: Any, names: Names) -> None:
    """Raise ValueError if a table of covariates has other columns than that of `fit`.

    Of covariates that are there for each of several series, each is looked at.
    """
    if given is None or names is None:
        return
    columns = Columns(len(names), names)
    if isinstance(given, Mapping):
        for key, item in given.items():
            columns.require_names(f"{name}[{shown(key)}]", item)
    elif isinstance(given, (list, tuple)):
        for number, item in enumerate(given):
            if not np.isscalar(item):
                columns.require_names(f"{name}[{number}]", item)
    else:
        columns.require_names(name, given)


def _by_names(name: str, static: Any, series: Sequence[Any]) -> Any:
    """Return the rows of a table of pandas in the order of series, if its index names them."""
    index = list(static.index)
    by_place = not any(isinstance(key, str) for key in index)
    if {*index} != {*series} and (by_place or not any(isinstance(key, str) for key in series)):
        return static
    _require_names_of(name, index, series)
    return static.loc[list(series)]


def _require_names_of(name: str, given: Any, series: Sequence[Any]) -> None:
    """Raise ValueError unless names are those of series, each once."""
    names = list(given)
    if len(names) == len(series) and {*names} == {*series}:
        return
    expected = f"{name}: expected each of the names of the series, {listed(series)}, once"
    for key in series:
        if names.count(key) != 1:
            raise ValueError(f"{expected}, got {shown(key)} {names.count(key)} times")
    raise ValueError(f"{expected}, got {next(shown(key) for key in names if key not in series)}")
