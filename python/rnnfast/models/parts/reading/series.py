"""Series of numbers as users give them: looked at, one by one or together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnfast import _core
from rnnfast._checks import check_int
from rnnfast._checks.arrays import (
    hint_time_first,
    not_real,
    read_array,
    require_finite,
    require_time_first,
)
from rnnfast.models.parts.reading.lazy import LazySeries
from rnnfast.models.parts.reading.lists import as_item, describe, kind_of
from rnnfast.nn.module import Array

# Numbers of an array that are looked at together.
_LOOKED_AT = 1 << 16


def are_sound(items: list[Any]) -> bool:
    """Whether items are arrays ``(T_i, F)`` of one dtype, float32 or float64, all finite.

    Of others it takes a look at each to tell what they are, or what is wrong.
    """
    first = items[0]
    if type(first) is not np.ndarray or first.ndim != 2 or 0 in first.shape[1:]:
        return False
    dtype, width = first.dtype, first.shape[1]
    if dtype not in (np.float32, np.float64):
        return False
    for item in items:
        if type(item) is not np.ndarray or item.dtype != dtype or item.ndim != 2:
            return False
        if item.shape[1] != width or not item.flags.c_contiguous:
            return False
    return _core.all_finite(*items)


def as_series(name: str, items: list[Any]) -> list[Array]:
    """Return a list of series, each looked at by itself."""
    arrays: list[Array] = []
    first: tuple[int, ...] | None = None
    for number, item in enumerate(items):
        unclear = first is None and not len(item) and np.ndim(item) == 1
        width = _features(items) if unclear else None
        arrays.append(_as_one_series(name, number, item, first, width))
        first = arrays[0].shape
    if arrays:
        require_time_first(f"{name}[0]", arrays[0], max(map(len, arrays)))
    return arrays


def _as_one_series(
    name: str,
    number: int,
    item: Any,
    first: tuple[int, ...] | None = None,
    width: int | None = None,
) -> Array:
    """Return one of several series; ``first`` is the shape of the first, ``width`` that of none."""
    label = f"{name}[{number}]"
    array = read_array(label, item, "shape (T, F)")
    if array.dtype.kind not in "biuf":
        raise not_real(label, array)
    shape = array.shape
    if shape == (0,):
        array = array.reshape(0, first[1] if first is not None else width or 1)
    elif len(shape) == 1 and array.dtype.kind == "f":
        array = array[:, np.newaxis]
    if array.ndim != 2 or array.shape[1] == 0:
        cure = ""
        if array.ndim == 1:
            made = label if isinstance(item, np.ndarray) else f"np.array({label})"
            cure = f"; {made}.astype(float) is one of a single feature"
            if made != label and first is None and array.dtype.kind in "iu":
                cure += f", {made} one of ids of tokens"
        raise ValueError(f"{label}: expected shape (T, F), got {shape}{cure}")
    check_int("features", array.shape[1], 1)
    if first is not None and array.shape[1] != first[1]:
        raise ValueError(
            f"{label}: expected shape (T, {first[1]}) as {name}[0] has, got {shape}"
            + hint_time_first(label, shape, first)
        )
    require_finite(label, array)
    return array


def equal_series(name: str, X: Any) -> list[Array] | None:
    """Return the series of an array ``(N, T, F)``, looked at as a whole; None if one is refused."""
    if type(X) is not np.ndarray or X.dtype.kind not in "biuf" or X.ndim != 3 or X.size == 0:
        return None
    several = max(1, _LOOKED_AT // X[0].size)
    if not all(np.isfinite(X[n : n + several]).all() for n in range(0, len(X), several)):
        return None
    require_time_first(f"{name}[0]", X[0], X.shape[1])
    return list(X)


def lazy_series(name: str, X: Any) -> LazySeries | None:
    """Return series that are read again each time, once all were looked at; None of others.

    Raises
    ------
    TypeError, ValueError
        As `read_sequences`; of a series that has another length when it is read again.
    """
    if not len(X) or kind_of(f"{name}[0]", as_item(f"{name}[0]", X[0])) != "array":
        return None
    first: tuple[int, ...] | None = None

    def look_at(number: int) -> Array:
        label = f"{name}[{number}]"
        item = as_item(label, X[number])
        if kind_of(label, item) not in ("array", "nothing"):
            raise TypeError(f"{label}: expected an array as {name}[0] is, got {describe(item)}")
        return _as_one_series(name, number, item, first)

    def read(number: int) -> Array:
        array = look_at(number)
        if len(array) != lengths[number]:
            raise ValueError(
                f"{name}[{number}]: expected {lengths[number]} steps as before, got {len(array)}"
            )
        return array

    lengths = np.zeros(len(X), np.int64)
    dtype = np.dtype(np.int64)
    for number in range(len(lengths)):
        array = look_at(number)
        first = array.shape if first is None else first
        lengths[number] = len(array)
        dtype = common_dtype([np.empty(0, dtype), array])
    require_time_first(f"{name}[0]", read(0), int(lengths.max()))
    return LazySeries(read, lengths, dtype)


def common_dtype(arrays: Sequence[Array]) -> np.dtype[Any]:
    """Return the dtype of arrays whose numbers are rounded most."""
    if isinstance(arrays, LazySeries):
        return arrays.dtype
    floats = {array.dtype for array in arrays if array.dtype.kind == "f"}
    return max(floats, key=lambda dtype: np.finfo(dtype).eps, default=np.dtype(np.int64))


def _features(items: list[Any]) -> int:
    """Return the width of the first item that is not empty."""
    shape: tuple[int, ...] = next((np.shape(item) for item in items if len(item)), ())
    return int(shape[-1]) if len(shape) > 1 else 1
