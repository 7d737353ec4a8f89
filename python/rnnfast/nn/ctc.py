"""Connectionist temporal classification: the loss of few symbols from many steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast._checks import among, check_bool, check_indices, check_int, check_lengths, check_list
from rnnfast._checks.messages import shown
from rnnfast.nn._loss_arguments import Reduction, checked_weights, loss_factor, require_scores
from rnnfast.nn.module import Array

Ints = npt.NDArray[np.int64]


def ctc_loss(
    logits: Array,
    targets: npt.ArrayLike | Sequence[npt.ArrayLike],
    lengths: npt.ArrayLike | None = None,
    target_lengths: npt.ArrayLike | None = None,
    *,
    blank: int = 0,
    weights: Array | None = None,
    impossible: Literal["error", "ignore"] = "error",
    reduction: Reduction = "mean",
    scale: float = 1.0,
    backward: bool = True,
) -> tuple[float, Array | None]:
    """Negative log-probability of symbols whose places in time are not known.

    ::

        loss = - sum over sequences of w log(sum over paths of prod over t of p<t>[path_t])

    with ``p<t> = softmax(x<t>)``. A path names a class at every step, and gives the target when
    repeated classes are merged and blanks removed (Graves et al. 2006, sections 3 and 4). Computed
    in log-space in float64.

    Parameters
    ----------
    logits : ndarray
        Scores, ``(T, B, V)``, float32 or float64. Logarithms of probabilities are such scores too.
    targets : array_like of int
        ``(B, U)``, or a list of B sequences: the symbols, each a class other than the blank.
    lengths : array_like of int, optional
        ``(B,)``, the steps of each sequence, from 0 to T; None: T. Further steps are not read.
    target_lengths : array_like of int, optional
        ``(B,)``, how many symbols of a row of ``targets`` count; None: all.
    blank : int
        The class that stands for no symbol.
    weights : ndarray, optional
        ``(B,)``, w: how much each sequence counts, or a mask of bool.
    impossible : {"error", "ignore"}
        What to do with a sequence that has fewer steps than its target needs: one for each symbol
        and one for the blank between any two equal neighbours. No path gives the target then, and
        its loss is infinite. ``"error"`` raises; with ``"ignore"`` such a sequence counts nothing.
    reduction : {"mean", "sum"}
        ``"mean"`` divides by the sum of the weights of the sequences that count. (PyTorch's
        divides each loss by the target's length first.)
    scale, backward
        As all losses have them.

    Returns
    -------
    loss : float
        In nats.
    dlogits : ndarray or None
        Gradient, shape of ``logits``; 0 past a length.

    Raises
    ------
    TypeError
        If a dtype differs.
    ValueError
        If a shape differs, a class or a length is out of range, a target has no path, or nothing
        counts with ``"mean"``.
    FloatingPointError
        If a score is NaN or infinite. Minus infinity is the score of a class that cannot be, as
        long as a path is left.

    Examples
    --------
    >>> probabilities = np.array([[0.6, 0.4], [0.6, 0.4]])  # of the blank and of the symbol 1
    >>> loss, _ = ctc_loss(np.log(probabilities)[:, np.newaxis], [[1]])
    >>> round(float(np.exp(-loss)), 2)  # the paths 11, -1 and 1-: 0.16 + 0.24 + 0.24
    0.64
    """
    logits = require_scores("logits", logits, 1)
    if logits.ndim != 3:
        raise ValueError(f"logits: expected shape (T, B, V), got {logits.shape}")
    steps, batch_size, _ = logits.shape
    blank = check_int("blank", blank, 0)
    flat, sizes = _flatten(targets, target_lengths, batch_size)
    if lengths is None:
        lengths = np.full(batch_size, steps)
    checked = check_lengths("lengths", lengths, batch_size, steps)
    if not among(impossible, ("error", "ignore")):
        raise ValueError(f"impossible: expected 'error' or 'ignore', got {shown(impossible)}")
    short = checked < needed_steps(flat, sizes)
    if short.any() and impossible == "error":
        b = int(np.flatnonzero(short)[0])
        raise ValueError(
            f"targets[{b}]: expected symbols that fit {checked[b]} steps, got {sizes[b]} that need "
            f"{needed_steps(flat, sizes)[b]} with the blanks between equal ones"
        )
    if weights is not None:
        weights = checked_weights("weights", weights, logits.dtype)
        if weights.shape != (batch_size,):
            raise ValueError(f"weights: expected shape ({batch_size},), got {weights.shape}")
    if short.any():
        weights = np.where(short, 0, 1 if weights is None else weights).astype(logits.dtype)
    factor = loss_factor(
        reduction,
        scale,
        lambda: float(batch_size if weights is None else weights.sum(dtype=np.float64)),
    )
    loss, gradient = _core.ctc(
        logits,
        flat,
        _offsets(sizes),
        checked,
        weights,
        blank,
        factor,
        check_bool("backward", backward),
    )
    return loss * factor, gradient


def needed_steps(symbols: Ints, sizes: Ints) -> Ints:
    """Return how many steps the shortest path of each target has.

    Parameters
    ----------
    symbols : ndarray of int64
        Those of all targets, one after the other.
    sizes : ndarray of int64, shape (B,)
        How many each target has.

    Returns
    -------
    ndarray of int64, shape (B,)
        One for each symbol, and one for a blank between any two equal neighbours.
    """
    equal = np.zeros(len(symbols) + 1, np.int64)
    equal[1:-1] = symbols[1:] == symbols[:-1]
    offsets = _offsets(sizes)
    equal[offsets] = 0  # neighbours, but of different targets
    before = np.concatenate([[0], np.cumsum(equal)])
    needed: Ints = sizes + before[offsets[1:]] - before[offsets[:-1]]
    return needed


def _offsets(sizes: Ints) -> Ints:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])


def _flatten(targets: Any, target_lengths: Any, batch_size: int) -> tuple[Ints, Ints]:
    """Return all symbols one after the other, and how many each sequence has."""
    targets = check_list("targets", targets, "symbols of each sequence")
    if len(targets) != batch_size:
        raise ValueError(f"targets: expected one row a sequence, {batch_size}, got {len(targets)}")
    rows = [check_indices(f"targets[{b}]", row, ndim=1) for b, row in enumerate(targets)]
    if target_lengths is not None:
        sizes = check_lengths(
            "target_lengths", target_lengths, batch_size, max(map(len, rows), default=0)
        )
        for b, (row, size) in enumerate(zip(rows, sizes, strict=True)):
            if len(row) < size:
                raise ValueError(f"targets[{b}]: expected {size} symbols, got {len(row)}")
        rows = [row[:size] for row, size in zip(rows, sizes, strict=True)]
    flat = np.concatenate([np.zeros(0, np.int64), *rows]).astype(np.int64)
    return flat, np.array([len(row) for row in rows], np.int64)
