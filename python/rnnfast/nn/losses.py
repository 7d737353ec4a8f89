"""Losses with their gradients.

Each returns ``(loss, gradient)``; the gradient is None with ``backward=False``. They share:

``weights``
    How much each row (or number) counts: an array of the dtype of the scores, or a mask of bool.
``reduction``
    ``"sum"``, or ``"mean"``: the sum divided by the sum of the weights of all that counts.
``scale``
    A factor of the loss and of all gradients.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast._checks import check_bool
from rnnfast._checks.arrays import require_ndarray
from rnnfast.nn._loss_arguments import (
    Reduction,
    check_numbers,
    checked_loss,
    checked_sum,
    element_factor,
    element_weights,
    native_targets,
    require_scores,
)
from rnnfast.nn.linear import Linear
from rnnfast.nn.module import Array


def cross_entropy(
    logits: Array,
    targets: npt.ArrayLike,
    *,
    weights: Array | None = None,
    class_weights: Array | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
    scale: float = 1.0,
    backward: bool = True,
) -> tuple[float, Array | None]:
    """Softmax cross-entropy of scores, as `torch.nn.functional.cross_entropy`.

    ::

        loss = sum over rows of w c[t] (log(sum_v exp(x[v])) - x[t])

    with the row's scores x, target t, weight w, and the class weights c.

    Parameters
    ----------
    logits : ndarray
        Scores, ``(..., V)``, float32 or float64.
    targets : array_like of int
        ``(...)``: classes from 0 to V - 1, or `ignore_index`.
    weights : ndarray, optional
        ``(...)``.
    class_weights : ndarray, optional
        ``(V,)``.
    ignore_index : int
        Rows of this target count nothing; their gradient is 0.
    label_smoothing : float
        s in [0, 1): the target's probability is 1 - s, and s is spread over all V classes.
    reduction, scale, backward
        As all losses here have them.

    Returns
    -------
    loss : float
        In nats.
    dlogits : ndarray or None
        Gradient, shape of ``logits``.

    Raises
    ------
    TypeError
        If a dtype differs.
    ValueError
        If a shape differs, a target is out of range, a weight is not finite, or no row counts with
        ``"mean"``.
    FloatingPointError
        If the loss is NaN: a score is NaN or infinite. Minus infinity is the score of a class that
        cannot be.
    """
    logits = require_scores("logits", logits, 1)
    backward = check_bool("backward", backward)
    shape, classes = logits.shape[:-1], logits.shape[-1]
    native, factor = native_targets(
        logits.dtype, shape, classes, targets, weights, class_weights, ignore_index,
        label_smoothing, reduction, scale,
    )  # fmt: skip
    loss, gradient = _core.cross_entropy(logits.reshape(-1, classes), native, backward)
    return checked_loss(loss * factor), None if gradient is None else gradient.reshape(logits.shape)


def linear_cross_entropy(
    linear: Linear,
    h: Array,
    targets: npt.ArrayLike,
    *,
    weights: Array | None = None,
    class_weights: Array | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
    scale: float = 1.0,
    backward: bool = True,
    mixed_precision: bool = False,
) -> tuple[float, Array | None]:
    """`cross_entropy` of ``linear(h)``, in chunks of rows: all the scores are never in memory.

    With ``backward``, adds to ``linear.grads``.

    Parameters
    ----------
    linear : Linear
        From features to the scores of V classes.
    h : ndarray
        Features, ``(..., linear.in_features)``.
    targets, weights, class_weights, ignore_index, label_smoothing, reduction, scale
        As `cross_entropy` takes them.
    backward : bool
        Whether gradients are wanted.
    mixed_precision : bool
        Whether products, of scores and of both gradients, are of numbers that are rounded to
        bfloat16, with sums in float32 (Kalamkar et al. 2019, "A Study of BFLOAT16 for Deep Learning
        Training"), where the CPU multiplies such numbers; elsewhere, and of numbers so large that
        they would round to infinity, they are of float32. The rest, and the parameters, stay
        float32. Of a layer of float32 alone; one in fewer bits has products of its own.

    Returns
    -------
    loss : float
        In nats.
    dh : ndarray or None
        Gradient of ``h``.

    Raises
    ------
    TypeError, ValueError
        As `cross_entropy`; also if a number of ``h`` is not finite, or with ``mixed_precision`` the
        layer is not of float32. Nothing is changed then.
    FloatingPointError
        If the loss is not finite: the layer's parameters are not, or are too large. Nothing is
        changed then either.
    """
    if not isinstance(linear, Linear):
        raise TypeError(f"linear: expected a Linear, got {type(linear).__name__}")
    h = require_ndarray("h", h)
    rows = linear._rows("h", h, linear.in_features)
    if backward := check_bool("backward", backward):
        linear._require_trainable("backward")
    mixed = check_bool("mixed_precision", mixed_precision)
    if mixed and linear.dtype != "float32":
        raise ValueError(f"mixed_precision: expected False for a layer of {linear.dtype}, got True")
    native, factor = native_targets(
        linear.dtype, h.shape[:-1], linear.out_features, targets, weights, class_weights,
        ignore_index, label_smoothing, reduction, scale,
    )  # fmt: skip
    loss, dh = linear.native.cross_entropy(rows, native, backward, mixed)
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"loss: expected a finite number, got {loss:g}: a parameter of linear is NaN, infinite "
            "or too large"
        )
    return loss * factor, None if dh is None else dh.reshape(h.shape)


def mse(
    predictions: Array,
    targets: Array,
    *,
    weights: Array | None = None,
    reduction: Reduction = "mean",
    scale: float = 1.0,
    backward: bool = True,
) -> tuple[float, Array | None]:
    """Squared error, ``sum of w (x - t)^2``.

    Parameters
    ----------
    predictions : ndarray
        x, any shape, float32 or float64.
    targets : ndarray
        t, of the same shape and dtype.
    weights : ndarray, optional
        w, of the shape of ``predictions`` or without its last axis.
    reduction, scale, backward
        As all losses here have them.

    Returns
    -------
    loss : float
        The error.
    dpredictions : ndarray or None
        Gradient, shape of ``predictions``.

    Raises
    ------
    TypeError
        If a dtype differs.
    ValueError
        If a shape differs, a target or a weight is not finite, or nothing counts with ``"mean"``.
    FloatingPointError
        If a prediction is NaN or infinite.
    """
    predictions = require_scores("predictions", predictions, 0)
    backward = check_bool("backward", backward)
    targets = check_numbers("targets", targets, predictions.dtype, predictions.shape)
    weights = element_weights(predictions, weights)
    factor = element_factor(predictions, weights, reduction, scale)
    loss, gradient = _core.squared_error(predictions, targets, weights, factor, backward)
    return checked_sum(loss * factor, "predictions", predictions, targets), gradient


def l1(
    predictions: Array,
    targets: Array,
    *,
    weights: Array | None = None,
    reduction: Reduction = "mean",
    scale: float = 1.0,
    backward: bool = True,
) -> tuple[float, Array | None]:
    """Absolute error, ``sum of w |x - t|``.

    Takes what `mse` takes, gives what it gives and raises what it raises. Where ``x = t`` the
    gradient is 0.
    """
    predictions = require_scores("predictions", predictions, 0)
    backward = check_bool("backward", backward)
    targets = check_numbers("targets", targets, predictions.dtype, predictions.shape)
    weights = element_weights(predictions, weights)
    factor = element_factor(predictions, weights, reduction, scale)
    # In one order, so that the bits of the sum do not depend on how the arrays lie in memory.
    difference = np.subtract(predictions, targets, order="C")
    sizes = np.abs(difference) if weights is None else np.abs(difference) * weights
    total = float(sizes.sum(dtype=np.float64)) * factor
    loss = checked_sum(total, "predictions", predictions, targets)
    if not backward:
        return loss, None
    signs = np.sign(difference) if weights is None else np.sign(difference) * weights
    return loss, signs * predictions.dtype.type(factor)


def softmax(x: Array) -> Array:
    """Softmax along the last axis of a float32 or float64 array.

    Minus infinity is the score of what cannot be, and has probability 0.

    Raises
    ------
    TypeError, ValueError
        If it is of another dtype, or has no last axis with something in it.
    FloatingPointError
        If a score is NaN or infinity, or all of a row are minus infinity.
    """
    x = require_scores("x", x, 1)
    return _core.softmax(x.reshape(-1, x.shape[-1]), False).reshape(x.shape)


def log_softmax(x: Array) -> Array:
    """Logarithm of the softmax along the last axis of a float32 or float64 array.

    Takes what `softmax` takes and raises what it raises.
    """
    x = require_scores("x", x, 1)
    return _core.softmax(x.reshape(-1, x.shape[-1]), True).reshape(x.shape)
