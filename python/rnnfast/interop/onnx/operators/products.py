"""Products: MatMul, Gemm, and Conv and pooling over any number of axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rnnfast.interop.onnx.nodes import Array, Node
from rnnfast.interop.onnx.operators.operator import (
    Inputs,
    Operator,
    like,
    require_broadcast,
    require_room,
)


def _matmul(node: Node, inputs: Inputs) -> Array:
    a, b = inputs
    if a.ndim > 1 and b.ndim > 1:
        together = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        require_room([*together, a.shape[-2], b.shape[-1]], a.dtype)
    return np.asarray(np.matmul(a, b))


def _gemm(node: Node, inputs: Inputs) -> Array:
    a, b, *rest = inputs
    a = a.T if node.attribute("transA", 0) else a
    b = b.T if node.attribute("transB", 0) else b
    require_room([len(a), b.shape[1]], a.dtype)
    y = a @ b
    alpha, beta = node.attribute("alpha", 1.0), node.attribute("beta", 1.0)
    y = y if alpha == 1 else alpha * y
    if rest and rest[0] is not None:
        require_broadcast("C", rest[0], y.shape)
        y = y + (rest[0] if beta == 1 else beta * rest[0])
    return like(a, y)


def _windows(
    node: Node, x: Array, kernel: Sequence[int], filler: float, ceil: bool = False
) -> Array:
    """Return what the kernel meets at each place, ``(N, C, *places, *kernel)``."""
    axes = len(kernel)
    if x.ndim != axes + 2:
        raise ValueError(f"X: expected {axes + 2} axes, got shape {x.shape}")
    strides = node.attribute("strides", [1] * axes)
    dilations = node.attribute("dilations", [1] * axes)
    reach = [(size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True)]
    pads = _pads(node, x.shape[2:], reach, strides)
    if ceil:
        for k in range(axes):
            size, (before, after) = x.shape[2 + k], pads[k]
            places = -(-(size + before + after - reach[k]) // strides[k]) + 1
            if (places - 1) * strides[k] >= size + before:  # it would begin behind the end
                places -= 1
            after = max(after, (places - 1) * strides[k] + reach[k] - size - before)
            pads[k] = (before, after)
    widths = [(0, 0), (0, 0), *pads]
    require_room([s + a + b for s, (a, b) in zip(x.shape, widths, strict=True)], x.dtype)
    if any(map(any, pads)):
        x = np.pad(x, widths, constant_values=np.asarray(filler).astype(x.dtype))
    windows = sliding_window_view(x, reach, axis=tuple(range(2, 2 + axes)))
    places = [slice(None, None, step) for step in strides]
    kernels = [slice(None, None, step) for step in dilations]
    return windows[(slice(None), slice(None), *places, *kernels)]


def _pads(
    node: Node, sizes: Sequence[int], reach: Sequence[int], strides: Sequence[int]
) -> list[tuple[int, int]]:
    """Return what is put before and behind each axis."""
    axes, auto = len(reach), node.attribute("auto_pad", "NOTSET")
    if auto in ("NOTSET", "VALID"):
        given = node.attribute("pads", [0] * (2 * axes)) if auto == "NOTSET" else [0] * (2 * axes)
        return [(given[k], given[axes + k]) for k in range(axes)]
    found = []
    for size, kernel, stride in zip(sizes, reach, strides, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
        less, more = total // 2, total - total // 2
        found.append((less, more) if auto == "SAME_UPPER" else (more, less))
    return found


def _conv(node: Node, inputs: Inputs) -> Array:
    x, weight, *rest = inputs
    groups = node.attribute("group", 1)
    outputs, channels, *kernel = weight.shape
    if x.shape[1] != channels * groups or outputs % groups:
        raise ValueError(
            f"X: expected {channels * groups} channels and outputs by {groups} groups, "
            f"got {x.shape} and W {weight.shape}"
        )
    windows = _windows(node, x, kernel, 0)
    places = windows.shape[2 : 2 + len(kernel)]
    each, width = outputs // groups, channels * math.prod(kernel)
    parts = []
    for g in range(groups):
        part = windows[:, g * channels : (g + 1) * channels]
        # (N, *places, C, *kernel): a row of numbers for each place
        rows = np.moveaxis(part, 1, 1 + len(kernel)).reshape(-1, width)
        columns = weight[g * each : (g + 1) * each].reshape(each, width).T
        parts.append((rows @ columns).reshape(x.shape[0], *places, each))
    y = np.moveaxis(np.concatenate(parts, axis=-1), -1, 1)
    if rest and rest[0] is not None:
        if rest[0].shape != (outputs,):
            raise ValueError(f"B: expected shape ({outputs},), got {rest[0].shape}")
        y = y + rest[0].reshape(-1, *(1,) * len(kernel))
    return np.ascontiguousarray(y)


def _max_pool(node: Node, inputs: Inputs) -> Array:
    (x,) = inputs
    kernel = node.attribute("kernel_shape")
    low = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    windows = _windows(node, x, kernel, low, node.attribute("ceil_mode", 0) == 1)
    return np.asarray(windows.max(axis=tuple(range(-len(kernel), 0))))


def _average_pool(node: Node, inputs: Inputs) -> Array:
    (x,) = inputs
    kernel = node.attribute("kernel_shape")
    over = tuple(range(-len(kernel), 0))
    total = _windows(node, x, kernel, 0).sum(axis=over)
    if node.attribute("count_include_pad", 0):
        return like(x, total / math.prod(kernel))
    return like(x, total / _windows(node, np.ones_like(x), kernel, 0).sum(axis=over))


def _unsupported_pool(node: Node) -> str | None:
    if sum(map(bool, node.outputs)) > 1:
        return "indices"
    if node.operator == "AveragePool" and node.attribute("ceil_mode", 0):
        return "ceil_mode 1"
    return None


def _global(pick: Any) -> Any:
    return lambda node, inputs: like(
        inputs[0], pick(inputs[0], axis=tuple(range(2, inputs[0].ndim)), keepdims=True)
    )


PRODUCTS = {
    "MatMul": Operator(_matmul, 1, 13),
    "Gemm": Operator(_gemm, 7, 13),
    "Conv": Operator(_conv, 1, 22),
    "MaxPool": Operator(_max_pool, 1, 22, _unsupported_pool),
    "AveragePool": Operator(_average_pool, 7, 22, _unsupported_pool),
    "GlobalAveragePool": Operator(_global(np.mean), 1, 22),
    "GlobalMaxPool": Operator(_global(np.max), 1, 22),
}
