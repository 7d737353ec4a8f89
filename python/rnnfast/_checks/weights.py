"""How much each example counts: `sample_weight`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks.arrays import read_array
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
    array = read_array(name, sample_weight, f"shape ({count},)")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
    if array.shape != (count,):
        raise ValueError(f"{name}: expected shape ({count},), got {array.shape}")
    weights = array.astype(np.float64)
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if wrong.size:
        got = shown(array[wrong[0]].item())
        raise ValueError(f"{name}[{wrong[0]}]: expected a finite number of at least 0, got {got}")
    if not weights.any():
        raise ValueError(f"{name}: expected a number above 0, got zeros only")
    result: Weights = weights / weights.max()
    return result
