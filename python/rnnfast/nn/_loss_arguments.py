"""What the losses take, checked and in the form that the kernels want."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast._checks import LARGEST_FACTOR, among, check_factor, check_finite, check_int, check_real
from rnnfast._checks.arrays import dtype_error, read_array, require_int64, require_ndarray
from rnnfast._checks.messages import shown
from rnnfast.nn.module import Array

Reduction = Literal["sum", "mean"]


def native_targets(
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    classes: int,
    targets: npt.ArrayLike,
    weights: Any,
    class_weights: Any,
    ignore_index: int,
    label_smoothing: float,
    reduction: str,
    scale: float,
) -> tuple[_core.Targets, float]:
    """Return the kernels' targets, and the factor of the loss and its gradients."""
    array = read_array("targets", targets, "an array of integers")
    ignored = check_int("ignore_index", ignore_index, -(2**63))
    require_int64("targets", array)
    if array.shape != shape:
        raise ValueError(f"targets: expected shape {shape}, got {array.shape}")
    smoothing = check_real("label_smoothing", label_smoothing, 0.0, 1.0, below=True)
    array = array.astype(np.int64, copy=False).reshape(-1)
    if weights is not None:
        weights = checked_weights("weights", weights, dtype)
        if weights.shape != shape:
            raise ValueError(f"weights: expected shape {shape}, got {weights.shape}")
        weights = weights.reshape(-1)
    if class_weights is not None:
        class_weights = checked_weights("class_weights", class_weights, dtype, (classes,))

    def total() -> float:
        each = (array != ignored).astype(np.float64)
        if weights is not None:
            each *= weights
        if class_weights is not None:
            # Targets out of range are for the kernels to name.
            each *= class_weights[np.clip(array, 0, classes - 1)]
        return float(each.sum())

    factor = loss_factor(reduction, scale, total)
    native = _core.Targets(
        array,
        weights,
        class_weights,
        ignored,
        smoothing,
        factor,
    )
    return native, factor


def loss_factor(reduction: str, scale: float, total_of: Callable[[], float]) -> float:
    """Return what to multiply the sum of the losses by, given how to sum the weights for a mean."""
    if not among(reduction, ("sum", "mean")):
        raise ValueError(f"reduction: expected 'sum' or 'mean', got {shown(reduction)}")
    number = check_factor("scale", scale)
    if reduction == "sum":
        return number
    total = total_of()
    if not total > 0.0:
        raise ValueError(f"weights: expected a positive sum to divide by, got {total:g}")
    if abs(number) > total * LARGEST_FACTOR:
        least = abs(number) / LARGEST_FACTOR
        raise ValueError(f"weights: expected a sum of at least {least:g}, got {total:g}")
    return number / total


def check_numbers(name: str, values: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    """Return ``values`` as an array, which must have this dtype and shape."""
    array = read_array(name, values)
    if array.dtype != dtype:
        raise dtype_error(name, dtype, array.dtype, of=values)
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    return array


def element_factor(scores: Array, weights: Array | None, reduction: str, scale: float) -> float:
    """Return `loss_factor` of the weights of every score, or of so many scores."""
    return loss_factor(
        reduction, scale, lambda: float(scores.size if weights is None else weights.sum())
    )


def element_weights(scores: Array, weights: Any) -> Array | None:
    """Return the weights of every score, given those or the weights of rows."""
    if weights is None:
        return None
    array = checked_weights("weights", weights, scores.dtype)
    if array.shape == scores.shape[:-1] and scores.ndim > 0:
        array = array[..., None]
        if scores.shape[-1] != 1:
            array = np.broadcast_to(array, scores.shape)
    if array.shape != scores.shape:
        raise ValueError(f"weights: expected shape {scores.shape}, got {array.shape}")
    return array


def checked_weights(
    name: str, values: Any, dtype: np.dtype[Any], shape: tuple[int, ...] | None = None
) -> Array:
    """Return weights, all finite, as an array of ``dtype``; those of bool as 0 and 1.

    They are contiguous: the bits of their sum depend on the order that they lie in.
    """
    array = from_bool(name, values, dtype)
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    check_finite(name, array)
    return np.require(array, requirements=("C", "A"))


def from_bool(name: str, values: Any, dtype: np.dtype[Any]) -> Array:
    """Return an array of bool as one of 0 and 1 of ``dtype``, and any other if it is of that."""
    array = read_array(name, values)
    if array.dtype == np.bool_:
        return array.astype(dtype)
    if array.dtype != dtype:
        raise dtype_error(name, dtype, array.dtype, of=values)
    return array


def require_scores(name: str, scores: Any, ndim: int) -> Array:
    """Return an array of float32 or float64; with ``ndim`` 1, of at least one class."""
    array = require_ndarray(name, scores)
    if array.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name}: expected dtype float32 or float64, got {array.dtype}")
    if array.ndim < ndim or (ndim and array.shape[-1] == 0):
        raise ValueError(f"{name}: expected shape (..., V), got {array.shape}")
    return array


def require_numbers(name: str, scores: Array) -> None:
    """Raise FloatingPointError if a score, as a network gave it, is NaN or infinite."""
    if not _core.is_finite(name, scores):
        raise FloatingPointError(f"{name}: expected finite numbers, got NaN or infinity")


def checked_sum(loss: float, name: str, scores: Array, targets: Array) -> float:
    """Return a loss that is infinite or NaN if one of its numbers is, unless it is that.

    Numbers are looked at where there is something to be found only: a pass over them may take as
    long as the loss itself.
    """
    if math.isfinite(loss):
        return loss
    check_finite("targets", targets)
    require_numbers(name, scores)
    raise FloatingPointError(
        f"loss: expected a finite number, got {loss:g}: {name} or weights are too large"
    )


def checked_loss(loss: float) -> float:
    """Return the loss unless it is NaN."""
    if math.isnan(loss):
        raise FloatingPointError("loss: expected a number, got NaN: a score is NaN or infinite")
    return loss
