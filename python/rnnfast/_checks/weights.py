"""How much each example counts, or each step: `sample_weight`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks.arrays import not_real, read_array
from rnnfast._checks.messages import shown

Weights = npt.NDArray[np.float64]


def read_weights(name: str, sample_weight: Any, count: int) -> Weights | None:
    """Return the weights ``(N,)`` of so many examples, the largest 1; None: they were given none.

    Raises
    ------
    TypeError
        If they are not real numbers.
    ValueError
        If there is not one for each, one is below 0 or not finite, or all are 0.
    """
    if sample_weight is None:
        return None
    weights = _numbers(name, sample_weight, count)
    if not weights.any():
        raise ValueError(f"{name}: expected a number above 0, got zeros only")
    result: Weights = weights / weights.max()
    return result


def read_step_weights(
    name: str, sample_weight: Any, lengths: Sequence[int]
) -> Weights | list[Weights] | None:
    """Return the weights ``(N,)`` of sequences, or those ``(T_i,)`` of the steps of each.

    The largest is 1. None: they were given none.

    Raises
    ------
    TypeError, ValueError
        As `read_weights`; also if there is not one for each step.
    """
    if not _is_of_steps(sample_weight):
        return read_weights(name, sample_weight, len(lengths))
    given = list(sample_weight)
    if len(given) != len(lengths):
        raise ValueError(
            f"{name}: expected one for each of the {len(lengths)} sequences, got {len(given)}"
        )
    each = [
        _numbers(f"{name}[{number}]", own, length) if length or len(own) else np.zeros(0)
        for number, (own, length) in enumerate(zip(given, lengths, strict=True))
    ]
    largest = max((float(own.max(initial=0)) for own in each), default=0.0)
    if largest == 0:
        raise ValueError(f"{name}: expected a number above 0, got zeros only")
    return [own / largest for own in each]


def _is_of_steps(sample_weight: Any) -> bool:
    """Whether weights are one array or list for each sequence: an array ``(N, T)`` is, too."""
    if isinstance(sample_weight, np.ndarray) and sample_weight.dtype.kind != "O":
        return sample_weight.ndim == 2
    if isinstance(sample_weight, (list, tuple, np.ndarray)):
        return any(isinstance(own, (list, tuple)) or _axes(own) == 1 for own in sample_weight)
    return _axes(sample_weight) == 2 and not hasattr(sample_weight, "columns")


def _axes(value: Any) -> Any:
    return getattr(value, "ndim", 0)


def _numbers(name: str, given: Any, count: int) -> Weights:
    """Return so many weights; raise for others than finite numbers of at least 0."""
    array = read_array(name, given, f"shape ({count},)")
    if array.dtype.kind not in "biuf":
        raise not_real(name, array)
    if array.shape != (count,):
        raise ValueError(f"{name}: expected shape ({count},), got {array.shape}")
    weights = array.astype(np.float64)
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if wrong.size:
        got = shown(array[wrong[0]].item())
        raise ValueError(f"{name}[{wrong[0]}]: expected a finite number of at least 0, got {got}")
    return weights
