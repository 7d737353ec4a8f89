"""How much each line of a language model's corpus counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast._checks.weights import Weights, read_weights
from rnnfast.data.batches import Batch, SentenceBatch
from rnnfast.models.parts.language.token_sequences import LineTokens, Tokens
from rnnfast.models.parts.reading.weights import scaled
from rnnfast.nn.module import Array


def read_line_weights(lines: bool, text: Any, count: int, sample_weight: Any) -> Weights | None:
    """Return the weights ``(N,)`` of a list of so many lines; None: they were given none.

    Raises
    ------
    TypeError, ValueError
        As `read_weights`; or if there is no list of lines.
    """
    if sample_weight is not None and (not lines or isinstance(text, str)):
        raise ValueError(
            "sample_weight: expected a list of lines with lines=True, got a running text"
        )
    return read_weights("sample_weight", sample_weight, count)


def scaled_to_tokens(weights: Weights | None, lines: Tokens | None, dtype: str) -> Array | None:
    """Return weights with a mean of 1 over all tokens of lines, their ends counted."""
    if weights is None:
        return None
    assert isinstance(lines, LineTokens)
    result: Array = scaled(weights, lines.lengths.astype(np.int64) + 1, dtype)
    return result


def weights_of_columns(batch: Batch, weights: Array | None) -> Array | None:
    """Return what each token of a batch weighs, ``(T, B)``; None: 1."""
    if weights is None:
        return None
    assert isinstance(batch, SentenceBatch)
    return np.broadcast_to(weights[batch.sentences], batch.targets.shape)


def number_of_targets(batch: Batch, weights: Array | None) -> float:
    """Return how many targets of a batch count, each times the weight of its line."""
    if weights is None:
        return batch.num_targets
    assert isinstance(batch, SentenceBatch)
    return float((weights[batch.sentences].astype(np.float64) * batch.lengths).sum())
