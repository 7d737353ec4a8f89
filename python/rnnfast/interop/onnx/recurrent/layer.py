"""The layer that computes what a recurrent node does, where there is one."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from rnnfast.interop.onnx.recurrent.activations import Activation
from rnnfast.interop.onnx.recurrent.form import Form
from rnnfast.interop.onnx.recurrent.weights import Weights
from rnnfast.nn.recurrent.layers import GRU, LSTM, RNN

Layer: TypeAlias = RNN | GRU | LSTM

_TANH, _SIGMOID, _RELU = Activation("Tanh"), Activation("Sigmoid"), Activation("Relu")
_HAVE = {
    "RNN": ((_TANH,), (_RELU,)),
    "GRU": ((_SIGMOID, _TANH),),
    "LSTM": ((_SIGMOID, _TANH, _TANH),),
}


def why_no_layer(form: Form) -> str | None:
    """Return what keeps a node from being a layer, as a message has it; None: it is one.

    A reverse node is a layer that reads sequences from their ends.
    """
    first = form.activations[0]
    if first not in _HAVE[form.kind] or any(other != first for other in form.activations):
        names = [one.name for direction in form.activations for one in direction]
        return f"activations {', '.join(names)}"
    if form.clip is not None:
        return f"clip {form.clip:g}"
    if form.input_forget and form.kind == "LSTM":
        return "input_forget 1"
    return None


def make_layer(form: Form, weights: Weights) -> Layer:
    """Return the layer of a node whose form has one, with copies of its weights."""
    W, R = list(weights.W), list(weights.R)
    b = None if weights.B is None else [np.split(one, 2) for one in weights.B]
    both = form.directions == 2
    options: dict[str, Any] = {"bidirectional": both, "batch_first": form.batch_first, "seed": 0}
    if form.kind == "RNN":
        nonlinearity = "relu" if form.activations[0][0] == _RELU else "tanh"
        return RNN.from_weights(W, R, b, nonlinearity=nonlinearity, **options)
    if form.kind == "GRU":
        reset_after = form.linear_before_reset
        return GRU.from_weights(W, R, b, gates="zrn", reset_after=reset_after, **options)
    peepholes = None if weights.P is None else list(weights.P)
    return LSTM.from_weights(W, R, b, gates="iofc", peepholes=peepholes, **options)
