"""A linear-chain conditional random field over the outputs of a network.

Softmax at every step treats the outputs as independent of each other given the input. Here a whole
sequence y<1> ... y<T> of classes has one probability,

::

    s(z, y) = start[y<1>] + sum_t z<t>[y<t>] + sum_{t > 1} A[y<t-1>, y<t>] + end[y<T>]
    P(y)    = exp(s(z, y)) / Z,    Z = sum over all sequences of exp(s(z, .))

with the scores z<t> of the network's last layer (Lafferty, McCallum and Pereira 2001; Lample et al.
2016, section 2.2). Features come first: z is (n_y, T), one column a step, for one sequence.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .arrays import Array, Gradients, Parameters, expect_shape, one_hot


class CrfCache(NamedTuple):
    """What `crf_loss` keeps for `crf_loss_backward`."""

    z: Array
    y: npt.NDArray[Any]
    parameters: Parameters
    alpha: Array
    beta: Array
    log_z: float


def log_sum_exp(x: Array, axis: int) -> Array:
    """Return ``log sum exp(x)`` along an axis, stable; minus infinity adds nothing."""
    greatest = x.max(axis=axis, keepdims=True)
    shift = np.where(np.isfinite(greatest), greatest, 0.0)
    with np.errstate(divide="ignore"):
        total: Array = np.log(np.exp(x - shift).sum(axis=axis, keepdims=True)) + shift
    return total.squeeze(axis)


def crf_score(z: Array, y: npt.NDArray[Any], parameters: Parameters) -> float:
    """Score ``s(z, y)`` of one sequence of classes.

    Parameters
    ----------
    z : (n_y, T) array
        Scores of the classes at each step.
    y : (T,) integer array
        The classes.
    parameters : mapping
        A (n_y, n_y), from the row's class to the column's; start (n_y, 1) and end (n_y, 1). Minus
        infinity forbids what it stands for.
    """
    expect_shape("y", y, z.shape[1:])
    steps = np.arange(z.shape[1])
    start, end = parameters["start"][:, 0], parameters["end"][:, 0]
    inner = z[y, steps].sum() + parameters["A"][y[:-1], y[1:]].sum()
    return float(start[y[0]] + inner + end[y[-1]])


def crf_loss(z: Array, y: npt.NDArray[Any], parameters: Parameters) -> tuple[float, CrfCache]:
    """Negative log-likelihood ``-log P(y) = log Z - s(z, y)`` by the forward and backward sums.

    ::

        alpha<1>[j] = start[j] + z<1>[j]
        alpha<t>[j] = z<t>[j] + log sum_i exp(alpha<t-1>[i] + A[i, j])
        beta<T>[i]  = end[i]
        beta<t>[i]  = log sum_j exp(A[i, j] + z<t+1>[j] + beta<t+1>[j])
        log Z       = log sum_j exp(alpha<T>[j] + end[j])

    Returns
    -------
    loss : float
        In nats.
    cache : CrfCache
        For `crf_loss_backward` and `crf_marginals`.
    """
    one_hot(y, len(z), "y")
    A, start, end = parameters["A"], parameters["start"][:, 0], parameters["end"][:, 0]
    alpha, beta = np.empty_like(z), np.empty_like(z)
    alpha[:, 0] = start + z[:, 0]
    for t in range(1, z.shape[1]):
        alpha[:, t] = z[:, t] + log_sum_exp(alpha[:, t - 1, np.newaxis] + A, axis=0)
    beta[:, -1] = end
    for t in range(z.shape[1] - 2, -1, -1):
        beta[:, t] = log_sum_exp(A + z[:, t + 1] + beta[:, t + 1], axis=1)
    log_z = float(log_sum_exp(alpha[:, -1] + end, axis=0))
    loss = log_z - crf_score(z, y, parameters)
    return loss, CrfCache(z, y, parameters, alpha, beta, log_z)


def crf_marginals(cache: CrfCache) -> Array:
    """Probability ``P(y<t> = j)`` of each class at each step, (n_y, T)."""
    p: Array = np.exp(cache.alpha + cache.beta - cache.log_z)
    return p


def crf_loss_backward(dloss: float, cache: CrfCache) -> tuple[Array, Gradients]:
    """Undo `crf_loss`: what the model expects, less what was observed.

    ::

        dz<t>[j]  = P(y<t> = j) - (y<t> = j)
        dA[i, j]  = sum_t P(y<t-1> = i, y<t> = j) - (y<t-1> = i and y<t> = j)

    Returns
    -------
    dz : (n_y, T) array
        Gradient of the scores.
    grads : dict
        Gradients of A, start and end.
    """
    z, y, parameters, alpha, beta, log_z = cache
    dz = crf_marginals(cache) - one_hot(y, len(z), "y").T
    dA = np.zeros_like(parameters["A"])
    for t in range(1, z.shape[1]):
        pair = alpha[:, t - 1, np.newaxis] + parameters["A"] + z[:, t] + beta[:, t]
        dA += np.exp(pair - log_z)
        dA[y[t - 1], y[t]] -= 1.0
    grads = {"A": dA, "start": dz[:, :1], "end": dz[:, -1:]}
    return dloss * dz, {name: dloss * grad for name, grad in grads.items()}


def crf_partial_loss(
    z: Array, y: npt.NDArray[Any], parameters: Parameters
) -> tuple[float, Array, Gradients]:
    """Loss and its gradients where only some steps have a class.

    The probability is that of all sequences that agree with what is known (Tsuboi et al. 2008),

    ::

        loss = log Z - log sum over all y' with y'<t> = y<t> where y<t> >= 0 of exp(s(z, y'))

    and the second sum is a Z too, of scores that are minus infinity for other classes than y<t>:

    ::

        dz<t>[j] = P(y<t> = j) - P(y<t> = j | what is known),    dA, dstart, dend alike

    Parameters
    ----------
    y : (T,) integer array
        The classes; -1 at a step that has none.
    z, parameters
        As `crf_loss` takes them.

    Returns
    -------
    loss : float
        In nats.
    dz : (n_y, T) array
        Gradient of the scores.
    grads : dict
        Gradients of A, start and end.
    """
    other = (y >= 0) & (np.arange(len(z))[:, np.newaxis] != y)
    clamped = np.where(other, -np.inf, z)
    # Any sequence that agrees: the terms of `crf_loss` that are its own cancel.
    any_y, _ = crf_viterbi(clamped, parameters)
    loss_all, every = crf_loss(z, any_y, parameters)
    loss_some, some = crf_loss(clamped, any_y, parameters)
    (dz_all, of_all), (dz_some, of_some) = (crf_loss_backward(1.0, c) for c in (every, some))
    grads = {name: of_all[name] - of_some[name] for name in of_all}
    return loss_all - loss_some, dz_all - dz_some, grads


def crf_viterbi(z: Array, parameters: Parameters) -> tuple[npt.NDArray[np.int64], float]:
    """The sequence of the highest score, by dynamic programming (Viterbi 1967).

    ::

        delta<t>[j] = z<t>[j] + max_i (delta<t-1>[i] + A[i, j])

    Returns
    -------
    y : (T,) integer array
        The classes; of equal ones the first.
    score : float
        ``s(z, y)``.
    """
    A, start, end = parameters["A"], parameters["start"][:, 0], parameters["end"][:, 0]
    delta = start + z[:, 0]
    back = []
    for t in range(1, z.shape[1]):
        through = delta[:, np.newaxis] + A
        back.append(through.argmax(axis=0))
        delta = z[:, t] + through.max(axis=0)
    delta = delta + end
    path = [int(delta.argmax())]
    for best in reversed(back):
        path.append(int(best[path[-1]]))
    return np.array(path[::-1], dtype=np.int64), float(delta.max())
