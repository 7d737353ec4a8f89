"""From the scores of a CTC network to symbols: the best path, or a beam of prefixes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

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
    checked = _check(logits, lengths, blank)
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
    checked = _check(logits, lengths, blank)
    beam_size = check_int("beam_size", beam_size, 1)
    num_best = check_int("num_best", num_best, 1)
    if num_best > beam_size:
        raise ValueError(f"num_best: expected at most beam_size {beam_size}, got {num_best}")
    log_probs = log_softmax(logits).astype(np.float64)
    results = []
    for b, steps in enumerate(checked):
        beam = _Beam(blank, beam_size)
        for row in log_probs[:steps, b]:
            beam.advance(row)
        results.append(beam.best(num_best))
    return results


class _Beam:
    """The likeliest prefixes of one sequence.

    A prefix is a node of a tree: its number leads to its parent's number and its last symbol, so
    that the same symbols always have the same number. The empty prefix is number 0.
    """

    def __init__(self, blank: int, size: int) -> None:
        self._blank, self._size = blank, size
        self._parents, self._symbols = [-1], [blank]
        self._children: dict[tuple[int, int], int] = {}
        self._nodes = np.zeros(1, np.int64)
        # log P of all paths that end in a blank, and of those that end in the last symbol.
        self._blank_ended, self._symbol_ended = np.zeros(1), np.full(1, -np.inf)

    def advance(self, log_probs: Array) -> None:
        """Read one step, ``(V,)``."""
        nodes = self._nodes
        last = np.array([self._symbols[node] for node in nodes])
        total = np.logaddexp(self._blank_ended, self._symbol_ended)
        # A prefix stays as it is: by a blank, or by its last symbol again.
        blank_ended = total + log_probs[self._blank]
        symbol_ended = self._symbol_ended + log_probs[last]
        # Or it grows; by its last symbol only after a blank.
        grown = total[:, np.newaxis] + log_probs
        rows = np.arange(len(nodes))
        grown[rows, last] = self._blank_ended + log_probs[last]
        grown[:, self._blank] = -np.inf
        # What grows into a prefix that is in the beam already belongs to that one.
        places = {int(node): row for row, node in enumerate(nodes)}
        for row, node in enumerate(nodes):
            parent = places.get(self._parents[node])
            if parent is not None:
                symbol = self._symbols[node]
                symbol_ended[row] = np.logaddexp(symbol_ended[row], grown[parent, symbol])
                grown[parent, symbol] = -np.inf
        candidates = np.concatenate([np.logaddexp(blank_ended, symbol_ended), grown.ravel()])
        chosen = np.argsort(-candidates, kind="stable")[: self._size]
        chosen = chosen[candidates[chosen] > -np.inf]
        stay = chosen[chosen < len(nodes)]
        from_row, symbols = np.divmod(chosen[chosen >= len(nodes)] - len(nodes), len(log_probs))
        new = [self._child(int(nodes[r]), int(v)) for r, v in zip(from_row, symbols, strict=True)]
        self._nodes = np.concatenate([nodes[stay], np.array(new, np.int64)])
        self._blank_ended = np.concatenate([blank_ended[stay], np.full(len(new), -np.inf)])
        self._symbol_ended = np.concatenate([symbol_ended[stay], grown[from_row, symbols]])

    def best(self, count: int) -> list[Labelling]:
        """Return the likeliest prefixes, the best one first."""
        total = np.logaddexp(self._blank_ended, self._symbol_ended)
        order = np.argsort(-total, kind="stable")[:count]
        return [Labelling(self._path(int(self._nodes[i])), float(total[i])) for i in order]

    def _child(self, node: int, symbol: int) -> int:
        number = self._children.setdefault((node, symbol), len(self._parents))
        if number == len(self._parents):
            self._parents.append(node)
            self._symbols.append(symbol)
        return number

    def _path(self, node: int) -> Ints:
        symbols: list[int] = []
        while node:
            symbols.append(self._symbols[node])
            node = self._parents[node]
        return np.array(symbols[::-1], np.int64)


def _check(logits: Array, lengths: Any, blank: int) -> Ints:
    """Return the lengths of checked scores."""
    require_scores("logits", logits, 1)
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
    return array
