"""Pairs of an input and an output of another length, side by side in a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnfast.data.batches import Ints
from rnnfast.models.parts.examples import pad_batch
from rnnfast.nn.module import Array


class PairBatch(NamedTuple):
    """Pairs of sequences side by side.

    Attributes
    ----------
    x : ndarray
        What the encoder reads, ids ``(T, B)`` or series ``(T, B, F)``.
    lengths : ndarray of int64, shape (B,)
        Its steps that count.
    inputs, targets : ndarray of int64, shape (U, B)
        What the decoder is fed with teacher forcing, ``start, y<1> ... y<n>``, and what it is to
        predict, ``y<1> ... y<n>, end``.
    target_lengths : ndarray of int64, shape (B,)
        n + 1.
    """

    x: Array
    lengths: Ints
    inputs: Ints
    targets: Ints
    target_lengths: Ints

    @property
    def mask(self) -> Array:
        """True where a target counts, ``(U, B)``."""
        return np.arange(len(self.inputs))[:, np.newaxis] < self.target_lengths


def make_pair_batch(x: Sequence[Array], y: Sequence[Array], start: int, end: int) -> PairBatch:
    """Return the batch of encoded pairs.

    Parameters
    ----------
    x : list of ndarray
        Ids ``(T_i,)`` or series ``(T_i, F)``.
    y : list of ndarray of int
        Ids ``(n_i,)``.
    start, end : int
        The ids that stand before the first and after the last of y.
    """
    padded, lengths = pad_batch(x, np.arange(len(x)))
    target_lengths = np.array([len(ids) + 1 for ids in y], np.int64)
    targets = np.full((int(target_lengths.max()), len(y)), end, np.int64)
    for column, ids in enumerate(y):
        targets[: len(ids), column] = ids
    inputs = np.concatenate([np.full((1, len(y)), start, np.int64), targets[:-1]])
    return PairBatch(padded, lengths, inputs, targets, target_lengths)
