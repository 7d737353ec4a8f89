"""Recognised speech: wrong words and characters, as jiwer counts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rnnfast.metrics._pairs import make_pairs


def word_error_rate(true: Sequence[str], predicted: Sequence[str], **options: Any) -> float:
    """Return the words to insert, delete or replace, divided by the number of true ones.

    The word error rate (WER) over all texts together, as the package jiwer computes it: words are
    what stands between spaces.

    Parameters
    ----------
    true, predicted : sequence of str
        What was said, and what was recognised.
    **options
        What ``jiwer.wer`` takes, such as ``reference_transform``, which may lower case.

    Raises
    ------
    TypeError
        If something is no str.
    ValueError
        If there is nothing, lengths differ, or there is no true word.
    ModuleNotFoundError
        If jiwer is not installed.

    Examples
    --------
    >>> word_error_rate(["the quick brown fox"], ["the brown box"])
    0.5
    """
    return _rate("word_error_rate", "wer", true, predicted, options)


def character_error_rate(true: Sequence[str], predicted: Sequence[str], **options: Any) -> float:
    """Return the characters to insert, delete or replace, divided by the number of true ones.

    The character error rate (CER) over all texts together, as the package jiwer computes it: spaces
    within a text count. `error_rate` is the same of any symbols, and needs no package.

    Parameters
    ----------
    true, predicted, **options
        As `word_error_rate` takes them, for ``jiwer.cer``.

    Raises
    ------
    TypeError, ValueError, ModuleNotFoundError
        As `word_error_rate`.

    Examples
    --------
    >>> character_error_rate(["abc", "de"], ["abd", "de"])
    0.2
    """
    return _rate("character_error_rate", "cer", true, predicted, options)


def _rate(name: str, measure: str, true: Any, predicted: Any, options: dict[str, Any]) -> float:
    pairs = make_pairs(true, predicted)
    for number, pair in enumerate(pairs):
        for argument, text in zip(("true", "predicted"), pair, strict=True):
            if not isinstance(text, str):
                got = type(text).__name__
                raise TypeError(f"{argument}[{number}]: expected a str, got {got}")
    if not any(text.strip() for text, _ in pairs):
        raise ValueError("true: expected at least one word, got none")
    try:
        import jiwer
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f"{name} needs the package jiwer; pip install jiwer") from None
    rate = getattr(jiwer, measure)([t for t, _ in pairs], [p for _, p in pairs], **options)
    return float(rate)
