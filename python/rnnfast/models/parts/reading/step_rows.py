"""Numbers that belong to the steps of sequences, of which some may be missing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_real
from rnnfast._checks.arrays import are_finite, not_real, read_array, require_finite
from rnnfast.models.parts.reading.lists import as_item, as_list
from rnnfast.nn.module import Array


def check_ignore_number(value: Any) -> float | None:
    """Return the hyperparameter ``ignore_label`` of numbers; TypeError or ValueError if it is none.

    NaN is a number that may be ignored.
    """
    plain = value.item() if isinstance(value, np.generic) else value
    if plain is None or (isinstance(plain, float) and math.isnan(plain)):
        return plain
    return check_real("ignore_label", plain)


def read_rows(
    name: str, y: Any, *, flat: bool = False, none: bool = False, ignored: float | None = None
) -> list[Array]:
    """Return the numbers that belong to the steps of sequences, ``(T_i, K)`` each.

    An empty list stands for a sequence of no steps.

    Parameters
    ----------
    name : str
        The argument, for messages.
    y : sequence
        The numbers of each sequence.
    flat : bool
        Whether ``(T,)`` is read as ``(T, 1)``.
    none : bool
        Whether None may stand for a step, or a number, that is missing; NaN in what is returned.
    ignored : float, optional
        A number that stands for such, NaN too.

    Raises
    ------
    TypeError
        If they are not real numbers.
    ValueError
        If there is nothing, an array has not two axes, widths differ, or a number is not finite.
    """
    rows: list[Array | None] = []
    items = as_list(name, y, "a list of arrays")
    for number, item in enumerate(items):
        label = f"{name}[{number}]"
        if item is None:
            raise TypeError(f"{label}: expected an array of shape (T, K), got NoneType")
        given, missing = _without_none(label, item) if none else (item, None)
        if given is None:  # nothing but None
            rows.append(None)
            continue
        array = read_array(label, given, "shape (T, K)")
        if flat and array.ndim == 1 and array.size:
            array = array[:, np.newaxis]
        if array.dtype.kind not in "biuf":
            raise not_real(label, array)
        if array.shape != (0,) and (array.ndim != 2 or array.shape[1] == 0):
            raise ValueError(f"{label}: expected shape (T, K), got {array.shape}")
        rows.append(_checked(label, array, missing, ignored))
    columns = next(
        (array.shape[1] for array in rows if array is not None and array.ndim == 2), None
    )
    if columns is None:
        raise ValueError(f"{name}: expected at least one array with something in it, got none")
    read = [
        np.full((len(items[number]), columns), math.nan) if array is None
        else array.reshape(-1, columns) if array.shape == (0,) else array
        for number, array in enumerate(rows)
    ]  # fmt: skip
    require_columns(name, read, columns)
    return read


def is_flat(name: str, y: Any) -> bool:
    """Return whether a sequence has one number a step, without an axis of its own."""
    for item in as_list(name, y, "a list of arrays"):
        given, _ = _without_none(name, item)
        try:
            array = read_array(name, [] if given is None else given)
        except (TypeError, ValueError):  # for `read_rows` to name
            continue
        if array.ndim == 1 and array.size:
            return True
    return False


def require_columns(name: str, rows: list[Array], columns: int) -> None:
    """Raise ValueError unless all arrays have so many columns."""
    for number, array in enumerate(rows):
        if array.shape[1] != columns:
            raise ValueError(f"{name}[{number}]: expected shape (T, {columns}), got {array.shape}")


def known(rows: Array) -> npt.NDArray[np.bool_]:
    """Return which numbers are there, of the shape of ``rows``."""
    if rows.dtype.kind != "f":
        return np.ones(rows.shape, np.bool_)
    there: npt.NDArray[np.bool_] = ~np.isnan(rows)
    return there


def all_known(rows: Array) -> bool:
    """Whether no number is missing."""
    return rows.dtype.kind != "f" or are_finite(rows) or bool(known(rows).all())


def _checked(name: str, array: Array, missing: Any, ignored: float | None) -> Array:
    """Return the numbers, NaN where one is missing; ValueError for others that are not finite."""
    if missing is None and ignored is None:
        require_finite(name, array, ("step", "number"))
        return array
    gone = np.zeros(array.shape, np.bool_)
    if missing is not None:
        gone |= np.reshape(missing, array.shape)
    if ignored is not None:
        gone |= ~known(array) if math.isnan(ignored) else array == ignored
    if not gone.any():
        require_finite(name, array, ("step", "number"))
        return array
    require_finite(name, np.where(gone, 0, array), ("step", "number"))
    floats = array if array.dtype.kind == "f" else array.astype(np.float64)
    return np.where(gone, floats.dtype.type(math.nan), floats)


def _without_none(name: str, item: Any) -> tuple[Any, Any]:
    """Return numbers of a sequence with 0 where None stands, and where that is.

    None and None if there is nothing else; what holds no None is returned as it is, an array of
    objects as a list, with None.
    """
    plain = as_item(name, item)
    if isinstance(plain, np.ndarray):
        if plain.dtype.kind != "O" or plain.ndim == 0:
            return item, None
        item = plain = plain.tolist()
    if not isinstance(plain, (list, tuple)) or not plain:
        return item, None
    rows = [row.tolist() if isinstance(row, np.ndarray) else row for row in plain]
    lists = [row for row in rows if _is_list(row)]
    if all(row is None for row in rows):
        return None, None
    if not any(row is None for row in rows) and not any(v is None for row in lists for v in row):
        return item, None
    if not lists:
        return [0 if row is None else row for row in rows], [row is None for row in rows]
    rows = [[None] * len(lists[0]) if row is None else row for row in rows]
    missing = [[v is None for v in row] if _is_list(row) else row for row in rows]
    return [[0 if v is None else v for v in row] if _is_list(row) else row for row in rows], missing


def _is_list(row: Any) -> bool:
    return isinstance(row, (list, tuple))
