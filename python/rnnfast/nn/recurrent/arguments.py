"""The arguments of a call of a recurrent layer, checked before anything runs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_array, check_lengths
from rnnfast._checks.arrays import dtype_error, read_array, require_array, require_ndarray
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.spec import RecurrentSpec


def _copy(array: Array | None) -> Array | None:
    return None if array is None else array.copy()


class Call(NamedTuple):
    """Checked arguments of a recurrent layer, with an axis for the batch."""

    x: Array
    h0: Array | None
    c0: Array | None
    lengths: Array | None
    reset: Array | None
    unbatched: bool

    def copied(self) -> Call:
        """Return the call with copies of all but ``x``, which is one already if it is indices."""
        return self._replace(
            h0=_copy(self.h0),
            c0=_copy(self.c0),
            lengths=_copy(self.lengths),
            reset=_copy(self.reset),
        )


def read_call(
    spec: RecurrentSpec, dtype: np.dtype[Any], x: Any, state: Any, lengths: Any, reset: Any
) -> Call:
    """Return the arguments of a call as arrays with an axis for the batch.

    Raises
    ------
    TypeError, ValueError
        As a call of the layer, but for what the kernels check: numbers, indices and states.
    """
    _require_no_lengths("state" if spec.cell.has_memory else "h0", state)
    h0, c0 = spec.split_state(state)
    array = _input(spec, dtype, x)
    unbatched = array.ndim == (1 if array.dtype.kind in "iu" else 2)
    if unbatched:
        axis = 0 if spec.batch_first else 1
        array = np.expand_dims(array, axis)
        h0, c0 = (add_batch(name, s) for name, s in (("h0", h0), ("c0", c0)))
        if lengths is not None:
            raise ValueError("lengths: expected None for a single sequence, got an array")
        if reset is not None:
            reset = read_array("reset", reset, "an array of bool")
            if reset.ndim != 1:
                raise ValueError(
                    f"reset: expected 1 axis for a single sequence, got shape {reset.shape}"
                )
            reset = np.expand_dims(reset, axis)
    steps, batch = array.shape[:2][::-1] if spec.batch_first else array.shape[:2]
    lengths = None if lengths is None else check_lengths("lengths", lengths, batch, steps)
    if array.dtype.kind in "iu":
        if array.dtype == np.uint64:
            by_time = array.T if spec.batch_first else array
            _require_signed(by_time, spec.input_size, lengths)
        array = array.astype(np.int64)  # a copy: what is checked is what is used
    return Call(
        array,
        check_array("h0", h0),
        check_array("c0", c0),
        lengths,
        _check_reset(reset, array.shape[:2]),
        unbatched,
    )


def _require_no_lengths(name: str, state: Any) -> None:
    """Raise TypeError if whole numbers stand where the state belongs, before lengths."""
    if isinstance(state, np.ndarray):
        whole = state.ndim == 1 and state.dtype.kind in "iu"
    else:
        whole = isinstance(state, (list, tuple)) and any(isinstance(n, int) for n in state)
    if whole:
        raise TypeError(
            f"{name}: expected an initial state, got integers; lengths are given by name, lengths="
        )


def _require_signed(x: Array, input_size: int, lengths: npt.NDArray[np.int64] | None) -> None:
    """Raise ValueError if an unsigned index ``x``, (T, B), before its sequence's end has no int64.

    What kernels would be given instead of it is negative, and refused there by another value.
    """
    wrong = x > np.uint64(np.iinfo(np.int64).max)
    if lengths is not None:
        wrong &= np.arange(len(x))[:, None] < lengths
    if wrong.any():
        t, b = np.argwhere(wrong)[0]
        raise ValueError(
            f"x: expected indices from 0 to {input_size - 1}, got {x[t, b]} at time {t} of "
            f"sequence {b}"
        )


def _input(spec: RecurrentSpec, dtype: np.dtype[Any], x: Any) -> Array:
    array: Array = require_ndarray("x", x)
    if array.dtype.kind in "iu":
        require_index_axes(array, (1, 2), spec.input_size, dtype)
    elif array.ndim not in (2, 3):
        raise ValueError(f"x: expected 2 or 3 axes, got shape {array.shape}{_no_indices(array)}")
    elif array.dtype != dtype:
        raise dtype_error("x", dtype, array.dtype, " or integers", of=x)
    elif array.shape[-1] != spec.input_size:
        axes = ("B, T" if spec.batch_first else "T, B") if array.ndim == 3 else "T"
        raise ValueError(f"x: expected shape ({axes}, {spec.input_size}), got {array.shape}")
    return array


def _no_indices(x: Array) -> str:
    """Return what a message ends with of one axis of what are no integers, though they may be."""
    if x.ndim != 1:
        return ""
    missing = x.dtype.kind == "f" and bool(np.isnan(x).any())
    got = f"{x.dtype} with missing values" if missing else str(x.dtype)
    return f"; one axis is of indices, integers, got {got}"


def require_index_axes(
    x: Array, axes: tuple[int, ...], input_size: int, dtype: np.dtype[Any]
) -> None:
    """Raise unless integers ``x`` may be indices: not numbers that should have a float dtype.

    With one feature they must be numbers: there is one index, which says nothing.
    """
    cure = f"integers are indices; for numbers use x.astype(np.{dtype})"
    if input_size == 1:
        raise TypeError(f"x: expected dtype {dtype} with input_size 1, got {x.dtype}; {cure}")
    if x.ndim not in axes:
        count = " or ".join(map(str, axes))
        plural = "axis" if axes == (1,) else "axes"
        raise ValueError(f"x: expected {count} {plural} of indices, got shape {x.shape}; {cure}")


def add_batch(name: str, array: Any, axis: int = 1) -> Any:
    """Give the array of a single sequence, with 2 axes, one of size one for the batch."""
    array = check_array(name, array)
    if array is None:
        return None
    if array.ndim != 2:
        raise ValueError(f"{name}: expected 2 axes for a single sequence, got shape {array.shape}")
    return np.expand_dims(array, axis)


def checked_state(
    name: str, state: Any, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> Array | None:
    """Return a state, or its gradient, or None; TypeError or ValueError if it is not one."""
    if state is None:
        return None
    array = require_array(name, state, dtype, shape)
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    return array


def _check_reset(reset: Any, shape: tuple[int, ...]) -> npt.NDArray[np.bool_] | None:
    if reset is None:
        return None
    array = read_array("reset", reset, "an array of bool")
    if array.dtype != np.bool_:
        raise TypeError(f"reset: expected bools, got dtype {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"reset: expected shape {shape}, got {array.shape}")
    return array
