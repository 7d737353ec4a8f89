"""The LSTM cell: update, forget and output gate, with peepholes and a projection where asked.

As in the notes, features come first (``x<t>`` is (n_x, m), ``c<t>`` is (n_c, m), a column an
example) and ``[a, x]`` puts a on top of x. Without a projection ``a<t>`` is (n_c, m) too, with one
it is (n_p, m). With n_c = H and n_p = P:

====================  =========================================================
here                  library, blocks i, f, g, o of H rows each
====================  =========================================================
W_u (n_c, n_a + n_x)  block i of ``[weight_hh, weight_ih]``
W_f (n_c, n_a + n_x)  block f of ``[weight_hh, weight_ih]``
W_c (n_c, n_a + n_x)  block g of ``[weight_hh, weight_ih]``
W_o (n_c, n_a + n_x)  block o of ``[weight_hh, weight_ih]``
b_u, ... (n_c, 1)     the same blocks of ``bias_ih + bias_hh``
p_u, p_f, p_o         blocks i, f, o of ``weight_peephole``, (n_c, 1) each
W_p (n_p, n_c)        ``weight_hr``
====================  =========================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from .activations import d_sigmoid, d_tanh, sigmoid
from .arrays import Array, Gradients, Parameters
from .cell import Cell, Shapes, Step, product_shapes
from .conversion import lstm_parameters, state_dict_gradients
from .gates import gates_backward

if TYPE_CHECKING:
    from .spec import NetworkSpec

Peephole: TypeAlias = Literal[False, True, "previous"]


class LSTMCache(NamedTuple):
    """What `lstm_step` keeps for `lstm_step_backward`."""

    stacked: Array
    c_prev: Array
    c: Array
    candidate: Array
    gamma_u: Array
    gamma_f: Array
    gamma_o: Array
    parameters: Parameters
    peephole: Peephole


def lstm_step(
    x: Array, a_prev: Array, c_prev: Array, parameters: Parameters, peephole: Peephole = False
) -> tuple[Array, Array, LSTMCache]:
    """One step of the LSTM.

    ::

        c~      = tanh(W_c [a<t-1>, x<t>] + b_c)
        Gamma_u = sigmoid(W_u [a<t-1>, x<t>] + b_u)
        Gamma_f = sigmoid(W_f [a<t-1>, x<t>] + b_f)
        Gamma_o = sigmoid(W_o [a<t-1>, x<t>] + b_o)
        c<t>    = Gamma_u * c~ + Gamma_f * c<t-1>
        a<t>    = Gamma_o * tanh(c<t>)

    A peephole adds ``p_u * c<t-1>`` and ``p_f * c<t-1>`` inside the update and the forget gate,
    and inside the output gate ``p_o * c<t-1>`` (``"previous"``, as in the notes) or
    ``p_o * c<t>`` (``True``, as in ONNX and oneDNN). A projection makes the last line
    ``a<t> = W_p (Gamma_o * tanh(c<t>))``.

    Parameters
    ----------
    x : (n_x, m) array
        Input of this step.
    a_prev : (n_a, m) array
        Output of the step before.
    c_prev : (n_c, m) array
        Memory cell before this step.
    parameters : mapping
        W_u, b_u, W_f, b_f, W_o, b_o, W_c, b_c; with a peephole p_u, p_f, p_o; W_p if there is a
        projection. The head of this file maps them to the library's.
    peephole : {False, True, "previous"}
        Which memory cell the gates see.

    Returns
    -------
    a : (n_a, m) array
        Output of this step.
    c : (n_c, m) array
        Memory cell after this step.
    cache : LSTMCache
        For `lstm_step_backward`.
    """
    W_u, W_f, W_o, W_c = (parameters[name] for name in ("W_u", "W_f", "W_o", "W_c"))
    b_u, b_f, b_o, b_c = (parameters[name] for name in ("b_u", "b_f", "b_o", "b_c"))
    p_u, p_f, p_o = _peephole_weights(parameters, peephole)
    stacked = np.concatenate([a_prev, x])
    candidate = np.tanh(W_c @ stacked + b_c)
    gamma_u = sigmoid(W_u @ stacked + p_u * c_prev + b_u)
    gamma_f = sigmoid(W_f @ stacked + p_f * c_prev + b_f)
    c = gamma_u * candidate + gamma_f * c_prev
    seen = c if peephole is True else c_prev
    gamma_o = sigmoid(W_o @ stacked + p_o * seen + b_o)
    a = gamma_o * np.tanh(c)
    if "W_p" in parameters:
        a = parameters["W_p"] @ a
    cache = LSTMCache(
        stacked, c_prev, c, candidate, gamma_u, gamma_f, gamma_o, parameters, peephole
    )
    return a, c, cache


def lstm_step_backward(
    da: Array, dc: Array, cache: LSTMCache
) -> tuple[Array, Array, Array, Gradients]:
    """Undo `lstm_step`.

    Parameters
    ----------
    da : (n_a, m) array
        Gradient of ``a<t>``, from the output and from the step after.
    dc : (n_c, m) array
        Gradient of ``c<t>`` from the step after.
    cache : LSTMCache
        From `lstm_step`.

    Returns
    -------
    dx : (n_x, m) array
        Gradient of ``x<t>``.
    da_prev : (n_a, m) array
        Gradient of ``a<t-1>``.
    dc_prev : (n_c, m) array
        Gradient of ``c<t-1>``.
    grads : dict
        Gradients of all parameters that `lstm_step` used.
    """
    stacked, c_prev, c, candidate, gamma_u, gamma_f, gamma_o, parameters, peephole = cache
    p_u, p_f, p_o = _peephole_weights(parameters, peephole)
    tanh_c = np.tanh(c)
    grads: Gradients = {}
    dm = da
    if "W_p" in parameters:
        # a = W_p m, m = gamma_o * tanh(c)
        grads["W_p"] = da @ (gamma_o * tanh_c).T
        dm = parameters["W_p"].T @ da
    # m = gamma_o * tanh(c)
    dz_o = dm * tanh_c * d_sigmoid(gamma_o)
    dc = dc + dm * gamma_o * d_tanh(tanh_c)
    if peephole is True:
        # gamma_o = sigmoid(... + p_o * c)
        dc = dc + p_o * dz_o
    # c = gamma_u * candidate + gamma_f * c_prev
    dz_c = dc * gamma_u * d_tanh(candidate)
    dz_u = dc * candidate * d_sigmoid(gamma_u)
    dz_f = dc * c_prev * d_sigmoid(gamma_f)
    # gamma_u = sigmoid(... + p_u * c_prev), gamma_f likewise, gamma_o if it saw c_prev
    dc_prev = dc * gamma_f + p_u * dz_u + p_f * dz_f
    if peephole == "previous":
        dc_prev = dc_prev + p_o * dz_o
    if peephole:
        seen = c if peephole is True else c_prev
        grads["p_u"] = (dz_u * c_prev).sum(axis=1, keepdims=True)
        grads["p_f"] = (dz_f * c_prev).sum(axis=1, keepdims=True)
        grads["p_o"] = (dz_o * seen).sum(axis=1, keepdims=True)
    dz = {"u": dz_u, "f": dz_f, "o": dz_o, "c": dz_c}
    dstacked, gate_grads = gates_backward(dz, stacked, parameters)
    n_a = len(da)
    return dstacked[n_a:], dstacked[:n_a], dc_prev, gate_grads | grads


def _peephole_weights(parameters: Parameters, peephole: Peephole) -> tuple[Array, Array, Array]:
    """p_u, p_f, p_o; without a peephole zeros, which add nothing."""
    if peephole is False:
        zero = np.zeros((1, 1))
        return zero, zero, zero
    if peephole is True or peephole == "previous":
        return parameters["p_u"], parameters["p_f"], parameters["p_o"]
    raise ValueError(f"peephole: expected False, True or 'previous', got {peephole!r}")


def _shapes(spec: NetworkSpec, below: int) -> Shapes:
    shapes = product_shapes(spec, below, 4)
    if spec.proj_size:
        shapes["weight_hr"] = (spec.proj_size, spec.hidden_size)
    if spec.peephole:
        shapes["weight_peephole"] = (3 * spec.hidden_size,)
    return shapes


def _step(spec: NetworkSpec, x: Array, states: list[Array], cell: Parameters) -> Step:
    a, c, cache = lstm_step(x, states[0], states[1], cell, spec.peephole)

    def backprop(dleft: list[Array]) -> tuple[Array, list[Array], Gradients]:
        dx, da_prev, dc_prev, grads = lstm_step_backward(dleft[0], dleft[1], cache)
        return dx, [da_prev, dc_prev], grads

    return [a, c], backprop


LSTM = Cell(
    "lstm",
    shapes=_shapes,
    parameters=lambda spec, weights, suffix: lstm_parameters(weights, suffix),
    step=_step,
    gradients=state_dict_gradients,
    options={"peephole": False, "proj_size": 0},
    memory=True,
)
