"""What was true beside what was predicted, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set, Sized
from typing import Any

import numpy as np

from rnnfast._checks.masks import require_unmasked
from rnnfast._checks.messages import shown
from rnnfast._checks.tables import is_table


def make_pairs(true: Sequence[Any], predicted: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Return a pair of plain Python values for each example.

    Raises
    ------
    TypeError
        If something is no list.
    ValueError
        If there is nothing, or lengths differ.
    """
    for name, items in (("true", true), ("predicted", predicted)):
        if is_table(items):
            raise TypeError(f"{name}: expected a list, got a {type(items).__name__}")
        require_sized(name, items)
        if isinstance(items, (str, bytes)):
            raise TypeError(f"{name}: expected a list, got {type(items).__name__}")
        require_unmasked(name, items)
    if len(true) != len(predicted):
        raise ValueError(f"predicted: expected {len(true)} as in true, got {len(predicted)}")
    if len(true) == 0:
        raise ValueError("true: expected at least one, got none")
    return list(zip(as_python(true), as_python(predicted), strict=True))


def require_sized(name: str, items: Any, what: str = "a list") -> None:
    """Raise TypeError unless it has a length and an order: a list, a text, an array, a column."""
    ordered = isinstance(items, Sized) and not isinstance(items, (Mapping, Set))
    if not ordered or getattr(items, "ndim", 1) == 0:
        raise TypeError(f"{name}: expected {what}, got {type(items).__name__}")


def require_labels(name: str, items: Iterable[Any]) -> None:
    """Raise TypeError unless all are labels, which can be told apart by their hash."""
    for item in items:
        if not isinstance(item, (str, int, float, np.generic, type(None))):
            got = type(item).__name__
            raise TypeError(f"{name}: expected labels of one kind, such as str, got {got}")


def require_same_labels(guesses: Sequence[Any], trues: Sequence[Any]) -> None:
    """Raise TypeError for what was predicted that is no label as the true ones are.

    Of another kind than all of them, or a fraction, such as a probability, where none of them is.
    """
    what = "labels as in true"
    require_alike("predicted", guesses, trues, what)
    fraction = next(filter(_is_fraction, guesses), None)
    if fraction is not None and not any(map(_is_fraction, trues)):
        label = next((one for one in trues if one is not None), None)
        raise TypeError(f"predicted: expected {what}, such as {shown(label)}, got {fraction}")


def _is_fraction(value: Any) -> bool:
    return isinstance(value, float) and not value.is_integer()


def require_alike(name: str, given: Iterable[Any], known: Iterable[Any], what: str) -> None:
    """Raise TypeError if nothing given is of a kind with what is known: none could be the same.

    A missing label, None, is of every kind.
    """
    given = [value for value in given if value is not None]
    known = [value for value in known if value is not None]
    if given and known and not {*map(_kind, given)} & {*map(_kind, known)}:
        raise TypeError(
            f"{name}: expected {what}, such as {shown(known[0])}, got {shown(given[0])}"
        )


def _kind(value: Any) -> str:
    if isinstance(value, (int, float, np.number, np.bool_)):
        return "number"
    return "list" if isinstance(value, (list, tuple, np.ndarray)) else type(value).__name__


def as_python(items: Sequence[Any]) -> list[Any]:
    """Return a list, with Python's values in place of NumPy's."""
    return [item.item() if isinstance(item, np.generic) else item for item in items]


def is_same(one: Any, other: Any) -> bool:
    """Whether two labels, or sequences of labels, are the same."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return bool(np.array_equal(one, other))
    return bool(one == other)
