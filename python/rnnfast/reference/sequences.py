"""Whole sequences in the layout of the notes: x is (n_x, m, T), a and c are (n_a, m, T).

The library's x is (T, m, n_x), that is ``x.transpose(2, 1, 0)``, and so are its outputs. The
network that the library computes, with layers, directions and lengths, is in `network`.
"""

from __future__ import annotations

import numpy as np

from .activations import Activation
from .arrays import Array, Parameters
from .gru import gru_step, simplified_gru_step
from .heads import head_step
from .lstm import Peephole, lstm_step
from .rnn import rnn_step


def rnn_forward(
    x: Array, a0: Array, parameters: Parameters, nonlinearity: Activation = "tanh"
) -> tuple[Array, Array]:
    """Run a plain recurrent network over a sequence, with a softmax over each step's output.

    Parameters
    ----------
    x : (n_x, m, T) array
        Inputs.
    a0 : (n_a, m) array
        State before the first step.
    parameters : mapping
        Those of `rnn_step`, and W_y, b_y of `head_step`.
    nonlinearity : {"tanh", "relu"}
        The activation of the state.

    Returns
    -------
    a : (n_a, m, T) array
        States.
    y : (n_y, m, T) array
        Outputs.
    """
    a = np.empty((*a0.shape, x.shape[2]))
    a_t = a0
    for t in range(x.shape[2]):
        a_t, _ = rnn_step(x[:, :, t], a_t, parameters, nonlinearity)
        a[:, :, t] = a_t
    return a, _outputs(a, parameters)


def gru_forward(x: Array, c0: Array, parameters: Parameters) -> tuple[Array, Array]:
    """Run a GRU over a sequence, with a softmax over each step's output.

    Parameters
    ----------
    x : (n_x, m, T) array
        Inputs.
    c0 : (n_c, m) array
        State before the first step.
    parameters : mapping
        Those of `gru_step`, or of `simplified_gru_step` if there is no W_r; and W_y, b_y of
        `head_step`.

    Returns
    -------
    c : (n_c, m, T) array
        States.
    y : (n_y, m, T) array
        Outputs.
    """
    c = np.empty((*c0.shape, x.shape[2]))
    c_t = c0
    for t in range(x.shape[2]):
        if "W_r" in parameters:
            c_t, _ = gru_step(x[:, :, t], c_t, parameters)
        else:
            c_t, _ = simplified_gru_step(x[:, :, t], c_t, parameters)
        c[:, :, t] = c_t
    return c, _outputs(c, parameters)


def lstm_forward(
    x: Array,
    a0: Array,
    parameters: Parameters,
    c0: Array | None = None,
    peephole: Peephole = False,
) -> tuple[Array, Array, Array]:
    """Run an LSTM over a sequence, with a softmax over each step's output.

    Parameters
    ----------
    x : (n_x, m, T) array
        Inputs.
    a0 : (n_a, m) array
        Output before the first step.
    parameters : mapping
        Those of `lstm_step`, and W_y, b_y of `head_step`.
    c0 : (n_c, m) array, optional
        Memory cell before the first step; zeros by default.
    peephole : {False, True, "previous"}
        As in `lstm_step`.

    Returns
    -------
    a : (n_a, m, T) array
        Outputs of the cells.
    y : (n_y, m, T) array
        Outputs of the head.
    c : (n_c, m, T) array
        Memory cells.
    """
    c_t = np.zeros((len(parameters["b_c"]), x.shape[1])) if c0 is None else c0
    a_t = a0
    a = np.empty((*a_t.shape, x.shape[2]))
    c = np.empty((*c_t.shape, x.shape[2]))
    for t in range(x.shape[2]):
        a_t, c_t, _ = lstm_step(x[:, :, t], a_t, c_t, parameters, peephole)
        a[:, :, t], c[:, :, t] = a_t, c_t
    return a, _outputs(a, parameters), c


def _outputs(a: Array, parameters: Parameters) -> Array:
    """y<t> = softmax(W_y a<t> + b_y) for every t."""
    y = np.empty((len(parameters["b_y"]), *a.shape[1:]))
    for t in range(a.shape[2]):
        y[:, :, t], _ = head_step(a[:, :, t], parameters, "softmax")
    return y
