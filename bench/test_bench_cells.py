"""Every cell against the NumPy reference: ``pytest bench``; the answer is checked, then timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.reference import NetworkSpec, network_backward, network_forward, random_parameters

T, B, INPUT, H = 20, 8, 24, 32
CELLS: dict[str, tuple[Any, dict[str, Any]]] = {
    "rnn": (rf.RNN, {}),
    "rnn-relu": (rf.RNN, {"nonlinearity": "relu"}),
    "gru": (rf.GRU, {}),
    "gru-reset-before": (rf.GRU, {"reset_after": False}),
    "gru-simplified": (rf.GRU, {"reset_gate": False}),
    "lstm": (rf.LSTM, {}),
    "lstm-peephole": (rf.LSTM, {"peephole": True}),
    "lstm-peephole-previous": (rf.LSTM, {"peephole": "previous"}),
    "lstm-projection": (rf.LSTM, {"proj_size": 16}),
    "lstm-deep-bidirectional": (rf.LSTM, {"num_layers": 2, "bidirectional": True}),
    "min_gru": (rf.MinGRU, {}),
    "sru": (rf.SRU, {}),
    "qrnn": (rf.QRNN, {}),
    "min_lstm": (rf.MinLSTM, {}),
    "layer_norm_lstm": (rf.LayerNormLSTM, {}),
    "layer_norm_gru": (rf.LayerNormGRU, {}),
    "ind_rnn": (rf.IndRNN, {"nonlinearity": "tanh"}),
    "ind_rnn-relu": (rf.IndRNN, {"nonlinearity": "relu"}),
}
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


class Case:
    """A network in both implementations, with its data."""

    def __init__(self, cell: str, dtype: str) -> None:
        make, options = CELLS[cell]
        rng = np.random.default_rng(0)
        self.spec = NetworkSpec(cell.partition("-")[0], INPUT, H, **options)
        self.weights = random_parameters(self.spec, rng, dtype)
        self.layer = make(INPUT, H, dtype=dtype, **options)
        self.layer.load_state_dict(self.weights)
        self.x = rng.standard_normal((T, B, INPUT)).astype(dtype)
        width = self.spec.num_directions * self.spec.output_size
        self.dy = rng.standard_normal((T, B, width)).astype(dtype)

    def forward(self) -> dict[str, Any]:
        """By rnnfast."""
        return {"y": self.layer(self.x)[0]}

    def forward_reference(self) -> dict[str, Any]:
        """By the reference."""
        return {"y": network_forward(self.spec, self.weights, self.x)[0]}

    def train(self) -> dict[str, Any]:
        """Forward and backward by rnnfast."""
        self.layer.zero_grad()
        (y, _), backprop = self.layer.forward(self.x)
        dx, _ = backprop(self.dy)
        return {"y": y, "dx": dx, **self.layer.grads}

    def train_reference(self) -> dict[str, Any]:
        """Forward and backward by the reference."""
        y, _, cache = network_forward(self.spec, self.weights, self.x)
        dx, _, grads = network_backward(cache, self.dy)
        return {"y": y, "dx": dx, **grads}


@pytest.mark.parametrize("implementation", ["rnnfast", "reference"])
@pytest.mark.parametrize("direction", ["forward", "forward+backward"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", CELLS)
def test_cell(benchmark: Any, cell: str, dtype: str, direction: str, implementation: str) -> None:
    """Time one implementation, after both have given the same answer."""
    case = Case(cell, dtype)
    ways: dict[str, tuple[Callable[[], dict[str, Any]], Callable[[], dict[str, Any]]]] = {
        "forward": (case.forward, case.forward_reference),
        "forward+backward": (case.train, case.train_reference),
    }
    mine, reference = ways[direction]
    found, expected = mine(), reference()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        distance = np.linalg.norm((found[name] - value).ravel())
        assert distance <= TOLERANCE[dtype] * np.linalg.norm(value.ravel()), name
    benchmark.group = f"{cell} {dtype} {direction}"
    benchmark(mine if implementation == "rnnfast" else reference)
