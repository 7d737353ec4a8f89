"""How good predictions are: plain functions of what was true and what was predicted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_real
from rnnfast._progress import perplexity_of

__all__ = [
    "EntityScores",
    "accuracy",
    "bits_per_character",
    "bleu",
    "confusion",
    "edit_distance",
    "entities",
    "entity_scores",
    "error_rate",
    "macro_f1",
    "mae",
    "perplexity",
    "r2",
    "rmse",
]


def accuracy(true: Sequence[Any], predicted: Sequence[Any]) -> float:
    """Return the share of predictions that are right.

    Parameters
    ----------
    true, predicted : sequence or ndarray
        Labels, ``(N,)``; or sequences of labels, each of which counts as one.

    Raises
    ------
    ValueError
        If there is nothing, or lengths differ.

    Examples
    --------
    >>> accuracy(["a", "b", "b", "a"], ["a", "b", "a", "a"])
    0.75
    """
    pairs = _pairs(true, predicted)
    return sum(_same(t, p) for t, p in pairs) / len(pairs)


def confusion(
    true: Sequence[Any], predicted: Sequence[Any], labels: Sequence[Any] | None = None
) -> tuple[npt.NDArray[np.int64], list[Any]]:
    """Count which label was taken for which.

    Parameters
    ----------
    true, predicted : sequence or ndarray
        Labels, ``(N,)``.
    labels : sequence, optional
        The order of rows and columns; None: all that occur, sorted.

    Returns
    -------
    counts : ndarray of int64, shape (K, K)
        At ``[i, j]`` how often ``labels[i]`` was true and ``labels[j]`` predicted.
    labels : list
        The labels, as plain Python values.

    Raises
    ------
    ValueError
        If there is nothing, lengths differ, or a label is not among ``labels``.
    """
    pairs = _pairs(true, predicted)
    names = _plain(
        sorted({label for pair in pairs for label in pair}) if labels is None else labels
    )
    place = {label: number for number, label in enumerate(names)}
    counts = np.zeros((len(names), len(names)), np.int64)
    for pair in pairs:
        for name, label in zip(("true", "predicted"), pair, strict=True):
            if label not in place:
                raise ValueError(f"{name}: expected one of the labels, got {label!r}")
        counts[place[pair[0]], place[pair[1]]] += 1
    return counts, names


def macro_f1(true: Sequence[Any], predicted: Sequence[Any]) -> float:
    """Return the mean over all labels of F1, ``2 P R / (P + R)``, that of rare ones as heavy.

    A label that is never predicted rightly has 0.

    Raises
    ------
    ValueError
        If there is nothing, or lengths differ.
    """
    counts, _ = confusion(true, predicted)
    right = np.diag(counts)
    return float(np.mean(2 * right / (counts.sum(axis=0) + counts.sum(axis=1))))


class EntityScores(NamedTuple):
    """Entities found, as ``conlleval`` counts them: shares from 0 to 1.

    Attributes
    ----------
    precision : float
        The share of the predicted entities that are right: type, first and last token. 0 if none
        was predicted.
    recall : float
        The share of the true ones that were found. 0 if there are none.
    f1 : float
        ``2 P R / (P + R)``, 0 if both are.
    by_type : dict
        The same three for the entities of each type.
    """

    precision: float
    recall: float
    f1: float
    by_type: dict[str, tuple[float, float, float]]


def entities(labels: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return the entities that BIO labels of one sentence mark.

    As ``conlleval`` (Tjong Kim Sang & Buchholz 2000) reads them: ``B-x`` begins an entity of type
    x; so does an ``I-x`` that follows no ``B-x`` or ``I-x``: no such label is dropped or repaired
    in another way. ``E-x`` ends one and ``S-x`` is one, so that IOBES is read too.

    Parameters
    ----------
    labels : sequence of str
        ``O``, or a prefix, a hyphen and a type.

    Returns
    -------
    list of (type, first, end)
        The tokens from ``first`` to ``end - 1``.

    Raises
    ------
    ValueError
        If a label is none of these.

    Examples
    --------
    >>> entities(["B-PER", "I-PER", "O", "I-LOC", "B-LOC"])
    [('PER', 0, 2), ('LOC', 3, 4), ('LOC', 4, 5)]
    """
    found: list[tuple[str, int, int]] = []
    begin, kind, open_ = 0, "", False
    for place, label in enumerate(labels):
        prefix, _, name = label.partition("-")
        if label != "O" and (prefix not in ("B", "I", "E", "S") or not name):
            raise ValueError(f"labels: expected O, B-type or I-type, got {label!r} at {place}")
        if open_ and (label == "O" or prefix in ("B", "S") or name != kind):
            found.append((kind, begin, place))
            open_ = False
        if label != "O" and not open_:
            begin, kind, open_ = place, name, True
        if open_ and prefix in ("E", "S"):
            found.append((kind, begin, place + 1))
            open_ = False
    if open_:
        found.append((kind, begin, len(labels)))
    return found


def entity_scores(
    true: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
) -> EntityScores:
    """Compare the entities of BIO labels, over all sentences together.

    Parameters
    ----------
    true, predicted : sequence of sequence of str
        The labels of every sentence; see `entities`.

    Raises
    ------
    ValueError
        If there is no sentence, lengths differ, or a label is none.
    """
    right: dict[str, int] = {}
    wanted: dict[str, int] = {}
    given: dict[str, int] = {}
    for number, (t, p) in enumerate(_pairs(true, predicted)):
        if len(t) != len(p):
            raise ValueError(f"predicted[{number}]: expected {len(t)} labels, got {len(p)}")
        theirs, ours = set(entities(t)), set(entities(p))
        for counter, found in ((right, theirs & ours), (wanted, theirs), (given, ours)):
            for kind, _, _ in found:
                counter[kind] = counter.get(kind, 0) + 1
    return EntityScores(
        *_f1(sum(right.values()), sum(given.values()), sum(wanted.values())),
        {
            kind: _f1(right.get(kind, 0), given.get(kind, 0), wanted.get(kind, 0))
            for kind in sorted(wanted.keys() | given.keys())
        },
    )


def perplexity(loss: float) -> float:
    """Return ``exp(loss)`` of a mean loss in nats, infinity where that overflows."""
    return perplexity_of(check_real("loss", loss))


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
    pairs = _pairs(true, predicted)
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
    row = list(range(len(predicted) + 1))
    for i, wanted in enumerate(true):
        previous, row[0] = row[0], i + 1
        for j, found in enumerate(predicted):
            previous, row[j + 1] = (
                row[j + 1],
                min(row[j] + 1, row[j + 1] + 1, previous + (not _same(wanted, found))),
            )
    return row[-1]


def error_rate(true: Sequence[Sequence[Any]], predicted: Sequence[Sequence[Any]]) -> float:
    """Return the edits that predictions need, divided by the number of true symbols.

    The word, character or digit error rate of recognised speech, over all sequences together; above
    1 where much too much is predicted.

    Parameters
    ----------
    true, predicted : sequence of sequence
        Symbols, such as strings or lists of words.

    Raises
    ------
    ValueError
        If there is nothing, lengths differ, or there is no true symbol.

    Examples
    --------
    >>> error_rate(["123", "45"], ["13", "45"])
    0.2
    """
    pairs = _pairs(true, predicted)
    symbols = sum(len(t) for t, _ in pairs)
    if symbols == 0:
        raise ValueError("true: expected at least one symbol, got none")
    return sum(edit_distance(t, p) for t, p in pairs) / symbols


def rmse(true: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Return ``sqrt(mean((predicted - true)^2))`` over all numbers.

    Raises
    ------
    ValueError
        If there is nothing, or shapes differ.
    """
    t, p = _numbers(true, predicted)
    return float(np.sqrt(np.mean((p - t) ** 2)))


def mae(true: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Return ``mean(|predicted - true|)`` over all numbers.

    Raises
    ------
    ValueError
        If there is nothing, or shapes differ.
    """
    t, p = _numbers(true, predicted)
    return float(np.mean(np.abs(p - t)))


def r2(true: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Return ``1 - sum((t - p)^2) / sum((t - mean(t))^2)``, the mean over columns.

    1 is perfect, 0 as good as the mean. A column that does not change has 1 if it is met exactly,
    else 0.

    Raises
    ------
    ValueError
        If there is nothing, or shapes differ.
    """
    t, p = _numbers(true, predicted)
    t, p = t.reshape(len(t), -1), p.reshape(len(t), -1)
    missed = ((t - p) ** 2).sum(axis=0)
    spread = ((t - t.mean(axis=0)) ** 2).sum(axis=0)
    changes = spread > 0
    scores = np.where(missed == 0, 1.0, 0.0)
    scores[changes] = 1 - missed[changes] / spread[changes]
    return float(scores.mean())


def _pairs(true: Sequence[Any], predicted: Sequence[Any]) -> list[tuple[Any, Any]]:
    for name, items in (("true", true), ("predicted", predicted)):
        if isinstance(items, (str, bytes, Mapping)) or not isinstance(items, Iterable):
            raise TypeError(f"{name}: expected a list, got {type(items).__name__}")
    if len(true) != len(predicted):
        raise ValueError(f"predicted: expected {len(true)} as in true, got {len(predicted)}")
    if len(true) == 0:
        raise ValueError("true: expected at least one, got none")
    return list(zip(_plain(true), _plain(predicted), strict=True))


def _plain(items: Sequence[Any]) -> list[Any]:
    """Return a list, with Python's values in place of NumPy's."""
    return [item.item() if isinstance(item, np.generic) else item for item in items]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return bool(np.array_equal(one, other))
    return bool(one == other)


def _f1(right: int, given: int, wanted: int) -> tuple[float, float, float]:
    precision = right / given if given else 0.0
    recall = right / wanted if wanted else 0.0
    return precision, recall, 2 * right / (given + wanted) if given + wanted else 0.0


def _numbers(true: npt.ArrayLike, predicted: npt.ArrayLike) -> tuple[Any, Any]:
    t, p = np.asarray(true, np.float64), np.asarray(predicted, np.float64)
    if t.shape != p.shape:
        raise ValueError(f"predicted: expected shape {t.shape}, got {p.shape}")
    if t.size == 0:
        raise ValueError("true: expected at least one number, got none")
    return t, p
