"""Long tables: a row for each step of each series."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast._checks.messages import listed, shown
from rnnfast._checks.tables import column_names


def split_long(
    name: str, table: Any, series: Any, time: Any, value: Any
) -> tuple[list[Any], list[Any], bool]:
    """Return the series of a long table of pandas, their names, and whether they are several.

    Parameters
    ----------
    name : str
        The argument, for messages.
    table : DataFrame
        Of pandas, in any order.
    series : str, optional
        The column that names a row's series; None: it is one.
    time : str, optional
        The column of times, by which rows are sorted; None: they stand in their order.
    value : str
        The column of numbers.

    Raises
    ------
    TypeError
        If it is no table of pandas, or times are text.
    ValueError
        If it lacks a column, or a series has a time twice.
    """
    if not hasattr(table, "groupby") or not hasattr(table, "iloc"):
        package = type(table).__module__.partition(".")[0]
        cure = f"; {name}.to_pandas() is one" if hasattr(table, "to_pandas") else ""
        got = f"a {type(table).__name__} of {package}{cure}"
        raise TypeError(f"{name}: expected a DataFrame of pandas, got {got}")
    known = column_names(table)
    for argument, column in (("series", series), ("time", time), ("value", value)):
        if column is not None and column not in known:
            raise ValueError(
                f"{argument}_column: expected one of {listed(known)}, got {shown(column)}"
            )
    if len(table) == 0:
        raise ValueError(f"{name}: expected at least one row, got none")
    if time is not None and any(isinstance(one, str) for one in table[time]):
        raise TypeError(
            f"time_column: expected times or numbers in {shown(time)}, by which rows are sorted, "
            "got text; pandas.to_datetime makes times of it"
        )
    if series is None:
        groups = [(0, table)]
    else:
        if table[series].isna().any():
            raise ValueError(f"{name}: expected a name of a series in each row, got a missing one")
        groups = list(table.groupby(series, sort=True, observed=True))
    items, names = [], []
    for key, rows in groups:
        column = rows[value]
        if time is not None:
            if rows[time].isna().any() or rows[time].duplicated().any():
                raise ValueError(
                    f"{name}[{shown(key)}]: expected each time once, got a time twice or none"
                )
            column = rows.sort_values(time).set_index(time)[value]
        items.append(column)
        names.append(key.item() if isinstance(key, np.generic) else key)
    return items, names, series is not None
