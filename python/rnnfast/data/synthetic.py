"""Sequences made to order, on which one sees how far a network remembers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_int, make_generator
from rnnfast._checks.arrays import check_float_dtype

# Nouns as (singular, plural); nothing else in a sentence but its verb tells the number.
_NOUNS = (
    ("cat", "cats"),
    ("dog", "dogs"),
    ("bird", "birds"),
    ("student", "students"),
    ("teacher", "teachers"),
    ("sailor", "sailors"),
    ("guest", "guests"),
    ("neighbour", "neighbours"),
)
_DEEDS = ("saw", "met", "heard", "followed", "fed", "found", "thanked", "remembered")
_REST = ("slept", "waited", "ate", "smiled")
_MANNERS = ("already", "often", "quietly", "finally")
_STATES = ("full", "tired", "late", "happy", "lost", "ready")
_VERBS = ("was", "were")
# Words of "<deed> the <noun> and".
_PHRASE = 4


class AgreementData(NamedTuple):
    """Sentences whose verb agrees with a noun far before it.

    Attributes
    ----------
    sentences : list of str
        Words and marks, separated by single blanks.
    plural : ndarray of bool, shape (n,)
        Whether the noun of each is a plural.
    verb : int
        The place of the verb among the words of every sentence, counted from 0.
    verbs : tuple of str
        The verb of a singular and of a plural.
    """

    sentences: list[str]
    plural: npt.NDArray[np.bool_]
    verb: int
    verbs: tuple[str, str] = _VERBS


def adding_problem(
    n: int,
    length: int,
    *,
    seed: int | np.random.Generator | None = None,
    dtype: npt.DTypeLike = np.float32,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Draw sequences for the adding problem (Hochreiter and Schmidhuber 1997, section 5.4).

    Each step has a number from 0 to 1 and a mark. Two steps are marked by 1, one in each half of
    the sequence, all others by 0; the target is the sum of the two marked numbers. Whoever always
    answers 1 has the mean squared error 1/6, the variance of that sum.

    The numbers and the fixed length are those of Le, Jaitly and Hinton (2015), section 4.1.

    Parameters
    ----------
    n : int
        How many sequences.
    length : int
        Steps of each, T, at least 2.
    seed : int or numpy.random.Generator, optional
        The same seed draws the same sequences.
    dtype : dtype
        Of both arrays: float32 or float64.

    Returns
    -------
    x : ndarray, shape (n, T, 2)
        The numbers and the marks.
    y : ndarray, shape (n,)
        The targets.

    Raises
    ------
    TypeError
        If ``n`` or ``length`` is no integer.
    ValueError
        If one is too small, or ``dtype`` is another one.
    """
    n, length = check_int("n", n, 1), check_int("length", length, 2)
    kind = check_float_dtype("dtype", dtype)
    rng = make_generator("seed", seed)
    x = np.zeros((n, length, 2), kind)
    x[:, :, 0] = rng.random((n, length))
    every = np.arange(n)
    first = rng.integers(length // 2, size=n)
    second = rng.integers(length // 2, length, size=n)
    x[every, first, 1] = x[every, second, 1] = 1
    return x, x[every, first, 0] + x[every, second, 0]


def agreement_sentences(
    n: int, clause: int, *, seed: int | np.random.Generator | None = None
) -> AgreementData:
    """Draw sentences such as "the cats , which often saw the bird , were full".

    The verb's number is that of the second word. Between them stands a clause whose own nouns are
    singular or plural at random, so that they do not help: whoever has forgotten the second word
    is right half of the time. Half of the sentences, up to one, are of each number.

    Parameters
    ----------
    n : int
        How many sentences.
    clause : int
        Words of the clause after "which", so that the verb stands ``clause + 4`` words after its
        noun.
    seed : int or numpy.random.Generator, optional
        The same seed draws the same sentences.

    Returns
    -------
    AgreementData
        The sentences, the number of each, and where the verb stands.

    Raises
    ------
    TypeError
        If ``n`` or ``clause`` is no integer.
    ValueError
        If one is below 1.

    Examples
    --------
    >>> data = agreement_sentences(1, 3, seed=1)
    >>> data.sentences[0].split()[data.verb] == data.verbs[int(data.plural[0])]
    True
    """
    n, clause = check_int("n", n, 1), check_int("clause", clause, 1)
    rng = make_generator("seed", seed)
    plural = rng.permutation(np.arange(n) % 2 == 1)
    sentences = []
    for is_plural in plural:
        noun = _NOUNS[rng.integers(len(_NOUNS))][int(is_plural)]
        words = ["the", noun, ",", "which", *_clause(clause, rng)]
        words += [",", _VERBS[int(is_plural)], _pick(_STATES, rng)]
        sentences.append(" ".join(words))
    return AgreementData(sentences, plural, clause + 5)


def _clause(size: int, rng: np.random.Generator) -> list[str]:
    """Return ``size`` words: deeds, joined by "and", and adverbs for what is over."""
    phrases = (size + 1) // _PHRASE
    if phrases == 0:
        return [*_adverbs(size - 1, rng), _pick(_REST, rng)]
    words: list[str] = []
    over = size - (_PHRASE * phrases - 1)
    place = rng.integers(phrases)
    for number in range(phrases):
        if number:
            words.append("and")
        if number == place:
            words += _adverbs(over, rng)
        noun = _NOUNS[rng.integers(len(_NOUNS))][rng.integers(2)]
        words += [_pick(_DEEDS, rng), "the", noun]
    return words


def _adverbs(count: int, rng: np.random.Generator) -> list[str]:
    return [_MANNERS[i] for i in rng.permutation(len(_MANNERS))[:count]]


def _pick(words: tuple[str, ...], rng: np.random.Generator) -> str:
    return words[rng.integers(len(words))]
