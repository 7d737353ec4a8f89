"""Layer-normalised LSTM and GRU with zoneout and dropout of the candidate: one step of each.

Here each row is an example, and parameters have the library's names and shapes, without a suffix:
``weight_ih`` (G*H, n_x), ``weight_hh`` (G*H, H), ``bias_ih``, ``bias_hh`` (G*H,), all three absent
or none; ``gain_ih``, ``gain_hh`` (G*H,) and for the LSTM ``gain_c``, ``bias_c`` (H,), without which
there is no normalisation.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from .activations import sigmoid
from .arrays import Array, Parameters

Mask: TypeAlias = Array | float

EPSILON = 1e-5


def layer_norm(v: Array) -> Array:
    """Return ``(v - mean) / sqrt(variance + 1e-5)``, both over the numbers of a row."""
    largest = np.abs(v).max(axis=1, keepdims=True, initial=1.0)
    scaled = v / largest  # from here on no square overflows
    centred = scaled - scaled.mean(axis=1, keepdims=True)
    variance = (centred**2).mean(axis=1, keepdims=True)
    deviation = np.sqrt(variance + EPSILON / largest / largest)
    return np.asarray(centred / np.where(deviation > 0, deviation, 1.0))


def layer_norm_lstm_step(
    x: Array,
    h_prev: Array,
    c_prev: Array,
    parameters: Parameters,
    *,
    keep_h: Mask = 0.0,
    keep_c: Mask = 0.0,
    drop: Mask = 1.0,
) -> tuple[Array, Array]:
    """One step of the layer-normalised LSTM.

    ::

        [i, f, g, o] = LN(W_ih x<t>) gain_ih + b_ih + LN(W_hh h<t-1>) gain_hh + b_hh
        k    = sigmoid(f) c<t-1> + sigmoid(i) drop tanh(g)
        c<t> = keep_c c<t-1> + (1 - keep_c) k
        h<t> = keep_h h<t-1> + (1 - keep_h) sigmoid(o) tanh(LN(k) gain_c + b_c)

    Parameters
    ----------
    x : (m, n_x) array
        Input of this step.
    h_prev, c_prev : (m, H) array
        States before it.
    parameters : mapping
        The head of this file names them.
    keep_h, keep_c, drop : (m, H) array or float
        Masks of zoneout, 0 or 1 or their mean, and of dropout of the candidate.

    Returns
    -------
    h, c : (m, H) array
        States after this step.
    """
    size = h_prev.shape[1]
    sums = _affine(x @ parameters["weight_ih"].T, parameters, "ih", [(0, 4 * size)])
    sums = sums + _affine(h_prev @ parameters["weight_hh"].T, parameters, "hh", [(0, 4 * size)])
    i, f, g, o = np.split(sums, 4, axis=1)
    k = sigmoid(f) * c_prev + sigmoid(i) * drop * np.tanh(g)
    seen = k
    if "gain_c" in parameters:
        seen = layer_norm(k) * parameters["gain_c"] + parameters["bias_c"]
    h = keep_h * h_prev + (1 - keep_h) * sigmoid(o) * np.tanh(seen)
    return h, keep_c * c_prev + (1 - keep_c) * k


def layer_norm_gru_step(
    x: Array, h_prev: Array, parameters: Parameters, *, keep_h: Mask = 0.0, drop: Mask = 1.0
) -> Array:
    """One step of the layer-normalised GRU.

    ::

        [r, z] = LN(W_ih x<t>) gain_ih + b_ih + LN(W_hh h<t-1>) gain_hh + b_hh    rows of r and z
        n    = tanh(LN(W_in x<t>) gain_in + b_in + sigmoid(r) (LN(W_hn h<t-1>) gain_hn + b_hn))
        h<t> = keep_h h<t-1> + (1 - keep_h) ((1 - sigmoid(z)) drop n + sigmoid(z) h<t-1>)

    Parameters
    ----------
    x : (m, n_x) array
        Input of this step.
    h_prev : (m, H) array
        State before it.
    parameters : mapping
        The head of this file names them.
    keep_h, drop : (m, H) array or float
        Masks of zoneout, 0 or 1 or their mean, and of dropout of the candidate.

    Returns
    -------
    h : (m, H) array
        State after this step.
    """
    size = h_prev.shape[1]
    parts = [(0, 2 * size), (2 * size, 3 * size)]
    from_x = _affine(x @ parameters["weight_ih"].T, parameters, "ih", parts)
    from_h = _affine(h_prev @ parameters["weight_hh"].T, parameters, "hh", parts)
    r, z = (sigmoid(g) for g in np.split((from_x + from_h)[:, : 2 * size], 2, axis=1))
    n = np.tanh(from_x[:, 2 * size :] + r * from_h[:, 2 * size :])
    h = (1 - z) * drop * n + z * h_prev
    return np.asarray(keep_h * h_prev + (1 - keep_h) * h)


def _affine(
    product: Array, parameters: Parameters, kind: str, parts: list[tuple[int, int]]
) -> Array:
    """Return a product normalised part by part, with gain and bias."""
    if f"gain_{kind}" in parameters:
        normalised = [layer_norm(product[:, first:last]) for first, last in parts]
        product = np.concatenate(normalised, axis=1) * parameters[f"gain_{kind}"]
    return product + parameters.get(f"bias_{kind}", 0.0)
