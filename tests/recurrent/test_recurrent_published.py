"""The layers give the published numbers of the course, and its networks in its own notation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import rnnfast as rf
import rnnfast.reference as ref
from layer_cases import LAYERS
from notes_parameters import N_A, N_P, N_X, M, gru_random, head_random, lstm_random, rnn_random
from test_reference import published_lstm

Array = npt.NDArray[np.float64]


def softmax_head(h: Any, parameters: dict[str, Array]) -> Any:
    """y<t> of every step, (T, m, n_y), from h (T, m, n_a)."""
    z = h @ parameters["W_y"].T + parameters["b_y"].ravel()
    e = np.exp(z - z.max(axis=2, keepdims=True))
    return e / e.sum(axis=2, keepdims=True)


def test_lstm(level: str) -> None:
    x, a0, parameters = published_lstm()
    layer = rf.LSTM(3, 5, dtype="float64")
    layer.load_state_dict(ref.lstm_state_dict(parameters))
    x = x.transpose(2, 1, 0)
    state = (a0.T[np.newaxis].copy(), np.zeros((1, 10, 5)))
    h, _ = layer(x, state)
    y = softmax_head(h, parameters)
    assert h[6, 3, 4] == pytest.approx(0.172117767533, abs=1e-12)
    assert y[3, 4, 1] == pytest.approx(0.95087346185, abs=1e-11)
    # The memory cell after step 1 is the final one of a sequence of two steps.
    _, (_, c) = layer(x[:2], state)
    assert c[0, 2, 1] == pytest.approx(-0.855544916718, abs=1e-12)


def test_rnn(level: str) -> None:
    random = np.random.RandomState(1)
    x, a0 = random.randn(3, 10, 4), random.randn(5, 10)
    shapes = {"W_aa": (5, 5), "W_ax": (5, 3), "W_y": (2, 5), "b_a": (5, 1), "b_y": (2, 1)}
    parameters = {name: random.randn(*shape) for name, shape in shapes.items()}
    layer = rf.RNN(3, 5, dtype="float64")
    layer.load_state_dict(ref.rnn_state_dict(parameters))
    h, _ = layer(x.transpose(2, 1, 0), a0.T[np.newaxis].copy())
    expected_a = [-0.99999375, 0.77911235, -0.99861469, -0.99833267]
    expected_y = [0.79560373, 0.86224861, 0.11118257, 0.81515947]
    np.testing.assert_allclose(h[:, 1, 4], expected_a, rtol=0, atol=5e-9)
    np.testing.assert_allclose(softmax_head(h, parameters)[:, 3, 1], expected_y, rtol=0, atol=5e-9)


NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "rnn tanh": ("rnn", {}),
    "rnn relu": ("rnn", {"nonlinearity": "relu"}),
    "simplified": ("gru", {"reset_gate": False}),
    "reset before": ("gru", {"reset_after": False}),
    "lstm": ("lstm", {"proj_size": N_P}),
    "peephole": ("lstm", {"proj_size": N_P, "peephole": True}),
    "peephole previous": ("lstm", {"proj_size": N_P, "peephole": "previous"}),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_the_notes(level: str, name: str) -> None:
    cell, options = NETWORKS[name]
    rng = np.random.default_rng(50)
    n_out = options.get("proj_size", N_A)
    x, a0, c0 = (rng.normal(size=s) for s in ((N_X, M, 7), (n_out, M), (N_A, M)))
    state: Any = a0.T[np.newaxis].copy()
    head = head_random(rng, n_out)
    if cell == "rnn":
        parameters = rnn_random(rng) | head
        a, _ = ref.rnn_forward(x, a0, parameters, options.get("nonlinearity", "tanh"))
        weights = ref.rnn_state_dict(parameters)
    elif cell == "gru":
        parameters = gru_random(rng, name) | head
        a, _ = ref.gru_forward(x, a0, parameters)
        weights = ref.gru_state_dict(parameters)
    else:
        peephole = options.get("peephole", False)
        parameters = lstm_random(rng, bool(peephole), projection=True) | head
        a, _, _ = ref.lstm_forward(x, a0, parameters, c0, peephole)
        weights = ref.lstm_state_dict(parameters)
        state = (state, c0.T[np.newaxis].copy())
    layer = LAYERS[cell](N_X, N_A, dtype="float64", **options)
    layer.load_state_dict(weights)
    h, _ = layer(x.transpose(2, 1, 0), state)
    np.testing.assert_allclose(h.transpose(2, 1, 0), a, rtol=1e-12, atol=1e-14)
