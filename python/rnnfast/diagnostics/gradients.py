"""How far gradients reach back in time."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from rnnfast._checks.arrays import require_ndarray
from rnnfast.diagnostics._single_layers import (
    batch_shape,
    require_language_model,
    require_one_direction,
    run_alone,
    state_of,
)
from rnnfast.models.language_model import LanguageModel
from rnnfast.models.parts.language.token_output import token_loss
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.base import Recurrent, State


def gradient_norms(
    layer: Recurrent, x: Array, dy: Array | None = None, *, state: State = None
) -> Array:
    """Return how long the gradient of a loss by each layer's output at each step is.

    That is the norm of dL/dh<t>, every way from h<t> to the loss counted: through the steps after
    t and through the layers above. With a loss at the last step it shows how far back it reaches:
    in a plain network dh<T>/dh<t> is a product of T - t Jacobians, whose norm mostly falls (or
    grows) exponentially with T - t (Bengio, Simard and Frasconi 1994; Pascanu et al. 2013,
    section 2.1).

    Parameters
    ----------
    layer : RNN, GRU, LSTM or another recurrent layer
        Of one direction, any number of layers; its own gradients stay as they are.
    x : ndarray
        A batch, ``(T, B, I)`` or indices ``(T, B)``, time first whatever ``layer.batch_first`` is.
    dy : ndarray, optional
        The gradient of the loss by the last layer's outputs, ``(T, B, H)``; None: at the last step
        a vector of length 1 in the direction of (1, 1, ..., 1), elsewhere zero.
    state : ndarray or pair of ndarray, optional
        The initial state.

    Returns
    -------
    ndarray, shape (L, T)
        The Euclidean norm of dL/dh<t>, the mean over the batch.

    Raises
    ------
    TypeError
        If an array is none, or of another dtype.
    ValueError
        If the layer is bidirectional, or a shape does not fit.
    """
    require_one_direction(layer)
    if dy is not None:
        shape = (*batch_shape(x), layer.output_size)
        dy = require_ndarray("dy", dy)
        if dy.shape != shape:
            raise ValueError(f"dy: expected shape {shape}, got {dy.shape}")
    inputs, alone = run_alone(layer, x, state)
    if dy is None:
        dy = np.zeros_like(inputs[-1])
        dy[-1] = dy.shape[-1] ** -0.5
    norms = np.empty((layer.num_layers, len(dy)))
    for k in reversed(range(layer.num_layers)):
        norms[k], dy = _backwards(alone[k], inputs[k], dy, state_of(layer, state, k))
    return norms


def text_gradient_norms(lm: LanguageModel, text: str, condition: Any = None) -> Array:
    """Return how far back the loss of a text's last token reaches in a language model.

    Parameters
    ----------
    lm : LanguageModel
        A fitted one.
    text : str
        At least two tokens of it.
    condition : str or ndarray, optional
        As ``lm.log_prob`` takes it.

    Returns
    -------
    ndarray, shape (L, T)
        The norm of the gradient of ``-log P(y<T> | y<1> ... y<T-1>)`` by each layer's output at
        each step; see `gradient_norms`. Step t reads ``y<t-1>``, the first one nothing.

    Raises
    ------
    ValueError
        If the text is too short or wholly unknown, or the model is not fitted.
    TypeError
        If it is no str, or the model is another one.
    """
    require_language_model(lm)
    _, ids = lm._encode("text", text)
    if len(ids) < 2:
        raise ValueError(f"text: expected at least 2 tokens, got {len(ids)}")
    network = lm.network_
    before = np.concatenate([[network.start], ids[:-1]])[:, np.newaxis]
    x = network.encoder.inputs(before, lm._given(condition))
    y, _ = network.recurrent(x)
    # The gradients of its parameters go to a copy.
    _, dh = token_loss(copy.deepcopy(network.output), y[-1], ids[-1:])
    dy = np.zeros_like(y)
    dy[-1] = dh
    return gradient_norms(network.recurrent, x, dy)


def _backwards(layer: Recurrent, x: Array, dy: Array, state: State) -> tuple[Array, Any]:
    """Return the norms of dL/dh<t> of one layer, and the gradient of its input, step by step."""
    passes = []
    for t in range(len(x)):
        (_, state), backprop = layer.forward(x[t : t + 1], state)
        passes.append(backprop)
    norms, gradients = np.empty(len(x)), list[Array]()
    dstate: State = None
    for t in reversed(range(len(x))):
        dh = dstate[0] if isinstance(dstate, tuple) else dstate
        whole = dy[t] if dh is None else dy[t] + dh[0]
        norms[t] = np.linalg.norm(whole.astype(float), axis=-1).mean()
        dx, dstate = passes[t](dy[t : t + 1], dstate)
        if dx is not None:  # indices have none
            gradients.append(dx)
    return norms, np.concatenate(gradients[::-1]) if gradients else None
