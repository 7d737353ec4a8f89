"""Mean and deviation of numbers, over parts of them that are small: nothing is copied whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from rnnfast._checks.arrays import constant_columns
from rnnfast.models.parts.reading.lazy import LazySeries
from rnnfast.models.parts.reading.weights import Weights
from rnnfast.nn.module import Array

# Numbers that are looked at together, in float64.
_BLOCK = 1 << 20
# Columns that are fewer are summed one by one.
_FEW = 16


def mean_and_scale(
    arrays: Sequence[Array],
    dtype: np.dtype[Any],
    rounding: float | Array = 0.0,
    weights: Weights | None = None,
) -> tuple[Array, Array]:
    """Return what ``(rows - mean) / scale`` has the mean 0 and the deviation 1 with.

    A column that does not change, but for rounding, has the scale 0.

    Parameters
    ----------
    arrays : sequence of ndarray, shapes (N_i, F)
        The rows, at least one; of any finite size, as nothing is squared that would overflow or
        vanish.
    dtype : dtype
        Of the numbers as they were given, which tells how they are rounded.
    rounding : float or ndarray
        What calculations may have left besides, as `constant_columns` takes it.
    weights : ndarray, optional
        How much each row counts, ``(sum of N_i,)``, above 0; None: all the same.

    Returns
    -------
    mean, scale : ndarray of float64, shape (F,)
    """
    few = not isinstance(arrays, LazySeries) and sum(array.size for array in arrays) <= _BLOCK
    kept = [*_blocks(arrays)] if few else None

    def blocks() -> Iterable[Array]:
        return _blocks(arrays) if kept is None else kept

    ends = np.stack([
        end for columns in blocks() for end in (columns.min(axis=1), columns.max(axis=1))
    ])  # fmt: skip
    # Divided by a power of 2, by which nothing is rounded, no square is too large or too small.
    exponent = np.frexp(np.abs(ends).max(axis=0))[1][:, np.newaxis]
    heaviest = _column(blocks(), 0 if weights is None else int(weights.argmax()))
    first = np.ldexp(heaviest, -exponent)

    def changes() -> Iterator[tuple[Array, Array | None]]:
        # From one row on, the first of those that weigh most: the mean of equal numbers is that
        # number, however many there are, and a number that weighs nothing rounds no other.
        begin = 0
        for columns in blocks():
            share, end = None, begin + columns.shape[1]
            if weights is not None:
                share = weights[begin:end] / weights.max()
            change = np.ldexp(columns, -exponent)
            change -= first
            yield change, share
            begin = end

    total, count = np.zeros_like(first), 0.0
    for change, share in changes():
        each = change if share is None else change * share
        total += each.sum(axis=1, keepdims=True)
        count += change.shape[1] if share is None else float(share.sum())
    center, squares = total / count, np.zeros_like(first)
    for change, share in changes():
        change -= center
        each = np.square(change, out=change)
        squares += (each if share is None else each * share).sum(axis=1, keepdims=True)
    deviation = np.sqrt(squares / count)
    mean = np.ldexp(first + center, exponent)[:, 0]
    scale = np.maximum(np.ldexp(deviation, exponent), np.finfo(np.float64).tiny)[:, 0]
    return mean, np.where(constant_columns(ends, dtype, rounding), 0.0, scale)


def _column(blocks: Iterable[Array], number: int) -> Array:
    """Return a row of those that blocks of columns hold, ``(F, 1)``."""
    for columns in blocks:
        if number < columns.shape[1]:
            return columns[:, number : number + 1]
        number -= columns.shape[1]
    raise IndexError(number)


def _blocks(arrays: Sequence[Array]) -> Iterator[Array]:
    """Yield the columns ``(F, N)`` of some rows at a time, in float64.

    In one order in memory, whatever that of the rows was: by that sums round.
    """
    pieces: list[Array] = []
    size = 0
    for array in arrays:
        step = max(1, _BLOCK // array.shape[1])
        for begin in range(0, len(array), step):
            piece = array[begin : begin + step]
            if pieces and size + piece.size > _BLOCK:
                yield _joined(pieces)
                pieces, size = [], 0
            pieces.append(np.array(piece, np.float64))  # so that what is read anew is let go of
            size += piece.size
    if pieces:
        yield _joined(pieces)


def _joined(pieces: list[Array]) -> Array:
    columns = np.ascontiguousarray(np.concatenate(pieces)).T
    # A few are each by itself: sums over rows of them would take ten times as long.
    return np.ascontiguousarray(columns) if len(columns) < _FEW else columns
