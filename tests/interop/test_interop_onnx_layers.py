"""Recurrent layers taken out of graphs."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from onnx_models import helper, model, onnx, recurrent, runtime

interop = pytest.importorskip("rnnfast.interop.onnx")


@pytest.mark.parametrize(
    ("kind", "attributes", "shown"),
    [
        ("RNN", {}, "RNN(4, 6)"),
        ("RNN", {"activations": ["Relu"]}, "RNN(4, 6, nonlinearity='relu')"),
        ("GRU", {}, "GRU(4, 6, reset_after=False)"),
        ("GRU", {"linear_before_reset": 1}, "GRU(4, 6)"),
        ("LSTM", {"bias": False}, "LSTM(4, 6, bias=False)"),
        ("LSTM", {"peepholes": True}, "LSTM(4, 6, peephole=True)"),
        ("LSTM", {"direction": "bidirectional"}, "LSTM(4, 6, bidirectional=True)"),
        ("LSTM", {"layout": 1}, "LSTM(4, 6, batch_first=True)"),
    ],
)
def test_a_node_is_a_layer(kind: str, attributes: Any, shown: str) -> None:
    made, inputs = recurrent(kind, **attributes)
    found = interop.layers(made)
    assert list(found) == ["recurrent"]
    layer = found["recurrent"]
    assert str(layer) == shown
    assert type(layer) is getattr(rf, kind)
    y, _ = layer(inputs["X"])
    expected = interop.run_model(made, inputs)[0]
    if not layer.batch_first:
        expected = expected.transpose(0, 2, 1, 3)
    assert np.array_equal(y, expected.reshape(y.shape))


def test_float64() -> None:
    made, inputs = recurrent("GRU", dtype=np.float64)
    assert interop.layers(made)["recurrent"](inputs["X"])[0].dtype == np.float64


def test_a_reverse_node_reads_from_the_end() -> None:
    made, inputs = recurrent("LSTM", direction="reverse")
    layer = interop.layers(made)["recurrent"]
    y, (h, c) = layer(np.ascontiguousarray(inputs["X"][::-1]))
    Y, Y_h, Y_c = runtime(made, inputs)
    for mine, expected in ((y[::-1], Y[:, 0]), (h, Y_h), (c, Y_c)):
        np.testing.assert_allclose(mine, expected, rtol=1e-5, atol=1e-6)


def test_layers_can_be_trained_further() -> None:
    made, inputs = recurrent("LSTM", T=6, direction="bidirectional")
    layer = interop.layers(made)["recurrent"]
    before = layer.state_dict()
    target = np.zeros((6, 3, 12), np.float32)
    optimizer = rf.Adam(layer.parameters(), lr=0.05)
    losses = []
    for _ in range(20):
        (y, _), backprop = layer.forward(inputs["X"])
        losses.append(float(np.square(y - target).sum()))
        layer.zero_grad()
        backprop(2 * (y - target))
        optimizer.step()
    assert losses[-1] < losses[0] / 2
    assert all(np.any(array != before[name]) for name, array in layer.state_dict().items())
    # The graph keeps its own weights.
    again = interop.layers(made)["recurrent"].state_dict()
    assert all(np.array_equal(again[name], array) for name, array in before.items())


def stack(names: list[str]) -> Any:
    """Two GRUs, the weights of the second of which are put together by the graph."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 2, 3)).astype(np.float32)
    shapes = {"W0": (1, 12, 3), "R0": (1, 12, 4), "Wa": (4, 12), "R1": (12, 4)}
    held = {n: rng.normal(size=size).astype(np.float32) for n, size in shapes.items()}
    held |= {"first": np.array([0]), "one": np.array([1])}
    nodes = [
        helper.make_node("GRU", ["x", "W0", "R0"], ["Y0"], name=names[0], hidden_size=4),
        helper.make_node("Squeeze", ["Y0", "one"], ["y0"]),
        helper.make_node("Transpose", ["Wa"], ["Wt"], perm=[1, 0]),
        helper.make_node("Unsqueeze", ["Wt", "first"], ["W1"]),
        helper.make_node("Unsqueeze", ["R1", "first"], ["Ru"]),
        helper.make_node("GRU", ["y0", "W1", "Ru"], ["Y1"], name=names[1], hidden_size=4),
    ]
    return model(nodes, {"x": x}, {"Y1": (np.float32, 4)}, held), x


@pytest.mark.parametrize(
    ("given", "expected"),
    [(["a", "b"], ["a", "b"]), (["", ""], ["Y0", "Y1"]), (["a", "a"], ["a", "Y1"])],
)
def test_names_and_weights_that_the_graph_computes(given: Any, expected: Any) -> None:
    found = interop.layers(stack(given)[0])
    made, x = stack(["a", "b"])  # ONNX Runtime wants names of their own
    assert list(found) == expected
    y, _ = found[expected[1]](found[expected[0]](x)[0])
    np.testing.assert_allclose(y, runtime(made, {"x": x})[0][:, 0], rtol=1e-5, atol=1e-6)


def test_names_that_cannot_be_told_apart() -> None:
    with pytest.raises(
        ValueError, match=r"^node 'Y1' \(GRU\): expected a name, or a first output, "
    ):
        interop.layers(stack(["Y1", ""])[0])


def test_a_node_within_another_ones_graph_is_named() -> None:
    made, _ = recurrent("LSTM", constant=False)
    inner = onnx.GraphProto(name="then", node=made.graph.node, output=made.graph.output)
    inner.node[0].name = "inside"
    del made.graph.node[:]
    branches = {"then_branch": inner, "else_branch": inner}
    outputs = [value.name for value in made.graph.output]
    made.graph.input.append(helper.make_tensor_value_info("flag", onnx.TensorProto.BOOL, []))
    made.graph.node.append(helper.make_node("If", ["flag"], outputs, name="if", **branches))
    message = (
        "node 'if' (If): expected recurrent nodes outside of its graphs, got 'inside' (LSTM) within"
    )
    with pytest.raises(NotImplementedError, match=f"^{re.escape(message)}$"):
        interop.layers(made)


def test_other_operators_are_not_looked_at() -> None:
    made, _ = recurrent("RNN")
    made.graph.node.append(helper.make_node("NonZero", ["Y"], ["places"], name="nz"))
    made.graph.output.append(helper.make_tensor_value_info("places", 7, [4, None]))
    assert str(interop.layers(made)["recurrent"]) == "RNN(4, 6)"


def test_a_graph_without_one() -> None:
    x = np.zeros(2, np.float32)
    made = model([helper.make_node("Tanh", ["x"], ["y"])], {"x": x}, {"y": (np.float32, 1)})
    assert interop.layers(made) == {}


@pytest.mark.parametrize(
    ("attributes", "error", "message"),
    [
        ({"clip": 1.5}, NotImplementedError, "there is no layer with clip 1.5"),
        ({"input_forget": 1}, NotImplementedError, "there is no layer with input_forget 1"),
        (
            {"activations": ["Relu", "Tanh", "Tanh"]},
            NotImplementedError,
            "there is no layer with activations Relu, Tanh, Tanh",
        ),
        (
            {"constant": False},
            ValueError,
            "expected weights that are finite and constants of the graph",
        ),
    ],
)
def test_what_is_no_layer_is_named(attributes: Any, error: Any, message: str) -> None:
    made, _ = recurrent("LSTM", **attributes)
    with pytest.raises(error, match=rf"^node 'recurrent' \(LSTM\): {message}$"):
        interop.layers(made)
