"""Summaries: numbers of parameters that were counted by hand, and how the table says them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rnnfast as rf
import zoo
from rnnfast.nn.module import Module

# In each direction: 4H x I and 4H x H weights, two biases of 4H.
OF_LSTM = 2 * ((16 * 3 + 16 * 4 + 32) + (16 * 8 + 16 * 4 + 32))


def rows(network: Module) -> list[tuple[str, str, str, int, int]]:
    layers = network.summary().layers
    return [(row.name, row.layer, row.output, row.numbers, row.bytes) for row in layers]


def test_a_layer() -> None:
    lstm = rf.LSTM(3, 4, 2, bidirectional=True, dtype="float64")
    call = "LSTM(3, 4, num_layers=2, bidirectional=True, dtype='float64')"
    assert rows(lstm) == [("", call, "(T, B, 8)", OF_LSTM, 8 * OF_LSTM)]
    (layer,) = lstm.summary().layers
    first = layer.parameters[0]
    assert (first.name, first.shape, first.numbers, first.bytes) == (
        "weight_ih_l0", (16, 3), 48, 384,
    )  # fmt: skip


def test_a_network() -> None:
    net = rf.chain(
        rf.Embedding(5, 3), rf.GRU(3, 4, batch_first=True), rf.Dropout(0.25), rf.Linear(4, 2)
    )
    of_gru = 12 * 3 + 12 * 4 + 24
    assert rows(net) == [
        ("", "Chain", "", 0, 0),
        ("0", "Embedding(5, 3)", "(..., 3)", 15, 60),
        ("1", "GRU(3, 4, batch_first=True)", "(B, T, 4)", of_gru, 4 * of_gru),
        ("2", "Dropout(p=0.25)", "", 0, 0),
        ("3", "Linear(4, 2)", "(..., 2)", 10, 40),
    ]
    summary = net.summary()
    assert (summary.num_parameters, summary.num_bytes) == (15 + of_gru + 10, 4 * (25 + of_gru))
    lines = str(summary).splitlines()
    assert lines[0] == summary.title == "Chain"
    assert lines[1].split() == ["layer", "output", "numbers", "memory"]
    assert lines[3].split() == ["0", "Embedding(5,", "3)", "(...,", "3)", "15", "60", "B"]
    assert lines[4].split() == ["weight", "(5,", "3)", "15", "60", "B"]
    assert lines[-1] == "parameters: 133 numbers, 532 B"
    assert repr(summary) == str(summary)


def test_the_output_is_that_of_a_call() -> None:
    x = np.zeros((7, 2, 3), np.float32)
    for layer in (rf.LSTM(3, 4, proj_size=2), rf.RNN(3, 5, bidirectional=True), rf.Linear(3, 6)):
        y: Any = layer(x)
        size = (y[0] if isinstance(y, tuple) else y).shape[-1]
        (row,) = layer.summary().layers
        assert row.output.endswith(f", {size})")


def test_what_is_shared_counts_once() -> None:
    table = rf.TiedEmbedding(5, 3)
    net = rf.chain(table, rf.RNN(3, 3), table.linear)
    assert net.summary().num_parameters == (15 + 5) + (9 + 9 + 6)
    one = rf.Linear(3, 3)
    assert rf.chain(one, one).summary().num_parameters == 12


def test_a_network_of_ones_own_with_names_that_cannot_be_seen() -> None:
    class Net(rf.Module):
        out_features = 9

        def __init__(self) -> None:
            self.parts = {"<b>\n\u202e\ud800": rf.Linear(2, 1)}

        def __repr__(self) -> str:
            raise RuntimeError

    summary = Net().summary()
    assert [row.output for row in summary.layers] == ["", "(..., 1)"]
    name = summary.layers[1].name
    assert name.isprintable() and "<b>" in name
    html = Net()._repr_html_()
    assert "<b>\\n" not in html and "&lt;b&gt;" in html
    html.encode()

    class Leaf(rf.Module):
        def __repr__(self) -> str:
            raise RuntimeError

    assert Leaf().summary().layers[0].layer == "a Leaf"


@pytest.mark.parametrize("kind", zoo.LAYERS)
def test_every_layer_has_one(kind: str) -> None:
    layer = zoo.LAYERS[kind]()
    summary = layer.summary()
    sizes = [parameter.data.size for parameter in layer.parameters().values()]
    assert summary.num_parameters == sum(sizes)
    assert summary.num_bytes == sum(sizes) * (layer.dtype.itemsize if sizes else 0)
    assert summary._repr_html_().count("<tr") == 1 + len(summary.layers) + len(sizes)
