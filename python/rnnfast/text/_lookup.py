"""Vectors of the words of a vocabulary, looked up in a file, a mapping or an array."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_list
from rnnfast._checks.arrays import read_array, require_finite
from rnnfast._checks.masks import require_unmasked
from rnnfast._checks.messages import counted, shown
from rnnfast.text.vectors import opened, parsed, rows_of
from rnnfast.text.vocabulary import Vocabulary

Vectors = npt.NDArray[Any]


@dataclass
class Found:
    """The vectors that were found of a vocabulary's tokens.

    Attributes
    ----------
    vectors : dict of int to ndarray
        Each ``(D,)``, by the token's id.
    lowered : set of int
        The ids of those that are of the token in lower case.
    twice : dict of str to str
        Words that came again, and where; the first one counts.
    """

    vectors: dict[int, Vectors] = field(default_factory=dict)
    lowered: set[int] = field(default_factory=set)
    twice: dict[str, str] = field(default_factory=dict)

    def describe(self, vocabulary: Vocabulary) -> str:
        """Return in one line how many there are."""
        wanted, found = len(_wanted(vocabulary)), len(self.vectors)
        lowered = f", {len(self.lowered)} of them in lower case" if self.lowered else ""
        told = f"{found:,} of {counted(wanted, 'token')} have a vector{lowered}"
        if found < wanted:
            told += f"; {wanted - found:,} begin without"
        if self.twice:
            word, place = next(iter(self.twice.items()))
            words = counted(len(self.twice), "word")
            told += f"; {words} came twice and the first counts, as {shown(word)} in {place}"
        return told


def find_vectors(name: str, source: Any, vocabulary: Vocabulary, dtype: str) -> Found:
    """Look up the vectors of tokens: of each as it stands, or else in lower case.

    Parameters
    ----------
    name : str
        The argument, for messages.
    source : path-like, mapping, or pair
        A file as `read_vectors` takes it; a mapping of words to vectors, or something else that has
        ``in`` and ``[word]`` and its words as ``key_to_index``, as those of gensim; or words and an
        array ``(N, D)``. Vectors that are not wanted are not looked at.
    vocabulary : Vocabulary
        Whose tokens to look for, but for ``pad``, ``unk`` and ``eos``.
    dtype : {"float32", "float64"}
        Of the vectors.

    Raises
    ------
    OSError
        If a file cannot be read.
    TypeError, ValueError
        If it is nothing of that kind, is damaged, vectors have not all as many numbers, a number is
        not finite, or no word is found.
    """
    kind = np.dtype(dtype)
    if isinstance(source, (str, os.PathLike)):
        found = _in_file(name, source, vocabulary, kind)
    else:
        found = _in_memory(name, source, vocabulary, kind)
    if not found.vectors:
        raise ValueError(f"{name}: expected vectors of tokens of the training, got none of them")
    sizes = {len(vector): number for number, vector in found.vectors.items()}
    if len(sizes) > 1:
        (size, one), (other, second) = list(sizes.items())[:2]
        raise ValueError(
            f"{name}: expected as many numbers of each word, got {size} of "
            f"{shown(vocabulary.tokens[one])} and {other} of {shown(vocabulary.tokens[second])}"
        )
    return found


def vector_size(name: str, path: Any) -> int:
    """Return how many numbers a word of a file has; raise as `find_vectors`."""
    with opened(path, name) as (shown_name, file):
        for _, _, numbers in rows_of(shown_name, file, ()):
            return len(numbers)
    raise ValueError(f"{name}: expected vectors, got an empty file")


def _wanted(vocabulary: Vocabulary) -> dict[str, int]:
    special = {vocabulary.pad, vocabulary.unk, vocabulary.eos}
    return {token: i for i, token in enumerate(vocabulary.tokens) if token not in special}


def _in_file(name: str, path: Any, vocabulary: Vocabulary, dtype: np.dtype[Any]) -> Found:
    found = Found()
    exact: dict[bytes, tuple[str, int]] = {}
    lower: dict[bytes, list[int]] = {}
    for token, number in _wanted(vocabulary).items():
        exact[token.encode("utf-8", "surrogatepass")] = token, number
        if token.lower() != token:
            lower.setdefault(token.lower().encode("utf-8", "surrogatepass"), []).append(number)
    read: set[int] = set()  # those that were found as they stand
    with opened(path, name) as (shown_name, file):
        for place, (line, word, numbers) in enumerate(
            rows_of(shown_name, file, {**exact, **lower})
        ):
            if not place:  # the first, by which a file of another kind is told
                parsed(line, numbers, dtype)
            known = exact.get(word)
            others = [i for i in lower.get(word, ()) if i not in found.vectors]
            again = known is not None and known[1] in read
            if again and known is not None:
                found.twice.setdefault(known[0], line)
            if not others and (known is None or again):
                continue
            vector = parsed(line, numbers, dtype)
            for number in others:
                found.vectors[number] = vector
                found.lowered.add(number)
            if known is not None and not again:
                found.vectors[known[1]] = vector
                found.lowered.discard(known[1])
                read.add(known[1])
    return found


def _in_memory(name: str, source: Any, vocabulary: Vocabulary, dtype: np.dtype[Any]) -> Found:
    found = Found()
    get, place_of = _reader_of(name, source, found)
    for token, number in _wanted(vocabulary).items():
        for word in dict.fromkeys((token, token.lower())):
            if not place_of(word):
                continue
            label = f"{name}[{shown(word)}]"
            array = read_array(label, get(word), "a vector")
            if array.dtype.kind not in "biuf" or array.ndim != 1 or not len(array):
                got = f"shape {array.shape} of {array.dtype}"
                raise ValueError(f"{label}: expected one axis of real numbers, got {got}")
            with np.errstate(over="ignore"):
                vector = array.astype(dtype)
            require_finite(label, vector, ("number",))
            found.vectors[number] = vector
            if word != token:
                found.lowered.add(number)
            break
    return found


def _reader_of(name: str, source: Any, found: Found) -> tuple[Any, Any]:
    """Return what gives the vector of a word, and what says whether there is one."""
    if isinstance(source, Mapping) or hasattr(source, "key_to_index"):
        return source.__getitem__, source.__contains__
    if not isinstance(source, (tuple, list)) or len(source) != 2:
        raise TypeError(
            f"{name}: expected a path, a mapping of words to vectors, or words and an array, "
            f"got {type(source).__name__}"
        )
    words, matrix = check_list(f"{name}[0]", source[0], "str"), source[1]
    require_unmasked(f"{name}[1]", matrix)
    matrix = read_array(f"{name}[1]", matrix, "an array (N, D)")
    if matrix.ndim != 2 or len(matrix) != len(words):
        raise ValueError(f"{name}[1]: expected shape ({len(words)}, D), got {matrix.shape}")
    places: dict[str, int] = {}
    for number, word in _texts(name, words):
        if word in places:
            found.twice.setdefault(word, f"row {number}")
        places.setdefault(word, number)
    return (lambda word: matrix[places[word]]), places.__contains__


def _texts(name: str, words: list[Any]) -> Iterator[tuple[int, str]]:
    for number, word in enumerate(words):
        if not isinstance(word, str):
            got = type(word).__name__
            raise TypeError(f"{name}[0][{number}]: expected a str, got {got}")
        yield number, word
