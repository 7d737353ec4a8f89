"""The gates of one recurrent layer, formed again from its inputs and outputs."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from rnnfast.nn.module import Array
from rnnfast.nn.recurrent import GRU, LSTM, RNN
from rnnfast.nn.recurrent_base import Recurrent, State
from rnnfast.nn.stepwise import LayerNormGRU, LayerNormLSTM

Gates: TypeAlias = dict[str, Array]


def gates_of(layer: Recurrent, x: Array, y: Array, state: State) -> Gates:
    """Return the gates and states of a single layer by name, each ``(T, B, H)``.

    Its outputs are known, so that the products for all steps are formed at once; only the cell of
    an LSTM goes step by step.

    Parameters
    ----------
    layer : Recurrent
        Of one layer and direction.
    x : ndarray
        Its input, ``(T, B, I)`` or indices ``(T, B)``.
    y : ndarray
        Its output for that, ``(T, B, H)``.
    state : ndarray or pair of ndarray, optional
        The initial state that it had.
    """
    if isinstance(layer, (LayerNormGRU, LayerNormLSTM)):
        return layer.gates(x, state)
    p = {name: value.data for name, value in layer.parameters().items()}
    h0, c0 = state if isinstance(state, tuple) else (state, None)
    before = np.zeros_like(y)
    before[1:] = y[:-1]
    if h0 is not None:
        before[0] = h0[0]
    weight = p["weight_ih_l0"]
    from_x = weight.T[x] if x.dtype.kind in "iu" else x @ weight.T
    from_x = from_x + p.get("bias_ih_l0", 0)
    if isinstance(layer, RNN):
        return {"h": y}
    bias = p.get("bias_hh_l0", np.zeros(len(weight), y.dtype))
    if isinstance(layer, GRU):
        return _gru(layer, from_x, p["weight_hh_l0"], bias, before) | {"h": y}
    assert isinstance(layer, LSTM)
    first = np.zeros((*y.shape[1:-1], layer.hidden_size), y.dtype) if c0 is None else c0[0]
    return _lstm(layer, from_x + (before @ p["weight_hh_l0"].T + bias), p, first) | {"h": y}


def _gru(layer: GRU, from_x: Array, weight: Array, bias: Array, before: Array) -> Gates:
    size = layer.hidden_size
    gated = len(weight) - size  # rows of the gates, the candidate's are below
    gates = _sigmoid(from_x[..., :gated] + (before @ weight[:gated].T + bias[:gated]))
    r = gates[..., :size] if layer.reset_gate else None
    if r is not None and not layer.reset_after:
        from_h = (r * before) @ weight[gated:].T + bias[gated:]
    else:
        from_h = before @ weight[gated:].T + bias[gated:]
        if r is not None:
            from_h = r * from_h
    n = np.tanh(from_x[..., gated:] + from_h)
    result = {"z": gates[..., -size:], "n": n}
    return result if r is None else {"r": r, **result}


def _lstm(layer: LSTM, sums: Array, p: dict[str, Array], c0: Array) -> Gates:
    size = layer.hidden_size
    parts = {name: sums[..., k * size : (k + 1) * size].copy() for k, name in enumerate("ifgo")}
    peepholes: Any = np.zeros(3 * size, sums.dtype)
    if layer.peephole:
        peepholes = p["weight_peephole_l0"]
    p_i, p_f, p_o = np.split(peepholes, 3)
    parts["g"] = np.tanh(parts["g"])
    c = np.empty_like(parts["g"])
    previous = c0
    for t in range(len(c)):
        parts["i"][t] = _sigmoid(parts["i"][t] + p_i * previous)
        parts["f"][t] = _sigmoid(parts["f"][t] + p_f * previous)
        c[t] = parts["f"][t] * previous + parts["i"][t] * parts["g"][t]
        seen = previous if layer.peephole == "previous" else c[t]
        parts["o"][t] = _sigmoid(parts["o"][t] + p_o * seen)
        previous = c[t]
    return {**parts, "c": c}


def _sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), which for x of any size overflows nowhere."""
    e = np.exp(-np.abs(x))
    result: Array = np.where(x >= 0, 1, e) / (1 + e)
    return result
