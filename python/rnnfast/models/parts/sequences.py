"""Sequences as users give them, read as token lists or arrays.

``X`` may be

- a list of str, which a tokenizer splits into characters or words,
- a list of lists of str: tokens,
- a list of integer arrays ``(T_i,)``: ids of tokens,
- a list of arrays ``(T_i, F)``: series of F numbers a step, of different lengths,
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

from rnnfast import _core
from rnnfast._checks import check_indices, check_int
from rnnfast._checks.arrays import (
    column_names,
    hint_time_first,
    is_table,
    read_array,
    require_finite,
    require_time_first,
)
from rnnfast._checks.exporters import read_exporter
from rnnfast._checks.masks import require_unmasked
from rnnfast.data.batches import Ints
from rnnfast.models.parts.lazy import LazySeries, is_lazy
from rnnfast.nn.module import Array
from rnnfast.text._tokens import split_text
from rnnfast.text.tokenizers import Tokenizer

# Numbers of an array that are looked at together.
_LOOKED_AT = 1 << 16
# Sequences as `read_sequences` gives them: all of tokens, all of ids or all of numbers.
Sequences: TypeAlias = list[list[str] | Array] | LazySeries


class ReadSequences(list[Any]):
    """What `read_sequences` gave: it is not looked at again."""


def as_list(name: str, items: Any, what: str) -> list[Any]:
    """Return examples or labels as a list.

    Parameters
    ----------
    name : str
        The argument, for messages.
    items : sequence or array
        A str, a mapping or a set is none.
    what : str
        What was expected, for messages.

    Raises
    ------
    TypeError
        If it is not a list of any kind, or masked; or a table (a DataFrame), whose rows are not the
        examples but lists of their columns.
    """
    require_column(name, items, what)
    require_unmasked(name, items)
    array = as_examples(name, items)
    if isinstance(array, np.ndarray):
        array = read_array(name, array, what)
        if array.ndim:
            return array.tolist() if array.dtype.kind == "U" else list(array)
    elif isinstance(items, Sequence) and not isinstance(items, (str, bytes, bytearray)):
        return list(items)
    raise TypeError(f"{name}: expected {what}, got {_describe(items)}")


def as_item(name: str, item: Any) -> Any:
    """Return an array of another library as NumPy's, and anything else as it is."""
    if isinstance(item, (str, list, tuple, np.ndarray)):
        return item
    array = read_exporter(name, item)
    return item if array is None else array


def as_examples(name: str, items: Any) -> Any:
    """Return what `as_item` does of examples or labels, of which a sequence is one of several."""
    if isinstance(items, Sequence) and not isinstance(items, memoryview):
        return items
    return as_item(name, items)


def require_column(name: str, items: Any, what: str) -> None:
    """Raise TypeError for a table of columns, such as a DataFrame of pandas or polars."""
    if not is_table(items):
        return
    kind = type(items).__name__
    first = next(iter(column_names(items)), None)
    one = f"; one of its columns is, {name}[{first!r}]" if isinstance(first, (str, int)) else ""
    raise TypeError(f"{name}: expected {what}, got a {kind}{one}")


def _cure_of(name: str, table: Any) -> str:
    """Return what a message ends with where a table came in place of sequences."""
    array = as_item(name, table)
    if array.dtype.kind in "biuf":
        return f" of numbers; [{name}] is one series, a step a row"
    for number, column in enumerate(column_names(table)):
        if isinstance(column, (str, int)) and all(isinstance(v, str) for v in array[:, number]):
            return f"; one of its columns is, {name}[{column!r}]"
    return f" of dtype {array.dtype}; numbers have a dtype of numbers"


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
        raise TypeError(f"{name}: expected {expected}, got a {type(X).__name__}{_cure_of(name, X)}")
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
    if (equal := _equal_series(name, X)) is not None:
        return ReadSequences(equal)
    if is_lazy(X) and (series := _lazy_series(name, X)) is not None:
        return series
    items = as_list(name, X, expected)
    if not items:
        raise ValueError(f"{name}: expected at least one sequence, got none")
    if _are_sound(items):
        require_time_first(f"{name}[0]", items[0], max(map(len, items)))
        return ReadSequences(items)
    items = [as_item(f"{name}[{number}]", item) for number, item in enumerate(items)]
    kinds = [_kind(f"{name}[{number}]", item) for number, item in enumerate(items)]
    known = [kind for kind in kinds if kind != "nothing"]
    kind = known[0] if known else "token list"
    for number, (found, item) in enumerate(zip(kinds, items, strict=True)):
        if found not in (kind, "nothing") or (found == "nothing" and kind == "str"):
            first = kinds.index(kind)
            raise TypeError(
                f"{name}[{number}]: expected {_an(kind)} as {name}[{first}] is, "
                f"got {_describe(item)}"
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
    return ReadSequences(_as_series(name, items))


def _plain_tokens(X: Any, tokenizer: Tokenizer) -> list[list[str]] | None:
    """Return what a list of nothing but str, or of lists of nothing but str, is of; else None."""
    kinds = set(map(type, X)) if type(X) is list else set()
    if kinds == {str}:
        return [split_text(tokenizer, text) for text in X]
    tokens = [*map(list, X)] if kinds == {list} else []
    return tokens if set(map(type, chain.from_iterable(tokens))) == {str} else None


def _are_sound(items: list[Any]) -> bool:
    """Whether items are arrays ``(T_i, F)`` of one dtype, float32 or float64, all finite.

    Of others it takes a look at each to tell what they are, or what is wrong.
    """
    first = items[0]
    if type(first) is not np.ndarray or first.ndim != 2 or 0 in first.shape[1:]:
        return False
    dtype, width = first.dtype, first.shape[1]
    if dtype not in (np.float32, np.float64):
        return False
    for item in items:
        if type(item) is not np.ndarray or item.dtype != dtype or item.ndim != 2:
            return False
        if item.shape[1] != width or not item.flags.c_contiguous:
            return False
    return _core.all_finite(*items)


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


def _kind(name: str, item: Any) -> str:
    if isinstance(item, str):
        return "str"
    if isinstance(item, np.ndarray):
        if item.ndim == 0:
            raise TypeError(f"{name}: expected a str, tokens or an array, got {_describe(item)}")
        if item.dtype.kind in "iu" and item.ndim == 1:
            return "array of ids" if len(item) else "nothing"
        if item.dtype.kind in "biuf":
            return "array"
        if item.dtype.kind not in "UOT":
            raise TypeError(f"{name}: expected real numbers or str, got dtype {item.dtype}")
    elif not isinstance(item, (list, tuple)):
        raise TypeError(f"{name}: expected a str, tokens or an array, got {_describe(item)}")
    if len(item) == 0:
        return "nothing"
    return "token list" if isinstance(item[0], str) else "array"


def _as_tokens(name: str, item: Any) -> list[str]:
    tokens = item.tolist() if isinstance(item, np.ndarray) else list(item)
    if set(map(type, tokens)) <= {str}:
        return tokens
    for place, token in enumerate(tokens):
        if not isinstance(token, str):
            raise TypeError(f"{name}[{place}]: expected a str, got {_describe(token)}")
    return tokens


def _as_ids(name: str, item: Any) -> Array:
    return check_indices(name, item, 1).astype(np.int64) if len(item) else np.zeros(0, np.int64)


def _as_series(name: str, items: list[Any]) -> list[Array]:
    arrays: list[Array] = []
    first: tuple[int, ...] | None = None
    for number, item in enumerate(items):
        unclear = first is None and not isinstance(item, np.ndarray) and not len(item)
        width = _features(items) if unclear else None
        arrays.append(_as_one_series(name, number, item, first, width))
        first = arrays[0].shape
    if arrays:
        require_time_first(f"{name}[0]", arrays[0], max(map(len, arrays)))
    return arrays


def _as_one_series(
    name: str,
    number: int,
    item: Any,
    first: tuple[int, ...] | None = None,
    width: int | None = None,
) -> Array:
    """Return one of several series; ``first`` is the shape of the first, ``width`` that of none."""
    label = f"{name}[{number}]"
    array = read_array(label, item, "shape (T, F)")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{label}: expected real numbers, got dtype {array.dtype}")
    if array.shape == (0,) and not isinstance(item, np.ndarray):
        array = array.reshape(0, first[1] if first is not None else width or 0)
    if array.ndim != 2 or array.shape[1] == 0:
        cure = f"; {label}[:, np.newaxis] is one of a single feature" if array.ndim == 1 else ""
        raise ValueError(f"{label}: expected shape (T, F), got {array.shape}{cure}")
    check_int("features", array.shape[1], 1)
    if first is not None and array.shape[1] != first[1]:
        raise ValueError(
            f"{label}: expected shape (T, {first[1]}) as {name}[0] has, got {array.shape}"
            + hint_time_first(label, array.shape, first)
        )
    require_finite(label, array)
    return array


def _equal_series(name: str, X: Any) -> list[Array] | None:
    """Return the series of an array ``(N, T, F)``, looked at as a whole; None if one is refused."""
    if type(X) is not np.ndarray or X.dtype.kind not in "biuf" or X.ndim != 3 or X.size == 0:
        return None
    several = max(1, _LOOKED_AT // X[0].size)
    if not all(np.isfinite(X[n : n + several]).all() for n in range(0, len(X), several)):
        return None
    require_time_first(f"{name}[0]", X[0], X.shape[1])
    return list(X)


def _lazy_series(name: str, X: Any) -> LazySeries | None:
    """Return series that are read again each time, once all were looked at; None of others.

    Raises
    ------
    TypeError, ValueError
        As `read_sequences`; of a series that has another length when it is read again.
    """
    if not len(X) or _kind(f"{name}[0]", as_item(f"{name}[0]", X[0])) != "array":
        return None
    first: tuple[int, ...] | None = None

    def look_at(number: int) -> Array:
        label = f"{name}[{number}]"
        item = as_item(label, X[number])
        if _kind(label, item) not in ("array", "nothing"):
            raise TypeError(f"{label}: expected an array as {name}[0] is, got {_describe(item)}")
        return _as_one_series(name, number, item, first)

    def read(number: int) -> Array:
        array = look_at(number)
        if len(array) != lengths[number]:
            raise ValueError(
                f"{name}[{number}]: expected {lengths[number]} steps as before, got {len(array)}"
            )
        return array

    lengths = np.zeros(len(X), np.int64)
    dtype = np.dtype(np.int64)
    for number in range(len(lengths)):
        array = look_at(number)
        first = array.shape if first is None else first
        lengths[number] = len(array)
        dtype = common_dtype([np.empty(0, dtype), array])
    require_time_first(f"{name}[0]", read(0), int(lengths.max()))
    return LazySeries(read, lengths, dtype)


def common_dtype(arrays: Sequence[Array]) -> np.dtype[Any]:
    """Return the dtype of arrays whose numbers are rounded most."""
    if isinstance(arrays, LazySeries):
        return arrays.dtype
    floats = {array.dtype for array in arrays if array.dtype.kind == "f"}
    return max(floats, key=lambda dtype: np.finfo(dtype).eps, default=np.dtype(np.int64))


def _features(items: list[Any]) -> int:
    """Return the width of the first item that is not empty."""
    return int(next(np.shape(item)[-1] for item in items if len(item)))


def _describe(item: Any) -> str:
    if isinstance(item, np.ndarray):
        return f"an array of shape {item.shape}"
    return type(item).__name__


def _an(kind: str) -> str:
    return f"an {kind}" if kind.startswith("array") else f"a {kind}"
