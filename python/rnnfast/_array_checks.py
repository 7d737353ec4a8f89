"""Arrays out of what callers give: one line that names the argument, whatever NumPy says."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._arrays import dtype_error, read_array, require_ndarray
from rnnfast._messages import one_line, shown


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


def require_float(name: str, x: Any) -> None:
    """Raise TypeError unless ``x`` is an array of float32 or float64."""
    if require_ndarray(name, x).dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TypeError(f"{name}: expected dtype float32 or float64, got {x.dtype}")


def require_array(name: str, array: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Raise TypeError or ValueError unless it is an array of this dtype and shape."""
    if require_ndarray(name, array).dtype != dtype:
        raise dtype_error(name, dtype, array.dtype)
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")


def check_float_dtype(name: str, dtype: Any) -> np.dtype[Any]:
    """Return what NumPy takes for float32 or float64 as a dtype.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    if isinstance(dtype, (str, type, np.dtype)):
        for kind in (np.dtype(np.float32), np.dtype(np.float64)):
            if dtype in (kind, kind.type, kind.name):
                return kind
    got = one_line(dtype) if isinstance(dtype, str) else shown(dtype)
    raise ValueError(f"{name}: expected float32 or float64, got {got}")
