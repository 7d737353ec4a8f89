"""What an operator is here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from rnnfast._checks.memory import check_bytes
from rnnfast.interop.onnx.nodes import Array, Node

# Numbers of a result that no machine lacks the room for, so that it need not be looked at.
_SMALL = 1 << 24

Inputs: TypeAlias = Sequence[Any]  # of arrays, or None for one that is left out
Function: TypeAlias = Callable[[Node, Inputs], Any]


@dataclass(frozen=True)
class Operator:
    """How an operator is computed.

    Attributes
    ----------
    function : callable
        Of the node and its inputs, None for those that are left out; returns an array, or a tuple
        for several outputs.
    oldest, newest : int
        The opsets of the forms that it computes.
    unsupported : callable, optional
        Of the node: what of it is not computed, as a message has it; None: all is.
    """

    function: Function
    oldest: int
    newest: int
    unsupported: Callable[[Node], str | None] | None = None


def axes_of(node: Node, inputs: Inputs, since: int, place: int = 1) -> list[int] | None:
    """Return axes, which were an attribute before an opset and are an input since."""
    if node.version < since:
        axes = node.attribute("axes")
        return None if axes is None else [int(axis) for axis in axes]
    given = inputs[place] if len(inputs) > place else None
    return None if given is None else [int(axis) for axis in given.reshape(-1)]


def padded(inputs: Inputs, count: int) -> list[Any]:
    """Return inputs with None for those at the end that a node does not name."""
    return [*inputs, *[None] * (count - len(inputs))]


def axis_within(axis: int, axes: int) -> int:
    """Return an axis counted from the front; ValueError if there is none such."""
    if not -axes <= axis < max(axes, 1):
        raise ValueError(f"axis: expected {-axes} to {axes - 1}, got {axis}")
    return axis + axes if axis < 0 else axis


def require_room(shape: Sequence[int], dtype: Any) -> None:
    """Raise MemoryError unless an array may be made, ValueError for a size below 0."""
    numbers = float(np.dtype(dtype).itemsize)
    for size in shape:
        if size < 0:
            raise ValueError(f"expected sizes of 0 or more, got shape {tuple(shape)}")
        numbers *= size
    check_bytes(f"an array of shape {tuple(shape)}", numbers)


def require_room_together(*arrays: Array) -> None:
    """Raise MemoryError unless an array of the shape that others are broadcast to may be made."""
    if math.prod(array.size for array in arrays) > _SMALL:
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        require_room(shape, np.result_type(*arrays))


def require_broadcast(name: str, array: Array, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless an array is broadcast to a shape, which must not become larger."""
    if np.broadcast_shapes(array.shape, shape) != shape:
        raise ValueError(f"{name}: expected what is broadcast to {shape}, got {array.shape}")


def like(x: Array, result: Any) -> Array:
    """Return a result in the dtype of an input."""
    return np.asarray(result).astype(x.dtype, copy=False)
