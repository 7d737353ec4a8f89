"""The ways to write entities as labels of tokens: which one it is, and one as another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rnnfast._checks import among, check_list
from rnnfast._checks.messages import shown
from rnnfast.metrics._entities import entities_of, require_labels

SCHEMES = ("iob1", "bio", "iobes", "bilou")
# What labels of the last and of the only token of an entity begin with, where they have their own.
_LAST_AND_SINGLE = {"iobes": ("E", "S"), "bilou": ("L", "U")}


def find_scheme(labels: Sequence[Sequence[str]]) -> str:
    """Return the scheme that the labels of sentences are written in.

    ======== ======== ======= ======== ====== =================================================
    scheme   of one   first   between  last   other names
    ======== ======== ======= ======== ====== =================================================
    iob1     ``I``    ``I``   ``I``    ``I``  IOB; ``B`` begins one that follows one of its type
    bio      ``B``    ``B``   ``I``    ``I``  IOB2
    iobes    ``S``    ``B``   ``I``    ``E``  BIOES
    bilou    ``U``    ``B``   ``I``    ``L``  BILUO
    ======== ======== ======= ======== ====== =================================================

    Labels may be of several schemes. If one begins with ``L`` or ``U``, it is bilou; if one begins
    with ``E`` or ``S``, iobes. Otherwise it is iob1 if an ``I`` begins an entity, and no ``B``
    stands where that scheme has none. All else is bio, also labels that mark nothing, and damaged
    ones: `entities` reads an ``I`` that begins an entity in either.

    Parameters
    ----------
    labels : sequence of sequence of str
        Those of every sentence.

    Returns
    -------
    {"iob1", "bio", "iobes", "bilou"}

    Raises
    ------
    TypeError
        If something is no list of labels.
    ValueError
        If a label is none of a scheme's, or some are of iobes and some of bilou.

    Examples
    --------
    >>> find_scheme([["I-PER", "O", "I-LOC", "B-LOC"]])
    'iob1'
    """
    return scheme_of(_read(labels))


def convert_labels(labels: Sequence[Sequence[str]], scheme: str) -> list[list[str]]:
    """Return the labels of sentences in another scheme.

    They may be in any that `find_scheme` knows, which are all read alike, as `entities` reads them:
    so sequences that no scheme allows become such as mark the entities that ``conlleval`` finds.

    Parameters
    ----------
    labels : sequence of sequence of str
        Those of every sentence.
    scheme : {"iob1", "bio", "iobes", "bilou"}
        As what to write them.

    Returns
    -------
    list of list of str

    Raises
    ------
    TypeError
        If something is no list of labels.
    ValueError
        If a label is none of a scheme's, or the scheme is none.

    Examples
    --------
    >>> convert_labels([["I-PER", "I-PER", "O", "I-LOC"]], "iobes")
    [['B-PER', 'E-PER', 'O', 'S-LOC']]
    """
    if not among(scheme, SCHEMES):
        raise ValueError(f"scheme: expected one of {', '.join(SCHEMES)}, got {shown(scheme)}")
    return [written_as(scheme, sentence) for sentence in _read(labels)]


def scheme_of(labels: Iterable[Sequence[str]]) -> str:
    """Return what `find_scheme` does of labels that were looked at before."""
    first_of: dict[str, str] = {}
    strange_begins = strange_insides = False
    for sentence in labels:
        before, kind = "O", ""
        for label in sentence:
            prefix, _, name = label.partition("-")
            first_of.setdefault(prefix, label)
            follows = before != "O" and name == kind
            strange_insides |= prefix == "I" and not follows
            strange_begins |= prefix == "B" and not follows
            before, kind = prefix, name
    found = [
        first_of[prefix]
        for prefixes in _LAST_AND_SINGLE.values()
        for prefix in prefixes
        if prefix in first_of
    ]
    kinds = [s for s, prefixes in _LAST_AND_SINGLE.items() if first_of.keys() & {*prefixes}]
    if len(kinds) > 1:
        raise ValueError(
            f"labels: expected those of one scheme, got {shown(found[0])} of iobes and "
            f"{shown(found[-1])} of bilou"
        )
    if kinds:
        return kinds[0]
    return "iob1" if strange_insides and not strange_begins else "bio"


def written_as(scheme: str, labels: Sequence[str]) -> list[str]:
    """Return one sentence's labels, which were looked at before, in a scheme."""
    written = ["O"] * len(labels)
    before, before_end = "", 0
    for kind, first, end in entities_of(labels):
        prefixes = ["B"] + ["I"] * (end - first - 1)
        if scheme in _LAST_AND_SINGLE:
            last, single = _LAST_AND_SINGLE[scheme]
            prefixes = [single] if end - first == 1 else [*prefixes[:-1], last]
        elif scheme == "iob1" and not (before == kind and before_end == first):
            prefixes[0] = "I"
        written[first:end] = [f"{prefix}-{kind}" for prefix in prefixes]
        before, before_end = kind, end
    return written


def _read(labels: Any) -> list[list[str]]:
    sentences = check_list("labels", labels, "lists of str")
    return [require_labels(f"labels[{n}]", sentence) for n, sentence in enumerate(sentences)]
