"""Numbers: how far off they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks.arrays import constant_columns, not_real, read_array, require_finite
from rnnfast._checks.weights import read_weights

Floats = npt.NDArray[np.float64]


def rmse(
    true: npt.ArrayLike,
    predicted: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
) -> float:
    """Return ``sqrt(mean((predicted - true)^2))`` over all numbers.

    Parameters
    ----------
    true, predicted : array_like
        Numbers of the same shape.
    sample_weight : array_like, optional
        How much each row counts, ``(N,)``, none below 0; None: all the same.

    Raises
    ------
    TypeError
        If something does not hold real numbers, or is masked.
    ValueError
        If there is nothing, shapes differ, a number is not finite, or weights do not fit.
    """
    t, p, _, weights = _numbers(true, predicted, sample_weight)
    scale = _scale(t, p, axis=None)
    missed = np.abs(p / scale - t / scale)
    largest = _divisor(missed.max())  # so that squares neither overflow nor vanish
    return _unscaled(largest * np.sqrt(_mean((missed / largest) ** 2, weights)), scale)


def mae(
    true: npt.ArrayLike,
    predicted: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
) -> float:
    """Return ``mean(|predicted - true|)`` over all numbers.

    Takes what `rmse` takes.

    Raises
    ------
    TypeError, ValueError
        As `rmse`.
    """
    t, p, _, weights = _numbers(true, predicted, sample_weight)
    scale = _scale(t, p, axis=None)
    return _unscaled(_mean(np.abs(p / scale - t / scale), weights), scale)


def r2(
    true: npt.ArrayLike,
    predicted: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
) -> float:
    """Return ``1 - sum((t - p)^2) / sum((t - mean(t))^2)``, the mean over columns.

    1 is perfect, 0 as good as the mean. A column that does not change has 1 if it is met and else
    0; that it changes, or is missed, by no more than a few units in the last place counts as
    rounding. Takes what `rmse` takes.

    Raises
    ------
    TypeError, ValueError
        As `rmse`.
    """
    t, p, dtype, weights = _numbers(true, predicted, sample_weight)
    t, p = np.atleast_1d(t), np.atleast_1d(p)
    t, p = t.reshape(len(t), -1), p.reshape(len(t), -1)
    constant = constant_columns(t, dtype)
    met = constant_columns(np.stack([t, p]).reshape(-1, t.shape[1]), dtype)
    own, scale = _scale(t, axis=0), _scale(t, p, axis=0)
    moved = t / own - t[0] / own  # the mean of what hardly changes is exact only from there
    center = moved.mean(axis=0) if weights is None else np.average(moved, 0, weights)
    spread, missed = moved - center, t / scale - p / scale
    largest = _divisor(np.abs(spread).max(axis=0))
    with np.errstate(over="ignore"):  # what is missed by far has -inf
        squares, errors = (spread / largest) ** 2, (missed / largest * (scale / own)) ** 2
        if weights is not None:
            squares, errors = weights[:, np.newaxis] * squares, weights[:, np.newaxis] * errors
        of_all, unexplained = squares.sum(axis=0), errors.sum(axis=0)
    scores = np.where(constant, met.astype(np.float64), 1 - unexplained / _divisor(of_all))
    return float(scores.mean())


def _scale(*arrays: Floats, axis: int | None) -> Any:
    """Return the power of 2 by which numbers are divided so that no difference overflows.

    1 but for very large numbers; a power of 2, so that nothing is rounded.
    """
    exponent = np.frexp(np.max([np.abs(array).max(axis=axis) for array in arrays], axis=0))[1]
    return np.ldexp(1.0, np.where(exponent > 500, np.minimum(exponent, 1023), 0))


def _unscaled(error: Any, scale: Any) -> float:
    """Return an error of scaled numbers as it is; infinity where float64 ends."""
    with np.errstate(over="ignore"):
        return float(error * scale)


def _divisor(sizes: Any) -> Any:
    """Return sizes to divide by: 1 in place of 0."""
    return np.where(sizes > 0, sizes, 1.0)


def _mean(errors: Floats, weights: Floats | None) -> Any:
    """Return the mean over all numbers, those of each row times its weight."""
    if weights is None:
        return np.mean(errors)
    return np.average(errors.reshape(len(errors), -1).mean(axis=1), weights=weights)


def _numbers(
    true: npt.ArrayLike, predicted: npt.ArrayLike, sample_weight: Any
) -> tuple[Floats, Floats, np.dtype[Any], Floats | None]:
    """Return both in float64, the dtype of what was true, and weights.

    Rows that count nothing are left out.
    """
    arrays = [read_array(name, x) for name, x in (("true", true), ("predicted", predicted))]
    for name, array in zip(("true", "predicted"), arrays, strict=True):
        if array.dtype.kind not in "biuf" and array.size:
            raise not_real(name, array)
    t, p = (array.astype(np.float64) for array in arrays)
    if t.shape != p.shape:
        raise ValueError(f"predicted: expected shape {t.shape}, got {p.shape}")
    if t.size == 0:
        raise ValueError("true: expected at least one number, got none")
    for name, array in (("true", t), ("predicted", p)):
        require_finite(name, array, ("place", "column"))
    weights = read_weights("sample_weight", sample_weight, len(t) if t.ndim else 1)
    if weights is None or t.ndim == 0:
        return t, p, arrays[0].dtype, None
    counting = weights > 0
    return t[counting], p[counting], arrays[0].dtype, weights[counting]
