"""Arrays and tables of other libraries, made of NumPy's arrays.

Numbers are not copied where the library takes them over as they lie, and never cast.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rnnfast._checks.exporters import is_exporter

Array = npt.NDArray[Any]


class Names(NamedTuple):
    """What tables and Series call their rows and columns, where they have names.

    Attributes
    ----------
    rows : object, optional
        A table or a Series that has the same rows.
    columns : sequence or ndarray, optional
        Of a table's columns.
    name : object, optional
        Of a Series.
    """

    rows: Any = None
    columns: Sequence[Any] | Array | None = None
    name: Any = None

    def texts(self, count: int) -> list[str]:
        """Return the names of so many columns as those libraries want them that take str alone."""
        if self.columns is None:
            return [f"column_{number}" for number in range(count)]
        return [str(column) for column in self.columns]


class Kind(NamedTuple):
    """What makes arrays of a library.

    Attributes
    ----------
    make : callable
        Makes it of what was given, of such a kind, an array that may be kept, and names.
    most_axes : int
        How many axes it may have.
    text : bool
        Whether it may hold text.
    rows : bool
        Whether rows have names.
    """

    make: Callable[[Any, Array, Names], Any]
    most_axes: int = np.iinfo(np.int64).max
    text: bool = False
    rows: bool = False


def _tensor(given: Any, array: Array, names: Names) -> Any:
    return sys.modules["torch"].from_numpy(array)


def _of_array_api(given: Any, array: Array, names: Names) -> Any:
    library = given.__array_namespace__()
    try:
        made = library.from_dlpack(array)
    except (BufferError, RuntimeError, TypeError, ValueError):  # of layouts and dtypes
        made = library.asarray(array)
    dtype = np.asarray(made).dtype
    if dtype != array.dtype:
        raise TypeError(f"it would be {dtype}")
    return made


def _of_pandas(given: Any, array: Array, names: Names) -> Any:
    pandas = sys.modules["pandas"]
    has_index = isinstance(names.rows, (pandas.Series, pandas.DataFrame))
    index = names.rows.index if has_index else None
    if array.ndim == 2:
        return pandas.DataFrame(array, index=index, columns=names.columns, copy=False)
    return pandas.Series(array, index=index, name=names.name, copy=False)


def _of_polars(given: Any, array: Array, names: Names) -> Any:
    polars = sys.modules["polars"]
    if array.ndim == 2:
        titles = names.texts(array.shape[1])
        columns = zip(titles, _columns(array), strict=True)
        return polars.DataFrame([polars.Series(title, column) for title, column in columns])
    return polars.Series(names.name, array)


def _of_arrow(given: Any, array: Array, names: Names) -> Any:
    arrow = sys.modules["pyarrow"]
    chunked = isinstance(given, (arrow.Table, arrow.ChunkedArray))
    if array.ndim == 2:
        make = arrow.Table.from_arrays if chunked else arrow.RecordBatch.from_arrays
        columns = [arrow.array(column) for column in _columns(array)]
        return make(columns, names=names.texts(array.shape[1]))
    made = arrow.array(array)
    return arrow.chunked_array([made]) if chunked else made


def _arrow_tensor(given: Any, array: Array, names: Names) -> Any:
    return sys.modules["pyarrow"].Tensor.from_numpy(np.ascontiguousarray(array))


def _buffer(given: Any, array: Array, names: Names) -> Any:
    return memoryview(array)  # type: ignore[arg-type]  # a buffer to Python 3.12 and newer


def _columns(array: Array) -> list[Array]:
    return [np.ascontiguousarray(column) for column in array.T]


# By the package that a type, or one that it is made from, is of.
_KINDS = {
    "torch": Kind(_tensor),
    "pandas": Kind(_of_pandas, 2, True, True),
    "polars": Kind(_of_polars, 2, True),
    "pyarrow": Kind(_of_arrow, 2, True),
}
_ARROW_TENSOR, _ARRAY_API, _BUFFER = Kind(_arrow_tensor), Kind(_of_array_api), Kind(_buffer)


def kind_of_container(value: Any) -> Kind | None:
    """Return what makes arrays as a value is one; None: it is NumPy's, or no array at all.

    Raises
    ------
    TypeError
        If it is one of a library that is not known.
    """
    if isinstance(value, np.ndarray) or not is_exporter(value):
        return None
    kind = type(value)
    packages = [base.__module__.partition(".")[0] for base in kind.__mro__]
    if "pyarrow" in packages and kind.__name__ == "Tensor":
        return _ARROW_TENSOR
    known = next((_KINDS[package] for package in packages if package in _KINDS), None)
    if known is not None:
        return known
    if isinstance(value, memoryview):
        return _BUFFER
    if hasattr(kind, "__array_namespace__"):
        return _ARRAY_API
    raise TypeError(
        "like: expected an input of NumPy, PyTorch, pandas, polars or Arrow, of a library with "
        f"__array_namespace__, such as JAX, or a memoryview, got a {kind.__name__}"
    )
