"""Models as PyTorch's exporter writes them: a convolutional front end, recurrent layers, a head."""

from __future__ import annotations

import importlib
import io
import warnings
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from onnx_models import onnx

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
interop = pytest.importorskip("rnnfast.interop.onnx")
session_module = pytest.importorskip("rnnfast.interop.onnx.session")
nn = torch.nn


class Recognizer(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 12)
        self.conv = nn.Conv1d(12, 16, 3, padding=1)
        self.norm = nn.BatchNorm1d(16)
        self.pool = nn.MaxPool1d(2)
        self.recurrent = getattr(nn, kind)(
            16, 24, 2, batch_first=True, bidirectional=True, dropout=0.2
        )
        self.layer_norm = nn.LayerNorm(48)
        self.head = nn.Linear(48, 7)

    def forward(self, x: Any) -> Any:
        x = self.embed(x).transpose(1, 2)
        x = self.pool(torch.relu(self.norm(self.conv(x)))).transpose(1, 2)
        y, _ = self.recurrent(x)
        return torch.log_softmax(self.head(self.layer_norm(y)), -1), y[:, -1].mean(1)


@pytest.fixture(scope="module", params=["RNN", "GRU", "LSTM"])
def exported(request: pytest.FixtureRequest) -> Any:
    """The model, and what the exporter wrote, for any batch and number of steps."""
    torch.manual_seed(0)
    module, buffer = Recognizer(request.param).eval(), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this way of exporting needs nothing else, and is old
        torch.onnx.export(
            module,
            (torch.randint(50, (3, 20)),),
            buffer,
            dynamo=False,
            input_names=["x"],
            dynamic_axes={"x": {0: "B", 1: "T"}},
            opset_version=17,
        )
    return module, buffer.getvalue()


def assert_same(module: Any, run: Any) -> None:
    for B, T in ((2, 14), (1, 2), (5, 31)):
        x = torch.randint(50, (B, T))
        with torch.no_grad():
            expected = [t.numpy() for t in module(x)]
        for one, other in zip(run({"x": x.numpy()}), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5, strict=True)


@pytest.mark.parametrize("choice", ["fastest", "kernels", "runtime"])
def test_a_session(exported: Any, choice: str) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    module, data = exported
    session = interop.Session(data, choice=choice)
    assert_same(module, lambda feeds: session.run(None, feeds))
    nodes = [node.name for part in session.parts for node in part.nodes]
    assert len(nodes) == len(set(nodes))
    here = choice != "runtime"
    assert [part.own for part in session.parts] == [False, here, False, here, False]


def test_a_session_without_onnx_runtime(exported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "import_runtime", lambda: None)
    module, data = exported
    session = interop.Session(data)
    assert_same(module, lambda feeds: session.run(None, feeds))


def test_a_backend(exported: Any) -> None:
    module, data = exported
    assert_same(module, interop.prepare(onnx.load_model_from_string(data)).run)


def test_its_layers(exported: Any) -> None:
    module, data = exported
    first, second = interop.layers(data).values()
    assert type(first) is getattr(rf, type(module.recurrent).__name__)
    x = torch.randn(9, 4, 16)
    with torch.no_grad():
        expected = module.recurrent(x.transpose(0, 1))[0].transpose(0, 1).numpy()
    np.testing.assert_allclose(second(first(x.numpy())[0])[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_an_accelerated_layer_by_itself_is_exported(kind: str) -> None:
    """The exporter hands on the defaults of all arguments by their places."""
    layer, buffer = getattr(nn, kind)(3, 4).eval(), io.BytesIO()
    importlib.import_module("rnnfast.interop.torch").accelerate(layer)
    x = torch.randn(5, 2, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(layer, (x,), buffer, dynamo=False, input_names=["x"])
    y = interop.prepare(onnx.load_from_string(buffer.getvalue())).run([x.numpy()])[0]
    np.testing.assert_allclose(y, layer(x)[0].detach().numpy(), atol=1e-6)
