"""What this package exports, it reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from onnx_models import onnx

interop = pytest.importorskip("rnnfast.interop.onnx")

LAYERS: dict[str, Any] = {
    "rnn": lambda: rf.RNN(4, 6, nonlinearity="relu", seed=0),
    "gru": lambda: rf.GRU(4, 6, 2, bidirectional=True, seed=0),
    "gru before": lambda: rf.GRU(4, 6, reset_after=False, seed=0),
    "lstm": lambda: rf.LSTM(4, 6, 2, bidirectional=True, seed=0),
    "lstm peephole": lambda: rf.LSTM(4, 6, peephole=True, seed=0),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer(name: str, tmp_path: Path) -> None:
    layer = LAYERS[name]()
    x = np.random.default_rng(0).normal(size=(7, 3, 4)).astype(layer.dtype)
    lengths = np.array([7, 2, 4])
    made = interop.export(layer, tmp_path / "layer.onnx")
    expected, _ = layer(x, lengths=lengths)
    for run in (
        interop.prepare(made).run,
        lambda feeds: interop.Session(tmp_path / "layer.onnx").run(["y"], feeds),
    ):
        np.testing.assert_allclose(
            run({"x": x, "lengths": lengths})[0], expected, rtol=1e-5, atol=1e-6
        )
    y = x
    for found in interop.layers(made).values():
        y, _ = found(y, lengths=lengths)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def test_a_chain(tmp_path: Path) -> None:
    net = rf.chain(
        rf.Embedding(50, 16, seed=1), rf.Dropout(0.3), rf.LSTM(16, 24, seed=2), rf.Linear(24, 5)
    )
    interop.export(net, tmp_path / "net.onnx")
    tokens, lengths = np.array([[3, 7], [11, 2], [8, 0]]), np.array([3, 2])
    feeds = {"x": tokens, "lengths": lengths}
    expected = net(tokens, lengths)
    for _ in range(12):
        session = interop.Session(tmp_path / "net.onnx")
        np.testing.assert_allclose(session.run(["y"], feeds)[0], expected, rtol=1e-4, atol=1e-5)
    prepared = interop.prepare(onnx.load(tmp_path / "net.onnx"))
    np.testing.assert_allclose(prepared.run(feeds).y, expected, rtol=1e-4, atol=1e-5)
