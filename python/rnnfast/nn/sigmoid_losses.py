"""Losses of yes-or-no scores, with their gradients; see `rnnfast.nn.losses` for what they share."""

from __future__ import annotations

import numpy as np

from rnnfast import _core
from rnnfast._checks import check_bool, check_real
from rnnfast.nn._loss_arguments import (
    Reduction,
    checked_sum,
    checked_weights,
    element_factor,
    element_weights,
    from_bool,
    require_numbers,
    require_scores,
)
from rnnfast.nn.module import Array


def binary_cross_entropy_with_logits(
    logits: Array,
    targets: Array,
    *,
    weights: Array | None = None,
    class_weights: Array | None = None,
    pos_weight: Array | None = None,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
    scale: float = 1.0,
    backward: bool = True,
) -> tuple[float, Array | None]:
    """Cross-entropy of independent yes-or-no scores, stable for scores of any size.

    ::

        loss = - sum of w c (p t log(sigmoid(x)) + (1 - t) log(1 - sigmoid(x)))

    Parameters
    ----------
    logits : ndarray
        Scores x, any shape, float32 or float64.
    targets : ndarray
        t from 0 to 1, of the same shape and dtype, or of bool.
    weights : ndarray, optional
        w, of the shape of ``logits`` or without its last axis.
    class_weights : ndarray, optional
        c, along the last axis: how much each label counts.
    pos_weight : ndarray, optional
        p, along the last axis: how much more a label counts where it is true.
    label_smoothing : float
        s in [0, 1): targets are ``(1 - s) t + s / 2``.
    reduction, scale, backward
        As all losses here have them. ``"mean"`` divides by the sum of the weights w c, where
        PyTorch divides by the number of scores.

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
        If a shape differs, a target is not from 0 to 1, a weight is not finite, or nothing counts
        with ``"mean"``.
    FloatingPointError
        If a score is NaN or infinite.
    """
    logits = require_scores("logits", logits, 0)
    wanted = from_bool("targets", targets, logits.dtype)
    require_numbers("logits", logits)
    weights = element_weights(logits, weights)
    if class_weights is not None:
        each = checked_weights("class_weights", class_weights, logits.dtype, logits.shape[-1:])
        of_classes = np.broadcast_to(each, logits.shape)
        weights = of_classes if weights is None else weights * of_classes
    factor = element_factor(logits, weights, reduction, scale)
    smoothing = check_real("label_smoothing", label_smoothing, 0.0, 1.0, below=True)
    if pos_weight is not None:
        pos_weight = checked_weights(
            "pos_weight", pos_weight, logits.dtype, logits.shape[-1:] or (1,)
        )
    smooth = (1 - smoothing) * wanted + smoothing / 2 if smoothing > 0.0 else wanted
    loss, gradient = _core.binary_cross_entropy(
        logits, smooth, weights, pos_weight, factor, check_bool("backward", backward)
    )
    # Only now: the kernel refuses views that stand for more than there is memory for.
    if wanted.size and not (wanted.min() >= 0 and wanted.max() <= 1):
        wrong = wanted[~((wanted >= 0) & (wanted <= 1))][0]
        raise ValueError(f"targets: expected numbers from 0 to 1, got {wrong}")
    return checked_sum(loss * factor, "logits", logits, wanted), gradient
