"""What computes a recurrent node of which there is no layer, on the kernels' general cells."""

from __future__ import annotations

import math
from typing import Any

from rnnfast.interop.onnx.recurrent.form import Form
from rnnfast.interop.onnx.recurrent.weights import Weights
from rnnfast.nn._copies import compiled
from rnnfast.nn.module import Array, Module
from rnnfast.nn.recurrent.from_weights import read_layout, read_lists, read_weights
from rnnfast.nn.recurrent.networks import Functions, whole_network
from rnnfast.nn.recurrent.spec import RecurrentSpec

# Letters of the blocks, as ONNX has them.
_BLOCKS = {"RNN": None, "GRU": "zrn", "LSTM": "iofc"}


class GeneralNetwork(Module):
    """A node with any activations, clip and coupled gates: for inference, called as a layer is.

    Parameters
    ----------
    form : Form
        What the node says.
    weights : Weights
        Finite numbers, of which it keeps copies.
    """

    def __init__(self, form: Form, weights: Weights) -> None:
        both = form.directions == 2
        self._spec = RecurrentSpec(
            _cell_name(form, weights), weights.inputs, weights.hidden, 1, weights.B is not None,
            form.batch_first, both,
        )  # fmt: skip
        self._functions = _functions(form)
        super().__init__(self._spec.shapes(), weights.W.dtype.name)
        layout = read_layout(self._spec.cell.gates, _BLOCKS[form.kind], transposed=False)
        b = None if weights.B is None else [one.reshape(2, -1) for one in weights.B]
        peepholes = None if weights.P is None else list(weights.P)
        given = read_lists(list(weights.W), list(weights.R), b, None, peepholes, form.directions)
        arrays = read_weights(given, layout, form.directions, None).arrays
        for (_, suffix), own in zip(self._spec.suffixes(), arrays, strict=True):
            for kind, array in own.items():
                self._parameters[f"{kind}_{suffix}"].assign(array)

    @property
    def hidden_size(self) -> int:
        """H."""
        return self._spec.hidden_size

    @compiled
    def native(self) -> Any:
        """What runs the passes."""
        return whole_network(self._spec, self.buffer, self._parameters, self._functions)

    def __call__(self, x: Array, state: Any, lengths: Array | None) -> tuple[Array, Any]:
        """Return y and the final state, as a layer does, of arrays that are checked.

        Raises
        ------
        ValueError
            If a number is NaN or infinite.
        """
        h0, c0 = self._spec.split_state(state)
        y, h_n, c_n, _ = self.native.forward(
            x, h0, c0, lengths, None, self._spec.batch_first, False, 0.0, 0, False
        )
        return y, self._spec.pack_state(h_n, c_n)


def _cell_name(form: Form, weights: Weights) -> str:
    if form.kind == "RNN":
        return "rnn_general"
    if form.kind == "GRU":
        return "gru_general" if form.linear_before_reset else "gru_general_before"
    return "lstm_general" if weights.P is None else "lstm_general_peephole"


def _functions(form: Form) -> list[Functions]:
    """Return what the cell makes gates of, in each direction."""
    clip = math.inf if form.clip is None else form.clip
    coupled = form.input_forget and form.kind == "LSTM"
    return [
        ([(one.name, one.alpha, one.beta) for one in direction], clip, coupled)
        for direction in form.activations
    ]
