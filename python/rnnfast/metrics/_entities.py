"""Entities that the labels of a sentence mark: found or missed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from rnnfast._checks import check_list
from rnnfast._checks.messages import shown
from rnnfast._checks.weights import read_step_weights
from rnnfast.metrics._pairs import make_pairs, require_sized

# What labels begin with that mark a token of an entity.
_PREFIXES = ("B", "I", "E", "S", "L", "U")


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
    """Return the entities that the labels of one sentence mark.

    As ``conlleval`` (Tjong Kim Sang & Buchholz 2000) reads them: ``B-x`` begins an entity of type
    x; so does an ``I-x`` that follows no other label of x: no such label is dropped or repaired
    in another way. ``E-x`` ends one and ``S-x`` is one, and so do and are ``L-x`` and ``U-x``. So
    IOB1, IOB2 (BIO), IOBES and BILOU are read, each as it is meant; see `find_scheme`.

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
    return entities_of(require_labels("labels", labels))


def require_labels(name: str, labels: Any) -> list[str]:
    """Return the labels of a sentence as a list; TypeError or ValueError if one is none."""
    checked: list[str] = check_list(name, labels, "str")
    for place, label in enumerate(checked):
        if not isinstance(label, str):
            raise TypeError(f"{name}: expected a str, got {type(label).__name__} at {place}")
        prefix, _, kind = label.partition("-")
        if label != "O" and (prefix not in _PREFIXES or not kind):
            raise ValueError(f"{name}: expected O, B-type or I-type, got {shown(label)} at {place}")
    return checked


def entities_of(labels: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return what `entities` does of labels that were looked at before."""
    found: list[tuple[str, int, int]] = []
    begin, kind, open_ = 0, "", False
    for place, label in enumerate(labels):
        prefix, _, name = label.partition("-")
        if open_ and (label == "O" or prefix in ("B", "S", "U") or name != kind):
            found.append((kind, begin, place))
            open_ = False
        if label != "O" and not open_:
            begin, kind, open_ = place, name, True
        if open_ and prefix in ("E", "S", "L", "U"):
            found.append((kind, begin, place + 1))
            open_ = False
    if open_:
        found.append((kind, begin, len(labels)))
    return found


def entity_scores(
    true: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    *,
    sample_weight: Any = None,
) -> EntityScores:
    """Compare the entities that labels mark, over all sentences together.

    Parameters
    ----------
    true, predicted : sequence of sequence of str
        The labels of every sentence, in any scheme that `entities` reads.
    sample_weight : array_like, optional
        How much each sentence counts, ``(N,)``, or each of its tokens, ``(T_i,)``, none below 0: an
        entity counts as much as its first token does. None: all the same.

    Raises
    ------
    ValueError
        If there is no sentence, lengths differ, a label is none, or weights do not fit.
    TypeError
        If weights are not real numbers.
    """
    right: dict[str, float] = {}
    wanted: dict[str, float] = {}
    given: dict[str, float] = {}
    sentences = make_pairs(true, predicted)
    weights = None
    if sample_weight is not None:
        for number, (t, _) in enumerate(sentences):
            require_sized(f"true[{number}]", t)
        weights = read_step_weights("sample_weight", sample_weight, [len(t) for t, _ in sentences])
    for number, (t, p) in enumerate(sentences):
        for name, given_labels in (("true", t), ("predicted", p)):
            require_sized(f"{name}[{number}]", given_labels)
        if len(t) != len(p):
            raise ValueError(f"predicted[{number}]: expected {len(t)} labels, got {len(p)}")
        theirs, ours = set(entities(t)), set(entities(p))
        for counter, found in ((right, theirs & ours), (wanted, theirs), (given, ours)):
            for kind, begin, _ in sorted(found):
                counter[kind] = counter.get(kind, 0) + _weight(weights, number, begin)
    return EntityScores(
        *_f1(sum(right.values()), sum(given.values()), sum(wanted.values())),
        {
            kind: _f1(right.get(kind, 0), given.get(kind, 0), wanted.get(kind, 0))
            for kind in sorted(wanted.keys() | given.keys())
        },
    )


def _weight(weights: Any, number: int, place: int) -> float:
    if weights is None:
        return 1
    return float(weights[number][place] if isinstance(weights, list) else weights[number])


def _f1(right: float, given: float, wanted: float) -> tuple[float, float, float]:
    precision = right / given if given else 0.0
    recall = right / wanted if wanted else 0.0
    return precision, recall, 2 * right / (given + wanted) if given + wanted else 0.0
