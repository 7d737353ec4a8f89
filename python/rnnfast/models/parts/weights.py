"""What becomes of `sample_weight` in batches and over steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks.weights import Weights

__all__ = ["Weights", "scaled", "spread"]


def scaled(weights: Weights, terms: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    """Return weights as batches have them: a mean of 1 over all terms of the loss.

    So the loss of all examples together is their weighted mean, and what an example weighs does
    not depend on the batch that it is in.
    """
    total = float((weights * terms).sum())
    scale = float(terms.sum()) / total if total > 0 else 1.0
    result: npt.NDArray[Any] = (weights * scale).astype(dtype)
    return result


def relative(weights: Weights) -> Weights:
    """Return weights above 0 of which the largest is about 1, whatever others weigh.

    The smallest of all examples may have no number above 0 in the network's dtype.
    """
    result: Weights = weights / weights.max(initial=float(np.finfo(np.float64).tiny))
    return result


def spread(weights: Weights | None, sequences: Sequence[Any]) -> Weights | None:
    """Return the weight of each step of sequences ``(T_i, ...)``, one after another."""
    return None if weights is None else np.repeat(weights, [len(one) for one in sequences])
