"""The arrays of a call, checked against what the graph says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnfast._checks.arrays import require_ndarray
from rnnfast._checks.messages import shown
from rnnfast.interop.onnx.graph import Graph, Value, dtype_of
from rnnfast.interop.onnx.nodes import Array


class Feeds:
    """What a graph wants of a call."""

    def __init__(self, graph: Graph) -> None:
        self._required = [value.name for value in graph.inputs]
        self._known = {
            value.name: (value, dtype_of(value.type), _fixed(value))
            for value in (*graph.inputs, *graph.optional)
        }

    def check(self, feeds: Mapping[str, Any]) -> dict[str, Array]:
        """Return a call's arrays; a NumPy number is an array.

        Raises
        ------
        TypeError
            If one is no array, or of another dtype.
        ValueError
            If one is missing or unknown, or has another shape.
        """
        found = {}
        for name, array in feeds.items():
            if name not in self._known:
                raise ValueError(
                    f"inputs: expected names of {', '.join(self._known)}, got {shown(name)}"
                )
            array = read_feed(name, array)
            value, dtype, fixed = self._known[name]
            if dtype is not None and array.dtype != dtype:
                cast = array.dtype.kind in "biuf" and dtype.kind in "iuf"
                cure = f"; use {name}.astype(np.{dtype})" if cast else ""
                raise TypeError(f"{name}: expected dtype {dtype}, got {array.dtype}{cure}")
            if value.shape and (
                array.ndim != len(value.shape)
                or any(array.shape[axis] != size for axis, size in fixed)
            ):
                sizes = ", ".join("?" if size is None else str(size) for size in value.shape)
                raise ValueError(f"{name}: expected shape ({sizes}), got {array.shape}")
            found[name] = array
        for name in self._required:
            if name not in found:
                raise ValueError(f"inputs: expected {shown(name)}, which is missing")
        return found


def read_feed(name: str, value: Any) -> Array:
    """Return an array, or a NumPy number as one; TypeError for anything else."""
    return np.asarray(value) if isinstance(value, np.generic) else require_ndarray(name, value)


def _fixed(value: Value) -> list[tuple[int, int]]:
    """Return the axes whose size every call has, with it."""
    return [(axis, size) for axis, size in enumerate(value.shape) if isinstance(size, int)]
