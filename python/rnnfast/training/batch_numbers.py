"""Which array of a batch holds what is no finite number: looked for when a step has failed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from rnnfast._checks.arrays import require_finite

_TIME_FIRST = ("time", "sequence", "feature")
_BATCH_FIRST = ("sequence", "time", "feature")


class BatchError(ValueError):
    """A batch holds numbers that are not finite: no learning rate is to blame."""


@contextmanager
def blaming_batch(batch: Any, batch_first: bool | None) -> Iterator[list[float]]:
    """Raise BatchError, naming the array, where something fails because of a batch's numbers.

    Gives a list for the losses that came out, which are at fault too if they are not finite.
    """
    losses: list[float] = []
    try:
        yield losses
    except (FloatingPointError, ValueError) as error:
        _require_finite_batch(batch, batch_first, error)
        raise
    if not all(map(math.isfinite, losses)):
        _require_finite_batch(batch, batch_first, None)


def _require_finite_batch(batch: Any, batch_first: bool | None, cause: Exception | None) -> None:
    arrays = dict(_arrays(batch))
    x, lengths = arrays.get("x"), arrays.pop("lengths", None)
    axes = _BATCH_FIRST if batch_first else _TIME_FIRST
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            continue
        if lengths is not None and x is not None and array.shape[:2] == x.shape[:2]:
            array = _within(array, lengths, bool(batch_first))
        try:
            require_finite(name, array, axes if array.ndim == 3 else ())
        except ValueError as error:
            raise BatchError(str(error)) from cause


def _arrays(batch: Any) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Yield the arrays of what may be a batch, by name."""
    if isinstance(batch, Mapping):
        named = {str(name): value for name, value in batch.items()}
    elif isinstance(batch, (tuple, list)):
        named = dict(zip(("x", "y", "lengths"), batch, strict=False))
    else:
        named = {"batch": batch}
    for name, value in named.items():
        if isinstance(value, np.ndarray) or (name == "lengths" and value is not None):
            yield name, np.asarray(value)


def _within(
    array: np.ndarray[Any, Any], lengths: np.ndarray[Any, Any], batch_first: bool
) -> np.ndarray[Any, Any]:
    """Return an array with zeros past the lengths, where nothing is read."""
    steps = array.shape[1 if batch_first else 0]
    inside = np.arange(steps)[:, np.newaxis] < lengths
    if batch_first:
        inside = inside.T
    if inside.shape != array.shape[:2]:
        return array
    cleared = array.copy()
    cleared[~inside] = 0
    return cleared
