"""Written sequences: how foreseeable, how close to the true ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from rnnfast._checks import check_real
from rnnfast._checks.masks import require_unmasked
from rnnfast._checks.weights import read_weights
from rnnfast.metrics._pairs import as_python, is_same, make_pairs, require_sized


def perplexity(loss: float) -> float:
    """Return ``exp(loss)`` of a mean loss in nats, infinity where that overflows."""
    return perplexity_of(check_real("loss", loss))


def perplexity_of(loss: float) -> float:
    """Return what `perplexity` does of a loss that may be infinite or NaN."""
    return math.exp(loss) if loss < 709 else math.inf


def bits_per_character(loss: float) -> float:
    """Return ``loss / log(2)`` of a mean loss in nats a character."""
    return check_real("loss", loss) / math.log(2)


def bleu(true: Sequence[str], predicted: Sequence[str], **options: Any) -> float:
    """Return the corpus BLEU of translations, from 0 to 100, as sacreBLEU computes it.

    Parameters
    ----------
    true, predicted : sequence of str
        One reference and one translation of each sentence, detokenized.
    **options
        What ``sacrebleu.corpus_bleu`` takes, such as ``lowercase=True``.

    Raises
    ------
    ValueError
        If there is nothing, or lengths differ.
    ModuleNotFoundError
        If sacreBLEU is not installed.
    """
    pairs = make_pairs(true, predicted)
    for number, pair in enumerate(pairs):
        for name, text in zip(("true", "predicted"), pair, strict=True):
            if not isinstance(text, str):
                raise TypeError(f"{name}[{number}]: expected a str, got {type(text).__name__}")
    try:
        import sacrebleu
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "bleu needs the package sacrebleu; pip install sacrebleu"
        ) from None
    score = sacrebleu.corpus_bleu([p for _, p in pairs], [[t for t, _ in pairs]], **options)
    return float(score.score)


def edit_distance(true: Sequence[Any], predicted: Sequence[Any]) -> int:
    """Return how many symbols to insert, delete or replace to get from one sequence to the other.

    The distance of Levenshtein.

    Examples
    --------
    >>> edit_distance("kitten", "sitting")
    3
    """
    for name, symbols in (("true", true), ("predicted", predicted)):
        require_sized(name, symbols, "a sequence")
        require_unmasked(name, symbols)
    true, predicted = as_python(true), as_python(predicted)
    row = list(range(len(predicted) + 1))
    for i, wanted in enumerate(true):
        previous, row[0] = row[0], i + 1
        for j, found in enumerate(predicted):
            previous, row[j + 1] = (
                row[j + 1],
                min(row[j] + 1, row[j + 1] + 1, previous + (not is_same(wanted, found))),
            )
    return row[-1]


def error_rate(
    true: Sequence[Sequence[Any]],
    predicted: Sequence[Sequence[Any]],
    *,
    sample_weight: npt.ArrayLike | None = None,
) -> float:
    """Return the edits that predictions need, divided by the number of true symbols.

    The word, character or digit error rate of recognised speech, over all sequences together; above
    1 where much too much is predicted.

    Parameters
    ----------
    true, predicted : sequence of sequence
        Symbols, such as strings or lists of words.
    sample_weight : array_like, optional
        How much each sequence counts, ``(N,)``, none below 0; None: all the same.

    Raises
    ------
    TypeError
        If something is no sequence, or weights are no real numbers.
    ValueError
        If there is nothing, lengths differ, there is no true symbol, or weights do not fit.

    Examples
    --------
    >>> error_rate(["123", "45"], ["13", "45"])
    0.2
    """
    pairs = make_pairs(true, predicted)
    for number, pair in enumerate(pairs):
        for name, sequence in zip(("true", "predicted"), pair, strict=True):
            require_sized(f"{name}[{number}]", sequence)
    weights = read_weights("sample_weight", sample_weight, len(pairs))
    each = [1] * len(pairs) if weights is None else weights.tolist()
    symbols = sum(weight * len(t) for (t, _), weight in zip(pairs, each, strict=True))
    if symbols == 0:
        raise ValueError("true: expected at least one symbol, got none")
    errors = (
        weight and weight * edit_distance(*pair) for pair, weight in zip(pairs, each, strict=True)
    )
    return float(sum(errors) / symbols)
