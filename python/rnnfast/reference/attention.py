"""Attention: what a decoder reads of its encoder's states, each step in a mixture of its own.

For one example, features first: the decoder's states s<1> ... s<T_y> stand in the columns of s
(n_s, T_y), the encoder's a<1> ... a<T_x> in those of a (n_a, T_x). A score e<t,t'> tells how much
step t of the output needs step t' of the input, and

::

    alpha<t,t'> = exp(e<t,t'>) / sum over t'' of exp(e<t,t''>)
    context<t>  = sum over t' of alpha<t,t'> a<t'>

The scores are those of Luong et al. (2015), section 3.1, ``s<t>^T W_e a<t'>``, W_e being 1 for
their "dot", or those of Bahdanau et al. (2015), appendix A.1.2,
``v^T tanh(W_s s<t> + W_e a<t'>)``. The course notes and Bahdanau et al. take s<t-1>, to feed the
context to the decoder; here as in Luong et al. it is s<t>.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .activations import softmax
from .arrays import Array, Gradients, Parameters


class DotCache(NamedTuple):
    """What `dot_attention` keeps."""

    s: Array
    a: Array
    alpha: Array
    parameters: Parameters


class AdditiveCache(NamedTuple):
    """What `additive_attention` keeps."""

    s: Array
    a: Array
    alpha: Array
    hidden: Array  # (size, T_y, T_x)
    parameters: Parameters


def dot_attention(s: Array, a: Array, parameters: Parameters) -> tuple[Array, DotCache]:
    """Attention by products, ``e<t,t'> = s<t>^T W_e a<t'>``.

    Parameters
    ----------
    s : (n_s, T_y) array
        Decoder states.
    a : (n_a, T_x) array
        Encoder states.
    parameters : mapping
        W_e (n_s, n_a), "general"; without it, "dot": ``s<t>^T a<t'>``.

    Returns
    -------
    context : (n_a, T_y) array
        What each decoder step reads.
    cache : DotCache
        For `dot_attention_backward`; its ``alpha`` is (T_y, T_x).
    """
    keys = parameters["W_e"] @ a if "W_e" in parameters else a
    alpha = softmax((s.T @ keys).T).T
    return a @ alpha.T, DotCache(s, a, alpha, parameters)


def dot_attention_backward(dcontext: Array, cache: DotCache) -> tuple[Array, Array, Gradients]:
    """Undo `dot_attention`.

    Returns
    -------
    ds, da : arrays
        Gradients of the decoder's and the encoder's states.
    grads : dict
        Gradient of W_e, if there is one.
    """
    s, a, alpha, parameters = cache
    # context = a alpha^T
    da = dcontext @ alpha
    de = _scores_backward(dcontext.T @ a, alpha)
    # e = s^T W_e a
    if "W_e" not in parameters:
        return a @ de.T, da + s @ de, {}
    ds = parameters["W_e"] @ a @ de.T
    return ds, da + parameters["W_e"].T @ s @ de, {"W_e": s @ de @ a.T}


def additive_attention(s: Array, a: Array, parameters: Parameters) -> tuple[Array, AdditiveCache]:
    """Attention by a small network, ``e<t,t'> = v^T tanh(W_s s<t> + W_e a<t'>)``.

    Parameters
    ----------
    s : (n_s, T_y) array
        Decoder states.
    a : (n_a, T_x) array
        Encoder states.
    parameters : mapping
        W_s (size, n_s), W_e (size, n_a) and v (size, 1).

    Returns
    -------
    context : (n_a, T_y) array
        What each decoder step reads.
    cache : AdditiveCache
        For `additive_attention_backward`; its ``alpha`` is (T_y, T_x).
    """
    queries, keys = parameters["W_s"] @ s, parameters["W_e"] @ a
    hidden = np.tanh(queries[:, :, np.newaxis] + keys[:, np.newaxis, :])
    alpha = softmax(np.einsum("n,nts->st", parameters["v"][:, 0], hidden)).T
    return a @ alpha.T, AdditiveCache(s, a, alpha, hidden, parameters)


def additive_attention_backward(
    dcontext: Array, cache: AdditiveCache
) -> tuple[Array, Array, Gradients]:
    """Undo `additive_attention`.

    Returns
    -------
    ds, da : arrays
        Gradients of the decoder's and the encoder's states.
    grads : dict
        Gradients of W_s, W_e and v.
    """
    s, a, alpha, hidden, parameters = cache
    # context = a alpha^T
    da = dcontext @ alpha
    de = _scores_backward(dcontext.T @ a, alpha)
    # e = v^T hidden, hidden = tanh(queries + keys)
    dhidden = parameters["v"][:, :, np.newaxis] * de * (1.0 - hidden**2)
    dqueries, dkeys = dhidden.sum(axis=2), dhidden.sum(axis=1)
    # queries = W_s s, keys = W_e a
    grads = {
        "W_s": dqueries @ s.T,
        "W_e": dkeys @ a.T,
        "v": np.einsum("ts,nts->n", de, hidden)[:, np.newaxis],
    }
    return parameters["W_s"].T @ dqueries, da + parameters["W_e"].T @ dkeys, grads


def _scores_backward(dalpha: Array, alpha: Array) -> Array:
    """Return de where alpha is the softmax of e along its rows."""
    mean: Array = (dalpha * alpha).sum(axis=1, keepdims=True)
    return alpha * (dalpha - mean)
