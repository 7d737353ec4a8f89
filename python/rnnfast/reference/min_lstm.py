"""The minimal LSTM (Feng et al. 2024, section 3.2), whose gates do not see the state.

Features come first, ``x<t>`` is (n_x, m), a column an example. This is the form of the paper's
equations, which its algorithms of sequential mode compute step by step; its form in logarithms
exists for a parallel scan, and makes the candidate positive, which is another function.

========================  ==================================================
here                      library, blocks f, i, g of H rows each
========================  ==================================================
W_f, W_i, W_h (n_h, n_x)  blocks f, i and g of ``weight_ih``
b_f, b_i, b_h (n_h, 1)    blocks f, i and g of ``bias_ih``
========================  ==================================================
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .activations import sigmoid
from .arrays import Array, Gradients, Parameters
from .cell import Cell, input_shapes, one_state
from .conversion import input_gradients, input_parameters
from .gates import gates_backward


class MinLSTMCache(NamedTuple):
    """What `min_lstm_step` keeps for `min_lstm_step_backward`."""

    x: Array
    h_prev: Array
    keep: Array
    take: Array
    candidate: Array
    closed_f: Array
    closed_i: Array
    parameters: Parameters


def min_lstm_step(x: Array, h_prev: Array, parameters: Parameters) -> tuple[Array, MinLSTMCache]:
    """One step of the minimal LSTM.

    ::

        f<t>  = sigmoid(W_f x<t> + b_f)
        i<t>  = sigmoid(W_i x<t> + b_i)
        h~<t> = W_h x<t> + b_h
        f'<t> = f<t> / (f<t> + i<t>)
        i'<t> = i<t> / (f<t> + i<t>)
        h<t>  = f'<t> * h<t-1> + i'<t> * h~<t>

    ``f'`` is formed as sigmoid(log f - log i), so that both gates may be closed as far as they
    like.

    Parameters
    ----------
    x : (n_x, m) array
        Input of this step.
    h_prev : (n_h, m) array
        State before this step.
    parameters : mapping
        W_f, b_f, W_i, b_i, W_h, b_h.

    Returns
    -------
    h : (n_h, m) array
        State after this step.
    cache : MinLSTMCache
        For `min_lstm_step_backward`.
    """
    z_f, z_i, candidate = (parameters[f"W_{g}"] @ x + parameters[f"b_{g}"] for g in "fih")
    log_ratio = np.logaddexp(0.0, -z_i) - np.logaddexp(0.0, -z_f)  # log f - log i
    keep, take = sigmoid(log_ratio), sigmoid(-log_ratio)
    h = keep * h_prev + take * candidate
    closed = sigmoid(-z_f), sigmoid(-z_i)
    return h, MinLSTMCache(x, h_prev, keep, take, candidate, *closed, parameters)


def min_lstm_step_backward(dh: Array, cache: MinLSTMCache) -> tuple[Array, Array, Gradients]:
    """Undo `min_lstm_step`.

    Parameters
    ----------
    dh : (n_h, m) array
        Gradient of ``h<t>``, from the output and from the step after.
    cache : MinLSTMCache
        From `min_lstm_step`.

    Returns
    -------
    dx : (n_x, m) array
        Gradient of ``x<t>``.
    dh_prev : (n_h, m) array
        Gradient of ``h<t-1>``.
    grads : dict
        Gradients of W_f, b_f, W_i, b_i, W_h, b_h.
    """
    x, h_prev, keep, take, candidate, closed_f, closed_i, parameters = cache
    # h = keep * h_prev + take * candidate, keep = sigmoid(log f - log i), take = 1 - keep
    dratio = dh * (h_prev - candidate) * keep * take
    # log f = log sigmoid(z_f), and log i likewise
    dz = {"f": dratio * closed_f, "i": -dratio * closed_i, "h": dh * take}
    dx, grads = gates_backward(dz, x, parameters)
    return dx, dh * keep, grads


MIN_LSTM = Cell(
    "min_lstm",
    shapes=lambda spec, below: input_shapes(spec, below, 3),
    parameters=lambda spec, weights, suffix: input_parameters(weights, "fih", suffix),
    step=lambda spec, x, states, cell: one_state(
        min_lstm_step(x, states[0], cell), min_lstm_step_backward
    ),
    gradients=lambda grads, suffix: input_gradients(grads, "fih", suffix),
)
