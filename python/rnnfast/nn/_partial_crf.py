"""Sums over the paths of a CRF where some steps have no tag."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast.nn.module import Array

Ints = npt.NDArray[np.int64]
Scores = tuple[Array, Array, Array]


class PathSums(NamedTuple):
    """Logarithms of sums of ``exp(s(y))`` over paths y, and the gradients of their difference.

    Attributes
    ----------
    log_z : ndarray of float64, shape (B,)
        Over all paths.
    agreeing : ndarray of float64, shape (B,)
        Over those that agree with the tags given; minus infinity if there is none.
    gradients : tuple of ndarray, optional
        Of the sum of ``weights (log_z - agreeing)``, of emissions, start, transitions and end.
    """

    log_z: Array
    agreeing: Array
    gradients: tuple[Array, ...] | None


def path_sums(
    e: Array,
    scores: Scores,
    counts: Ints | None,
    tags: Ints,
    known: npt.NDArray[np.bool_],
    weights: Array,
    backward: bool,
) -> PathSums:
    """Return the sums for emissions ``(T, B, K)`` and tags ``(T, B)``, of which some are known.

    Sequences all of whose steps have a tag are to this as if no other stood beside them. For the
    others the sum over the paths that agree is that over all, where emissions of other tags are
    minus infinity; both are taken in float64, so that their difference is rounded once.
    """
    T, B, _ = e.shape
    within = np.arange(T)[:, np.newaxis] < (T if counts is None else counts)
    partial = (within & ~known).any(axis=0)
    if not partial.any():
        log_z, agreeing, gradients = _core.crf_sums(e, *scores, counts, tags, weights, backward)
        assert agreeing is not None
        return PathSums(log_z, agreeing, gradients)
    log_z, agreeing, found = np.empty(B), np.empty(B), []
    for rows, sums in ((~partial, _whole), (partial, _clamped)):
        chosen = np.flatnonzero(rows)
        own = None if counts is None else counts[chosen]
        log_z[chosen], agreeing[chosen], gradients = sums(
            e[:, chosen], scores, own, tags[:, chosen], known[:, chosen], weights[chosen], backward
        )
        if gradients is not None:
            found.append((chosen, gradients))
    if not backward:
        return PathSums(log_z, agreeing, None)
    de = np.empty_like(e)
    for chosen, gradients in found:
        de[:, chosen] = gradients[0]
    added = [
        (found[0][1][n].astype(np.float64) + found[1][1][n]).astype(e.dtype) for n in (1, 2, 3)
    ]
    return PathSums(log_z, agreeing, (de, *added))


def _whole(
    e: Array, scores: Scores, counts: Any, tags: Ints, known: Any, weights: Array, backward: bool
) -> tuple[Any, Any, Any]:
    return _core.crf_sums(e, *scores, counts, tags, weights, backward)


def _clamped(
    e: Array, scores: Scores, counts: Any, tags: Ints, known: Array, weights: Array, backward: bool
) -> tuple[Any, Any, Any]:
    """Return the sums of sequences that each have a step without a tag, gradients in float64."""
    wide = e.astype(np.float64)
    start, transitions, end = (part.astype(np.float64) for part in scores)
    others = known[..., np.newaxis] & (np.arange(e.shape[2]) != tags[..., np.newaxis])
    clamped = np.where(others, -math.inf, wide)
    (log_z, _, of_all), (agreeing, _, of_some) = (
        _core.crf_sums(given, start, transitions, end, counts, None, weights, backward)
        for given in (wide, clamped)
    )
    if of_all is None or of_some is None:
        return log_z, agreeing, None
    return log_z, agreeing, tuple(a - s for a, s in zip(of_all, of_some, strict=True))
