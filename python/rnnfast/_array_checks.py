"""Arrays out of what callers give: one line that names the argument, whatever NumPy says."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._arrays import dtype_error, read_array, require_ndarray
from rnnfast._messages import one_line, shown

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def as_numbers(name: str, values: Any) -> npt.NDArray[np.float64]:
    """Return ``values`` as an array of float64.

    Raises
    ------
    TypeError
        If they are not real numbers.
    ValueError
        If NumPy can make no array of them.
    """
    array = read_array(name, values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
    return array.astype(np.float64)


def require_float(name: str, x: Any) -> npt.NDArray[Any]:
    """Return an array of float32 or float64; TypeError for anything else."""
    array = require_ndarray(name, x)
    if array.dtype not in _FLOATS:
        raise TypeError(f"{name}: expected dtype float32 or float64, got {array.dtype}")
    return array


def require_array(
    name: str, value: Any, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> npt.NDArray[Any]:
    """Return an array of this dtype and shape; TypeError or ValueError for anything else."""
    array = require_ndarray(name, value)
    if array.dtype != dtype:
        raise dtype_error(name, dtype, array.dtype)
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    return array


def check_float_dtype(name: str, dtype: Any) -> np.dtype[Any]:
    """Return what NumPy takes for float32 or float64 as a dtype.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    if isinstance(dtype, (str, type, np.dtype)):
        for kind in _FLOATS:
            if dtype in (kind, kind.type, kind.name):
                return kind
    got = one_line(dtype) if isinstance(dtype, str) else shown(dtype)
    raise ValueError(f"{name}: expected float32 or float64, got {got}")
