"""From the scores of a CTC network to symbols: the best path, or a beam of prefixes."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast._checks import check_int, check_lengths
from rnnfast.nn._loss_arguments import require_scores
from rnnfast.nn.losses import log_softmax
from rnnfast.nn.module import Array

Ints = npt.NDArray[np.int64]


class Labelling(NamedTuple):
    """Symbols that scores may stand for.

    Attributes
    ----------
    symbols : ndarray of int64
        The classes, without blanks.
    log_prob : float
        The logarithm of their probability, in nats: the sum over the paths that were followed.
    """

    symbols: Ints
    log_prob: float


def ctc_greedy(
    logits: Array, lengths: npt.ArrayLike | None = None, *, blank: int = 0
) -> list[Ints]:
    """Return what the best path stands for: the best class of each step, merged, without blanks.

    Best path decoding of Graves et al. (2006), section 3.2. Fast; the likeliest symbols may
    be others, whose probability is shared by many paths: see `ctc_beam`.

    Parameters
    ----------
    logits : ndarray
        Scores, ``(T, B, V)``, float32 or float64.
    lengths : array_like of int, optional
        ``(B,)``, the steps of each sequence; None: T.
    blank : int
        The class that stands for no symbol.

    Returns
    -------
    list of ndarray
        The symbols of each sequence, int64.

    Raises
    ------
    TypeError
        If a dtype differs.
    ValueError
        If a shape differs, a length or the blank is out of range, or a score is not finite.
    """
    logits, checked = checked_scores(logits, lengths, blank)
    best = logits.argmax(axis=2)
    changes = np.ones(best.shape, np.bool_)
    changes[1:] = best[1:] != best[:-1]
    within = np.arange(len(best))[:, np.newaxis] < checked
    kept = changes & within & (best != blank)
    return [best[kept[:, b], b].astype(np.int64) for b in range(best.shape[1])]


def ctc_beam(
    logits: Array,
    lengths: npt.ArrayLike | None = None,
    *,
    blank: int = 0,
    beam_size: int = 16,
    num_best: int = 1,
) -> list[list[Labelling]]:
    """Return the likeliest symbols that a beam of prefixes finds.

    Prefix search with a beam, after Graves et al. (2006), section 3.2: step by step, each of the
    ``beam_size`` likeliest prefixes keeps the probability of all its paths, apart for those that
    end in a blank and those that do not, and is prolonged by every symbol.

    Parameters
    ----------
    logits, lengths, blank
        As `ctc_greedy` takes them.
    beam_size : int
        How many prefixes are kept at each step.
    num_best : int
        How many labellings are wanted, at most ``beam_size``.

    Returns
    -------
    list of list of Labelling
        For each sequence the likeliest first; fewer where there are no more.

    Raises
    ------
    TypeError
        If a dtype differs.
    ValueError
        If a shape differs, a number is out of range, or a score is not finite.
    """
    logits, checked = checked_scores(logits, lengths, blank)
    beam_size = check_int("beam_size", beam_size, 1)
    num_best = check_int("num_best", num_best, 1)
    if num_best > beam_size:
        raise ValueError(f"num_best: expected at most beam_size {beam_size}, got {num_best}")
    search = _core.CtcSearch(
        log_probs_within(logits, checked),
        checked,
        blank,
        beam_size,
        -math.inf,
        0.0,
        [],
        0.0,
        -1,
        False,
    )
    search.advance()
    return [
        [Labelling(symbols, log_prob) for symbols, log_prob, _ in labellings]
        for labellings in search.best(num_best)
    ]


def checked_scores(logits: Any, lengths: Any, blank: int) -> tuple[Array, Ints]:
    """Return checked scores and their lengths."""
    logits = require_scores("logits", logits, 1)
    if logits.ndim != 3:
        raise ValueError(f"logits: expected shape (T, B, V), got {logits.shape}")
    steps, batch_size, classes = logits.shape
    if check_int("blank", blank, 0) >= classes:
        raise ValueError(f"blank: expected a class from 0 to {classes - 1}, got {blank}")
    if lengths is None:
        lengths = np.full(batch_size, steps)
    array = check_lengths("lengths", lengths, batch_size, steps)
    if not np.isfinite(logits[np.arange(steps)[:, np.newaxis] < array]).all():
        raise ValueError("logits: expected finite numbers, got NaN or infinity")
    return logits, array


def log_probs_within(logits: Array, lengths: Ints) -> Array:
    """Return the logarithms of probabilities; what lies past a length is not looked at."""
    if (lengths < len(logits)).any():
        within = np.arange(len(logits))[:, np.newaxis] < lengths
        logits = np.where(within[:, :, np.newaxis], logits, 0).astype(logits.dtype)
    return log_softmax(logits)
