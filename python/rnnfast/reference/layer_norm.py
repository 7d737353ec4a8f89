"""Layer-normalised LSTM and GRU with zoneout and dropout of the candidate: one step of each.

Here each row is an example, and parameters have the library's names and shapes, without a suffix:
``weight_ih`` (G*H, n_x), ``weight_hh`` (G*H, H), ``bias_ih``, ``bias_hh`` (G*H,), all three absent
or none; ``gain_ih``, ``gain_hh`` (G*H,) and for the LSTM ``gain_c``, ``bias_c`` (H,), without which
there is no normalisation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from .activations import d_sigmoid, d_tanh, sigmoid
from .arrays import Array, Gradients, Parameters
from .cell import Cell, Shapes, Step, product_shapes

if TYPE_CHECKING:
    from .spec import NetworkSpec

Mask: TypeAlias = Array | float
# From the gradients of the states after a step to those of x, the states before it, and parameters.
RowBackprop: TypeAlias = Callable[[list[Array]], tuple[Array, list[Array], Gradients]]

EPSILON = 1e-5


def layer_norm(v: Array) -> Array:
    """Return ``(v - mean) / sqrt(variance + 1e-5)``, both over the numbers of a row."""
    return _layer_norm(v)[0]


def _layer_norm(v: Array) -> tuple[Array, Callable[[Array], Array]]:
    largest = np.abs(v).max(axis=1, keepdims=True, initial=1.0)
    scaled = v / largest  # from here on no square overflows
    centred = scaled - scaled.mean(axis=1, keepdims=True)
    variance = (centred**2).mean(axis=1, keepdims=True)
    deviation = np.sqrt(variance + EPSILON / largest / largest)
    y = np.asarray(centred / np.where(deviation > 0, deviation, 1.0))

    def backprop(dy: Array) -> Array:
        along = (dy * y).mean(axis=1, keepdims=True)
        whole = np.where(deviation > 0, deviation * largest, np.sqrt(EPSILON))
        return np.asarray((dy - dy.mean(axis=1, keepdims=True) - y * along) / whole)

    return y, backprop


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
    h, c = _lstm_step(x, h_prev, c_prev, parameters, keep_h, keep_c, drop)[0]
    return h, c


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
    return _gru_step(x, h_prev, parameters, keep_h, drop)[0][0]


def _lstm_step(
    x: Array,
    h_prev: Array,
    c_prev: Array,
    parameters: Parameters,
    keep_h: Mask,
    keep_c: Mask,
    drop: Mask,
) -> tuple[list[Array], RowBackprop]:
    size = h_prev.shape[1]
    from_x, x_backprop = _affine(x, parameters, "ih", [(0, 4 * size)])
    from_h, h_backprop = _affine(h_prev, parameters, "hh", [(0, 4 * size)])
    sums = np.split(from_x + from_h, 4, axis=1)
    i, f, o = (sigmoid(sums[k]) for k in (0, 1, 3))
    g = np.tanh(sums[2])
    k = f * c_prev + i * drop * g
    normalised, norm_backprop = _layer_norm(k)
    seen = k
    if "gain_c" in parameters:
        seen = normalised * parameters["gain_c"] + parameters["bias_c"]
    s = np.tanh(seen)
    h = keep_h * h_prev + (1 - keep_h) * o * s
    c = keep_c * c_prev + (1 - keep_c) * k

    def backprop(dleft: list[Array]) -> tuple[Array, list[Array], Gradients]:
        dh, dc = dleft
        # h = keep_h h_prev + (1 - keep_h) o s, s = tanh(seen)
        do, dseen = (1 - keep_h) * dh * s, (1 - keep_h) * dh * o * d_tanh(s)
        grads: Gradients = {}
        dk = dseen
        if "gain_c" in parameters:
            grads["gain_c"] = (dseen * normalised).sum(axis=0)
            grads["bias_c"] = dseen.sum(axis=0)
            dk = norm_backprop(dseen * parameters["gain_c"])
        # c = keep_c c_prev + (1 - keep_c) k, k = f c_prev + i drop g
        dk = dk + (1 - keep_c) * dc
        dsums = [
            dk * drop * g * d_sigmoid(i),
            dk * c_prev * d_sigmoid(f),
            dk * i * drop * d_tanh(g),
            do * d_sigmoid(o),
        ]
        d = np.concatenate(dsums, axis=1)
        dx, x_grads = x_backprop(d)
        dh_prev, h_grads = h_backprop(d)
        before = [dh_prev + keep_h * dh, keep_c * dc + dk * f]
        return dx, before, grads | x_grads | h_grads

    return [np.asarray(h), np.asarray(c)], backprop


def _gru_step(
    x: Array, h_prev: Array, parameters: Parameters, keep_h: Mask, drop: Mask
) -> tuple[list[Array], RowBackprop]:
    size = h_prev.shape[1]
    parts = [(0, 2 * size), (2 * size, 3 * size)]
    from_x, x_backprop = _affine(x, parameters, "ih", parts)
    from_h, h_backprop = _affine(h_prev, parameters, "hh", parts)
    r, z = (sigmoid(g) for g in np.split((from_x + from_h)[:, : 2 * size], 2, axis=1))
    n = np.tanh(from_x[:, 2 * size :] + r * from_h[:, 2 * size :])
    h = (1 - z) * drop * n + z * h_prev

    def backprop(dleft: list[Array]) -> tuple[Array, list[Array], Gradients]:
        # h = keep_h h_prev + (1 - keep_h) ((1 - z) drop n + z h_prev)
        d = (1 - keep_h) * dleft[0]
        dn = d * (1 - z) * drop * d_tanh(n)
        dz = d * (h_prev - drop * n) * d_sigmoid(z)
        # n = tanh(from_x + r from_h)
        dr = dn * from_h[:, 2 * size :] * d_sigmoid(r)
        dx, x_grads = x_backprop(np.concatenate([dr, dz, dn], axis=1))
        dh_prev, h_grads = h_backprop(np.concatenate([dr, dz, dn * r], axis=1))
        return dx, [dh_prev + keep_h * dleft[0] + d * z], x_grads | h_grads

    return [np.asarray(keep_h * h_prev + (1 - keep_h) * h)], backprop


def _affine(
    given: Array, parameters: Parameters, kind: str, parts: list[tuple[int, int]]
) -> tuple[Array, Callable[[Array], tuple[Array, Gradients]]]:
    """Return a product normalised part by part, with gain and bias, and the way back."""
    weight = parameters[f"weight_{kind}"]
    y = product = given @ weight.T
    gain = parameters.get(f"gain_{kind}")
    if gain is not None:
        pairs = [_layer_norm(product[:, first:last]) for first, last in parts]
        y = np.concatenate([normalised for normalised, _ in pairs], axis=1)

    def backprop(d: Array) -> tuple[Array, Gradients]:
        grads: Gradients = {f"bias_{kind}": d.sum(axis=0)}
        if gain is not None:
            grads[f"gain_{kind}"] = (d * y).sum(axis=0)
            backs = zip(pairs, parts, strict=True)
            d = np.concatenate([b((d * gain)[:, i:j]) for (_, b), (i, j) in backs], axis=1)
        return d @ weight, grads | {f"weight_{kind}": d.T @ given}

    scaled = y if gain is None else y * gain
    return scaled + parameters.get(f"bias_{kind}", 0.0), backprop


def _shapes(spec: NetworkSpec, below: int, gates: int) -> Shapes:
    shapes, size = product_shapes(spec, below, gates), spec.hidden_size
    if spec.layer_norm:
        shapes |= {"gain_ih": (gates * size,), "gain_hh": (gates * size,)}
        if gates == 4:
            shapes |= {"gain_c": (size,), "bias_c": (size,)}
    return shapes


def _network_step(spec: NetworkSpec, x: Array, states: list[Array], cell: Parameters) -> Step:
    """One step as networks take it, where columns are examples; zoneout by its mean."""
    rows, keep = [values.T for values in states], spec.zoneout
    if len(rows) == 2:
        left, backprop = _lstm_step(x.T, rows[0], rows[1], cell, keep, keep, 1.0)
    else:
        left, backprop = _gru_step(x.T, rows[0], cell, keep, 1.0)

    def of_columns(dleft: list[Array]) -> tuple[Array, list[Array], Gradients]:
        dx, before, grads = backprop([d.T for d in dleft])
        return dx.T, [d.T for d in before], grads

    return [values.T for values in left], of_columns


def _own(spec: NetworkSpec, weights: Parameters, suffix: str) -> Parameters:
    end = f"_{suffix}"
    return {name.removesuffix(end): w for name, w in weights.items() if name.endswith(end)}


LAYER_NORM_LSTM, LAYER_NORM_GRU = (
    Cell(
        name,
        shapes=shapes,
        parameters=_own,
        step=_network_step,
        gradients=lambda grads, suffix: {f"{name}_{suffix}": g for name, g in grads.items()},
        options={"layer_norm": True, "zoneout": 0.0},
        memory=memory,
    )
    for name, shapes, memory in (
        ("layer_norm_lstm", lambda spec, below: _shapes(spec, below, 4), True),
        ("layer_norm_gru", lambda spec, below: _shapes(spec, below, 3), False),
    )
)
