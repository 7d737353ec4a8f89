"""Search for the likeliest sequence, where each token depends on those before it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_indices, check_int, check_real
from rnnfast.nn.losses import log_softmax
from rnnfast.nn.module import Array

Ints = npt.NDArray[np.int64]

# So many highest numbers are found one after another faster than by a partition.
_FEW = 4


class Hypothesis(NamedTuple):
    """A sequence that was found.

    Attributes
    ----------
    tokens : ndarray of int64
        Without the token that ends it.
    log_prob : float
        ``log P(y<1> ... y<T>, end)`` in nats.
    score : float
        ``log_prob / (T + 1)^length_penalty``.
    """

    tokens: Ints
    log_prob: float
    score: float


class Decoder(Protocol):
    """What is searched: B sequences, with K hypotheses of each side by side.

    At first K is 1.
    """

    def step(self, tokens: Ints) -> Array:
        """Feed each hypothesis its last token.

        Parameters
        ----------
        tokens : ndarray of int64, shape (K, B)

        Returns
        -------
        ndarray, shape (K, B, V)
            The scores, before the softmax, of the token that follows.
        """
        ...

    def select(self, parents: Ints, sequences: Ints) -> None:
        """Go on with other hypotheses.

        Parameters
        ----------
        parents : ndarray of int64, shape (K', B')
            Which of a sequence's hypotheses each new one continues, from 0 to K - 1.
        sequences : ndarray of int64, shape (B',)
            The sequences that are searched on, as places from 0 to B - 1.
        """
        ...


def beam_search(
    decoder: Decoder,
    num_sequences: int,
    *,
    start: int,
    end: int,
    beam_size: int = 1,
    max_length: int = 100,
    length_penalty: float = 1.0,
    forbidden: Iterable[int] = (),
) -> list[list[Hypothesis]]:
    """Find likely sequences: at each step keep the ``beam_size`` likeliest beginnings.

    A sequence that ends is scored by

    ::

        log P(y) / |y|^a,    a = length_penalty

    where ``|y|`` counts the end token: with a = 0 short ones are preferred, because each token
    costs probability; a = 1 takes the mean of a token; the course suggests 0.7. A search ends when
    ``beam_size`` hypotheses have ended, or when no living one can surpass the best of these, or
    at ``max_length``, where all that live are ended.

    Parameters
    ----------
    decoder : Decoder
        Gives the scores of the next token.
    num_sequences : int
        B, how many sequences are searched for at once.
    start, end : int
        The first token that is fed, and the one that ends a sequence.
    beam_size : int
        1 is greedy: the likeliest token each time.
    max_length : int
        Most tokens of a sequence, its end not counted.
    length_penalty : float
        a, at least 0.
    forbidden : iterable of int
        Tokens that no sequence may have; not the end, without which there is no answer.

    Returns
    -------
    list of list of Hypothesis
        For each sequence those that ended, the best score first; at least one.

    Raises
    ------
    ValueError, TypeError
        If a number is out of range or not one.
    """
    beam_size = check_int("beam_size", beam_size, 1)
    max_length = check_int("max_length", max_length, 0)
    penalty = check_real("length_penalty", length_penalty, 0.0)
    num_sequences = check_int("num_sequences", num_sequences, 0)
    start, end = check_int("start", start, 0), check_int("end", end, 0)
    banned = check_indices("forbidden", list(forbidden), ndim=1)
    if end in banned:
        raise ValueError(f"forbidden: expected other tokens than {end}, the end, got it")
    found: list[list[Hypothesis]] = [[] for _ in range(num_sequences)]
    alive = np.arange(num_sequences)  # the sequences that are still searched
    tokens = np.full((1, num_sequences), start, np.int64)
    log_probs = np.zeros((1, num_sequences))
    paths = np.zeros((1, num_sequences, 0), np.int64)
    for length in range(max_length + 1):
        if not len(alive):
            break
        scores = log_softmax(decoder.step(tokens))
        for name, highest in (("end", end), ("forbidden", banned.max(initial=0))):
            if highest >= scores.shape[-1]:
                last = scores.shape[-1] - 1
                raise ValueError(f"{name}: expected tokens from 0 to {last}, got {highest}")
        scores[..., banned] = -np.inf
        if length == max_length:
            values, parents = log_probs + scores[:, :, end], np.arange(len(scores))[:, np.newaxis]
            parents = np.broadcast_to(parents, values.shape)
            ends = np.ones(values.shape, np.bool_)
            values_of_ends = values
        else:
            values, parents, tokens = _best(log_probs, scores, 2 * beam_size)
            ends = tokens == end
            # An end counts if it is among the best, which leaves as many others to go on with.
            values_of_ends = np.where(ends[:beam_size], values[:beam_size], -np.inf)
        for rank, place in np.argwhere(values_of_ends > -np.inf):
            log_prob = float(values_of_ends[rank, place])
            path = paths[parents[rank, place], place]
            score = log_prob / _power(length + 1, penalty)
            found[alive[place]].append(Hypothesis(path.copy(), log_prob, score))
        if length == max_length:
            break
        # The best that have not ended go on, in order.
        order = np.argsort(ends, axis=0, kind="stable")[: min(beam_size, int((~ends).sum(0).min()))]
        values = np.take_along_axis(values, order, axis=0)
        parents = np.take_along_axis(parents, order, axis=0)
        tokens = np.take_along_axis(tokens, order, axis=0)
        if not len(order):
            break
        bounds = values[0] / _power(max_length + 1, penalty)
        kept = np.array(
            [
                place
                for place, sequence in enumerate(alive)
                if len(found[sequence]) < beam_size
                and bounds[place] > max((h.score for h in found[sequence]), default=-np.inf)
            ],
            np.int64,
        )
        alive, tokens, log_probs = alive[kept], tokens[:, kept], values[:, kept]
        parents = parents[:, kept]
        paths = np.concatenate([paths[parents, kept], tokens[:, :, np.newaxis]], axis=2)
        decoder.select(parents, kept)
    return [sorted(hypotheses, key=lambda h: -h.score) for hypotheses in found]


def _power(length: int, penalty: float) -> float:
    try:
        return float(length**penalty)
    except OverflowError:
        return math.inf


def _best(log_probs: Array, scores: Array, count: int) -> tuple[Array, Ints, Ints]:
    """Return the best of ``log_probs (K, B) + scores (K, B, V)``, ``(count, B)``, in order.

    Values, hypotheses and tokens. The best of all are among the best of each hypothesis.
    """
    beams, num_sequences, num_tokens = scores.shape
    tokens = _highest(scores.reshape(-1, num_tokens), min(count, num_tokens))
    tokens = tokens.reshape(beams, num_sequences, -1)
    totals = log_probs[:, :, np.newaxis] + np.take_along_axis(scores, tokens, axis=2)
    places = np.arange(beams)[:, np.newaxis, np.newaxis] * num_tokens + tokens
    flat, chosen = (x.transpose(1, 0, 2).reshape(num_sequences, -1) for x in (totals, places))
    order = np.lexsort((chosen, -flat), axis=1)[:, :count]
    values = np.take_along_axis(flat, order, axis=1).T
    chosen = np.take_along_axis(chosen, order, axis=1).T
    return values, chosen // num_tokens, chosen % num_tokens


def _highest(rows: Array, count: int) -> Ints:
    """Return where the highest of each row ``(N, V)`` stand, ``(N, count)``, in any order."""
    if count <= _FEW:
        each = np.arange(len(rows))
        found, values = [], []
        for _ in range(count):
            found.append(rows.argmax(axis=1))
            values.append(rows[each, found[-1]])
            rows[each, found[-1]] = -np.inf
        for place, value in zip(reversed(found), reversed(values), strict=True):
            rows[each, place] = value
        if np.isfinite(values).all():  # else one may have been found twice
            return np.stack(found, axis=1)
    first = rows.shape[1] - count
    return np.argpartition(rows, first, axis=1)[:, first:]
