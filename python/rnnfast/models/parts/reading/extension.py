"""Tables that grow: what further data add to a vocabulary, to classes and to symbols."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rnnfast._checks.messages import shown, some_of
from rnnfast.models.parts.reading.labels import IGNORED
from rnnfast.models.parts.reading.tokens import require_own_tokens
from rnnfast.nn.module import Array
from rnnfast.text._tokens import count_tokens
from rnnfast.text.subwords import SubwordTokenizer
from rnnfast.text.tokenizers import Tokenizer
from rnnfast.text.vocabulary import Vocabulary


def require_extendable(name: str, new: Sequence[Any], what: str, extend: bool) -> None:
    """Raise ValueError, with what is ``new``, if tables are not to grow.

    Parameters
    ----------
    name : str
        The argument that it comes from, for messages.
    new : sequence
        What the tables lack.
    what : str
        What that is, in the plural.
    extend : bool
        Whether they may grow.
    """
    if new and not extend:
        raise ValueError(
            f"{name}: expected {what} that the model knows with extend=False, got {some_of(new)}"
        )


def extend_vocabulary(
    name: str,
    known: Vocabulary,
    tokens: Iterable[str],
    *,
    extend: bool,
    tokenizer: Tokenizer | None = None,
    max_size: int | None = None,
    min_count: int = 1,
    what: str = "tokens",
) -> Vocabulary:
    """Return a vocabulary and, after its own tokens, those of further data.

    Ids and counts of its own tokens stay. If nothing is added it is returned itself.

    Parameters
    ----------
    name : str
        The argument that the data come from, for messages.
    known : Vocabulary
        What there is.
    tokens : iterable of str
        The data.
    extend
        As `require_extendable` takes it. A token that would not be added anyway, because it is rare
        or the vocabulary is full, is as unknown as before.
    tokenizer : Tokenizer, optional
        What split the data; one that has a vocabulary of its own has all of it already.
    max_size, min_count
        As `Vocabulary.from_tokens` takes them: the former is that of the whole, the latter of what
        is added.
    what : str
        What is counted, for messages.

    Raises
    ------
    ValueError
        If it is not to be extended and would be; or if there are other tokens than the tokenizer's.
    """
    counts = count_tokens(tokens)
    if isinstance(tokenizer, SubwordTokenizer):
        require_own_tokens(name, tokenizer, counts)
        return known
    new = [item for item in counts.items() if item[0] not in known and item[1] >= min_count]
    new.sort(key=lambda item: (-item[1], item[0]))
    if max_size is not None:
        specials = sum(token is not None for token in (known.pad, known.unk, known.eos))
        new = new[: max(0, max_size - (len(known) - specials))]
    require_extendable(name, [token for token, _ in new], what, extend)
    if not new:
        return known
    return Vocabulary(
        [*known.tokens, *(token for token, _ in new)],
        counts=[*known.counts.tolist(), *(count for _, count in new)],
        pad=known.pad,
        unk=known.unk,
        eos=known.eos,
    )


def extend_ids(name: str, known: Vocabulary, count: int, *, extend: bool) -> Vocabulary:
    """Return the vocabulary whose tokens are ids as numbers, of at least ``count`` of them."""
    new = [*map(str, range(len(known), count))]
    require_extendable(name, new, "ids", extend)
    return Vocabulary([*known.tokens, *new]) if new else known


def are_numbered(known: Vocabulary) -> bool:
    """Whether the tokens of a vocabulary are ids as numbers, as data of ids make it."""
    return known.unk is None and all(token == str(n) for n, token in enumerate(known.tokens))


def extend_classes(name: str, known: Array, labels: Sequence[Any], *, extend: bool) -> Array:
    """Return classes and those of further labels, sorted.

    Parameters
    ----------
    name : str
        The argument that the labels come from, for messages.
    known : ndarray
        The classes ``(K,)``, sorted.
    labels : sequence
        Labels as `read_labels` gives them; the number that stands for none is none.
    extend
        As `require_extendable` takes it.

    Raises
    ------
    TypeError
        If the labels are of another type than the classes.
    ValueError
        If the classes are not to be extended and would be.
    """
    if not labels:
        return known
    of_known, of_given = type(known.tolist()[0]), type(labels[0])
    if of_known is not of_given:
        raise TypeError(
            f"{name}: expected labels of type {of_known.__name__} as in training, got "
            f"{shown(labels[0])}"
        )
    found = np.unique(np.array(labels))
    if found.dtype.kind in "if":
        found = found[found != IGNORED]
    new = np.setdiff1d(found, known)
    require_extendable(name, new.tolist(), "classes", extend)
    return np.union1d(known, new) if len(new) else known
