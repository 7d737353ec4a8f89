"""Pooling over time: one vector of a sequence's many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks import among, check_int
from rnnfast._messages import shown
from rnnfast.nn.module import Array

POOLINGS = ("last", "mean", "max", "concat")


def pool(
    h: Array, lengths: npt.NDArray[np.integer[Any]], how: str, num_directions: int = 1
) -> tuple[Array, Callable[[Array], Array]]:
    """Pool the outputs of recurrent layers over each sequence's own steps.

    Parameters
    ----------
    h : ndarray
        Outputs ``(T, B, D*H)``.
    lengths : ndarray of int
        ``(B,)``, from 0 to T. Past a length ``h`` is 0, as recurrent layers leave it. A sequence
        of length 0 has a vector of zeros.
    how : {"last", "mean", "max", "concat"}
        What each direction has when it has read all: of the forward one the output of the last
        step, of the reverse one that of the first; the mean over the steps; the largest of each
        number; or these three one after another (Howard & Ruder 2018, section 3.3).
    num_directions : int
        D, 1 or 2.

    Returns
    -------
    v : ndarray
        ``(B, W)``, with W of `pooled_size`.
    backprop : callable
        ``dh = backprop(dv)``.

    Raises
    ------
    ValueError
        If ``how`` is none of these.
    """
    if not among(how, POOLINGS):
        raise ValueError(f"pooling: expected one of {', '.join(POOLINGS)}, got {shown(how)}")
    if how != "concat":
        return _KINDS[how](h, lengths, num_directions)
    parts = [kind(h, lengths, num_directions) for kind in _KINDS.values()]

    def backprop(dv: Array) -> Array:
        pieces = np.split(dv, len(parts), axis=1)
        first, *others = (back(piece) for (_, back), piece in zip(parts, pieces, strict=True))
        for other in others:
            first += other
        return first

    return np.concatenate([v for v, _ in parts], axis=1), backprop


def pooled_size(how: str, width: int) -> int:
    """Return W, the numbers that `pool` makes of ``width`` a step."""
    return check_int("width", width, 1) * (len(_KINDS) if how == "concat" else 1)


def _last(
    h: Array, lengths: npt.NDArray[np.integer[Any]], num_directions: int
) -> tuple[Array, Callable[[Array], Array]]:
    columns = np.arange(h.shape[1])
    width = h.shape[2] // num_directions
    ends = np.maximum(lengths - 1, 0)
    v = np.concatenate([h[ends, columns, :width], h[0, :, width:]], axis=1)
    v[lengths == 0] = 0

    def backprop(dv: Array) -> Array:
        dv = np.where((lengths == 0)[:, np.newaxis], dv.dtype.type(0), dv)
        dh = np.zeros(h.shape, dv.dtype)
        dh[ends, columns, :width] = dv[:, :width]
        dh[0, :, width:] = dv[:, width:]
        return dh

    return v, backprop


def _mean(
    h: Array, lengths: npt.NDArray[np.integer[Any]], num_directions: int
) -> tuple[Array, Callable[[Array], Array]]:
    share = _inside(h, lengths) / np.maximum(lengths, 1).astype(h.dtype)[:, np.newaxis]

    def backprop(dv: Array) -> Array:
        dh: Array = share * dv
        return dh

    v: Array = np.einsum("tbh,tbi->bh", h, share)
    return v, backprop


def _max(
    h: Array, lengths: npt.NDArray[np.integer[Any]], num_directions: int
) -> tuple[Array, Callable[[Array], Array]]:
    empty = (lengths == 0)[:, np.newaxis]
    masked = np.where(_inside(h, lengths) > 0, h, h.dtype.type(-np.inf))
    best = masked.argmax(axis=0)[np.newaxis]
    v = np.take_along_axis(masked, best, axis=0)[0]
    v[empty[:, 0]] = 0

    def backprop(dv: Array) -> Array:
        dh = np.zeros(h.shape, dv.dtype)
        np.put_along_axis(dh, best, np.where(empty, dv.dtype.type(0), dv)[np.newaxis], axis=0)
        return dh

    return v, backprop


def _inside(h: Array, lengths: npt.NDArray[np.integer[Any]]) -> Array:
    """Return 1 where a step counts and 0 elsewhere, ``(T, B, 1)``, of h's dtype."""
    inside = np.arange(len(h))[:, np.newaxis] < lengths
    return inside[..., np.newaxis].astype(h.dtype)


_KINDS = {"last": _last, "mean": _mean, "max": _max}
