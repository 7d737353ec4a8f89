"""What a sequence is conditioned on: a label or a vector, as a part of the network's input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnfast._checks import check_int, check_list
from rnnfast._checks.arrays import read_array, require_finite
from rnnfast._checks.masks import require_unmasked
from rnnfast._checks.messages import shown, some_of
from rnnfast.models.parts.reading.columns import names_of, require_order, restore_names
from rnnfast.models.parts.reading.extension import require_extendable
from rnnfast.models.parts.reading.lists import as_item
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.module import Array
from rnnfast.text._tokens import require_strings


class Condition:
    """Labels or vectors of one width, checked and encoded.

    Attributes
    ----------
    labels : list of str, optional
        The labels known, sorted; None with vectors.
    width : int, optional
        Numbers of a vector; None with labels.
    names : tuple of str, optional
        What a table called them.
    """

    def __init__(
        self,
        labels: Sequence[str] | None = None,
        width: int | None = None,
        names: tuple[str, ...] | None = None,
    ) -> None:
        self.labels = None if labels is None else list(labels)
        self.width = width
        self.names = names
        self._ids = {label: i for i, label in enumerate(self.labels or [])}

    @classmethod
    def learned_from(cls, values: Any) -> Condition:
        """Return the condition that a model's training data has.

        Raises
        ------
        TypeError
            If the values are neither labels (str) nor an array of numbers.
        ValueError
            If there are none, or vectors have not two axes.
        """
        names, values = names_of(values), _as_list("condition", values)
        if _holds_labels(values):
            for number, label in enumerate(values):
                if not isinstance(label, str):
                    raise TypeError(
                        f"condition[{number}]: expected a str, got {type(label).__name__}"
                    )
            return cls(labels=sorted(set(values)))
        array = _number_array("condition", values)
        if array.ndim == 1 and array.size and array.dtype.kind in "iu":
            raise TypeError(
                "condition: expected labels (str) or vectors (N, F), got integers of shape "
                f"{array.shape}; [str(one) for one in condition] are labels"
            )
        if array.ndim != 2 or 0 in array.shape:
            raise ValueError(f"condition: expected shape (N, F), got {array.shape}")
        return cls(width=array.shape[1], names=names)

    def extended(self, other: Condition, extend: bool) -> Condition:
        """Return this with the labels of another one.

        Raises
        ------
        ValueError
            If the other one has new labels and they are not to be added.
        """
        if self.labels is None or other.labels is None:
            return self  # which says what it expects when it encodes
        new = [label for label in other.labels if label not in self._ids]
        require_extendable("condition", new, "labels", extend)
        return Condition(labels=sorted([*self.labels, *new])) if new else self

    def encode(self, name: str, values: Any, count: int, dtype: Any) -> Array:
        """Return ids ``(count,)`` or vectors ``(count, F)``.

        Raises
        ------
        TypeError
            If values are of another kind than those of training.
        ValueError
            If there are not ``count``, a label is unknown, or vectors have another width or a
            number is not finite.
        """
        if values is None:
            raise ValueError(f"{name}: expected {self}, which the model was trained with, got None")
        require_order(name, names_of(values), self.names)
        values = _as_list(name, values)
        if self.labels is not None:
            if not _holds_labels(values):
                raise TypeError(f"{name}: expected {self}, got {type(values).__name__}")
            _require_count(name, len(values), count)
            for label in values:
                if not isinstance(label, str) or label not in self._ids:
                    raise ValueError(f"{name}: expected {self}, got {shown(label)}")
            return np.array([self._ids[label] for label in values], np.int64)
        array = _number_array(name, values)
        if array.ndim != 2 or array.shape[1] != self.width:
            raise ValueError(f"{name}: expected shape ({count}, {self.width}), got {array.shape}")
        _require_count(name, len(array), count)
        vectors = np.ascontiguousarray(array, dtype)
        require_finite(name, vectors, ("line", "number"))
        return vectors

    def encode_one(self, value: Any, dtype: Any) -> Array:
        """Return one label or vector as a batch of one."""
        if value is None:
            return self.encode("condition", None, 1, dtype)
        if self.labels is not None:
            if not isinstance(value, str):
                raise TypeError(f"condition: expected {self}, got {type(value).__name__}")
            return self.encode("condition", [value], 1, dtype)
        require_order("condition", _names_of_one(value), self.names)
        array = _number_array("condition", value)
        if array.shape != (self.width,):
            raise ValueError(f"condition: expected shape ({self.width},), got {array.shape}")
        return self.encode("condition", array[np.newaxis], 1, dtype)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` takes."""
        described = {"labels": self.labels, "width": self.width}
        return described if self.names is None else {**described, "names": [*self.names]}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Condition:
        """Return the condition that `to_json` described.

        Raises
        ------
        TypeError, ValueError, KeyError
            If it is none, with the field's name.
        """
        labels, width = saved["labels"], saved["width"]
        if labels is None:
            width = check_int("condition.width", width, 1)
            return cls(width=width, names=restore_names(saved, "names", width, "condition.names"))
        require_strings("condition.labels", check_list("condition.labels", labels, "str"))
        if not labels or len(set(labels)) < len(labels):
            raise ValueError(f"condition.labels: expected different ones, got {shown(labels)}")
        if width is not None:
            raise ValueError(f"condition.width: expected None with labels, got {shown(width)}")
        return cls(labels)

    def __str__(self) -> str:
        if self.labels is None:
            return f"vectors of {self.width} numbers"
        return f"one of {some_of(self.labels)}"


def encode_given(
    known: Condition | None, values: Any, count: int | None, dtype: Any
) -> Array | None:
    """Return what a model of a known condition, or of none, was given, encoded.

    Parameters
    ----------
    known : Condition, optional
        That of training; None: there was none.
    values : list of str, ndarray, str or None
        What was given.
    count : int, optional
        For how many lines; None: one label or vector, which makes a batch of one.
    dtype : str
        Of vectors.

    Raises
    ------
    TypeError, ValueError
        As `Condition.encode`; also if something is given to a model that knows no condition.
    """
    if known is None:
        if values is not None:
            raise ValueError("condition: expected None, the model was trained without, got some")
        return None
    if count is None:
        return known.encode_one(values, dtype)
    return known.encode("condition", values, count, dtype)


def make_condition_layer(
    condition: Condition, size: int, dtype: str, rng: np.random.Generator
) -> Embedding | Linear:
    """Make the trained layer of a condition: an embedding of labels, or a linear map of vectors.

    Parameters
    ----------
    condition : Condition
        What there is.
    size : int
        Numbers of the vector that the layer makes.
    dtype : str
        Of the layer.
    rng : numpy.random.Generator
        Draws its weights.
    """
    size = check_int("condition_size", size, 1)
    if condition.labels is not None:
        return Embedding(len(condition.labels), size, dtype=dtype, seed=rng)
    assert condition.width is not None
    return Linear(condition.width, size, dtype=dtype, seed=rng)


def _as_list(name: str, values: Any) -> Any:
    """Return an array of text, of any library, as a list; another one as NumPy's."""
    require_unmasked(name, values)
    array = as_item(name, values)
    if isinstance(array, np.ndarray) and array.dtype.kind in "UOT" and array.ndim == 1:
        return array.tolist()
    return array


def _names_of_one(value: Any) -> tuple[str, ...] | None:
    """Return what a Series of pandas calls the numbers of a vector, where all names are str."""
    if not hasattr(value, "iloc") or getattr(value, "ndim", 0) != 1:
        return names_of(value)
    names = tuple(value.index)
    return names if all(isinstance(name, str) for name in names) else None


def _holds_labels(values: Any) -> bool:
    """Whether values are a sequence whose first is a str."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        return False
    return len(values) > 0 and isinstance(values[0], str)


def _number_array(name: str, values: Any) -> Array:
    array = read_array(name, values)
    if isinstance(values, str) or array.dtype.kind not in "fiu":
        kind = type(values).__name__
        raise TypeError(f"{name}: expected labels (str) or an array of numbers, got {kind}")
    return array


def _require_count(name: str, got: int, count: int) -> None:
    if got != count:
        raise ValueError(f"{name}: expected one for each of {count} lines, got {got}")
