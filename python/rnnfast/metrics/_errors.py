"""Numbers: how far off they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def rmse(true: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Return ``sqrt(mean((predicted - true)^2))`` over all numbers.

    Raises
    ------
    ValueError
        If there is nothing, shapes differ, or a number is not finite.
    """
    t, p = _numbers(true, predicted)
    return float(np.sqrt(np.mean((p - t) ** 2)))


def mae(true: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Return ``mean(|predicted - true|)`` over all numbers.

    Raises
    ------
    ValueError
        If there is nothing, shapes differ, or a number is not finite.
    """
    t, p = _numbers(true, predicted)
    return float(np.mean(np.abs(p - t)))


def r2(true: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Return ``1 - sum((t - p)^2) / sum((t - mean(t))^2)``, the mean over columns.

    1 is perfect, 0 as good as the mean. A column that does not change has 1 if it is met exactly,
    else 0.

    Raises
    ------
    ValueError
        If there is nothing, shapes differ, or a number is not finite.
    """
    t, p = _numbers(true, predicted)
    t, p = t.reshape(len(t), -1), p.reshape(len(t), -1)
    missed = ((t - p) ** 2).sum(axis=0)
    spread = ((t - t.mean(axis=0)) ** 2).sum(axis=0)
    changes = spread > 0
    scores = np.where(missed == 0, 1.0, 0.0)
    scores[changes] = 1 - missed[changes] / spread[changes]
    return float(scores.mean())


def _numbers(true: npt.ArrayLike, predicted: npt.ArrayLike) -> tuple[Any, Any]:
    t, p = np.asarray(true, np.float64), np.asarray(predicted, np.float64)
    if t.shape != p.shape:
        raise ValueError(f"predicted: expected shape {t.shape}, got {p.shape}")
    if t.size == 0:
        raise ValueError("true: expected at least one number, got none")
    for name, array in (("true", t), ("predicted", p)):
        if not np.isfinite(array).all():
            bad = array[~np.isfinite(array)][0]
            raise ValueError(f"{name}: expected finite numbers, got {bad}")
    return t, p
