"""Layers that are not recurrent, and networks of layers, in ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

import rnnfast as rf
from onnx_runs import OPSETS, Run, assert_same
from rnnfast.interop.onnx import export
from zoo import LAYERS

LENGTHS = [7, 1, 4]


def numbers(width, steps=7, batch=3, dtype=np.float32, batch_first=False):
    shape = (batch, steps, width) if batch_first else (steps, batch, width)
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


def ids(size, steps=7, batch=3, batch_first=False):
    shape = (batch, steps) if batch_first else (steps, batch)
    return np.random.default_rng(0).integers(size, size=shape)


def compare(module, x, path, opset=22, lengths=LENGTHS):
    run = Run(module, path, opset=opset)
    takes_lengths = "lengths" in run.optional
    given = {"lengths": np.array(lengths)} if takes_lengths and lengths is not None else {}
    got = run(x=x, **given)["y"]
    expected = module(x, **given)
    expected = expected[0] if isinstance(expected, tuple) else expected
    if takes_lengths and got.ndim == 3 and lengths is not None:  # what is past has no meaning
        by_batch = bool(getattr(module, "batch_first", False))
        inside = np.arange(got.shape[by_batch])[:, np.newaxis] < np.array(lengths)
        inside = inside.T if by_batch else inside
        got, expected = got[inside], expected[inside]
    assert_same(got, expected)
    return run


PARTS = {
    "linear": (lambda: rf.Linear(3, 5, seed=1), 3),
    "linear without bias": (lambda: rf.Linear(3, 5, bias=False, dtype="float64", seed=1), 3),
    "tanh": (lambda: rf.Activation("tanh"), 3),
    "relu": (lambda: rf.Activation("relu"), 3),
    "sigmoid": (lambda: rf.Activation("sigmoid"), 3),
    "dropout": (lambda: rf.Dropout(0.5), 3),
    "variational dropout": (lambda: rf.VariationalDropout(0.5), 3),
    "last": (lambda: rf.Pooling("last"), 3),
    "last of both": (lambda: rf.Pooling("last", num_directions=2), 4),
    "mean": (lambda: rf.Pooling("mean"), 3),
    "max": (lambda: rf.Pooling("max"), 3),
    "concat": (lambda: rf.Pooling("concat", num_directions=2), 4),
    "self attention": (lambda: rf.SelfAttention(rf.DotAttention(3, 3, seed=1)), 3),
    "self attention plain": (
        lambda: rf.SelfAttention(rf.DotAttention(3, 3, general=False, dtype="float64")),
        3,
    ),
    "additive self attention": (
        lambda: rf.SelfAttention(rf.AdditiveAttention(3, 3, 5, seed=1)),
        3,
    ),
    "attention pooling": (
        lambda: rf.AttentionPooling(rf.AdditiveAttention(4, 3, 5, seed=1), seed=2),
        3,
    ),
    "attention pooling float64": (
        lambda: rf.AttentionPooling(rf.DotAttention(4, 3, dtype="float64", seed=1), seed=2),
        3,
    ),
}


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("name", PARTS)
def test_parts(name, opset, tmp_path):
    make, width = PARTS[name]
    module = make()
    dtype = next((np.dtype(buffer.dtype) for buffer in module.buffers()), np.float32)
    compare(module, numbers(width, dtype=dtype), tmp_path / "a.onnx", opset)


@pytest.mark.parametrize("name", ["last", "mean", "max", "concat", "attention pooling"])
def test_poolings_without_lengths_and_of_sequences_without_steps(name, tmp_path):
    make, width = PARTS[name]
    compare(make(), numbers(width), tmp_path / "a.onnx", lengths=None)
    compare(make(), numbers(width), tmp_path / "a.onnx", lengths=[0, 7, 0])


def test_pooling_batch_first(tmp_path):
    x = numbers(4, batch_first=True)
    compare(rf.Pooling("concat", num_directions=2, batch_first=True), x, tmp_path / "a.onnx")


@pytest.mark.parametrize("name", ["Embedding", "Embedding sparse", "TiedEmbedding"])
def test_embeddings(name, tmp_path):
    run = compare(LAYERS[name](), ids(6), tmp_path / "a.onnx")
    for wrong in (-1, 6):
        with pytest.raises(Exception, match="indices element out of data bounds"):
            run(x=np.array([[0, wrong]]))


def test_the_output_layer_of_a_tied_embedding(tmp_path):
    compare(rf.TiedEmbedding(6, 4, out_features=3, seed=1).linear, numbers(4), tmp_path / "a.onnx")


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("name", ["DotAttention", "DotAttention plain", "AdditiveAttention"])
def test_attention_alone(name, opset, tmp_path):
    attention = LAYERS[name]()
    run = Run(attention, tmp_path / "a.onnx", opset=opset)
    query, memory = numbers(3, steps=2), numbers(3, steps=7)
    for lengths in (None, [0, 7, 1]):
        context, weights = attention(query, memory, lengths)
        given = {} if lengths is None else {"lengths": np.array(lengths)}
        got = run(query=query, memory=memory, **given)
        assert_same(got["context"], context)
        assert_same(got["weights"], weights)


def networks(**options):
    return {
        "tagger": rf.chain(
            rf.Embedding(9, 4, seed=1),
            rf.Dropout(0.5),
            rf.LSTM(4, 5, bidirectional=True, seed=2, **options),
            rf.Linear(10, 3, seed=3),
        ),
        "classifier": rf.chain(
            rf.Embedding(9, 4, seed=1),
            rf.bidirectional(rf.GRU(4, 5, 2, seed=2, **options)),
            rf.concatenate(
                rf.Pooling("last", num_directions=2, **options), rf.Pooling("mean", **options)
            ),
            rf.Linear(20, 3, seed=3),
            rf.Activation("sigmoid"),
        ),
        "indices or one-hot vectors": rf.chain(
            rf.concatenate(rf.Embedding(9, 4, seed=1), rf.GRU(9, 4, seed=2, **options)),
            rf.residual(rf.chain(rf.RNN(8, 8, seed=3, **options), rf.Dropout(0.5))),
        ),
    }


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("name", networks())
def test_networks(name, batch_first, opset, tmp_path):
    net = networks(batch_first=batch_first)[name]
    x = ids(9, batch_first=batch_first)
    compare(net, x, tmp_path / "a.onnx", opset)
    compare(net, x, tmp_path / "a.onnx", opset, lengths=None)
    compare(net, x, tmp_path / "a.onnx", opset, lengths=[0, 7, 1])


@pytest.mark.parametrize("merge", ["concat", "sum", "mean", "product"])
def test_both_directions_merged(merge, tmp_path):
    net = rf.bidirectional(rf.LayerNormLSTM(3, 4, seed=1), merge=merge)
    compare(net, numbers(3), tmp_path / "a.onnx")


def test_states_of_a_network_have_its_places(tmp_path):
    net = rf.chain(rf.LSTM(3, 4, seed=1), rf.bidirectional(rf.GRU(4, 5, 2, seed=2)))
    run = Run(net, tmp_path / "a.onnx")
    places = ["0.h", "0.c", "1.forward_layer.h", "1.reverse_layer.h"]
    assert run.optional == ["0.h0", "0.c0", "lengths", "1.forward_layer.h0", "1.reverse_layer.h0"]
    assert run.outputs == ["y", *(f"{place}_n" for place in places)]
    rng, x = np.random.default_rng(0), numbers(3)
    h, c = (rng.normal(size=(1, 3, 4)).astype("f4") for _ in range(2))
    first, second = (rng.normal(size=(2, 3, 5)).astype("f4") for _ in range(2))
    states = {"0": (h, c), "1.forward_layer": first, "1.reverse_layer": second}
    y, final = net(x, LENGTHS, state=states, return_state=True)
    arrays = {"0.h0": h, "0.c0": c, "1.forward_layer.h0": first, "1.reverse_layer.h0": second}
    got = run(x=x, lengths=np.array(LENGTHS), **arrays)
    assert_same(got["y"], y)
    expected = [*final["0"], final["1.forward_layer"], final["1.reverse_layer"]]
    for place, one in zip(places, expected, strict=True):
        assert_same(got[f"{place}_n"], one)


def test_a_table_that_is_tied(tmp_path):
    table = rf.TiedEmbedding(6, 4, seed=1)
    compare(rf.chain(table, rf.GRU(4, 4, seed=2), table.linear), ids(6), tmp_path / "a.onnx")


def test_a_part_in_two_places(tmp_path):
    layer = rf.GRU(4, 4, seed=1)
    compare(rf.chain(layer, rf.Activation("relu"), layer), numbers(4), tmp_path / "a.onnx")


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("name", LAYERS)
def test_every_kind_of_layer_is_exported_or_refused_by_name(name, opset, tmp_path):
    layer = LAYERS[name]()
    kind = type(layer).__name__
    if kind in ("AdaptiveSoftmax", "CRF", "EmbeddingDropout", "MLSTM", "SLSTM", "Window"):
        with pytest.raises((TypeError, ValueError), match=f"^module: expected .*got {kind}"):
            export(layer, tmp_path / "a.onnx", opset=opset)
        assert not (tmp_path / "a.onnx").exists()
    else:
        Run(layer, tmp_path / "a.onnx", opset=opset)
