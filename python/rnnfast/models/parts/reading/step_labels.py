"""Labels of the steps of sequences, of which some steps may have none."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks.missing import says_none
from rnnfast.models.parts.reading.labels import IGNORED, an, flat_column, read_labels
from rnnfast.models.parts.reading.lists import as_list
from rnnfast.nn.module import Array

Bools = npt.NDArray[np.bool_]


def read_label_lists(name: str, y: Any, ignored: Any = None) -> list[Array]:
    """Return the labels of sequences as arrays ``(T_i,)``, of what `read_labels` reads.

    Steps whose label is None or ``ignored`` have none: `IGNORED` among numbers, None in an array of
    objects of any others; `counts` tells them.

    Raises
    ------
    TypeError
        If a sequence has something else, or they are a mixture.
    ValueError
        If there is no sequence, or no label at all.
    """
    items, is_missing = as_list(name, y, "a list of label lists"), says_none(ignored)
    lists = [
        as_list(label, flat_column(label, item), "a list of labels")
        for label, item in ((f"{name}[{number}]", item) for number, item in enumerate(items))
    ]
    read = [
        read_labels(f"{name}[{number}]", labels, is_missing) if labels else []
        for number, labels in enumerate(lists)
    ]
    ones = [next((label for label in labels if label is not None), None) for labels in read]
    first = next((number for number, label in enumerate(ones) if label is not None), None)
    if first is None:
        raise ValueError(f"{name}: expected at least one label, got none")
    kind = type(ones[first])
    for number, label in enumerate(ones):
        if label is not None and type(label) is not kind:
            raise TypeError(
                f"{name}[{number}]: expected {an(kind)} as {name}[{first}] has, "
                f"got {an(type(label))}"
            )
    return [_as_array(labels, kind) for labels in read]


def _as_array(labels: list[Any], kind: type) -> Array:
    if None not in labels:
        return np.array(labels, dtype=kind)
    if kind in (int, float):
        return np.array([IGNORED if label is None else label for label in labels], dtype=kind)
    array = np.empty(len(labels), object)
    array[:] = labels
    return array


def counts(labels: Array) -> Bools:
    """Return which labels of a sequence, or their numbers, count."""
    if labels.dtype.kind == "O":
        return np.array([label is not None for label in labels], np.bool_)
    if labels.dtype.kind not in "if":
        return np.ones(labels.shape, np.bool_)
    counting: Bools = labels != IGNORED
    return counting


def dropped(labels: Array, counting: Bools) -> Array:
    """Return labels of which only some count."""
    if counting.all():
        return labels
    if labels.dtype.kind in "if":
        return np.where(counting, labels, labels.dtype.type(IGNORED))
    result = labels.astype(object)
    result[~counting] = None
    return result
