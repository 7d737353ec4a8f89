"""Array types and the few checks that every room of the reference shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
Parameters: TypeAlias = Mapping[str, Array]
Gradients: TypeAlias = dict[str, Array]


def expect_shape(name: str, array: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    """Raise ``ValueError``, naming the argument, unless `array` has exactly this shape."""
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")


def is_integer(array: npt.NDArray[Any]) -> bool:
    """Tell whether the dtype is a signed or unsigned integer; bool is not."""
    return bool(np.issubdtype(array.dtype, np.integer))


def as_array(name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return values as an array; TypeError for a masked one, whose mask would be lost."""
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"{name}: expected an array without a mask, got a masked one")
    return np.asarray(values)


def as_float64(name: str, array: npt.ArrayLike) -> Array:
    """Convert real numbers to float64, the only precision of the reference.

    Raises
    ------
    TypeError
        If the values are not floating point numbers.
    """
    values = as_array(name, array)
    if not np.issubdtype(values.dtype, np.floating):
        raise TypeError(f"{name}: expected a floating point dtype, got {values.dtype}")
    return values.astype(np.float64)


def one_hot(indices: npt.NDArray[Any], width: int, name: str = "indices") -> Array:
    """Replace every index by a vector that is 1 there and 0 elsewhere.

    Parameters
    ----------
    indices : (...) integer array
        Each from 0 to `width` - 1.
    width : int
        Length of the vectors.
    name : str
        What an error message calls the array.

    Returns
    -------
    (..., width) float64 array

    Raises
    ------
    TypeError
        If the dtype is not an integer one.
    ValueError
        If an index is out of range.
    """
    if not is_integer(indices):
        raise TypeError(f"{name}: expected an integer dtype, got {indices.dtype}")
    outside = (indices < 0) | (indices >= width)
    if outside.any():
        bad = indices[outside].flat[0]
        raise ValueError(f"{name}: expected every index from 0 to {width - 1}, got {bad}")
    hit: BoolArray = indices[..., np.newaxis] == np.arange(width)
    return hit.astype(np.float64)
