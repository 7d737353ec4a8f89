"""What a search for symbols found: text, scores, and when each letter and word is said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rnnfast import _core


class Span(NamedTuple):
    """A letter or a word, and when it is said.

    Attributes
    ----------
    text : str
        The symbol, or the word.
    start, end : int
        The step at which it begins, from 0 on, and the one before which it ends.
    confidence : float
        Of a symbol the largest probability that the network gives it within its steps; of a word
        the geometric mean of those of its symbols.
    seconds : (float, float) or None
        ``start`` and ``end`` by the frame rate; None: it is not known.
    """

    text: str
    start: int
    end: int
    confidence: float
    seconds: tuple[float, float] | None


class Transcription(NamedTuple):
    """What a sequence may say.

    Attributes
    ----------
    symbols : str or list of str
        As ``predict`` gives them.
    log_prob : float
        ``log P`` of the symbols by the network, in nats: the sum over the paths that were followed.
    score : float
        By what it is ranked: ``log_prob`` and what a language model, the insertion bonus and hot
        words add to it.
    letters : list of Span
        Each symbol, on the likeliest path that says them all.
    words : list of Span
        What stands between spaces; of symbols that are no characters each one.
    """

    symbols: Any
    log_prob: float
    score: float
    letters: list[Span]
    words: list[Span]


def spans_of(
    log_probs: npt.NDArray[Any],
    symbols: npt.NDArray[np.int64],
    labels: Sequence[str],
    blank: int,
    frame_rate: float | None,
) -> list[Span]:
    """Return each symbol with its times, on the likeliest path through ``log_probs`` ``(T, K)``."""
    begins, ends, best = _core.ctc_align(log_probs, symbols.tolist(), blank)
    each = zip(symbols.tolist(), begins.tolist(), ends.tolist(), best.tolist(), strict=True)
    return [
        Span(labels[symbol], begin, end, math.exp(log_p), _seconds(begin, end, frame_rate))
        for symbol, begin, end, log_p in each
    ]


def words_of(letters: list[Span], frame_rate: float | None) -> list[Span]:
    """Return the words that stand between spaces."""
    words: list[Span] = []
    group: list[Span] = []
    for letter in [*letters, Span(" ", 0, 0, 1.0, None)]:
        if letter.text != " ":
            group.append(letter)
        elif group:
            start, end = group[0].start, group[-1].end
            sure = math.prod(each.confidence ** (1 / len(group)) for each in group)
            text = "".join(each.text for each in group)
            words.append(Span(text, start, end, sure, _seconds(start, end, frame_rate)))
            group = []
    return words


def _seconds(start: int, end: int, frame_rate: float | None) -> tuple[float, float] | None:
    return None if frame_rate is None else (start / frame_rate, end / frame_rate)
