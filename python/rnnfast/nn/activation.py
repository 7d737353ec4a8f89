"""Functions of each number by itself, as parts of a network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnnfast._checks import among, check_finite
from rnnfast._checks.arrays import require_array, require_float
from rnnfast._checks.likeness import call_like
from rnnfast._checks.messages import shown
from rnnfast.nn.module import Array, Module


class Activation(Module):
    """A function of each number by itself, between layers that have none.

    Parameters
    ----------
    kind : {"tanh", "relu", "sigmoid"}
        ``tanh(x)``, ``max(x, 0)`` or ``1 / (1 + exp(-x))``.

    Raises
    ------
    ValueError
        If it is none of these.
    """

    def __init__(self, kind: str) -> None:
        if not among(kind, FUNCTIONS):
            raise ValueError(f"kind: expected one of {', '.join(FUNCTIONS)}, got {shown(kind)}")
        self.kind = kind

    def __call__(self, x: Array, *, like: bool = False) -> Array:
        """Return the function of ``x``, an array of float32 or float64 of any shape.

        With ``like`` of the library that ``x`` is of, such as a tensor.
        """
        if like is not False:
            return call_like(like, self, x)
        x = require_float("x", x)
        check_finite("x", x)
        return FUNCTIONS[self.kind][0](x)

    def forward(self, x: Array) -> tuple[Array, Callable[[Array], Array]]:
        """Return what a call returns, read-only, and ``dx = backprop(dy)``, which reads it again.

        Raises
        ------
        TypeError
            If ``x`` is of another dtype.
        ValueError
            If a number is NaN or infinite.
        """
        y = self(x)
        y.setflags(write=False)

        def backprop(dy: Array) -> Array:
            dy = require_array("dy", dy, y.dtype, y.shape)
            check_finite("dy", dy)
            dx: Array = dy * FUNCTIONS[self.kind][1](y)
            return dx

        return y, backprop


def _tanh(x: Array) -> Array:
    y: Array = np.tanh(x)
    return y


def _d_tanh(y: Array) -> Array:
    dx: Array = 1 - y * y
    return dx


def _relu(x: Array) -> Array:
    y: Array = np.maximum(x, x.dtype.type(0))
    return y


def _d_relu(y: Array) -> Array:
    return (y > 0).astype(y.dtype)


def _sigmoid(x: Array) -> Array:
    half = x.dtype.type(0.5)
    y: Array = half * np.tanh(half * x) + half
    return y


def _d_sigmoid(y: Array) -> Array:
    dx: Array = y * (1 - y)
    return dx


# The function, and its derivative from its value.
FUNCTIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "tanh": (_tanh, _d_tanh),
    "relu": (_relu, _d_relu),
    "sigmoid": (_sigmoid, _d_sigmoid),
}
