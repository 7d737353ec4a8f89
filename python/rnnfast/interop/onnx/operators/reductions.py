"""Reductions, Softmax, normalisation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast.interop.onnx.nodes import Array, Node
from rnnfast.interop.onnx.operators.operator import (
    Inputs,
    Operator,
    axes_of,
    axis_within,
    like,
    require_broadcast,
)


def _log_sum_exp(x: Array, axis: tuple[int, ...], keepdims: bool) -> Any:
    if x.dtype.kind != "f":  # whose logarithms ONNX does not say how to round
        raise NotImplementedError(f"expected numbers with fractions, got {x.dtype}")
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    total = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis)


def _largest(x: Array, axis: tuple[int, ...], keepdims: bool) -> Any:
    low: Any = -np.inf if x.dtype.kind == "f" else x.dtype.type(0)
    if x.dtype.kind in "iu":
        low = np.iinfo(x.dtype).min
    return np.max(x, axis=axis, keepdims=keepdims, initial=low)


def _smallest(x: Array, axis: tuple[int, ...], keepdims: bool) -> Any:
    high: Any = np.inf if x.dtype.kind == "f" else x.dtype.type(1)
    if x.dtype.kind in "iu":
        high = np.iinfo(x.dtype).max
    return np.min(x, axis=axis, keepdims=keepdims, initial=high)


def _l2(x: Array, axis: tuple[int, ...], keepdims: bool) -> Any:
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))


_REDUCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    "ReduceSum": (np.sum, 13),
    "ReduceMean": (np.mean, 18),
    "ReduceProd": (np.prod, 18),
    "ReduceMax": (_largest, 18),
    "ReduceMin": (_smallest, 18),
    "ReduceL1": (lambda x, axis, keepdims: np.sum(np.abs(x), axis=axis, keepdims=keepdims), 18),
    "ReduceL2": (_l2, 18),
    "ReduceSumSquare": (lambda x, axis, keepdims: np.sum(x * x, axis=axis, keepdims=keepdims), 18),
    "ReduceLogSum": (
        lambda x, axis, keepdims: np.log(np.sum(x, axis=axis, keepdims=keepdims)),
        18,
    ),
    "ReduceLogSumExp": (_log_sum_exp, 18),
}


def _reduction(function: Callable[..., Any], since: int) -> Callable[[Node, Inputs], Array]:
    def run(node: Node, inputs: Inputs) -> Array:
        x, axes = inputs[0], axes_of(node, inputs, since)
        if not axes:
            if node.attribute("noop_with_empty_axes", 0) == 1:
                # Without axes each number is reduced by itself.
                return like(x, function(x[np.newaxis], axis=(0,), keepdims=False))
            axes = list(range(x.ndim))
        over = tuple(axis_within(axis, x.ndim) for axis in axes)
        return like(x, function(x, axis=over, keepdims=node.attribute("keepdims", 1) == 1))

    return run


def _extreme(pick: Callable[..., Any]) -> Callable[[Node, Inputs], Array]:
    def run(node: Node, inputs: Inputs) -> Array:
        (x,) = inputs
        axis = axis_within(node.attribute("axis", 0), x.ndim)
        if node.attribute("select_last_index", 0):
            found = x.shape[axis] - 1 - pick(np.flip(x, axis), axis=axis)
        else:
            found = pick(x, axis=axis)
        found = np.asarray(found, np.int64)
        return np.expand_dims(found, axis) if node.attribute("keepdims", 1) == 1 else found

    return run


def _rows(node: Node, x: Array) -> tuple[Array, int]:
    """Return what a softmax is taken of, and its axis: before opset 13 all axes from one on."""
    if node.version >= 13:
        return x, axis_within(node.attribute("axis", -1), x.ndim)
    axis = node.attribute("axis", 1)
    axis = axis if axis == x.ndim else axis_within(axis, x.ndim)
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:])), 1


def _softmax(node: Node, inputs: Inputs) -> Array:
    x, axis = _rows(node, inputs[0])
    e = np.exp(x - np.max(x, axis=axis, keepdims=True, initial=-np.inf))
    return like(x, e / e.sum(axis=axis, keepdims=True)).reshape(inputs[0].shape)


def _log_softmax(node: Node, inputs: Inputs) -> Array:
    x, axis = _rows(node, inputs[0])
    shifted = x - np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    total = np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return like(x, shifted - total).reshape(inputs[0].shape)


def _layer_normalization(node: Node, inputs: Inputs) -> tuple[Array, ...]:
    x, scale, *rest = inputs
    axes = tuple(range(axis_within(node.attribute("axis", -1), x.ndim), x.ndim))
    # stash_type 1: statistics of narrower numbers are taken in float32
    wide = x.astype(np.result_type(x.dtype, np.float32), copy=False)
    mean = wide.mean(axis=axes, keepdims=True)
    centred = wide - mean
    variance = np.mean(centred * centred, axis=axes, keepdims=True)
    inverse = 1 / np.sqrt(variance + wide.dtype.type(node.attribute("epsilon", 1e-5)))
    require_broadcast("Scale", scale, x.shape)
    y = like(x, centred * inverse) * scale
    if rest and rest[0] is not None:
        require_broadcast("B", rest[0], x.shape)
        y = y + rest[0]
    return like(x, y), mean, inverse


def _unsupported_layer_normalization(node: Node) -> str | None:
    stash = node.attribute("stash_type", 1)
    return None if stash == 1 else f"stash_type {stash}"


def _batch_normalization(node: Node, inputs: Inputs) -> Array:
    x, *numbers = inputs
    shape = (-1, *(1,) * (x.ndim - 2))
    for array in numbers:
        if array.shape != x.shape[1:2]:
            raise ValueError(f"expected a number for each channel of {x.shape}, got {array.shape}")
    scale, bias, mean, variance = (array.reshape(shape) for array in numbers)
    factor = scale / np.sqrt(variance + variance.dtype.type(node.attribute("epsilon", 1e-5)))
    return like(x, (x - mean) * factor + bias)


def _unsupported_batch_normalization(node: Node) -> str | None:
    if node.attribute("training_mode", 0) or sum(map(bool, node.outputs)) > 1:
        return "training"
    return None if node.attribute("spatial", 1) else "spatial 0"


def _dropout(node: Node, inputs: Inputs) -> tuple[Array, ...]:
    mode = inputs[2] if len(inputs) > 2 else None
    if mode is not None and bool(mode) and (len(inputs) < 2 or inputs[1] is None or inputs[1]):
        raise NotImplementedError("expected inference, got training_mode True")
    x = inputs[0]
    return x, np.ones(x.shape, bool if node.version >= 10 else x.dtype)


REDUCTIONS = {
    name: Operator(_reduction(function, since), 1, 20 if name[6:] in ("Max", "Min") else 18)
    for name, (function, since) in _REDUCTIONS.items()
} | {
    "ArgMax": Operator(_extreme(np.argmax), 1, 13),
    "ArgMin": Operator(_extreme(np.argmin), 1, 13),
}
NORMALISATION = {
    "Softmax": Operator(_softmax, 1, 13),
    "LogSoftmax": Operator(_log_softmax, 1, 13),
    "LayerNormalization": Operator(_layer_normalization, 17, 17, _unsupported_layer_normalization),
    "BatchNormalization": Operator(_batch_normalization, 7, 15, _unsupported_batch_normalization),
    "Dropout": Operator(_dropout, 7, 22),
}
