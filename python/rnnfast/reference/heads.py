"""Output heads and their losses: ``y<t> = g(W_y a<t> + b_y)`` and the cross-entropies.

Features come first: ``a<t>`` is (n_a, m), ``y<t>`` is (n_y, m), one column an example. To use a
loss on the rows of a (N, n_y) array of scores, hand over its transpose. In the library, W_y
(n_y, n_a) is the ``weight`` of a linear layer and b_y (n_y, 1) its ``bias``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .activations import (
    Activation,
    activate,
    activate_backward,
    log_softmax,
    sigmoid,
    softmax,
)
from .arrays import Array, Gradients, Parameters, expect_shape, is_integer, one_hot


class HeadCache(NamedTuple):
    """What `head_step` keeps for `head_step_backward`."""

    a: Array
    y: Array
    parameters: Parameters
    g: Activation


class LossCache(NamedTuple):
    """What a loss keeps for its backward function: its gradient for a loss weighing 1."""

    dz: Array


def head_step(
    a: Array, parameters: Parameters, g: Activation = "softmax"
) -> tuple[Array, HeadCache]:
    """Output of one step, ``y<t> = g(W_y a<t> + b_y)``; the notes' W_ya is W_y here.

    Parameters
    ----------
    a : (n_a, m) array
        State of this step.
    parameters : mapping
        W_y (n_y, n_a) and b_y (n_y, 1); others are ignored.
    g : {"softmax", "sigmoid", "tanh", "relu", "identity"}
        Activation of the output.

    Returns
    -------
    y : (n_y, m) array
        Output of this step.
    cache : HeadCache
        For `head_step_backward`.
    """
    y = activate(g, parameters["W_y"] @ a + parameters["b_y"])
    return y, HeadCache(a, y, parameters, g)


def head_step_backward(dy: Array, cache: HeadCache) -> tuple[Array, Gradients]:
    """Undo `head_step`.

    Parameters
    ----------
    dy : (n_y, m) array
        Gradient of ``y<t>``.
    cache : HeadCache
        From `head_step`.

    Returns
    -------
    da : (n_a, m) array
        Gradient of ``a<t>``.
    grads : dict
        Gradients of W_y and b_y.
    """
    a, y, parameters, g = cache
    # y = g(z), z = W_y a + b_y
    dz = activate_backward(g, dy, y)
    return parameters["W_y"].T @ dz, {"W_y": dz @ a.T, "b_y": dz.sum(axis=1, keepdims=True)}


def bidirectional_head_step(
    a_fwd: Array, a_bwd: Array, parameters: Parameters, g: Activation = "softmax"
) -> tuple[Array, HeadCache]:
    """Output of one step of a bidirectional network.

    ::

        y<t> = g(W_y [a_fwd<t>, a_bwd<t>] + b_y)

    ``[a_fwd, a_bwd]`` is what a bidirectional layer of the library returns: the features of the
    forward direction, then those of the reverse direction.

    Parameters
    ----------
    a_fwd, a_bwd : (n_a, m) arrays
        States of the two directions at this step.
    parameters : mapping
        W_y (n_y, 2 n_a) and b_y (n_y, 1).
    g : {"softmax", "sigmoid", "tanh", "relu", "identity"}
        Activation of the output.

    Returns
    -------
    y : (n_y, m) array
        Output of this step.
    cache : HeadCache
        For `bidirectional_head_step_backward`.
    """
    return head_step(np.concatenate([a_fwd, a_bwd]), parameters, g)


def bidirectional_head_step_backward(dy: Array, cache: HeadCache) -> tuple[Array, Array, Gradients]:
    """Undo `bidirectional_head_step`.

    Returns
    -------
    da_fwd, da_bwd : (n_a, m) arrays
        Gradients of the two states.
    grads : dict
        Gradients of W_y and b_y.
    """
    da, grads = head_step_backward(dy, cache)
    da_fwd, da_bwd = np.split(da, 2)
    return da_fwd, da_bwd, grads


def softmax_cross_entropy(
    z: Array, target: npt.NDArray[Any], weight: Array | None = None
) -> tuple[float, LossCache]:
    """Cross-entropy of a softmax, summed over the examples.

    ::

        yhat<t> = softmax(z<t>)
        loss    = - sum over examples of weight * sum_k y_k log(yhat_k)

    The loss of a sequence is the sum of the losses of its steps.

    Parameters
    ----------
    z : (n_y, m) array
        Scores before the softmax.
    target : (m,) integer array, or (n_y, m) array
        The right class of each example, or y itself: one-hot or other probabilities.
    weight : (m,) array, optional
        Weight of each example: a mask is 1 and 0.

    Returns
    -------
    loss : float
        In nats.
    cache : LossCache
        For `cross_entropy_backward`.

    Raises
    ------
    ValueError
        If a shape does not fit, or a class is out of range.
    """
    n_y, m = z.shape
    if is_integer(target):
        expect_shape("target", target, (m,))
        y = one_hot(target, n_y, "target").T
    else:
        expect_shape("target", target, (n_y, m))
        y = target
    weight = _weights(weight, m)
    loss = -(weight * (y * log_softmax(z)).sum(axis=0)).sum()
    return float(loss), LossCache(weight * (y.sum(axis=0) * softmax(z) - y))


def sigmoid_cross_entropy(
    z: Array, target: Array, weight: Array | None = None
) -> tuple[float, LossCache]:
    """Binary cross-entropy of a sigmoid, summed over outputs and examples.

    ::

        yhat<t> = sigmoid(z<t>)
        loss    = - sum of weight * (y log(yhat) + (1 - y) log(1 - yhat))

    Parameters
    ----------
    z : (n_y, m) array
        Scores before the sigmoid.
    target : (n_y, m) array
        y, from 0 to 1.
    weight : (m,) array, optional
        Weight of each example: a mask is 1 and 0.

    Returns
    -------
    loss : float
        In nats.
    cache : LossCache
        For `cross_entropy_backward`.

    Raises
    ------
    ValueError
        If a shape does not fit.
    """
    expect_shape("target", target, z.shape)
    weight = _weights(weight, z.shape[1])
    # -log(yhat) = log(1 + exp(-z)) = log(1 + exp(z)) - z, and -log(1 - yhat) = log(1 + exp(z))
    loss = (weight * (np.logaddexp(0.0, z) - target * z)).sum()
    return float(loss), LossCache(weight * (sigmoid(z) - target))


def cross_entropy_backward(dloss: float, cache: LossCache) -> Array:
    """Undo `softmax_cross_entropy` or `sigmoid_cross_entropy`.

    Both have the gradient ``weight * (yhat - y)``.

    Returns
    -------
    dz : (n_y, m) array
        Gradient of the scores z where the gradient of the loss is `dloss`.
    """
    return dloss * cache.dz


def _weights(weight: Array | None, m: int) -> Array:
    """Ones where no weights are given."""
    if weight is None:
        return np.ones(m)
    expect_shape("weight", weight, (m,))
    return weight
