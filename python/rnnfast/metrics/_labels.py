"""Labels: how many are right, and which are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_list
from rnnfast._checks.messages import shown
from rnnfast._checks.missing import check_ignore_label, says_none
from rnnfast._checks.weights import read_weights
from rnnfast.metrics._pairs import (
    as_python,
    is_same,
    make_pairs,
    require_labels,
    require_same_labels,
)


def accuracy(
    true: Sequence[Any],
    predicted: Sequence[Any],
    *,
    sample_weight: npt.ArrayLike | None = None,
) -> float:
    """Return the share of predictions that are right.

    Parameters
    ----------
    true, predicted : sequence or ndarray
        Labels, ``(N,)``; or sequences of labels, each of which counts as one.
    sample_weight : array_like, optional
        How much each counts, ``(N,)``, none below 0; None: all the same.

    Raises
    ------
    ValueError
        If there is nothing, lengths differ, or weights do not fit.
    TypeError
        If weights are not real numbers, or what was predicted is of another kind than all that is
        true, such as probabilities or numbers in place of texts.

    Examples
    --------
    >>> accuracy(["a", "b", "b", "a"], ["a", "b", "a", "a"])
    0.75
    """
    pairs = make_pairs(true, predicted)
    trues, guesses = zip(*pairs, strict=True)
    require_same_labels(guesses, trues)
    right = [is_same(t, p) for t, p in pairs]
    weights = read_weights("sample_weight", sample_weight, len(right))
    return sum(right) / len(right) if weights is None else float(np.average(right, weights=weights))


def confusion(
    true: Sequence[Any],
    predicted: Sequence[Any],
    labels: Sequence[Any] | None = None,
    *,
    ignore_label: Any = None,
) -> tuple[npt.NDArray[np.int64], list[Any]]:
    """Count which label was taken for which.

    Parameters
    ----------
    true, predicted : sequence or ndarray
        Labels, ``(N,)``.
    labels : sequence, optional
        The order of rows and columns; None: all that occur, sorted.
    ignore_label : label, optional
        What stands in ``true`` for no label besides None; such places are left out.

    Returns
    -------
    counts : ndarray of int64, shape (K, K)
        At ``[i, j]`` how often ``labels[i]`` was true and ``labels[j]`` predicted.
    labels : list
        The labels, as plain Python values.

    Raises
    ------
    ValueError
        If there is nothing, lengths differ, or a label is not among ``labels``, or twice.
    TypeError
        If labels are of several kinds, or none that can be counted, such as probabilities, or
        ``ignore_label`` is none.
    """
    pairs = make_pairs(true, predicted)
    for k, name in enumerate(("true", "predicted")):
        require_labels(name, [pair[k] for pair in pairs])
    require_same_labels([p for _, p in pairs], [t for t, _ in pairs])
    is_missing = says_none(check_ignore_label(ignore_label))
    pairs = [pair for pair in pairs if not is_missing(pair[0])]
    if not pairs:
        raise ValueError("true: expected at least one label, got none")
    if labels is None:
        names = _sorted_labels(pairs)
    else:
        names = as_python(check_list("labels", labels, "labels"))
        require_labels("labels", names)
    place = {label: number for number, label in enumerate(names)}
    if len(place) < len(names):
        twice = next(label for number, label in enumerate(names) if place[label] != number)
        raise ValueError(f"labels: expected each once, got {shown(twice)} again")
    counts = np.zeros((len(names), len(names)), np.int64)
    for pair in pairs:
        for name, label in zip(("true", "predicted"), pair, strict=True):
            if label not in place:
                raise ValueError(f"{name}: expected one of the labels, got {shown(label)}")
        counts[place[pair[0]], place[pair[1]]] += 1
    return counts, names


def _sorted_labels(pairs: Sequence[tuple[Any, Any]]) -> list[Any]:
    try:
        return sorted({label for pair in pairs for label in pair})
    except TypeError:  # such as str beside int
        kinds = sorted({type(label).__name__ for pair in pairs for label in pair})
        raise TypeError(
            f"true: expected labels of one kind, such as str, got {' and '.join(kinds)}"
        ) from None


def macro_f1(true: Sequence[Any], predicted: Sequence[Any]) -> float:
    """Return the mean over all labels of F1, ``2 P R / (P + R)``, that of rare ones as heavy.

    A label that is never predicted rightly has 0.

    Raises
    ------
    ValueError
        If there is nothing, or lengths differ.
    TypeError
        As `confusion`.
    """
    counts, _ = confusion(true, predicted)
    right = np.diag(counts)
    return float(np.mean(2 * right / (counts.sum(axis=0) + counts.sum(axis=1))))
