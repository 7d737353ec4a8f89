"""Tables of columns of other libraries, such as DataFrames."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def is_table(value: Any) -> bool:
    """Whether a value is a table of columns, such as a DataFrame of pandas or polars."""
    is_plain = isinstance(value, (np.ndarray, str))
    return not is_plain and hasattr(value, "__array__") and hasattr(value, "columns")


def column_names(table: Any) -> tuple[Any, ...]:
    """Return what a table calls its columns; of Arrow, ``columns`` are the columns themselves."""
    of_arrow = hasattr(type(table), "column_names")  # asked of the type: a column may be named so
    return tuple(table.column_names if of_arrow else table.columns)


def numbers_of_pandas(value: Any) -> npt.NDArray[Any] | None:
    """Return the numbers of a table or Series of pandas that NumPy would read as objects.

    They are of several dtypes, or of one that has a value for what is missing: NaN, here. None of
    anything else, and of what holds something else.
    """
    packages = (kind.__module__.partition(".")[0] for kind in type(value).__mro__)
    dtypes = getattr(value, "dtypes", None) if "pandas" in packages else None
    if dtypes is None:
        return None
    is_table = getattr(value, "ndim", 1) == 2
    own = list(dtypes) if is_table else [dtypes]
    plain = [getattr(dtype, "numpy_dtype", dtype) for dtype in own]
    if not all(isinstance(dtype, np.dtype) and dtype.kind in "biuf" for dtype in plain):
        return None
    if plain == own and len({*own}) <= 1:
        return None
    columns = []
    for number, (dtype, known) in enumerate(zip(plain, own, strict=True)):
        column = value.iloc[:, number] if is_table else value
        if dtype is not known and column.isna().any():
            dtype = dtype if dtype.kind == "f" else np.dtype(np.float64)
            columns.append(column.to_numpy(dtype=dtype, na_value=np.nan))
        else:
            columns.append(column.to_numpy(dtype=dtype))
    return np.stack(columns, axis=1) if is_table else columns[0]
