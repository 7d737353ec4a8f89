"""Lists of examples and labels as users give them: of any library, and what each item is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnfast._checks.arrays import read_array
from rnnfast._checks.exporters import read_exporter
from rnnfast._checks.masks import require_unmasked
from rnnfast._checks.messages import shown
from rnnfast._checks.tables import column_names, is_table


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
    raise TypeError(f"{name}: expected {what}, got {describe(items)}")


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


def kind_of(name: str, item: Any) -> str:
    """Return what an item of ``X`` is, in the words of messages; TypeError if it is no sequence."""
    if isinstance(item, str):
        return "str"
    if isinstance(item, np.ndarray):
        if item.ndim == 0:
            raise TypeError(f"{name}: expected a str, tokens or an array, got {describe(item)}")
        if item.dtype.kind in "iu" and item.ndim == 1:
            return "array of ids" if len(item) else "nothing"
        if item.dtype.kind in "biuf":
            return "array"
        if item.dtype.kind not in "UOT":
            raise TypeError(f"{name}: expected real numbers or str, got dtype {item.dtype}")
    elif not isinstance(item, (list, tuple)):
        raise TypeError(f"{name}: expected a str, tokens or an array, got {describe(item)}")
    if len(item) == 0:
        return "nothing"
    return "token list" if isinstance(item[0], str) else "array"


def describe(item: Any) -> str:
    """Return what came, for a message."""
    if isinstance(item, np.ndarray):
        return f"an array of shape {item.shape}"
    return type(item).__name__


def not_numbers(name: str, table: Any) -> str:
    """Return which value of a table with one that is no number comes first, for messages."""
    array = as_item(name, table)
    for number, column in enumerate(column_names(table)):
        for value in array[:, number]:
            if not isinstance(value, (int, float, np.number, np.bool_)):
                return f"{shown(value)} in column {shown(column)}"
    return f"dtype {array.dtype}; a table of numbers has a dtype of numbers"
