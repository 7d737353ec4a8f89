"""Connectionist temporal classification, Graves et al. (2006): few symbols from many steps.

A path names a symbol or the blank at each of T_x steps; it stands for the labelling that is left
when repeated symbols are merged and blanks removed, ``B(a a - a b) = a a b``. The probability of a
labelling l is the sum over all its paths,

::

    p(l | x) = sum over paths pi with B(pi) = l of prod_t yhat<t>[pi_t]

The forward and backward variables of section 4.1 add it up; l' is l with blanks around and between
its symbols, of length 2 |l| + 1:

::

    alpha_t(s) = yhat<t>[l'_s] (alpha_{t-1}(s) + alpha_{t-1}(s-1) [+ alpha_{t-1}(s-2)])
    beta_t(s)  = yhat<t>[l'_s] (beta_{t+1}(s) + beta_{t+1}(s+1) [+ beta_{t+1}(s+2)])

The terms in brackets are there where a blank between two different symbols is skipped.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .activations import log_softmax, softmax
from .arrays import Array
from .heads import LossCache


def ctc(z: Array, target: Sequence[int], blank: int = 0) -> tuple[float, LossCache]:
    """Negative log-probability of a labelling under the scores of one sequence.

    Parameters
    ----------
    z : (n_y, T_x) array
        Scores before the softmax, one column a step.
    target : sequence of int
        The labelling l, without blanks; empty: no symbol at all.
    blank : int
        The class that stands for no symbol.

    Returns
    -------
    loss : float
        ``-log p(l | x)``, infinite if l has no path of T_x steps.
    cache : LossCache
        For `cross_entropy_backward`; its gradient is, Graves et al. (2006), eq. 16,
        ``yhat<t>[k] - sum over s with l'_s = k of alpha_t(s) beta_t(s) / (yhat<t>[k] p(l | x))``,
        and 0 where the loss is infinite.

    Raises
    ------
    ValueError
        If a class is out of range, or the blank is in the target.
    """
    n_y, steps = z.shape
    for name, classes in (("blank", [blank]), ("target", target)):
        for k in classes:
            if not 0 <= k < n_y or (name == "target" and k == blank):
                raise ValueError(f"{name}: expected classes from 0 to {n_y - 1}, got {k}")
    widened = np.full(2 * len(target) + 1, blank, np.int64)
    widened[1::2] = target
    if steps == 0:
        return (0.0 if not len(target) else np.inf), LossCache(np.zeros_like(z))
    emission = log_softmax(z)[widened].T  # (T_x, S)
    alpha = _log_sums(emission, widened, blank)
    # Backwards in time and along the labelling, beta is alpha.
    beta = _log_sums(emission[::-1, ::-1], widened[::-1], blank)[::-1, ::-1]
    log_p = np.logaddexp.reduce(alpha[-1, -2:])
    if log_p == -np.inf:
        return np.inf, LossCache(np.zeros_like(z))
    shares = np.exp(alpha + beta - emission - log_p)  # of the paths at l'_s in step t
    dz = softmax(z)
    for s, symbol in enumerate(widened):
        dz[symbol] -= shares[:, s]
    return float(-log_p), LossCache(dz)


def _log_sums(emission: Array, widened: npt.NDArray[np.int64], blank: int) -> Array:
    """Return the logarithms of alpha, (T_x, S)."""
    steps, size = emission.shape
    alpha = np.full((steps, size), -np.inf)
    alpha[0, :2] = emission[0, :2]
    for t in range(1, steps):
        for s in range(size):
            before = [alpha[t - 1, s]]
            if s > 0:
                before.append(alpha[t - 1, s - 1])
            if s > 1 and widened[s] != blank and widened[s] != widened[s - 2]:
                before.append(alpha[t - 1, s - 2])
            alpha[t, s] = emission[t, s] + np.logaddexp.reduce(before)
    return alpha


def ctc_beam(
    log_yhat: Array, blank: int = 0, beam_size: int = 16
) -> list[tuple[tuple[int, ...], float]]:
    """Labellings that a beam of prefixes finds, and log p of each, the likeliest first.

    Prefix search (Graves et al. 2006, section 3.2) that keeps the ``beam_size`` likeliest prefixes
    of each step, each with the probability of its paths that end in a blank, and of those that end
    in its last symbol. Where two prefixes are equally likely, one that stays is kept before one
    that grew, and among those the one whose parent, then whose symbol, is the first.

    Parameters
    ----------
    log_yhat : (n_y, T_x) array
        Logarithms of the probabilities of one sequence, one column a step.
    blank : int
        The class of the blank.
    beam_size : int
        How many prefixes are kept.
    """
    # Of each prefix log p of its paths that end in a blank, and in its last symbol.
    beam: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -np.inf)}
    for step in log_yhat.T:
        stay: dict[tuple[int, ...], tuple[float, float]] = {}
        grown: dict[tuple[int, ...], float] = {}
        for prefix, (by_blank, by_symbol) in beam.items():
            total = float(np.logaddexp(by_blank, by_symbol))
            again = by_symbol + step[prefix[-1]] if prefix else -np.inf
            stay[prefix] = (total + step[blank], again)
            for symbol, log_p in enumerate(step):
                if symbol != blank:
                    before = by_blank if prefix[-1:] == (symbol,) else total
                    grown[(*prefix, symbol)] = before + log_p
        for prefix in beam:  # what grew into a prefix that is kept already belongs to it
            if prefix in grown:
                by_blank, by_symbol = stay[prefix]
                stay[prefix] = (by_blank, float(np.logaddexp(by_symbol, grown.pop(prefix))))
        candidates = [(float(np.logaddexp(*log_ps)), prefix) for prefix, log_ps in stay.items()]
        candidates += [(log_p, prefix) for prefix, log_p in grown.items()]
        candidates = sorted(candidates, key=lambda one: -one[0])[:beam_size]
        kept = [prefix for log_p, prefix in candidates if log_p > -np.inf]
        beam = {prefix: stay[prefix] for prefix in kept if prefix in stay}
        beam.update({p: (-np.inf, grown[p]) for p in kept if p not in stay})
    found = [(prefix, float(np.logaddexp(*log_ps))) for prefix, log_ps in beam.items()]
    return sorted(found, key=lambda one: -one[1])
