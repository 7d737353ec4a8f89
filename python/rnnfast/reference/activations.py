"""The activations ``g`` of the notes, and their derivatives as functions of the output."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from .arrays import Array

Activation: TypeAlias = Literal["identity", "tanh", "relu", "sigmoid", "softmax"]


def sigmoid(z: Array) -> Array:
    """Logistic function ``1 / (1 + exp(-z))``, written so that no `z` overflows."""
    y: Array = np.exp(-np.logaddexp(0.0, -z))
    return y


def d_sigmoid(y: Array) -> Array:
    """Derivative of the sigmoid where its output is `y`."""
    return y * (1.0 - y)


def d_tanh(y: Array) -> Array:
    """Derivative of tanh where its output is `y`."""
    return 1.0 - y * y


def d_relu(y: Array) -> Array:
    """Derivative of relu where its output is `y`; 0 at the kink."""
    return (y > 0.0).astype(np.float64)


def softmax(z: Array) -> Array:
    """Softmax over axis 0: ``exp(z_k) / sum_j exp(z_j)`` for every column of `z`."""
    e: Array = np.exp(z - z.max(axis=0, keepdims=True))
    total: Array = e.sum(axis=0, keepdims=True)
    return e / total


def log_softmax(z: Array) -> Array:
    """Logarithm of the softmax over axis 0, finite where the softmax itself underflows."""
    shifted: Array = z - z.max(axis=0, keepdims=True)
    total: Array = np.exp(shifted).sum(axis=0, keepdims=True)
    return shifted - np.log(total)


def activate(g: Activation, z: Array) -> Array:
    """Apply the activation named `g`: ``y = g(z)``, features on axis 0.

    Raises
    ------
    ValueError
        If `g` is not the name of an activation.
    """
    if g == "identity":
        return z
    if g == "tanh":
        return np.tanh(z)
    if g == "relu":
        return np.maximum(z, 0.0)
    if g == "sigmoid":
        return sigmoid(z)
    if g == "softmax":
        return softmax(z)
    raise ValueError(f"g: expected identity, tanh, relu, sigmoid or softmax, got {g!r}")


def activate_backward(g: Activation, dy: Array, y: Array) -> Array:
    """Undo ``y = g(z)``: the gradient of `z` from the gradient `dy` of the output `y`."""
    if g == "identity":
        return dy
    if g == "tanh":
        return dy * d_tanh(y)
    if g == "relu":
        return dy * d_relu(y)
    if g == "sigmoid":
        return dy * d_sigmoid(y)
    if g == "softmax":
        mean: Array = (dy * y).sum(axis=0, keepdims=True)
        return y * (dy - mean)
    raise ValueError(f"g: expected identity, tanh, relu, sigmoid or softmax, got {g!r}")
