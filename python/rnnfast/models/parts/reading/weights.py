"""What becomes of `sample_weight` in batches and over steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rnnfast._checks.weights import Weights
from rnnfast.models.parts.reading.sequences import lengths_of

__all__ = ["StepWeights", "Weights", "of_examples", "scaled", "spread"]

# How much each example counts, ``(N,)``, or each step of each, ``(T_i,)``.
StepWeights: TypeAlias = Weights | list[Weights]


def scaled(weights: StepWeights, terms: npt.NDArray[Any], dtype: str) -> Any:
    """Return weights as batches have them: a mean of 1 over all terms of the loss.

    So the loss of all examples together is their weighted mean, and what an example weighs does
    not depend on the batch that it is in. ``terms`` are how many each example has; steps that have
    none weigh 0.
    """
    if isinstance(weights, list):
        scale = _mean_of_one(float(np.concatenate(weights).sum()), terms)
        return [(own * scale).astype(dtype) for own in weights]
    return (weights * _mean_of_one(float((weights * terms).sum()), terms)).astype(dtype)


def _mean_of_one(total: float, terms: npt.NDArray[Any]) -> float:
    return float(terms.sum()) / total if total > 0 else 1.0


def relative(weights: StepWeights) -> StepWeights:
    """Return weights above 0 of which the largest is about 1, whatever others weigh.

    The smallest of all examples may have no number above 0 in the network's dtype.
    """
    least = float(np.finfo(np.float64).tiny)
    if isinstance(weights, list):
        largest = max((float(own.max(initial=least)) for own in weights), default=least)
        return [own / largest for own in weights]
    result: Weights = weights / weights.max(initial=least)
    return result


def spread(weights: StepWeights | None, sequences: Sequence[Any]) -> Weights | None:
    """Return the weight of each step of sequences ``(T_i, ...)``, one after another."""
    if isinstance(weights, list):
        return np.concatenate(weights)
    return None if weights is None else np.repeat(weights, lengths_of(sequences))


def of_examples(weights: StepWeights | None) -> Weights | None:
    """Return how much each example counts: where steps have weights, the mean of those above 0.

    So that what a step weighs, whose label counts for nothing, has no influence on what is learned
    of what is read; 1 if there is none.
    """
    if not isinstance(weights, list):
        return weights
    return np.array([own[own > 0].mean() if own.any() else 1.0 for own in weights])
