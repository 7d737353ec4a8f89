"""The plain recurrent cell.

As in the notes, features come first: ``x<t>`` is (n_x, m) and ``a<t>`` is (n_a, m), one column
for each of the m examples. The library's arrays are the transposes.
"""

from __future__ import annotations

from typing import NamedTuple

from .activations import Activation, activate, activate_backward
from .arrays import Array, Gradients, Parameters
from .cell import Cell, one_state, product_shapes
from .conversion import rnn_parameters, state_dict_gradients


class RNNCache(NamedTuple):
    """What `rnn_step` keeps for `rnn_step_backward`."""

    x: Array
    a_prev: Array
    a: Array
    parameters: Parameters
    nonlinearity: Activation


def rnn_step(
    x: Array, a_prev: Array, parameters: Parameters, nonlinearity: Activation = "tanh"
) -> tuple[Array, RNNCache]:
    """One step of the plain recurrent network.

    ::

        a<t> = g(W_aa a<t-1> + W_ax x<t> + b_a)

    ====================  ========================================
    here                  library
    ====================  ========================================
    W_aa (n_a, n_a)       ``weight_hh``
    W_ax (n_a, n_x)       ``weight_ih``
    b_a (n_a, 1)          ``bias_ih + bias_hh``
    ====================  ========================================

    The output ``y<t> = g(W_ya a<t> + b_y)`` is `heads.head_step`.

    Parameters
    ----------
    x : (n_x, m) array
        Input of this step.
    a_prev : (n_a, m) array
        State before this step.
    parameters : mapping
        W_aa, W_ax, b_a.
    nonlinearity : {"tanh", "relu"}
        The activation g.

    Returns
    -------
    a : (n_a, m) array
        State after this step.
    cache : RNNCache
        For `rnn_step_backward`.
    """
    W_aa, W_ax, b_a = (parameters[name] for name in ("W_aa", "W_ax", "b_a"))
    a = activate(nonlinearity, W_aa @ a_prev + W_ax @ x + b_a)
    return a, RNNCache(x, a_prev, a, parameters, nonlinearity)


def rnn_step_backward(da: Array, cache: RNNCache) -> tuple[Array, Array, Gradients]:
    """Undo `rnn_step`.

    Parameters
    ----------
    da : (n_a, m) array
        Gradient of ``a<t>``, from the output and from the step after.
    cache : RNNCache
        From `rnn_step`.

    Returns
    -------
    dx : (n_x, m) array
        Gradient of ``x<t>``.
    da_prev : (n_a, m) array
        Gradient of ``a<t-1>``.
    grads : dict
        Gradients of W_aa, W_ax, b_a.
    """
    x, a_prev, a, parameters, nonlinearity = cache
    # a = g(z), z = W_aa a_prev + W_ax x + b_a
    dz = activate_backward(nonlinearity, da, a)
    grads = {"W_aa": dz @ a_prev.T, "W_ax": dz @ x.T, "b_a": dz.sum(axis=1, keepdims=True)}
    return parameters["W_ax"].T @ dz, parameters["W_aa"].T @ dz, grads


RNN = Cell(
    "rnn",
    shapes=lambda spec, below: product_shapes(spec, below, 1),
    parameters=lambda spec, weights, suffix: rnn_parameters(weights, suffix),
    step=lambda spec, x, states, cell: one_state(
        rnn_step(x, states[0], cell, spec.nonlinearity), rnn_step_backward
    ),
    gradients=state_dict_gradients,
    options={"nonlinearity": "tanh"},
)
