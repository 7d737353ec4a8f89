"""The repr of a layer is the call that makes one like it."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.nn.crf import Constraints
from rnnfast.nn.dropout_masks import EmbeddingDropout, VariationalDropout, WeightDrop
from rnnfast.nn.module import Module
from rnnfast.nn.recurrent.base import LAYERS

NAMES = {
    "array": np.array,
    "Constraints": Constraints,
    "EmbeddingDropout": EmbeddingDropout,
    "VariationalDropout": VariationalDropout,
    "WeightDrop": WeightDrop,
    **{name: getattr(rf, name) for name in dir(rf)},
}
# A layer with options, and the repr that tells them.
CASES: list[tuple[Any, str]] = [
    *((kind(3, 4), f"{type(kind(3, 4)).__name__}(3, 4)") for kind in LAYERS.values()),
    (rf.RNN(3, 4), "RNN(3, 4)"),
    (rf.RNN(3, 4, 2, nonlinearity="relu"), "RNN(3, 4, num_layers=2, nonlinearity='relu')"),
    (rf.GRU(3, 4, reset_after=False), "GRU(3, 4, reset_after=False)"),
    (rf.GRU(3, 4, reset_gate=False, bias=False), "GRU(3, 4, bias=False, reset_gate=False)"),
    (
        rf.LSTM(3, 4, dtype="float64", proj_size=2, peephole="previous", batch_first=True),
        "LSTM(3, 4, batch_first=True, dtype='float64', proj_size=2, peephole='previous')",
    ),
    (rf.LSTM(3, 4, peephole=True, seed=3), "LSTM(3, 4, peephole=True)"),
    (
        rf.LSTM(3, 4, 2, dropout=0.5, variational=True, bidirectional=True),
        "LSTM(3, 4, num_layers=2, dropout=0.5, variational=True, bidirectional=True)",
    ),
    (
        rf.LayerNormLSTM(3, 4, zoneout=(0.1, 0.2), layer_norm=False),
        "LayerNormLSTM(3, 4, layer_norm=False, zoneout=(0.1, 0.2))",
    ),
    (rf.LayerNormGRU(3, 4, recurrent_dropout=0.3), "LayerNormGRU(3, 4, recurrent_dropout=0.3)"),
    (rf.Linear(3, 4), "Linear(3, 4)"),
    (rf.Linear(3, 4, False, dtype="float64"), "Linear(3, 4, bias=False, dtype='float64')"),
    (rf.Embedding(5, 3, padding_idx=0), "Embedding(5, 3, padding_idx=0)"),
    (rf.Embedding(5, 3, sparse=True), "Embedding(5, 3, sparse=True)"),
    (rf.TiedEmbedding(5, 3, out_features=4), "TiedEmbedding(5, 3, out_features=4)"),
    (rf.TiedEmbedding(5, 3).linear, "Linear(3, 5)"),
    (rf.CRF(3), "CRF(3)"),
    (rf.AdaptiveSoftmax(8, 9, [2, 5]), "AdaptiveSoftmax(8, 9, (2, 5))"),
    (rf.DotAttention(3, 4), "DotAttention(3, 4)"),
    (rf.DotAttention(3, 3, general=False), "DotAttention(3, 3, general=False)"),
    (rf.AdditiveAttention(3, 4, 5), "AdditiveAttention(3, 4, 5)"),
    (rf.Dropout(0.25), "Dropout(p=0.25)"),
    (VariationalDropout(0.25, time_axis=1), "VariationalDropout(p=0.25, time_axis=1)"),
    (EmbeddingDropout(0.25), "EmbeddingDropout(p=0.25)"),
    (WeightDrop(rf.GRU(3, 4), 0.25), "WeightDrop(GRU(3, 4), p=0.25)"),
    (rf.Activation("relu"), "Activation('relu')"),
    (rf.SRU(3, 4, highway_bias=-1.0), "SRU(3, 4, highway_bias=-1.0)"),
    (rf.QRNN(3, 4, pooling="f"), "QRNN(3, 4, pooling='f')"),
    (rf.QRNN(3, 4, width=2), "QRNN(3, 4, width=2)"),
    (rf.MLSTM(3, 4, num_heads=2), "MLSTM(3, 4, num_heads=2)"),
    (rf.SLSTM(3, 4, forget_gate="exponential"), "SLSTM(3, 4, forget_gate='exponential')"),
    (rf.Window(3, batch_first=True), "Window(size=3, batch_first=True)"),
    (rf.Pooling("max", batch_first=True), "Pooling(how='max', batch_first=True)"),
    (rf.SelfAttention(rf.DotAttention(3, 3)), "SelfAttention(DotAttention(3, 3))"),
    (
        rf.AttentionPooling(rf.AdditiveAttention(2, 3, 5, dtype="float64")),
        "AttentionPooling(AdditiveAttention(2, 3, 5, dtype='float64'))",
    ),
]


@pytest.mark.parametrize(("layer", "expected"), CASES, ids=[text for _, text in CASES])
def test_repr(layer: Any, expected: str) -> None:
    assert repr(layer) == expected
    again = eval(expected, NAMES)
    assert repr(again) == expected
    if layer.parameters():
        shapes = {name: array.shape for name, array in layer.state_dict().items()}
        assert {name: array.shape for name, array in again.state_dict().items()} == shapes
        assert again.dtype == layer.dtype


def test_constraints() -> None:
    crf = rf.CRF(3, constraints=Constraints.bio(["O", "B-x", "I-x"]))
    again = eval(repr(crf), NAMES)
    for name in ("start", "transitions", "end"):
        np.testing.assert_array_equal(
            getattr(again.constraints, name), getattr(crf.constraints, name)
        )


def layer_types(kind: type[Any] = Module) -> list[type[Any]]:
    found = [] if kind is Module else [kind]
    return found + [one for sub in kind.__subclasses__() for one in layer_types(sub)]


KINDS = {type(layer).__name__: type(layer) for layer, _ in CASES}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_option_is_told(kind: type[Any]) -> None:
    """What a constructor takes is an attribute: none can be left out of the repr unseen."""
    layer = next(layer for layer, _ in CASES if type(layer) is kind)
    if kind.__name__.startswith("_"):  # no user makes one
        return
    for name in inspect.signature(kind).parameters:
        assert name == "seed" or hasattr(layer, name)


def test_all_public_layers_are_among_these() -> None:
    public = {kind for kind in layer_types() if kind.__name__ in rf.__all__}
    assert public <= {type(layer) for layer, _ in CASES}


class Renamed(rf.Linear):
    """Takes what it likes, and has attributes of the same names."""

    def __init__(self, out_features: int, *args: Any, extra: int = 3, **options: Any) -> None:
        super().__init__(2, out_features)
        self.args, self.options = args, options


def test_what_a_constructor_takes_in_numbers_is_left_out() -> None:
    assert repr(Renamed(4, 5, 6, more=7)) == "Renamed(4)"
