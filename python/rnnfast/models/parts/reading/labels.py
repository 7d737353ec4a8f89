"""Labels of a classifier: which classes there are, and how much each weighs."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_real
from rnnfast._checks.adjustments import warn_caller
from rnnfast._checks.arrays import as_numbers, read_array
from rnnfast._checks.messages import shown, some_of
from rnnfast.data.batches import Ints
from rnnfast.models.parts.contract import column_warning
from rnnfast.models.parts.reading.lists import as_item, as_list
from rnnfast.nn.module import Array

# The integer label of a step that does not count, as other libraries' losses have it by default;
# as a class number too, and there that of rnnfast's losses.
IGNORED = -100


def flat_column(name: str, y: Any) -> Any:
    """Return a column ``(N, 1)``, an array or a table, as ``(N,)``, with scikit-learn's warning.

    Of any library. Anything else is returned as it is.
    """
    array = as_item(name, y)
    if not isinstance(array, np.ndarray):
        return y
    array = read_array(name, array)
    if array.ndim != 2 or array.shape[1] != 1:
        return y
    warn_caller(
        f"A column-vector {name} was passed when a 1d array was expected; {name}.ravel() is one",
        column_warning(),
    )
    return array[:, 0]


def read_labels(name: str, y: Any, is_missing: Callable[[Any], bool] | None = None) -> list[Any]:
    """Return labels as a list of str, of int, of bool or of whole numbers in floats.

    Those of which ``is_missing`` says that they stand for none are None.

    Raises
    ------
    TypeError
        If a label is something else, or they are a mixture.
    ValueError
        If there is none, one is beyond int64, or a text ends in NUL, which NumPy's arrays drop.
    """
    labels = as_list(name, flat_column(name, y), "a list of labels")
    if not labels:
        raise ValueError(f"{name}: expected at least one label, got none")
    plain = [label.item() if isinstance(label, np.generic) else label for label in labels]
    if is_missing is not None:
        plain = [None if is_missing(label) else label for label in plain]
    if set(map(type, plain)) == {str} and not any(label.endswith("\0") for label in plain):
        return plain
    given = [n for n, label in enumerate(plain) if label is not None or is_missing is None]
    kinds = {number: _kind(f"{name}[{number}]", plain[number]) for number in given}
    for number, kind in kinds.items():
        first = kinds[given[0]]
        if kind is not first:
            raise TypeError(
                f"{name}[{number}]: expected {an(first)} as {name}[{given[0]}] is, got {an(kind)}"
            )
        if kind is int and not -(2**63) <= plain[number] < 2**63:
            raise ValueError(
                f"{name}[{number}]: expected a 64-bit integer, got {shown(plain[number])}"
            )
        if kind is str and plain[number].endswith("\0"):
            raise ValueError(
                f"{name}[{number}]: expected no NUL at its end, got {shown(plain[number])}"
            )
    return plain


def read_classes(name: str, y: Any) -> list[Any]:
    """Return what `read_labels` does; ValueError for an integer label that says it is none."""
    labels = read_labels(name, y)
    if type(labels[0]) in (int, float) and IGNORED in labels:
        raise ValueError(
            f"{name}[{labels.index(IGNORED)}]: expected a class, got {IGNORED}, which stands for "
            "what does not count; leave that sequence out"
        )
    return labels


def find_classes(name: str, labels: Sequence[Any]) -> Array:
    """Return the classes ``(K,)``, sorted, without the number that stands for none.

    Raises
    ------
    ValueError
        If there are less than two.
    """
    classes = np.unique(np.array(labels))
    if classes.dtype.kind in "if":
        classes = classes[classes != IGNORED]
    if len(classes) < 2:
        got = f"only {shown(classes.tolist()[0])}" if len(classes) else "none"
        raise ValueError(f"{name}: expected at least 2 classes, got {got}")
    return classes


def restore_classes(classes: Any, weights: Any, dtype: str) -> tuple[Array, Array | None]:
    """Return the classes, and how much each weighs, that a file has; None: all the same.

    Raises
    ------
    TypeError, ValueError
        If they are none, with the field's name.
    """
    known = np.array(read_classes("classes", classes))
    if len(known) < 2 or not np.array_equal(known, np.unique(known)):
        raise ValueError(f"classes: expected 2 or more in order, got {shown(classes)}")
    return known, None if weights is None else restore_weights(weights, known.shape, dtype)


def restore_weights(weights: Any, shape: tuple[int, ...], dtype: str) -> Array:
    """Return the weights of classes that a file has; TypeError or ValueError if they are none."""
    array = as_numbers("class_weights", weights)
    if array.shape != shape:
        raise ValueError(f"class_weights: expected shape {shape}, got {array.shape}")
    for number, weight in enumerate(array.tolist()):
        check_weight(f"class_weights[{number}]", weight, dtype)
    return array.astype(dtype)


def check_weight(name: str, weight: Any, dtype: str) -> float:
    """Return the weight of a class; TypeError or ValueError unless its dtype has it, above 0."""
    number = check_real(name, weight, 0, float(np.finfo(dtype).max), above=True)
    if np.dtype(dtype).type(number) == 0:
        raise ValueError(f"{name}: expected a number that {dtype} can tell from 0, got {number:g}")
    return number


def class_numbers(labels: Sequence[Any], classes: Array) -> Ints:
    """Return the place of each label among the classes, -1 for one that is none."""
    place = {label: number for number, label in enumerate(classes.tolist())}
    return np.array([place.get(label, -1) for label in labels], np.int64)


def class_weights(
    class_weight: Any,
    classes: Array,
    numbers_of: Ints,
    dtype: str,
    weights: npt.NDArray[np.float64] | None = None,
) -> Array | None:
    """Return the weight of each class ``(K,)``; None: they weigh the same.

    Parameters
    ----------
    class_weight : None, "balanced" or mapping
        ``"balanced"`` is N / (K n), for n of the N examples. A class that the mapping does not
        name weighs 1. A name may be the class or its ``str``, as older model files have it.
    classes : ndarray
        ``(K,)``.
    numbers_of : ndarray of int
        The class of each example, by number.
    dtype : str
        Of the weights.
    weights : ndarray, optional
        How much each example counts, in N and in n; a class without any weighs 1.

    Raises
    ------
    ValueError, TypeError
        If it is something else, names no class, or one twice, or a weight is not above 0 or
        beyond the dtype; a balanced one may be as well.
    """
    if class_weight is None:
        return None
    if isinstance(class_weight, Mapping):
        return named_weights(class_weight, classes, dtype)
    require_balanced(class_weight)
    counts = np.bincount(numbers_of, weights, minlength=len(classes))
    total = len(numbers_of) if weights is None else float(weights.sum())
    none = counts == 0
    balanced: Array = np.where(none, 1.0, total / (len(classes) * np.where(none, 1, counts)))
    return within_dtype(balanced, classes, dtype)


def named_weights(class_weight: Mapping[Any, Any], classes: Array, dtype: str) -> Array:
    """Return the weights of classes that a mapping has, and 1 for those that it does not name."""
    each = np.ones(len(classes))
    place: dict[Any, int] = {}
    for number, label in enumerate(classes.tolist()):
        place[label] = place[str(label)] = number
    named: dict[int, Any] = {}
    for label, weight in class_weight.items():
        if label not in place:
            raise ValueError(
                f"class_weight: expected classes of y ({some_of(classes.tolist())}), got "
                f"{shown(label)}"
            )
        number = place[label]
        if number in named:
            raise ValueError(
                f"class_weight: expected each class once, got {shown(named[number])} and "
                f"{shown(label)}"
            )
        named[number] = label
        each[number] = check_weight(f"class_weight[{shown(label)}]", weight, dtype)
    return each.astype(dtype)


def require_balanced(class_weight: Any) -> None:
    """Raise ValueError for weights of classes that are neither None, nor balanced, nor a dict."""
    if not isinstance(class_weight, str) or class_weight != "balanced":
        raise ValueError(
            f"class_weight: expected None, 'balanced' or a dict, got {shown(class_weight)}"
        )


def within_dtype(balanced: Array, classes: Array, dtype: str) -> Array:
    """Return balanced weights of classes in their dtype; ValueError if one is beyond it."""
    with np.errstate(over="ignore"):
        each: Array = balanced.astype(dtype)
    if not np.isfinite(each).all():
        wrong = shown(classes.tolist()[int(balanced.argmax())])
        raise ValueError(
            f"class_weight: expected weights within {dtype}, got {balanced.max():g} for {wrong}, "
            "balanced"
        )
    return each


def chance_loss(classes: Array, weights: Array | None) -> float:
    """Return the cross-entropy of equal chances, of the class that weighs most."""
    return math.log(len(classes)) * (1.0 if weights is None else max(1.0, float(weights.max())))


def _kind(name: str, label: Any) -> type:
    for kind, plain in ((str, str), (bool, bool), (numbers.Integral, int)):
        if isinstance(label, kind):
            return plain
    if isinstance(label, float):
        if label.is_integer():
            return float
        raise TypeError(f"{name}: expected a label, a str or an int, got {shown(label)}")
    raise TypeError(
        f"{name}: expected a label, a str or an int, got {type(label).__name__}"
        f"{_cure_of_row(name, label)}"
    )


def _cure_of_row(name: str, label: Any) -> str:
    """Return what a message ends with of a row of zeros and ones: which makes labels of it."""
    if not isinstance(label, (list, tuple, np.ndarray)) or len(label) < 2:
        return ""
    if not all(
        isinstance(one, (int, float, np.number, np.bool_)) and one in (0, 1) for one in label
    ):
        return ""
    if sum(map(bool, label)) == 1:
        return f"; np.argmax({name.rpartition('[')[0]}, axis=-1) has the labels of one-hot rows"
    return "; MultiLabelTagger learns any of several labels of a step" if "][" in name else ""


def an(kind: type) -> str:
    return f"an {kind.__name__}" if kind is int else f"a {kind.__name__}"
