"""The gated recurrent unit: simplified, full, and with the reset gate after the product.

As in the notes, features come first (``x<t>`` is (n_x, m), ``c<t>`` is (n_c, m), a column an
example), ``[c, x]`` puts c on top of x, and Gamma_u is the share of the *new* candidate. The
library follows PyTorch, whose z keeps the *old* state::

    z = 1 - Gamma_u = sigmoid(-(W_u [c<t-1>, x<t>] + b_u))

so that its blocks of z are W_u and b_u negated. In all three forms, with n_c = H:

====================  ===============================================================
here                  library, blocks r, z, n (simplified: z, n) of H rows each
====================  ===============================================================
W_r (n_c, n_c + n_x)  block r of ``[weight_hh, weight_ih]``
W_u (n_c, n_c + n_x)  block z of ``[weight_hh, weight_ih]``, negated
W_c (n_c, n_c + n_x)  block n of ``[weight_hh, weight_ih]``
b_r (n_c, 1)          block r of ``bias_ih + bias_hh``
b_u (n_c, 1)          block z of ``bias_ih + bias_hh``, negated
b_c (n_c, 1)          block n of ``bias_ih + bias_hh``; reset after: of ``bias_ih`` alone
b_cc (n_c, 1)         reset after only: block n of ``bias_hh``
====================  ===============================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .activations import d_sigmoid, d_tanh, sigmoid
from .arrays import Array, Gradients, Parameters
from .cell import Cell, Step, one_state, product_shapes
from .conversion import gru_parameters, state_dict_gradients
from .gates import gates_backward

if TYPE_CHECKING:
    from .spec import NetworkSpec


class SimplifiedGRUCache(NamedTuple):
    """What `simplified_gru_step` keeps for its backward step."""

    stacked: Array
    c_prev: Array
    candidate: Array
    gamma_u: Array
    parameters: Parameters


class GRUCache(NamedTuple):
    """What `gru_step` keeps for its backward step."""

    stacked: Array
    stacked_reset: Array
    c_prev: Array
    candidate: Array
    gamma_u: Array
    gamma_r: Array
    parameters: Parameters


class ResetAfterGRUCache(NamedTuple):
    """What `reset_after_gru_step` keeps for its backward step."""

    stacked: Array
    c_prev: Array
    recurrent: Array
    candidate: Array
    gamma_u: Array
    gamma_r: Array
    parameters: Parameters


def simplified_gru_step(
    x: Array, c_prev: Array, parameters: Parameters
) -> tuple[Array, SimplifiedGRUCache]:
    """One step of the simplified GRU, which has no reset gate (``reset_gate=False``).

    ::

        c~      = tanh(W_c [c<t-1>, x<t>] + b_c)
        Gamma_u = sigmoid(W_u [c<t-1>, x<t>] + b_u)
        c<t>    = Gamma_u * c~ + (1 - Gamma_u) * c<t-1>

    Parameters
    ----------
    x : (n_x, m) array
        Input of this step.
    c_prev : (n_c, m) array
        State before this step.
    parameters : mapping
        W_u, b_u, W_c, b_c; the head of this file maps them to the library's.

    Returns
    -------
    c : (n_c, m) array
        State after this step, which is the output too.
    cache : SimplifiedGRUCache
        For `simplified_gru_step_backward`.
    """
    W_u, W_c = parameters["W_u"], parameters["W_c"]
    b_u, b_c = parameters["b_u"], parameters["b_c"]
    stacked = np.concatenate([c_prev, x])
    candidate = np.tanh(W_c @ stacked + b_c)
    gamma_u = sigmoid(W_u @ stacked + b_u)
    c = gamma_u * candidate + (1.0 - gamma_u) * c_prev
    return c, SimplifiedGRUCache(stacked, c_prev, candidate, gamma_u, parameters)


def simplified_gru_step_backward(
    dc: Array, cache: SimplifiedGRUCache
) -> tuple[Array, Array, Gradients]:
    """Undo `simplified_gru_step`.

    Parameters
    ----------
    dc : (n_c, m) array
        Gradient of ``c<t>``, from the output and from the step after.
    cache : SimplifiedGRUCache
        From `simplified_gru_step`.

    Returns
    -------
    dx : (n_x, m) array
        Gradient of ``x<t>``.
    dc_prev : (n_c, m) array
        Gradient of ``c<t-1>``.
    grads : dict
        Gradients of W_u, b_u, W_c, b_c.
    """
    stacked, c_prev, candidate, gamma_u, parameters = cache
    # c = gamma_u * candidate + (1 - gamma_u) * c_prev
    dz_c = dc * gamma_u * d_tanh(candidate)
    dz_u = dc * (candidate - c_prev) * d_sigmoid(gamma_u)
    dstacked, grads = gates_backward({"u": dz_u, "c": dz_c}, stacked, parameters)
    n_c = len(c_prev)
    return dstacked[n_c:], dc * (1.0 - gamma_u) + dstacked[:n_c], grads


def gru_step(x: Array, c_prev: Array, parameters: Parameters) -> tuple[Array, GRUCache]:
    """One step of the full GRU, the reset gate before the product (``reset_after=False``).

    ::

        Gamma_u = sigmoid(W_u [c<t-1>, x<t>] + b_u)
        Gamma_r = sigmoid(W_r [c<t-1>, x<t>] + b_r)
        c~      = tanh(W_c [Gamma_r * c<t-1>, x<t>] + b_c)
        c<t>    = Gamma_u * c~ + (1 - Gamma_u) * c<t-1>

    Parameters
    ----------
    x : (n_x, m) array
        Input of this step.
    c_prev : (n_c, m) array
        State before this step.
    parameters : mapping
        W_u, b_u, W_r, b_r, W_c, b_c; the head of this file maps them to the library's.

    Returns
    -------
    c : (n_c, m) array
        State after this step, which is the output too.
    cache : GRUCache
        For `gru_step_backward`.
    """
    W_u, W_r, W_c = (parameters[name] for name in ("W_u", "W_r", "W_c"))
    b_u, b_r, b_c = (parameters[name] for name in ("b_u", "b_r", "b_c"))
    stacked = np.concatenate([c_prev, x])
    gamma_u = sigmoid(W_u @ stacked + b_u)
    gamma_r = sigmoid(W_r @ stacked + b_r)
    stacked_reset = np.concatenate([gamma_r * c_prev, x])
    candidate = np.tanh(W_c @ stacked_reset + b_c)
    c = gamma_u * candidate + (1.0 - gamma_u) * c_prev
    return c, GRUCache(stacked, stacked_reset, c_prev, candidate, gamma_u, gamma_r, parameters)


def gru_step_backward(dc: Array, cache: GRUCache) -> tuple[Array, Array, Gradients]:
    """Undo `gru_step`.

    Parameters
    ----------
    dc : (n_c, m) array
        Gradient of ``c<t>``, from the output and from the step after.
    cache : GRUCache
        From `gru_step`.

    Returns
    -------
    dx : (n_x, m) array
        Gradient of ``x<t>``.
    dc_prev : (n_c, m) array
        Gradient of ``c<t-1>``.
    grads : dict
        Gradients of W_u, b_u, W_r, b_r, W_c, b_c.
    """
    stacked, stacked_reset, c_prev, candidate, gamma_u, gamma_r, parameters = cache
    n_c = len(c_prev)
    # c = gamma_u * candidate + (1 - gamma_u) * c_prev
    dz_c = dc * gamma_u * d_tanh(candidate)
    dz_u = dc * (candidate - c_prev) * d_sigmoid(gamma_u)
    # candidate = tanh(W_c [gamma_r * c_prev, x] + b_c)
    dstacked_reset, grads_c = gates_backward({"c": dz_c}, stacked_reset, parameters)
    dreset, dx_candidate = dstacked_reset[:n_c], dstacked_reset[n_c:]
    dz_r = dreset * c_prev * d_sigmoid(gamma_r)
    dstacked, grads = gates_backward({"u": dz_u, "r": dz_r}, stacked, parameters)
    dx = dstacked[n_c:] + dx_candidate
    dc_prev = dc * (1.0 - gamma_u) + dreset * gamma_r + dstacked[:n_c]
    return dx, dc_prev, grads | grads_c


def reset_after_gru_step(
    x: Array, c_prev: Array, parameters: Parameters
) -> tuple[Array, ResetAfterGRUCache]:
    """One step of the GRU whose reset gate follows the product (``reset_after=True``).

    With W_c = [W_cc, W_cx], cut behind its first n_c columns::

        Gamma_u = sigmoid(W_u [c<t-1>, x<t>] + b_u)
        Gamma_r = sigmoid(W_r [c<t-1>, x<t>] + b_r)
        c~      = tanh(W_cx x<t> + b_c + Gamma_r * (W_cc c<t-1> + b_cc))
        c<t>    = Gamma_u * c~ + (1 - Gamma_u) * c<t-1>

    The notes do not have this form; PyTorch computes no other.

    Parameters
    ----------
    x : (n_x, m) array
        Input of this step.
    c_prev : (n_c, m) array
        State before this step.
    parameters : mapping
        W_u, b_u, W_r, b_r, W_c, b_c, b_cc; the head of this file maps them to the library's.

    Returns
    -------
    c : (n_c, m) array
        State after this step, which is the output too.
    cache : ResetAfterGRUCache
        For `reset_after_gru_step_backward`.
    """
    n_c = len(c_prev)
    W_u, W_r = parameters["W_u"], parameters["W_r"]
    W_cc, W_cx = parameters["W_c"][:, :n_c], parameters["W_c"][:, n_c:]
    b_u, b_r, b_c, b_cc = (parameters[name] for name in ("b_u", "b_r", "b_c", "b_cc"))
    stacked = np.concatenate([c_prev, x])
    gamma_u = sigmoid(W_u @ stacked + b_u)
    gamma_r = sigmoid(W_r @ stacked + b_r)
    recurrent = W_cc @ c_prev + b_cc
    candidate = np.tanh(W_cx @ x + b_c + gamma_r * recurrent)
    c = gamma_u * candidate + (1.0 - gamma_u) * c_prev
    cache = ResetAfterGRUCache(stacked, c_prev, recurrent, candidate, gamma_u, gamma_r, parameters)
    return c, cache


def reset_after_gru_step_backward(
    dc: Array, cache: ResetAfterGRUCache
) -> tuple[Array, Array, Gradients]:
    """Undo `reset_after_gru_step`.

    Parameters
    ----------
    dc : (n_c, m) array
        Gradient of ``c<t>``, from the output and from the step after.
    cache : ResetAfterGRUCache
        From `reset_after_gru_step`.

    Returns
    -------
    dx : (n_x, m) array
        Gradient of ``x<t>``.
    dc_prev : (n_c, m) array
        Gradient of ``c<t-1>``.
    grads : dict
        Gradients of W_u, b_u, W_r, b_r, W_c, b_c, b_cc.
    """
    stacked, c_prev, recurrent, candidate, gamma_u, gamma_r, parameters = cache
    n_c = len(c_prev)
    W_cc, W_cx = parameters["W_c"][:, :n_c], parameters["W_c"][:, n_c:]
    x = stacked[n_c:]
    # c = gamma_u * candidate + (1 - gamma_u) * c_prev
    dz_c = dc * gamma_u * d_tanh(candidate)
    dz_u = dc * (candidate - c_prev) * d_sigmoid(gamma_u)
    # candidate = tanh(W_cx x + b_c + gamma_r * recurrent), recurrent = W_cc c_prev + b_cc
    dz_r = dz_c * recurrent * d_sigmoid(gamma_r)
    drecurrent = dz_c * gamma_r
    dstacked, grads = gates_backward({"u": dz_u, "r": dz_r}, stacked, parameters)
    grads["W_c"] = np.concatenate([drecurrent @ c_prev.T, dz_c @ x.T], axis=1)
    grads["b_c"] = dz_c.sum(axis=1, keepdims=True)
    grads["b_cc"] = drecurrent.sum(axis=1, keepdims=True)
    dx = dstacked[n_c:] + W_cx.T @ dz_c
    dc_prev = dc * (1.0 - gamma_u) + W_cc.T @ drecurrent + dstacked[:n_c]
    return dx, dc_prev, grads


def _step(spec: NetworkSpec, x: Array, states: list[Array], cell: Parameters) -> Step:
    if not spec.reset_gate:
        return one_state(simplified_gru_step(x, states[0], cell), simplified_gru_step_backward)
    if spec.reset_after:
        return one_state(reset_after_gru_step(x, states[0], cell), reset_after_gru_step_backward)
    return one_state(gru_step(x, states[0], cell), gru_step_backward)


GRU = Cell(
    "gru",
    shapes=lambda spec, below: product_shapes(spec, below, 3 if spec.reset_gate else 2),
    parameters=lambda spec, weights, suffix: gru_parameters(
        weights, suffix, reset_after=spec.reset_after, reset_gate=spec.reset_gate
    ),
    step=_step,
    gradients=state_dict_gradients,
    options={"reset_after": True, "reset_gate": True},
)
