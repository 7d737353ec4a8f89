"""ONNX graphs, node by node: names, constants, inputs with a default, what differs by opset."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnfast.interop.onnx._onnx import onnx
from rnnfast.nn.module import Array

Shape = Sequence[int | str | None]

# The smallest and the newest opset that graphs are made for.
OPSETS = (14, 22)


class Graph:
    """A graph in the making; values are their names.

    Parameters
    ----------
    opset : int
        The version of ONNX's operators.
    dtype : dtype
        Of what is no index.
    """

    def __init__(self, opset: int, dtype: Any) -> None:
        self.opset, self.dtype = opset, np.dtype(dtype)
        self._nodes: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._initializers: dict[str, Any] = {}
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}  # the last is a digest
        self._count = 0

    def body(self) -> Body:
        """Return a graph that a node of this one runs."""
        return Body(self)

    # Values

    def name(self, stem: str) -> str:
        """Return a name that nothing has yet."""
        self._count += 1
        return f"{stem}_{self._count}"

    def several(self, op: str, inputs: Sequence[str], count: int, **attributes: Any) -> list[str]:
        """Add a node with so many outputs; an input that is ``""`` is left out."""
        names = [self.name(op.lower()) for _ in range(count)]
        self._nodes.append(onnx.helper.make_node(op, list(inputs), names, **attributes))
        return names

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output."""
        return self.several(op, inputs, 1, **attributes)[0]

    def constant(self, values: Any, dtype: Any = None) -> str:
        """Return a constant, of the graph's dtype if no other is given; equal ones are one."""
        array = np.ascontiguousarray(np.array(values, self.dtype if dtype is None else dtype))
        array = array.reshape(np.shape(values))
        key = (array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).digest())
        if key not in self._known:
            self._known[key] = self._initialize(self.name("constant"), array)
        return self._known[key]

    def integers(self, *values: int) -> str:
        """Return a constant of int64 with one axis."""
        return self.constant(values, np.int64)

    def _initialize(self, name: str, array: Array) -> str:
        self._initializers[name] = onnx.numpy_helper.from_array(array, name)
        return name

    def input(self, name: str, dtype: Any, shape: Shape, default: Array | None = None) -> str:
        """Add an input; one with a default may be left out."""
        self._inputs.append(_info(name, dtype, shape))
        return name if default is None else self._initialize(name, default)

    def output(self, name: str, value: str, shape: Shape, dtype: Any = None) -> None:
        """Give a value, of the graph's dtype if no other is given, as an output of this name."""
        self._nodes.append(onnx.helper.make_node("Identity", [value], [name]))
        self._outputs.append(_info(name, self.dtype if dtype is None else dtype, shape))

    def proto(self, name: str) -> Any:
        """Return the ``onnx.GraphProto``."""
        return onnx.helper.make_graph(
            self._nodes, name, self._inputs, self._outputs, [*self._initializers.values()]
        )

    # Operators whose form has changed, or that need constants

    def reduce(self, op: str, value: str, axis: int, *, keepdims: bool = True) -> str:
        """Reduce along one axis: "Max", "Mean" or "Sum"."""
        keep = int(keepdims)
        if op == "Sum" or self.opset >= 18:
            return self.add(f"Reduce{op}", value, self.integers(axis), keepdims=keep)
        return self.add(f"Reduce{op}", value, axes=[axis], keepdims=keep)

    def split(self, value: str, count: int, axis: int = -1) -> list[str]:
        """Return so many parts of one size."""
        if count == 1:
            return [value]
        sizes = {"num_outputs": count} if self.opset >= 18 else {}
        return self.several("Split", [value], count, axis=axis, **sizes)

    def slice(self, value: str, start: int, end: int, axis: int = -1) -> str:
        """Return what lies between two places of an axis."""
        return self.add(
            "Slice", value, self.integers(start), self.integers(end), self.integers(axis)
        )

    def unsqueeze(self, value: str, *axes: int) -> str:
        """Add axes of size one."""
        return self.add("Unsqueeze", value, self.integers(*axes))

    def squeeze(self, value: str, axis: int) -> str:
        """Take away an axis of size one."""
        return self.add("Squeeze", value, self.integers(axis))

    def cast(self, value: str, dtype: Any) -> str:
        """Return a value in another dtype."""
        return self.add("Cast", value, to=_element(dtype))

    def size(self, value: str, axis: int) -> str:
        """Return the size of an axis, as an array of one number."""
        return self.add("Gather", self.add("Shape", value), self.integers(axis), axis=0)

    def concat(self, values: Sequence[str], axis: int = -1) -> str:
        """Put values side by side."""
        return values[0] if len(values) == 1 else self.add("Concat", *values, axis=axis)

    def look_up(self, table: Any, ids: str) -> str:
        """Return rows of a table; a graph that meets an id beyond it, or below 0, fails."""
        # Below 0 ONNX counts from the end, which is nothing that an id is to mean.
        is_wrong = self.add("Less", ids, self.constant(0, np.int64))
        known = self.add("Where", is_wrong, self.constant(len(table), np.int64), ids)
        return self.add("Gather", self.constant(table), known, axis=0)

    def affine(self, value: str, weight: Array, bias: Array | None = None) -> str:
        """Return ``value weight^T + bias``."""
        product = self.add("MatMul", value, self.constant(weight.T))
        return product if bias is None else self.add("Add", product, self.constant(bias))


class Body(Graph):
    """A graph within another: constants are those of the outermost."""

    def __init__(self, outer: Graph) -> None:
        super().__init__(outer.opset, outer.dtype)
        self._outer = outer

    def name(self, stem: str) -> str:
        """Return a name that nothing has yet, here or outside."""
        return self._outer.name(stem)

    def constant(self, values: Any, dtype: Any = None) -> str:
        """Return a constant of the graph outside."""
        return self._outer.constant(values, dtype)


def _element(dtype: Any) -> int:
    element: int = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return element


def _info(name: str, dtype: Any, shape: Shape) -> Any:
    return onnx.helper.make_tensor_value_info(name, _element(dtype), list(shape))
