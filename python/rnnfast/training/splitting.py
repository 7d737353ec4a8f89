"""The batches of `rnnfast.Trainer`, divided among the processes that train a network together."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnfast._checks.arrays import read_array
from rnnfast._checks.messages import shown
from rnnfast.nn.module import Array, Module
from rnnfast.training.network_loss import read_batch, require_order
from rnnfast.training.ranks import Shard, place

# What has a number, or an array, for each sequence.
_OF_SEQUENCES = ("lengths", "target_lengths")
# What concerns all of them.
_OF_ALL = ("class_weights", "pos_weight", "label_smoothing", "ignore_index", "blank", "backward")


class BatchSplit:
    """Divides batches ``(x, y)``, ``(x, y, lengths)`` or dicts of those by their sequences.

    Parameters
    ----------
    net : Module
        The network that reads them.
    """

    def __init__(self, net: Module) -> None:
        self._net = net
        self._axis = 0 if getattr(net, "batch_first", None) else 1
        self._recurrent = any(module.has_state for _, module in net.named_modules())

    def __call__(self, batch: Any, rank: int, size: int) -> Shard:
        """Return a rank's part of a batch.

        Raises
        ------
        ValueError
            If it cannot be told what of it belongs to which sequence.
        """
        require_order(self._net, "for several processes")
        x = read_array("x", read_batch(batch).x)
        axis = self._axis_of(x)
        count = x.shape[axis]
        if count == 0:
            raise ValueError(f"x: expected at least one sequence, got shape {x.shape}")
        steps = x.shape[1 - axis] if x.ndim > 1 and (x.ndim > 2 or self._recurrent) else None
        ids = x if x.dtype.kind in "iu" else None
        lengths = read_batch(batch).lengths
        rows, here, empty = place(
            count,
            rank,
            size,
            batch,
            batch_axis=self._axis,
            ids=ids,
            lengths=None if lengths is None else read_array("lengths", lengths),
        )

        def part(name: str, value: Any) -> Any:
            return self._part(name, value, count, steps, rows)

        if isinstance(batch, Mapping):
            own: Any = {name: part(name, value) for name, value in batch.items()}
            own["x"] = _taken(x, axis, rows)
        else:
            names = ("x", "y", "lengths")[: len(batch)]
            own = tuple(part(n, value) for n, value in zip(names, batch, strict=True) if n != "x")
            own = (_taken(x, axis, rows), *own)
        return Shard(own, here, empty, _print_of(batch))

    def _axis_of(self, x: Array) -> int:
        """Return the axis of sequences of an input."""
        if x.ndim > 2 or (x.ndim == 2 and self._recurrent and x.dtype.kind in "iu"):
            return self._axis
        if x.ndim == 0 or self._recurrent:
            raise ValueError(
                f"x: expected a batch of sequences for several processes, got shape {x.shape}"
            )
        return 0

    def _part(self, name: str, value: Any, count: int, steps: int | None, rows: slice) -> Any:
        if value is None or name in _OF_ALL or name == "x":
            return value
        if isinstance(value, (list, tuple)) and name == "y" and len(value) == count:
            return value[rows]
        array = read_array(name, value)
        by_step = (steps, count) if self._axis else (count, steps)
        of_steps = steps is not None and array.shape[:2] == by_step
        of_sequences = array.ndim > 0 and array.shape[0] == count
        if name in _OF_SEQUENCES or (of_sequences and not of_steps):
            if name not in (*_OF_SEQUENCES, "y", "weights", "reset"):
                raise ValueError(_unknown(name, array))
            return _taken(array, 0, rows)
        if of_steps:
            if self._axis and of_sequences and array.ndim == 2 and name == "y":
                raise ValueError(
                    f"y: expected to differ in shape from one that has steps first, for several "
                    f"processes, got {array.shape} of {count} sequences of {steps} steps"
                )
            return _taken(array, self._axis, rows)
        if name in ("y", "weights", "reset"):
            raise ValueError(
                f"{name}: expected an axis of the {count} sequences, got shape {array.shape}"
            )
        if count in array.shape:
            raise ValueError(_unknown(name, array))
        return value


def _unknown(name: str, array: Array) -> str:
    return (
        f"{name}: expected x, y, lengths, reset, weights or target_lengths to have an axis of "
        f"sequences, for several processes, got {shown(name)} of shape {array.shape}"
    )


def _taken(array: Array, axis: int, rows: slice) -> Array:
    return np.ascontiguousarray(array[(slice(None),) * axis + (rows,)])


def _print_of(batch: Any) -> int:
    """Return what tells a batch from others."""
    result = 0
    for value in batch.values() if isinstance(batch, Mapping) else batch:
        for array in value if isinstance(value, (list, tuple)) else [value]:
            numbers = np.asarray(0 if array is None else array)
            facts = f"{numbers.dtype.str}{numbers.shape}".encode()
            result = zlib.crc32(numbers.tobytes(), zlib.crc32(facts, result))
    return result
