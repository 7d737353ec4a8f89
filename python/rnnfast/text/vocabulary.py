"""The vocabulary: which token has which id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise, repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_indices, check_int
from rnnfast._checks.arrays import check_float_dtype
from rnnfast._checks.messages import shown
from rnnfast.io.files import FilePath, read_utf8, shown_path, write_atomically
from rnnfast.text import _vocabulary_json
from rnnfast.text._tokens import count_tokens, list_tokens, require_strings


class Vocabulary:
    """Tokens and their ids, 0 to ``len(vocabulary) - 1``. It does not change once made.

    Usually made by `from_tokens`; the constructor takes a list of tokens that is already in order.

    Parameters
    ----------
    tokens : sequence of str
        Every token once, the special ones among them; a token's id is its place.
    counts : sequence of int, optional
        How often each token occurred in a corpus; zeros if left out.
    pad, unk, eos : str, optional
        Which of ``tokens`` fills up short sequences, stands for every unknown token, and ends a
        sentence. None: there is no such token.

    Attributes
    ----------
    tokens : tuple of str
        The tokens in the order of their ids.
    counts : ndarray of int64, shape (V,)
        How often each occurred in the corpus, read-only. The count of the unknown token includes
        all those that encode as it.
    pad, unk, eos : str or None
        The special tokens.
    pad_id, unk_id, eos_id : int or None
        Their ids.

    Raises
    ------
    ValueError
        If ``tokens`` is empty or has a token twice, if ``counts`` has another length or a negative
        number, or if a special token is not among the tokens or is the same as another one.
    TypeError
        If a token is not a str or a count is not an integer.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_tokens(["cats", "average", "15", "hours", "cats"])
    >>> vocabulary.tokens
    ('<UNK>', '<EOS>', 'cats', '15', 'average', 'hours')
    >>> vocabulary.encode(["cats", "sleep"])
    array([2, 0])
    """

    def __init__(
        self,
        tokens: Sequence[str],
        *,
        counts: Sequence[int] | npt.NDArray[np.integer[Any]] | None = None,
        pad: str | None = None,
        unk: str | None = None,
        eos: str | None = None,
    ) -> None:
        self.tokens = tuple(list_tokens(tokens))
        if not self.tokens:
            raise ValueError("tokens: expected at least one token, got none")
        require_strings("tokens", self.tokens)
        self._ids = {token: position for position, token in enumerate(self.tokens)}
        if len(self._ids) < len(self.tokens):
            twice = Counter(self.tokens).most_common(1)[0][0]
            raise ValueError(f"tokens: expected every token once, got {shown(twice)} again")
        if counts is None:
            counts = [0] * len(self.tokens)
        self.counts = np.array(check_indices("counts", counts, ndim=1), dtype=np.int64)
        self.counts.flags.writeable = False
        if len(self.counts) != len(self.tokens):
            raise ValueError(
                f"counts: expected one a token, {len(self.tokens)}, got {len(self.counts)}"
            )
        _check_specials({"pad": pad, "unk": unk, "eos": eos})
        self.pad, self.unk, self.eos = pad, unk, eos
        self.pad_id, self.unk_id, self.eos_id = (
            self._special_id(role, token) for role, token in self._specials().items()
        )

    @classmethod
    def from_tokens(
        cls,
        tokens: Iterable[str],
        *,
        max_size: int | None = None,
        min_count: int = 1,
        pad: str | None = None,
        unk: str | None = "<UNK>",
        eos: str | None = "<EOS>",
    ) -> Vocabulary:
        """Make the vocabulary of a corpus.

        The special tokens come first, in the order pad, unknown, end of sentence; then the tokens
        of the corpus, the most frequent first, equally frequent ones in the order of the strings.

        Parameters
        ----------
        tokens : iterable of str
            The corpus. A special token that occurs in it is counted as that special token.
        max_size : int, optional
            Take only so many of the most frequent tokens, the special ones not counted.
        min_count : int
            Take only tokens that occur at least so often.
        pad, unk, eos : str or None
            The special tokens, usually ``"<PAD>"``, ``"<UNK>"``, ``"<EOS>"``; None leaves one out.

        Raises
        ------
        ValueError
            If the corpus has no token, or none that occurs ``min_count`` times; if ``max_size`` or
            ``min_count`` is below 1; if two special tokens are the same.
        TypeError
            If ``tokens`` is a single str, or something in it is not a str.
        """
        if max_size is not None:
            max_size = check_int("max_size", max_size, 1)
        min_count = check_int("min_count", min_count, 1)
        roles = {"pad": pad, "unk": unk, "eos": eos}
        _check_specials(roles)
        specials = [token for token in roles.values() if token is not None]

        counter = count_tokens(tokens)
        special_counts = [counter.pop(token, 0) for token in specials]
        if not counter:
            raise ValueError("tokens: expected at least one token, got an empty corpus")
        ranked = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
        kept = [item for item in ranked[:max_size] if item[1] >= min_count]
        if not kept:
            raise ValueError(
                f"min_count: expected at most {ranked[0][1]}, what the most frequent token has, "
                f"got {min_count}"
            )
        if unk is not None:
            special_counts[specials.index(unk)] += sum(n for _, n in ranked[len(kept) :])
        return cls(
            specials + [token for token, _ in kept],
            counts=special_counts + [n for _, n in kept],
            pad=pad,
            unk=unk,
            eos=eos,
        )

    def encode(self, tokens: Iterable[str]) -> npt.NDArray[np.int64]:
        """Return the ids of tokens; an unknown one has the id of the unknown token.

        Parameters
        ----------
        tokens : iterable of str
            Tokens, not a text: a tokenizer makes them.

        Returns
        -------
        ndarray of int64, shape (T,)

        Raises
        ------
        ValueError
            If a token is unknown and the vocabulary has no unknown token.
        TypeError
            If ``tokens`` is a single str, or something in it is not a str.
        """
        listed = list_tokens(tokens)
        try:
            found = map(self._ids.get, listed, repeat(-1))
            ids = np.fromiter(found, dtype=np.int64, count=len(listed))
        except TypeError:  # something that cannot be hashed, such as a list
            require_strings("tokens", listed)
            raise
        for position in np.flatnonzero(ids < 0).tolist():
            token = listed[position]
            require_strings("tokens", [token])
            if self.unk_id is None:
                raise ValueError(
                    f"tokens: expected tokens of the vocabulary, which has none for unknown ones; "
                    f"got {shown(token)} at {position}"
                )
            ids[position] = self.unk_id
        return ids

    def decode(self, ids: npt.ArrayLike) -> list[str]:
        """Return the tokens of ids.

        Parameters
        ----------
        ids : array_like of int, shape (T,)

        Raises
        ------
        ValueError
            If an id is outside the vocabulary or the array has not one axis.
        TypeError
            If an id is not an integer.
        """
        array = self._check_ids(ids, ndim=1)
        return [self.tokens[position] for position in array.tolist()]

    def one_hot(
        self, ids: npt.ArrayLike, dtype: npt.DTypeLike = "float32"
    ) -> npt.NDArray[np.floating[Any]]:
        """Return the one-hot vectors of ids, to look at: the layers take the ids themselves.

        Parameters
        ----------
        ids : array_like of int, shape (...)
            Of any shape.
        dtype : {"float32", "float64"}
            Type of the result.

        Returns
        -------
        ndarray, shape (..., V)
            1 at the id, 0 elsewhere.

        Raises
        ------
        ValueError
            If an id is outside the vocabulary, or the dtype is another one.
        TypeError
            If an id is not an integer.
        """
        kind = check_float_dtype("dtype", dtype)
        array = self._check_ids(ids)
        vectors = np.zeros((*array.shape, len(self)), kind)
        np.put_along_axis(vectors, array[..., np.newaxis].astype(np.intp), 1, axis=-1)
        return vectors

    def __len__(self) -> int:
        return len(self.tokens)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tokens)

    def __contains__(self, token: object) -> bool:
        return isinstance(token, str) and token in self._ids

    def __getitem__(self, token: str) -> int:
        """Return the id of one token, by the rules of `encode`."""
        return int(self.encode([token])[0])

    def __eq__(self, other: object) -> bool:
        """Tell whether both give the same ids to everything; the counts play no part."""
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __repr__(self) -> str:
        specials = "".join(
            f", {role}={token!r}" for role, token in self._specials().items() if token
        )
        return f"<Vocabulary of {len(self)} tokens{specials}>"

    def to_json(self) -> str:
        """Return everything as one JSON object in ASCII, for a file or a model's metadata."""
        return _vocabulary_json.dump(
            tokens=self.tokens, counts=self.counts.tolist(), **self._specials()
        )

    @classmethod
    def from_json(cls, text: str) -> Vocabulary:
        """Make the vocabulary that `to_json` wrote.

        Raises
        ------
        ValueError
            If the text is not JSON, is not a vocabulary, comes from a later version, or has parts
            that do not fit together.
        """
        parts = _vocabulary_json.parse(text)
        try:
            return cls(parts.pop("tokens"), **parts)
        except (TypeError, ValueError) as error:
            raise ValueError(f"damaged vocabulary: {error}") from None

    def save(self, path: FilePath) -> None:
        """Write the vocabulary to a JSON file; an old file stays whole until the new one is.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        write_atomically(path, self.to_json().encode("ascii"))

    @classmethod
    def load(cls, path: FilePath) -> Vocabulary:
        """Read the vocabulary that `save` wrote.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is damaged, or not the file of a vocabulary.
        """
        text = read_utf8(path)
        try:
            return cls.from_json(text)
        except ValueError as error:
            raise ValueError(f"{shown_path(path)}: {error}") from None

    def _specials(self) -> dict[str, str | None]:
        return {"pad": self.pad, "unk": self.unk, "eos": self.eos}

    def _identity(self) -> tuple[object, ...]:
        return (self.tokens, self.pad, self.unk, self.eos)

    def _special_id(self, role: str, token: str | None) -> int | None:
        if token is None:
            return None
        if token not in self._ids:
            raise ValueError(f"{role}: expected one of the tokens, got {shown(token)}")
        return self._ids[token]

    def _check_ids(self, ids: npt.ArrayLike, ndim: int | None = None) -> npt.NDArray[Any]:
        array = check_indices("ids", ids, ndim)
        if array.size and array.max() >= len(self):
            raise ValueError(f"ids: expected ids below {len(self)}, got {array.max()}")
        return array


def encode_each(
    vocabulary: Vocabulary, sequences: Sequence[Sequence[str]]
) -> list[npt.NDArray[np.int64]]:
    """Return what `Vocabulary.encode` gives for each of many lists of str, looked up together."""
    ends = np.cumsum([0, *map(len, sequences)]).tolist()
    found = map(vocabulary._ids.get, chain.from_iterable(sequences), repeat(-1))
    ids = np.fromiter(found, dtype=np.int64, count=ends[-1])
    unknown = ids < 0
    if unknown.any():
        if vocabulary.unk_id is None:  # one of them says which token it is
            return [vocabulary.encode(tokens) for tokens in sequences]
        ids[unknown] = vocabulary.unk_id
    return [ids[begin:end] for begin, end in pairwise(ends)]


def decode_each(
    vocabulary: Vocabulary, sequences: Iterable[npt.NDArray[np.int64]]
) -> list[list[str]]:
    """Return what `Vocabulary.decode` gives for each of many arrays of ids that fit."""
    token = vocabulary.tokens.__getitem__
    return [[*map(token, ids.tolist())] for ids in sequences]


def _check_specials(roles: dict[str, str | None]) -> None:
    given = {role: token for role, token in roles.items() if token is not None}
    for role, token in given.items():
        require_strings(role, [token])
        if not token:
            raise ValueError(f"{role}: expected a token or None, got an empty str")
    if len(set(given.values())) < len(given):
        raise ValueError(f"pad, unk, eos: expected different tokens, got {shown(given)}")
