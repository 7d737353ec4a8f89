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
            return FUNCTIONS[self.kind][1](dy, y)

        return y, backprop


# One new array each, in which all is done: a second one as large costs as much as the function.


def _tanh(x: Array) -> Array:
    y: Array = np.tanh(x)
    return y


def _tanh_backward(dy: Array, y: Array) -> Array:  # dy (1 - y^2)
    dx: Array = np.multiply(y, y, out=np.empty_like(y))
    np.subtract(1, dx, out=dx)
    dx *= dy
    return dx


def _relu(x: Array) -> Array:
    y: Array = np.maximum(x, x.dtype.type(0))
    return y


def _relu_backward(dy: Array, y: Array) -> Array:
    dx: Array = dy * (y > 0)
    return dx


def _sigmoid(x: Array) -> Array:
    half = x.dtype.type(0.5)
    y: Array = np.multiply(x, half, out=np.empty_like(x))
    np.tanh(y, out=y)
    y *= half
    y += half
    return y


def _sigmoid_backward(dy: Array, y: Array) -> Array:  # dy y (1 - y)
    dx: Array = np.subtract(1, y, out=np.empty_like(y))
    dx *= y
    dx *= dy
    return dx


# The function, and how a gradient goes back through it, given its value.
FUNCTIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]] = {
    "tanh": (_tanh, _tanh_backward),
    "relu": (_relu, _relu_backward),
    "sigmoid": (_sigmoid, _sigmoid_backward),
}
