"""Values of Python and NumPy as JSON has them, of the same types when they are read again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnfast._checks.messages import shown

# The key of an object that stands for something JSON has no form for.
_TYPE = "__type__"


def pack(value: Any) -> Any:
    """Return what JSON can hold, of which `unpack` makes the value again.

    Parameters
    ----------
    value : object
        None, bools, numbers and str, those of NumPy and arrays of those too; lists, tuples and
        mappings of such, with keys of any of these types. A mapping comes back as a dict.

    Raises
    ------
    TypeError
        If it is or holds something else.
    """
    if isinstance(value, (np.generic, np.ndarray)):
        wide_float = value.dtype.kind == "f" and value.dtype.itemsize > 8
        if value.dtype.kind not in "biufU" or wide_float:
            raise TypeError(f"{type(value).__name__} is nothing that JSON can hold")
        if isinstance(value, np.generic):
            return {_TYPE: "numpy", "dtype": value.dtype.str, "value": value.item()}
        numbers, shape = value.ravel().tolist(), list(value.shape)
        return {_TYPE: "array", "dtype": value.dtype.str, "shape": shape, "items": numbers}
    if isinstance(value, float) and value != value:
        return {_TYPE: "float", "value": "nan"}  # that equals itself, and that every reader knows
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [pack(item) for item in value]
    if isinstance(value, tuple):
        return {_TYPE: "tuple", "items": [pack(item) for item in value]}
    if isinstance(value, Mapping):
        if all(type(key) is str for key in value) and _TYPE not in value:
            return {key: pack(item) for key, item in value.items()}
        return {_TYPE: "dict", "items": [[pack(key), pack(item)] for key, item in value.items()]}
    raise TypeError(f"{type(value).__name__} is nothing that JSON can hold")


def untyped(value: Any) -> Any:
    """Return a value with Python's numbers for NumPy's and lists for others: equal ones alike."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [untyped(item) for item in value]
    if isinstance(value, Mapping):
        return {untyped(key) if np.isscalar(key) else key: untyped(v) for key, v in value.items()}
    return value


def unpack(packed: Any) -> Any:
    """Return the value that `pack` was given.

    Raises
    ------
    ValueError, TypeError, KeyError
        If it is nothing that `pack` returns.
    """
    if isinstance(packed, list):
        return [unpack(item) for item in packed]
    if not isinstance(packed, dict):
        return packed
    if _TYPE not in packed:
        return {key: unpack(item) for key, item in packed.items()}
    kind = packed[_TYPE]
    if kind == "numpy":
        return np.dtype(packed["dtype"]).type(packed["value"])
    if kind == "float":
        return float(packed["value"])
    if kind == "array":
        return np.array(packed["items"], np.dtype(packed["dtype"])).reshape(packed["shape"])
    if kind == "tuple":
        return tuple(unpack(item) for item in packed["items"])
    if kind == "dict":
        return {unpack(key): unpack(item) for key, item in packed["items"]}
    raise ValueError(f"{_TYPE}: expected numpy, float, array, tuple or dict, got {shown(kind)}")
