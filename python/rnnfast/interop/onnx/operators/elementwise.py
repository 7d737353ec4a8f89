"""Operators on each number: arithmetic, comparisons, activations, Where, Clip, Cast."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast.interop.onnx._onnx import onnx
from rnnfast.interop.onnx.nodes import DTYPES, Array, Node
from rnnfast.interop.onnx.operators.operator import (
    Inputs,
    Operator,
    like,
    padded,
    require_broadcast,
    require_room_together,
)
from rnnfast.interop.onnx.recurrent.activations import elu, sigmoid, softplus


def _of_one(function: Callable[[Array], Any]) -> Callable[[Node, Inputs], Array]:
    return lambda node, inputs: like(inputs[0], function(inputs[0]))


def _of_two(function: Callable[[Array, Array], Any]) -> Callable[[Node, Inputs], Any]:
    def run(node: Node, inputs: Inputs) -> Any:
        require_room_together(*inputs)
        return np.asarray(function(inputs[0], inputs[1]))

    return run


def _of_many(function: Callable[[Array, Array], Any]) -> Callable[[Node, Inputs], Any]:
    def run(node: Node, inputs: Inputs) -> Any:
        require_room_together(*inputs)
        return np.asarray(functools.reduce(function, inputs))

    return run


def _divide(a: Array, b: Array) -> Any:
    if a.dtype.kind not in "iu":
        return a / b
    if not np.all(b):
        raise ValueError("expected divisors that are not 0, got 0")
    quotient = np.floor_divide(a, b)  # of integers: towards 0
    return like(a, quotient + ((quotient < 0) & (quotient * b != a)))


def _power(node: Node, inputs: Inputs) -> Array:
    base, exponent = inputs
    require_room_together(base, exponent)
    if base.dtype.kind in "iu" and exponent.dtype.kind in "iu" and np.any(exponent < 0):
        return like(base, np.power(base.astype(np.float64), exponent))
    return like(base, np.power(base, exponent))


def _mean(node: Node, inputs: Inputs) -> Array:
    require_room_together(*inputs)
    return like(inputs[0], functools.reduce(np.add, inputs) / len(inputs))


_erf = np.vectorize(math.erf, otypes=[np.float64])


def _gelu(node: Node, inputs: Inputs) -> Array:
    (x,) = inputs
    if node.attribute("approximate", "none") == "tanh":
        inner = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    else:
        inner = _erf(x / math.sqrt(2)) if x.size else x
    return like(x, 0.5 * x * (1 + inner))


def _numbered(
    function: Callable[[Array, float, float], Any], alpha: float, beta: float = 0.0
) -> Callable[[Node, Inputs], Array]:
    """Return an activation with two attributes and their defaults."""

    def run(node: Node, inputs: Inputs) -> Array:
        a, b = node.attribute("alpha", alpha), node.attribute("beta", beta)
        return like(inputs[0], function(inputs[0], a, b))

    return run


def _selu(node: Node, inputs: Inputs) -> Array:
    (x,) = inputs
    alpha = node.attribute("alpha", 1.67326319217681884765625)
    return like(x, node.attribute("gamma", 1.05070102214813232421875) * elu(x, alpha))


def _prelu(node: Node, inputs: Inputs) -> Array:
    x, slope = inputs
    require_broadcast("slope", slope, x.shape)
    return like(x, np.where(x < 0, slope * x, x))


def _clip(node: Node, inputs: Inputs) -> Array:
    x = inputs[0]
    if node.version < 11:
        bounds = [node.attribute("min"), node.attribute("max")]
    else:
        bounds = padded(inputs[1:], 2)
        for bound in bounds:
            if bound is not None and bound.ndim:
                raise ValueError(f"expected a number as bound, got shape {bound.shape}")
    low, high = bounds
    x = x if low is None else np.maximum(x, like(x, low))
    return np.asarray(x if high is None else np.minimum(x, like(x, high)))


def _modulo(node: Node, inputs: Inputs) -> Array:
    a, b = inputs
    require_room_together(a, b)
    return np.asarray(np.fmod(a, b) if node.attribute("fmod", 0) else np.mod(a, b))


# Casts


def _target(node: Node) -> np.dtype[Any]:
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(node.attribute("to")))


def _unsupported_cast(node: Node) -> str | None:
    kind = node.attribute("to", 0)
    if kind not in _data_types():
        return f"to {kind}"
    name = onnx.TensorProto.DataType.Name(kind)
    return None if name.lower() in DTYPES else f"to {name}"


@functools.cache
def _data_types() -> frozenset[int]:
    return frozenset(onnx.TensorProto.DataType.values())


def cast(x: Array, dtype: Any) -> Array:
    """Return an array in another dtype, as ONNX casts.

    Raises
    ------
    NotImplementedError
        If one of the two is not of `nodes.DTYPES`.
    """
    if x.dtype not in DTYPES.values() or dtype not in DTYPES.values():
        raise NotImplementedError(f"expected numbers to cast, got {x.dtype} to {dtype}")
    with np.errstate(invalid="ignore", over="ignore"):
        return x.astype(dtype)


def _cast(node: Node, inputs: Inputs) -> Array:
    return cast(inputs[0], _target(node))


def _cast_like(node: Node, inputs: Inputs) -> Array:
    return cast(inputs[0], inputs[1].dtype)


def _where(node: Node, inputs: Inputs) -> Any:
    condition, a, b = inputs
    require_room_together(condition, a, b)
    return np.where(condition, a, b)


ARITHMETIC = {
    "Add": Operator(_of_two(np.add), 7, 14),
    "Sub": Operator(_of_two(np.subtract), 7, 14),
    "Mul": Operator(_of_two(np.multiply), 7, 14),
    "Div": Operator(_of_two(_divide), 7, 14),
    "Pow": Operator(_power, 7, 15),
    "Mod": Operator(_modulo, 10, 13),
    "Min": Operator(_of_many(np.minimum), 8, 13),
    "Max": Operator(_of_many(np.maximum), 8, 13),
    "Sum": Operator(_of_many(np.add), 8, 13),
    "Mean": Operator(_mean, 8, 13),
    "Sqrt": Operator(_of_one(np.sqrt), 6, 13),
    "Neg": Operator(_of_one(np.negative), 6, 13),
    "Abs": Operator(_of_one(np.abs), 6, 13),
    "Exp": Operator(_of_one(np.exp), 6, 13),
    "Log": Operator(_of_one(np.log), 6, 13),
    "Reciprocal": Operator(_of_one(lambda x: 1 / x), 6, 13),
    "Erf": Operator(_of_one(lambda x: _erf(x) if x.size else x), 9, 13),
    "Sign": Operator(_of_one(np.sign), 9, 13),
    "Floor": Operator(_of_one(np.floor), 6, 13),
    "Ceil": Operator(_of_one(np.ceil), 6, 13),
    "Round": Operator(_of_one(np.rint), 11, 22),
    "Sin": Operator(_of_one(np.sin), 7, 22),
    "Cos": Operator(_of_one(np.cos), 7, 22),
}
COMPARISONS = {
    "Equal": Operator(_of_two(np.equal), 7, 19),
    "Less": Operator(_of_two(np.less), 7, 13),
    "Greater": Operator(_of_two(np.greater), 7, 13),
    "LessOrEqual": Operator(_of_two(np.less_equal), 12, 16),
    "GreaterOrEqual": Operator(_of_two(np.greater_equal), 12, 16),
    "And": Operator(_of_two(np.logical_and), 7, 7),
    "Or": Operator(_of_two(np.logical_or), 7, 7),
    "Xor": Operator(_of_two(np.logical_xor), 7, 7),
    "Not": Operator(lambda node, inputs: np.logical_not(inputs[0]), 1, 1),
    "IsNaN": Operator(lambda node, inputs: np.isnan(inputs[0]), 9, 20),
    "Where": Operator(_where, 9, 16),
}
ACTIVATIONS = {
    "Relu": Operator(_of_one(lambda x: np.maximum(x, 0)), 6, 14),
    "Tanh": Operator(_of_one(np.tanh), 6, 13),
    "Sigmoid": Operator(_of_one(sigmoid), 6, 13),
    "Softplus": Operator(_of_one(softplus), 1, 22),
    "Softsign": Operator(_of_one(lambda x: x / (1 + np.abs(x))), 1, 22),
    "LeakyRelu": Operator(_numbered(lambda x, a, b: np.where(x < 0, a * x, x), 0.01), 6, 16),
    "ThresholdedRelu": Operator(_numbered(lambda x, a, b: np.where(x > a, x, 0), 1.0), 10, 22),
    "Elu": Operator(_numbered(lambda x, a, b: elu(x, a), 1.0), 6, 22),
    "Celu": Operator(_numbered(lambda x, a, b: elu(x / a, 1.0) * a, 1.0), 12, 12),
    "HardSigmoid": Operator(_numbered(lambda x, a, b: np.clip(a * x + b, 0, 1), 0.2, 0.5), 6, 22),
    "HardSwish": Operator(_of_one(lambda x: x * np.clip(x / 6 + 0.5, 0, 1)), 14, 22),
    "Mish": Operator(_of_one(lambda x: x * np.tanh(softplus(x))), 18, 22),
    "Swish": Operator(_numbered(lambda x, a, b: x * sigmoid(a * x), 1.0), 24, 24),
    "Gelu": Operator(_gelu, 20, 20),
    "Selu": Operator(_selu, 6, 22),
    "PRelu": Operator(_prelu, 7, 16),
    "Clip": Operator(_clip, 6, 13),
}
CASTS = {
    "Cast": Operator(_cast, 6, 25, _unsupported_cast),
    "CastLike": Operator(_cast_like, 15, 25),
}
