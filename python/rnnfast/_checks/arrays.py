"""Arrays as they come from outside: read without a cast, with one line about what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast._checks.exporters import read_exporter
from rnnfast._checks.masks import require_unmasked
from rnnfast._checks.messages import one_line, shown

# Sound of one channel or two has this many samples in a second or less. What has as many numbers at
# a step, but one step or two in all, is taken for that.
_CHANNELS, _SAMPLES = 2, 4000
_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def require_ndarray(name: str, value: Any) -> npt.NDArray[Any]:
    """Return an array as NumPy's; TypeError for a list or a masked array: all that layers read.

    Of a subclass, such as a matrix, the array beneath: its operators would be other ones. Of an
    array of another library what `read_exporter` does.
    """
    if type(value) is np.ndarray:
        return value
    if not isinstance(value, np.ndarray):
        array = read_exporter(name, value)
        if array is None:
            got = type(value).__name__
            raise TypeError(f"{name}: expected a NumPy array, got {got}{_cure_of_pair(value)}")
        value = array
    require_unmasked(name, value)
    plain: npt.NDArray[Any] = value.view(np.ndarray)
    return plain


def _cure_of_pair(value: Any) -> str:
    """Return what a message ends with where an array was expected: if a layer's results came."""
    if not isinstance(value, tuple) or len(value) != 2:
        return ""
    first, second = value
    if callable(second):
        return "; forward returns a pair (y, backprop), of which y is meant"
    # y (T, B, D*H) and h_n (L*D, B, H), or the pair of h_n and c_n; such a pair is none of y
    states = second if isinstance(second, tuple) else (second,)
    arrays = all(isinstance(a, np.ndarray) and a.ndim in (2, 3) for a in (first, *states))
    if arrays and (states is second or first.shape != second.shape):
        return "; a recurrent layer returns a pair (y, state), of which y is meant"
    return ""


def read_array(name: str, value: Any, expected: str = "an array of numbers") -> npt.NDArray[Any]:
    """Return an array_like as an array: all that is read passes through here.

    An ndarray is returned as it is, one of a subclass as the array beneath.

    Parameters
    ----------
    name : str
        The argument, for messages.
    value : array_like
        Anything that NumPy reads, and what `read_exporter` does.
    expected : str
        What it should be, for messages.

    Raises
    ------
    TypeError
        If it is masked, on another device or requires a gradient.
    ValueError
        If its rows have different lengths, or an integer of a list is beyond 64 bits.
    """
    if isinstance(value, np.ndarray):
        return require_ndarray(name, value)
    require_unmasked(name, value)
    exported = read_exporter(name, value)
    if exported is not None:
        return require_ndarray(name, exported)
    try:
        array = np.asarray(value)
    except OverflowError:
        raise ValueError(f"{name}: expected {expected}, got integers beyond 64 bits") from None
    except MemoryError:
        raise
    except Exception as error:  # of many kinds, also those of an object's own __array__
        kind = type(value).__name__
        got = "a ragged list" if isinstance(value, (list, tuple)) else f"a {kind} that makes none"
        if cure := _cure_of_pair(value):
            got = f"{kind}{cure}"
        raise ValueError(f"{name}: expected {expected}, got {got}") from error
    # Too large integers make NumPy take objects, or floats with which they are not exact.
    large = array.dtype.kind == "O" or (
        array.dtype.kind == "f" and float(np.abs(array).max(initial=0.0)) >= 2.0**63
    )
    if large and isinstance(value, (list, tuple, int)):
        wrong = _beyond_int64(value)
        if wrong is not None and (array.dtype.kind == "O" or _all_integers(value)):
            raise ValueError(f"{name}: expected 64-bit signed integers, got {shown(wrong)}")
    return array


def _beyond_int64(value: Any) -> int | None:
    if isinstance(value, (list, tuple)):
        found = (_beyond_int64(item) for item in value)
        return next((number for number in found if number is not None), None)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return value
    return None


def _all_integers(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_all_integers, value))
    return isinstance(value, (int, np.integer))


def dtype_error(
    name: str, expected: Any, got: np.dtype[Any], more: str = "", *, of: Any = None
) -> TypeError:
    """Return the error for an array of another dtype, with what makes it one of the right dtype.

    Parameters
    ----------
    name : str
        The argument.
    expected, got : dtype
        Of which a float was expected.
    more : str
        What else was possible, such as ``" or integers"``.
    of : object, optional
        What was given, if it may be no array of NumPy's.
    """
    cure = ""
    if got.kind in "fiu":
        numpys = of is None or isinstance(of, np.ndarray)
        cure = f"{name}.astype(np.{expected})" if numpys else f"np.asarray({name}, np.{expected})"
        cure = f"; use {cure}"
        if got == np.float64:
            cure += ', or a layer of dtype="float64"'
    return TypeError(f"{name}: expected dtype {expected}{more}, got {got}{cure}")


def not_real(name: str, array: npt.NDArray[Any]) -> TypeError:
    """Return the error for an array that holds no real numbers; of objects, the first culprit."""
    if array.dtype.kind == "O" and not array.ndim:
        return TypeError(f"{name}: expected real numbers, got {shown(array.item())}")
    if array.dtype.kind == "O":
        for place, value in np.ndenumerate(array):
            if not isinstance(value, (int, float, np.number, np.bool_)):
                at = place[0] if array.ndim == 1 else place
                return TypeError(f"{name}: expected real numbers, got {shown(value)} at {at}")
    return TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")


def are_finite(array: npt.NDArray[Any]) -> bool:
    """Whether all numbers of an array of any dtype are finite."""
    if array.dtype in _FLOATS:
        return _core.is_finite("array", array)
    return bool(np.isfinite(array).all())


def require_finite(
    name: str, array: npt.NDArray[Any], axes: Sequence[str] = ("step", "feature")
) -> None:
    """Raise ValueError, with its place, for the first number that is NaN or infinite.

    Parameters
    ----------
    name : str
        The argument, for messages.
    array : ndarray
        Numbers of any dtype.
    axes : sequence of str
        What the axes are; further ones have no name.
    """
    if are_finite(array):
        return
    finite = np.isfinite(array)
    place = tuple(int(i) for i in np.unravel_index(int(np.argmin(finite)), array.shape))
    names = [*axes[: len(place)], *("",) * (len(place) - len(axes))]
    where = ", ".join(f"{axis} {i}".strip() for axis, i in zip(names, place, strict=True))
    raise ValueError(
        f"{name}: expected finite numbers, got {array[place]}" + (f" at {where}" if where else "")
    )


def constant_columns(
    rows: npt.NDArray[np.float64], dtype: np.dtype[Any], rounding: float | npt.NDArray[Any] = 0.0
) -> npt.NDArray[np.bool_]:
    """Return which columns do not change, or only by what rounding leaves.

    Parameters
    ----------
    rows : ndarray of float64, shape (N, F)
        At least one.
    dtype : dtype
        Of the numbers before: its rounding is meant, a few units in the last place of the largest.
    rounding : float or ndarray of shape (F,)
        What earlier calculations may have left besides.
    """
    epsilon = float(np.finfo(dtype).eps) if dtype.kind == "f" else 0.0
    with np.errstate(over="ignore"):
        spread = rows.max(axis=0) - rows.min(axis=0)
    constant: npt.NDArray[np.bool_] = spread <= np.maximum(
        8 * epsilon * np.abs(rows).max(axis=0), rounding
    )
    return constant


def hint_time_first(name: str, shape: tuple[int, ...], other: tuple[int, ...] | None = None) -> str:
    """Return what a message about a shape ends with where time seems to be the second axis.

    Parameters
    ----------
    name : str
        The array.
    shape : tuple of int
        Its shape.
    other : tuple of int, optional
        The shape of another series. The same first axis and another second one: only time differs
        from series to series. None: time is what is longer.
    """
    if len(shape) != 2:
        return ""
    turned = shape[0] == other[0] if other is not None else shape[0] < shape[1]
    return f"; time is the first axis, {name}.T turns (channels, time)" if turned else ""


def require_time_first(name: str, array: npt.NDArray[Any], longest: int | None = None) -> None:
    """Raise ValueError for sound as (channels, time): thousands of numbers at one step or two.

    Parameters
    ----------
    name : str
        The array, for messages.
    array : ndarray
        ``(T, F)``.
    longest : int, optional
        The most steps of all arrays that are read together; None: T.
    """
    steps = len(array) if longest is None else longest
    if 1 <= steps <= _CHANNELS and array.shape[1] >= _SAMPLES:
        raise ValueError(
            f"{name}: expected shape (T, F), got {array.shape}, at most {steps} steps of so many "
            f"numbers; time is the first axis, {name}.T turns (channels, time)"
        )


def require_int64(name: str, array: npt.NDArray[Any]) -> None:
    """Raise TypeError unless it holds integers, ValueError if one is beyond int64."""
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integers, got dtype {array.dtype}")
    if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{name}: expected 64-bit signed integers, got {array.max()}")


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
        raise not_real(name, array)
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
        raise dtype_error(name, dtype, array.dtype, of=value)
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
