"""Checks of the arrays that kernels take, and of states by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast._checks.arrays import read_array, require_int64, require_ndarray
from rnnfast._checks.messages import listed
from rnnfast._checks.values import check_mapping


def check_array(name: str, value: Any) -> Any:
    """Return ``value`` if it is a NumPy array or None.

    Raises
    ------
    TypeError
        If it is anything else, a list or a masked array too.
    """
    return None if value is None else require_ndarray(name, value)


def check_finite(name: str, array: npt.NDArray[Any]) -> None:
    """Raise ValueError if a number of an array is NaN or infinite.

    Raises
    ------
    TypeError
        If it is not of float32 or float64.
    """
    if not _core.is_finite(name, array):
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")


def check_indices(
    name: str, values: Any, ndim: int | None = None, *, copy: bool = True
) -> npt.NDArray[np.integer[Any]]:
    """Return ``values`` as an array of integers that are not negative.

    It is a copy, unless ``copy`` is False for what is checked again where it is used: whoever
    writes to an array that was given does not change what was checked.

    Parameters
    ----------
    name : str
        The argument, for messages.
    values : array_like of int
        An empty list counts as integers.
    ndim : int, optional
        The number of axes it must have.

    Raises
    ------
    TypeError
        If it holds something other than integers, or is masked.
    ValueError
        If its number of axes differs, or an integer is negative or beyond int64.
    """
    array = read_array(name, values, "an array of integers")
    if copy and not isinstance(values, (list, tuple)):  # of others it may be their memory
        array = array.copy()
    if array.size == 0 and not isinstance(values, np.ndarray):
        array = array.astype(np.int64)
    require_int64(name, array)
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name}: expected an array with ndim {ndim}, got shape {array.shape}")
    if array.size and array.min() < 0:
        raise ValueError(f"{name}: expected no negative number, got {array.min()}")
    return array


def check_lengths(name: str, lengths: Any, batch: int, steps: int) -> npt.NDArray[np.int64]:
    """Return the lengths ``(batch,)`` of sequences, each from 0 to ``steps``: a contiguous copy.

    Raises
    ------
    TypeError
        If they are not integers.
    ValueError
        If the shape differs, or a length is out of range.
    """
    array = read_array(name, lengths, f"shape ({batch},)")
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integers, got dtype {array.dtype}")
    if array.shape != (batch,):
        raise ValueError(f"{name}: expected shape ({batch},), got {array.shape}")
    array = array.copy()  # what is checked is what is used
    if array.size and (array.min() < 0 or array.max() > steps):
        wrong = array[(array < 0) | (array > steps)][0]
        raise ValueError(f"{name}: expected numbers from 0 to {steps}, got {wrong}")
    return np.ascontiguousarray(array, dtype=np.int64)


def check_names(own: Mapping[str, Any], state: Any) -> None:
    """Raise unless ``state`` is a mapping of the same names as ``own``."""
    check_mapping("state", state)
    if state.keys() != own.keys():
        raise ValueError(f"state: expected the names {listed(own)}; got {listed(state)}")


def check_state(own: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of ``state``, which must have the names and shapes of ``own``.

    Raises
    ------
    TypeError
        If it is no mapping.
    ValueError
        If a name is missing or unknown, or a shape differs.
    """
    check_names(own, state)
    arrays = {name: read_array(name, state[name]) for name in own}
    for name, array in arrays.items():
        if array.shape != own[name].shape:
            raise ValueError(f"{name}: expected shape {own[name].shape}, got {array.shape}")
    return arrays
