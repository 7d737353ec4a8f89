"""Operators that arrange numbers: axes, shapes, joining, cutting, filling."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rnnfast.interop.onnx.nodes import Array, Node
from rnnfast.interop.onnx.operators.operator import (
    Inputs,
    Operator,
    axes_of,
    axis_within,
    padded,
    require_room,
)


def _squeeze(node: Node, inputs: Inputs) -> Any:
    axes = axes_of(node, inputs, 13)
    return np.squeeze(inputs[0], None if axes is None else tuple(axes))


def _unsqueeze(node: Node, inputs: Inputs) -> Any:
    return np.expand_dims(inputs[0], tuple(axes_of(node, inputs, 13) or ()))


def _transpose(node: Node, inputs: Inputs) -> Any:
    return np.transpose(inputs[0], node.attribute("perm"))


def _reshape(node: Node, inputs: Inputs) -> Any:
    x, shape = inputs[0], [int(size) for size in inputs[1]]
    if not node.attribute("allowzero", 0):
        for axis, size in enumerate(shape):
            if size == 0:
                shape[axis] = x.shape[axis]  # IndexError: there is none to keep
    if shape.count(-1) == 1 and x.size == 0:  # which NumPy does not divide
        known = math.prod(size for size in shape if size != -1)
        if known:
            shape[shape.index(-1)] = 0
    return x.reshape(shape)


def _flatten(node: Node, inputs: Inputs) -> Any:
    (x,) = inputs
    axis = node.attribute("axis", 1)
    axis = axis if axis == x.ndim else axis_within(axis, x.ndim)
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


def _concat(node: Node, inputs: Inputs) -> Array:
    require_room([sum(x.size for x in inputs)], np.result_type(*inputs))
    return np.concatenate(inputs, axis=node.attribute("axis", 1))


def _split(node: Node, inputs: Inputs) -> tuple[Array, ...]:
    x = inputs[0]
    axis = axis_within(node.attribute("axis", 0), x.ndim)
    if node.version < 13:
        sizes = node.attribute("split")
    else:
        given = inputs[1] if len(inputs) > 1 else None
        sizes = None if given is None else [int(size) for size in given]
    if sizes is None:
        parts = node.attribute("num_outputs", len(node.outputs))
        each = -(-x.shape[axis] // parts)  # the last one may be smaller
        sizes = [max(0, min(each, x.shape[axis] - k * each)) for k in range(parts)]
    if len(sizes) != len(node.outputs) or min(sizes) < 0 or sum(sizes) != x.shape[axis]:
        raise ValueError(
            f"split: expected {len(node.outputs)} sizes with the sum {x.shape[axis]}, got {sizes}"
        )
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis=axis))


def _slice(node: Node, inputs: Inputs) -> Array:
    x = inputs[0]
    if node.version < 10:
        starts, ends, axes, steps = (
            node.attribute(name) for name in ("starts", "ends", "axes", "steps")
        )
    else:
        starts, ends, axes, steps = padded(inputs[1:], 4)
    starts, ends = [int(start) for start in starts], [int(end) for end in ends]
    axes = range(len(starts)) if axes is None else [int(axis) for axis in axes]
    steps = [1] * len(starts) if steps is None else [int(step) for step in steps]
    found = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        place = axis_within(axis, x.ndim)
        size = x.shape[place]
        low, high = (0, size) if step > 0 else (-1, size - 1)
        start, end = (v + size if v < 0 else v for v in (start, end))
        start, end = max(start, low if step > 0 else 0), max(end, low)
        start, end = min(start, high), min(end, high if step > 0 else size - 1)
        found[place] = slice(start, None if end < 0 else end, step)
        if step == 0:
            raise ValueError("steps: expected numbers that are not 0, got 0")
    return np.asarray(x[tuple(found)])


def _gather(node: Node, inputs: Inputs) -> Array:
    x, indices = inputs
    axis = axis_within(node.attribute("axis", 0), x.ndim)
    require_room([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]], x.dtype)
    return np.asarray(np.take(x, indices, axis=axis))  # IndexError for one out of range


def _gather_elements(node: Node, inputs: Inputs) -> Array:
    x, indices = inputs
    axis = axis_within(node.attribute("axis", 0), x.ndim)
    # ONNX lets the other axes of the indices be shorter.
    cut = tuple(slice(None) if k == axis else slice(size) for k, size in enumerate(indices.shape))
    return np.take_along_axis(x[cut], indices, axis=axis)


def _gather_nd(node: Node, inputs: Inputs) -> Array:
    x, indices = inputs
    batch = node.attribute("batch_dims", 0)
    lead = math.prod(x.shape[:batch])
    flat = x.reshape(lead, *x.shape[batch:])
    places = indices.reshape(lead, -1, indices.shape[-1])
    require_room([*places.shape[:2], *x.shape[batch + indices.shape[-1] :]], x.dtype)
    rows = np.arange(lead)[:, np.newaxis]
    found = flat[(rows, *np.moveaxis(places, -1, 0))]
    return np.reshape(found, (*indices.shape[:-1], *x.shape[batch + indices.shape[-1] :]))


def _shape(node: Node, inputs: Inputs) -> Array:
    shape = inputs[0].shape[node.attribute("start", 0) : node.attribute("end")]
    return np.array(shape, np.int64)


def _size(node: Node, inputs: Inputs) -> Array:
    return np.array(inputs[0].size, np.int64)


def constant(node: Node, inputs: Inputs = ()) -> Array:
    """Return the array of a Constant."""
    kinds: dict[str, Any] = {
        "value": None,
        "value_float": np.float32,
        "value_floats": np.float32,
        "value_int": np.int64,
        "value_ints": np.int64,
    }
    (name,) = node.attributes
    value = node.attributes[name]
    return value if name == "value" else np.array(value, kinds[name])


def _unsupported_constant(node: Node) -> str | None:
    known = {"value", "value_float", "value_floats", "value_int", "value_ints"}
    if len(node.attributes) != 1:
        return f"{len(node.attributes)} attributes"
    return ", ".join(set(node.attributes) - known) or None


def _constant_of_shape(node: Node, inputs: Inputs) -> Array:
    value = node.attribute("value", np.zeros(1, np.float32))
    shape = [int(size) for size in inputs[0]]
    require_room(shape, value.dtype)
    return np.full(shape, value.reshape(-1)[0], value.dtype)


def _expand(node: Node, inputs: Inputs) -> Array:
    x = inputs[0]
    shape = np.broadcast_shapes(x.shape, tuple(int(size) for size in inputs[1]))
    require_room(shape, x.dtype)
    return np.broadcast_to(x, shape).copy()


def _tile(node: Node, inputs: Inputs) -> Array:
    x, repeats = inputs[0], [int(times) for times in inputs[1]]
    require_room([size * times for size, times in zip(x.shape, repeats, strict=True)], x.dtype)
    return np.tile(x, repeats)


def _range(node: Node, inputs: Inputs) -> Array:
    start, limit, delta = (one.reshape(()) for one in inputs)
    if not delta:
        raise ValueError("delta: expected a number that is not 0, got 0")
    count = max(0, math.ceil((float(limit) - float(start)) / float(delta)))
    require_room([count], start.dtype)
    return np.asarray(start + np.arange(count).astype(start.dtype) * delta, start.dtype)


_MODES = {"constant": "constant", "reflect": "reflect", "edge": "edge", "wrap": "wrap"}


def _pad(node: Node, inputs: Inputs) -> Array:
    x, value, axes = inputs[0], None, None
    if node.version < 11:
        pads, value = node.attribute("pads"), node.attribute("value", 0.0)
    else:
        pads, value, axes = padded(inputs[1:], 3)
    pads = [int(pad) for pad in pads]
    axes = list(range(x.ndim)) if axes is None else [axis_within(int(a), x.ndim) for a in axes]
    if len(pads) != 2 * len(axes):
        raise ValueError(f"pads: expected {2 * len(axes)} numbers, got {len(pads)}")
    widths = [(0, 0)] * x.ndim
    for place, axis in enumerate(axes):
        widths[axis] = (pads[place], pads[len(axes) + place])
    # Below 0 it cuts off.
    for (before, after), size in zip(widths, x.shape, strict=True):
        if max(0, -before) + max(0, -after) > size:
            raise ValueError(f"pads: expected to cut off {size} at most, got {pads}")
    cuts = zip(widths, x.shape, strict=True)
    x = x[tuple(slice(max(0, -a), size - max(0, -b)) for (a, b), size in cuts)]
    widths = [(max(0, a), max(0, b)) for a, b in widths]
    require_room([size + a + b for (a, b), size in zip(widths, x.shape, strict=True)], x.dtype)
    mode: Any = _MODES[node.attribute("mode", "constant")]
    if mode != "constant":
        return np.pad(x, widths, mode=mode)
    filler = np.zeros((), x.dtype) if value is None else np.asarray(value).reshape(-1)[0]
    return np.pad(x, widths, constant_values=np.asarray(filler).astype(x.dtype))


def _unsupported_pad(node: Node) -> str | None:
    mode = node.attribute("mode", "constant")
    return None if mode in _MODES else f"mode {mode}"


def _reverse_sequence(node: Node, inputs: Inputs) -> Array:
    x, lengths = inputs
    time, batch = node.attribute("time_axis", 0), node.attribute("batch_axis", 1)
    moved = np.moveaxis(x, (time, batch), (0, 1))
    steps = np.arange(moved.shape[0])[:, np.newaxis]
    if np.any((lengths < 0) | (lengths > moved.shape[0])):
        raise ValueError(f"sequence_lens: expected 0 to {moved.shape[0]}, got {lengths}")
    places = np.where(steps < lengths, lengths - 1 - steps, steps)
    turned = moved[places, np.arange(moved.shape[1])]
    return np.ascontiguousarray(np.moveaxis(turned, (0, 1), (time, batch)))


def _identity(node: Node, inputs: Inputs) -> Any:
    return inputs[0]


SHAPES = {
    "Squeeze": Operator(_squeeze, 1, 25),
    "Unsqueeze": Operator(_unsqueeze, 1, 25),
    "Transpose": Operator(_transpose, 1, 25),
    "Reshape": Operator(_reshape, 5, 25),
    "Flatten": Operator(_flatten, 1, 25),
    "Concat": Operator(_concat, 4, 13),
    "Split": Operator(_split, 2, 18),
    "Slice": Operator(_slice, 1, 13),
    "Gather": Operator(_gather, 1, 13),
    "GatherElements": Operator(_gather_elements, 11, 13),
    "GatherND": Operator(_gather_nd, 11, 13),
    "Shape": Operator(_shape, 1, 25),
    "Size": Operator(_size, 1, 25),
    "Constant": Operator(constant, 1, 25, _unsupported_constant),
    "ConstantOfShape": Operator(_constant_of_shape, 9, 25),
    "Expand": Operator(_expand, 8, 13),
    "Tile": Operator(_tile, 6, 13),
    "Range": Operator(_range, 11, 11),
    "Pad": Operator(_pad, 2, 25, _unsupported_pad),
    "ReverseSequence": Operator(_reverse_sequence, 10, 10),
    "Identity": Operator(_identity, 1, 25),
}
