"""The independently recurrent cell (Li et al. 2018): a plain one whose units hear themselves alone.

Features come first, ``x<t>`` is (n_x, m), a column an example.

====================  ==================================================
here                  library
====================  ==================================================
W_h (n_h, n_x)        ``weight_ih``
b_h (n_h, 1)          ``bias_ih``
u (n_h, 1)            ``weight_hh``
====================  ==================================================
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .activations import Activation, activate, activate_backward
from .arrays import Array, Gradients, Parameters
from .cell import Cell, input_shapes, one_state
from .conversion import input_gradients, input_parameters
from .gates import gates_backward


class IndRNNCache(NamedTuple):
    """What `ind_rnn_step` keeps for `ind_rnn_step_backward`."""

    x: Array
    h_prev: Array
    h: Array
    parameters: Parameters
    nonlinearity: Activation


def ind_rnn_step(
    x: Array, h_prev: Array, parameters: Parameters, nonlinearity: Activation = "relu"
) -> tuple[Array, IndRNNCache]:
    """One step of the independently recurrent network.

    ::

        h<t> = g(W_h x<t> + u * h<t-1> + b_h)

    Parameters
    ----------
    x : (n_x, m) array
        Input of this step.
    h_prev : (n_h, m) array
        State before this step.
    parameters : mapping
        W_h, b_h, u.
    nonlinearity : {"relu", "tanh"}
        The activation g.

    Returns
    -------
    h : (n_h, m) array
        State after this step.
    cache : IndRNNCache
        For `ind_rnn_step_backward`.
    """
    W_h, b_h, u = (parameters[name] for name in ("W_h", "b_h", "u"))
    h = activate(nonlinearity, W_h @ x + u * h_prev + b_h)
    return h, IndRNNCache(x, h_prev, h, parameters, nonlinearity)


def ind_rnn_step_backward(dh: Array, cache: IndRNNCache) -> tuple[Array, Array, Gradients]:
    """Undo `ind_rnn_step`.

    Parameters
    ----------
    dh : (n_h, m) array
        Gradient of ``h<t>``, from the output and from the step after.
    cache : IndRNNCache
        From `ind_rnn_step`.

    Returns
    -------
    dx : (n_x, m) array
        Gradient of ``x<t>``.
    dh_prev : (n_h, m) array
        Gradient of ``h<t-1>``.
    grads : dict
        Gradients of W_h, b_h, u.
    """
    x, h_prev, h, parameters, nonlinearity = cache
    # h = g(z), z = W_h x + u * h_prev + b_h
    dz = activate_backward(nonlinearity, dh, h)
    dx, grads = gates_backward({"h": dz}, x, parameters)
    grads["u"] = (dz * h_prev).sum(axis=1, keepdims=True)
    return dx, parameters["u"] * dz, grads


IND_RNN = Cell(
    "ind_rnn",
    shapes=lambda spec, below: input_shapes(spec, below, 1) | {"weight_hh": (spec.hidden_size,)},
    parameters=lambda spec, weights, suffix: {
        **input_parameters(weights, "h", suffix),
        "u": weights[f"weight_hh_{suffix}"][:, np.newaxis],
    },
    step=lambda spec, x, states, cell: one_state(
        ind_rnn_step(x, states[0], cell, spec.nonlinearity), ind_rnn_step_backward
    ),
    gradients=lambda grads, suffix: {
        **input_gradients(grads, "h", suffix),
        f"weight_hh_{suffix}": grads["u"].ravel(),
    },
    options={"nonlinearity": "tanh"},
)
