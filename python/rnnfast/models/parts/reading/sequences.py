"""Sequences as users give them, read as token lists or arrays.

``X`` may be

- a list of str, which a tokenizer splits into characters or words,
- a list of lists of str: tokens,
- a list of integer arrays ``(T_i,)``: ids of tokens,
- a list of arrays ``(T_i, F)``: series of F numbers a step, of different lengths,
- a list of arrays ``(T_i,)`` of floats: series of one number a step,
- an array ``(N, T, F)``: series of equal lengths,
- an array ``(N, T)`` of floats, where that is taken: such series of one number a step.

Tuples, and arrays of str or of objects with one axis, count as lists. An array is one of any
library, as `read_exporter` reads it, and a list may have tables of a step a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, TypeAlias

import numpy as np

from rnnfast._checks import check_indices
from rnnfast._checks.arrays import require_time_first
from rnnfast._checks.masks import require_unmasked
from rnnfast._checks.tables import column_names, is_table
from rnnfast.data.batches import Ints
from rnnfast.models.parts.reading.lazy import LazySeries, is_lazy
from rnnfast.models.parts.reading.lists import (
    as_examples,
    as_item,
    as_list,
    describe,
    kind_of,
    not_numbers,
)
from rnnfast.models.parts.reading.series import are_sound, as_series, equal_series, lazy_series
from rnnfast.nn.module import Array
from rnnfast.text._tokens import split_text
from rnnfast.text.tokenizers import Tokenizer

# Sequences as `read_sequences` gives them: all of tokens, all of ids or all of numbers.
Sequences: TypeAlias = list[list[str] | Array] | LazySeries


class ReadSequences(list[Any]):
    """What `read_sequences` gave: it is not looked at again."""


def _cure_of(name: str, table: Any, univariate: bool) -> str:
    """Return what a message ends with where a table came in place of sequences."""
    array = as_item(name, table)
    if array.dtype.kind in "biuf":
        if univariate and array.shape[1] != 1:
            return f" of numbers; np.asarray({name}, float) has a series of one number a row"
        return f" of numbers; [{name}] is one series, a step a row"
    for number, column in enumerate(column_names(table)):
        if isinstance(column, (str, int)) and all(isinstance(v, str) for v in array[:, number]):
            return f"; one of its columns is, {name}[{column!r}]"
    return f", {not_numbers(name, table)}"


def read_sequences(
    name: str, X: Any, tokenizer: Tokenizer, *, univariate: bool = False
) -> Sequences:
    """Return ``X`` as token lists, ids ``(T_i,)`` or arrays ``(T_i, F)``.

    What it gives may be given to it again. Numbers keep their dtype.

    Parameters
    ----------
    name : str
        The argument, for messages.
    X : list of str, list of list of str, list of array_like, or ndarray
        See above. An empty text, token list or series of no steps is allowed.
    tokenizer : Tokenizer
        Splits text.
    univariate : bool
        Whether an array ``(N, T)`` of floats, T above 1, is one of series of one feature.

    Raises
    ------
    TypeError
        If it is none of these, or holds a mixture.
    ValueError
        If there is no sequence, an array has not two axes, widths differ, or a number is NaN or
        infinite, which is told with its place; or if all series have one step or two of thousands
        of numbers, as sound has whose first axis is the channel.
    """
    if (tokens := _plain_tokens(X, tokenizer)) is not None:
        return ReadSequences(tokens)
    expected = "a list of str, of token lists or of arrays"
    if is_table(X):
        got = f"{type(X).__name__}{_cure_of(name, X, univariate)}"
        raise TypeError(f"{name}: expected {expected}, got a {got}")
    X = X if isinstance(X, ReadSequences) else as_examples(name, X)
    if univariate and isinstance(X, np.ndarray) and X.dtype.kind == "f" and X.ndim == 2:
        require_unmasked(name, X)
        if X.shape[1] > 1:  # a single column could be one series as well
            X = X[..., np.newaxis]
    if isinstance(X, np.ndarray) and X.dtype.kind in "biuf" and X.ndim != 3:
        cure = f"; {name}[..., np.newaxis] are series of one feature" if X.ndim == 2 else ""
        if X.ndim == 2 and X.dtype.kind == "f":
            cure += f", {name}[np.newaxis] is one series"
        if X.ndim == 2 and X.dtype.kind in "iu":
            cure += f", list({name}) are ids of tokens"
        raise ValueError(f"{name}: expected an array of shape (N, T, F), got {X.shape}{cure}")
    if isinstance(X, np.ndarray) and X.dtype.kind in "UOT" and X.ndim == 2 and X.shape[1] == 1:
        raise ValueError(
            f"{name}: expected one axis of texts, got shape {X.shape}; {name}[:, 0] has one, "
            f"{name}.tolist() are lists of one token"
        )
    if isinstance(X, str):
        raise TypeError(
            f"{name}: expected {expected}, got str; a single one stands in a list, [text]"
        )
    if isinstance(X, (LazySeries, ReadSequences)):
        return X
    if (equal := equal_series(name, X)) is not None:
        return ReadSequences(equal)
    if is_lazy(X) and (series := lazy_series(name, X)) is not None:
        return series
    items = as_list(name, X, expected)
    if not items:
        raise ValueError(f"{name}: expected at least one sequence, got none")
    if are_sound(items):
        require_time_first(f"{name}[0]", items[0], max(map(len, items)))
        return ReadSequences(items)
    items = [as_item(f"{name}[{number}]", item) for number, item in enumerate(items)]
    kinds = [kind_of(f"{name}[{number}]", item) for number, item in enumerate(items)]
    known = [kind for kind in kinds if kind != "nothing"]
    kind = known[0] if known else "token list"
    for number, (found, item) in enumerate(zip(kinds, items, strict=True)):
        if found not in (kind, "nothing") or (found == "nothing" and kind == "str"):
            first = kinds.index(kind)
            got = "an array of integers" if found == "array of ids" else describe(item)
            missing = [f"{name}[{n}]" for n in (first, number) if _has_missing(items[n])]
            more = f"; {missing[0]} has a missing value" if missing else ""
            raise TypeError(
                f"{name}[{number}]: expected {_an(kind)} as {name}[{first}] is, got {got}{more}"
            )
    if kind == "str":
        return ReadSequences(split_text(tokenizer, item) for item in items)
    if kind == "token list":
        return ReadSequences(
            _as_tokens(f"{name}[{number}]", item) for number, item in enumerate(items)
        )
    if kind == "array of ids":
        return ReadSequences(
            _as_ids(f"{name}[{number}]", item) for number, item in enumerate(items)
        )
    return ReadSequences(as_series(name, items))


def _plain_tokens(X: Any, tokenizer: Tokenizer) -> list[list[str]] | None:
    """Return what a list of nothing but str, or of lists of nothing but str, is of; else None."""
    kinds = set(map(type, X)) if type(X) is list else set()
    if kinds == {str}:
        return [split_text(tokenizer, text) for text in X]
    tokens = [*map(list, X)] if kinds == {list} else []
    return tokens if set(map(type, chain.from_iterable(tokens))) == {str} else None


def has_steps_of(name: str, X: Any, y: Any) -> bool:
    """Whether targets tell that an array ``(N, T)`` is of N series: they are N of T steps."""
    array = None if is_table(X) else as_examples(name, X)
    if not isinstance(array, np.ndarray) or array.ndim != 2:
        return False
    try:
        return len(array) > 0 and (len(y), len(y[0])) == array.shape
    except (TypeError, KeyError, IndexError):  # of what are no targets of steps
        return False


def are_ids(sequences: Sequences) -> bool:
    """Whether sequences, as `read_sequences` gives them, are ids of tokens."""
    return any(isinstance(item, np.ndarray) and item.ndim == 1 for item in sequences[:1])


def are_series(sequences: Sequences) -> bool:
    """Whether sequences, as `read_sequences` gives them, are of numbers."""
    return any(isinstance(item, np.ndarray) and item.ndim > 1 for item in sequences[:1])


def lengths_of(sequences: Sequence[Any]) -> Ints:
    """Return the lengths ``(N,)`` of sequences."""
    if isinstance(sequences, LazySeries):
        return sequences.lengths
    return np.array([len(sequence) for sequence in sequences], np.int64)


def _as_tokens(name: str, item: Any) -> list[str]:
    tokens = item.tolist() if isinstance(item, np.ndarray) else list(item)
    if set(map(type, tokens)) <= {str}:
        return tokens
    for place, token in enumerate(tokens):
        if not isinstance(token, str):
            raise TypeError(f"{name}[{place}]: expected a str, got {describe(token)}")
    return tokens


def _as_ids(name: str, item: Any) -> Array:
    return check_indices(name, item, 1).astype(np.int64) if len(item) else np.zeros(0, np.int64)


def _has_missing(item: Any) -> bool:
    """Whether what may be ids has NaN, which makes floats of integers."""
    if not isinstance(item, np.ndarray) or item.ndim != 1 or item.dtype.kind != "f":
        return False
    return bool(np.isnan(item).any())


def _an(kind: str) -> str:
    return f"an {kind}" if kind.startswith("array") else f"a {kind}"
