"""The adaptive softmax (Grave, Joulin, Cissé, Grangier and Jégou 2017, section 4).

::

    P(y = v) = softmax(W h + b)[v]                                        v in the head
    P(y = v) = softmax(W h + b)[S + i] softmax(U_i D_i h)[v - begin_i]    v in cluster i

Features come first, as in `heads`: h is (n_a, m). The parameters have the library's names and
shapes: W is ``head.weight`` (S + C, n_a), b ``head.bias`` (S + C,), which may be missing, D_i
``tail.i.0.weight`` and U_i ``tail.i.1.weight``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .activations import log_softmax, softmax
from .arrays import Array, Gradients, Parameters, expect_shape


class AdaptiveCache(NamedTuple):
    """What `adaptive_cross_entropy` keeps for its backward function."""

    a: Array
    target: npt.NDArray[np.integer]
    parameters: Parameters
    cutoffs: tuple[int, ...]


def adaptive_log_softmax(a: Array, parameters: Parameters, cutoffs: Sequence[int]) -> Array:
    """Logarithms of the probabilities of all classes.

    Parameters
    ----------
    a : (n_a, m) array
        Features.
    parameters : mapping
        Those of the module's description.
    cutoffs : sequence of int
        Where the classes are cut; S is the first.

    Returns
    -------
    (n_y, m) array
    """
    head = log_softmax(_head_scores(a, parameters))
    parts = [head[: cutoffs[0]]]
    for i in range(len(cutoffs)):
        D, U = parameters[f"tail.{i}.0.weight"], parameters[f"tail.{i}.1.weight"]
        parts.append(head[cutoffs[0] + i] + log_softmax(U @ (D @ a)))
    return np.concatenate(parts)


def adaptive_cross_entropy(
    a: Array,
    target: npt.NDArray[np.integer],
    parameters: Parameters,
    cutoffs: Sequence[int],
) -> tuple[float, AdaptiveCache]:
    """Cross-entropy ``- sum over examples of log P(y = target)``.

    Parameters
    ----------
    a : (n_a, m) array
        Features.
    target : (m,) integer array
        The right class of each example.
    parameters, cutoffs
        As `adaptive_log_softmax` takes them.

    Returns
    -------
    loss : float
        In nats.
    cache : AdaptiveCache
        For `adaptive_cross_entropy_backward`.
    """
    expect_shape("target", target, a.shape[1:])
    log_p = adaptive_log_softmax(a, parameters, cutoffs)
    loss = -log_p[target, np.arange(len(target))].sum()
    return float(loss), AdaptiveCache(a, target, parameters, tuple(cutoffs))


def adaptive_cross_entropy_backward(dloss: float, cache: AdaptiveCache) -> tuple[Array, Gradients]:
    """Undo `adaptive_cross_entropy`.

    Returns
    -------
    da : (n_a, m) array
        Gradient of the features.
    grads : dict
        Gradients of the parameters.
    """
    a, target, parameters, cutoffs = cache
    # The head's classes: those of frequent targets, and the clusters of the others.
    cluster = np.searchsorted(cutoffs, target, side="right") - 1
    chosen = np.where(cluster < 0, target, cutoffs[0] + cluster)
    dz = _cross_entropy_gradient(_head_scores(a, parameters), chosen) * dloss
    grads = {"head.weight": dz @ a.T}
    if "head.bias" in parameters:
        grads["head.bias"] = dz.sum(axis=1)
    da = parameters["head.weight"].T @ dz
    for i, begin in enumerate(cutoffs):
        D, U = parameters[f"tail.{i}.0.weight"], parameters[f"tail.{i}.1.weight"]
        here = cluster == i
        p = D @ a[:, here]
        # z = U p
        dz = _cross_entropy_gradient(U @ p, target[here] - begin) * dloss
        dp = U.T @ dz
        grads[f"tail.{i}.0.weight"] = dp @ a[:, here].T
        grads[f"tail.{i}.1.weight"] = dz @ p.T
        da[:, here] += D.T @ dp
    return da, grads


def _head_scores(a: Array, parameters: Parameters) -> Array:
    scores: Array = parameters["head.weight"] @ a
    if "head.bias" in parameters:
        scores = scores + parameters["head.bias"][:, np.newaxis]
    return scores


def _cross_entropy_gradient(z: Array, target: npt.NDArray[np.integer]) -> Array:
    """Gradient of ``- sum of log softmax(z)[target]``."""
    dz = softmax(z) if z.shape[1] else z.copy()
    dz[target, np.arange(len(target))] -= 1
    return dz
