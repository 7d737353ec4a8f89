"""The minimal GRU (Feng et al. 2024, section 3.1), whose gate does not see the state.

Features come first, ``x<t>`` is (n_x, m), a column an example. This is the form of the paper's
equations, which its algorithms of sequential mode compute step by step; its form in logarithms
exists for a parallel scan, and makes the candidate positive, which is another function.

====================  ==================================================
here                  library, blocks z, n of H rows each
====================  ==================================================
W_z, W_h (n_h, n_x)   blocks z and n of ``weight_ih``
b_z, b_h (n_h, 1)     blocks z and n of ``bias_ih``
====================  ==================================================
"""

from __future__ import annotations

from typing import NamedTuple

from .activations import d_sigmoid, sigmoid
from .arrays import Array, Gradients, Parameters
from .cell import Cell, input_shapes, one_state
from .conversion import input_gradients, input_parameters
from .gates import gates_backward


class MinGRUCache(NamedTuple):
    """What `min_gru_step` keeps for `min_gru_step_backward`."""

    x: Array
    h_prev: Array
    z: Array
    candidate: Array
    parameters: Parameters


def min_gru_step(x: Array, h_prev: Array, parameters: Parameters) -> tuple[Array, MinGRUCache]:
    """One step of the minimal GRU.

    ::

        z<t>  = sigmoid(W_z x<t> + b_z)
        h~<t> = W_h x<t> + b_h
        h<t>  = (1 - z<t>) * h<t-1> + z<t> * h~<t>

    z is the share of what is *new*, as Gamma_u is in the notes; z of the library's GRU is the
    share of the old.

    Parameters
    ----------
    x : (n_x, m) array
        Input of this step.
    h_prev : (n_h, m) array
        State before this step.
    parameters : mapping
        W_z, b_z, W_h, b_h.

    Returns
    -------
    h : (n_h, m) array
        State after this step.
    cache : MinGRUCache
        For `min_gru_step_backward`.
    """
    z = sigmoid(parameters["W_z"] @ x + parameters["b_z"])
    candidate = parameters["W_h"] @ x + parameters["b_h"]
    h = (1 - z) * h_prev + z * candidate
    return h, MinGRUCache(x, h_prev, z, candidate, parameters)


def min_gru_step_backward(dh: Array, cache: MinGRUCache) -> tuple[Array, Array, Gradients]:
    """Undo `min_gru_step`.

    Parameters
    ----------
    dh : (n_h, m) array
        Gradient of ``h<t>``, from the output and from the step after.
    cache : MinGRUCache
        From `min_gru_step`.

    Returns
    -------
    dx : (n_x, m) array
        Gradient of ``x<t>``.
    dh_prev : (n_h, m) array
        Gradient of ``h<t-1>``.
    grads : dict
        Gradients of W_z, b_z, W_h, b_h.
    """
    x, h_prev, z, candidate, parameters = cache
    # h = (1 - z) * h_prev + z * candidate
    dz = {"z": dh * (candidate - h_prev) * d_sigmoid(z), "h": dh * z}
    dx, grads = gates_backward(dz, x, parameters)
    return dx, dh * (1 - z), grads


MIN_GRU = Cell(
    "min_gru",
    shapes=lambda spec, below: input_shapes(spec, below, 2),
    parameters=lambda spec, weights, suffix: input_parameters(weights, "zh", suffix),
    step=lambda spec, x, states, cell: one_state(
        min_gru_step(x, states[0], cell), min_gru_step_backward
    ),
    gradients=lambda grads, suffix: input_gradients(grads, "zh", suffix),
)
