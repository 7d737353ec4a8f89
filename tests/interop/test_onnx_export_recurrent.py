"""Recurrent layers in ONNX Runtime give the numbers that they give here."""

from __future__ import annotations

import numpy as np
import pytest

import rnnfast as rf
from onnx_runs import OPSETS, Run, assert_same
from rnnfast.interop.onnx import Session

KINDS = {
    "rnn": lambda **o: rf.RNN(**o),
    "rnn relu": lambda **o: rf.RNN(nonlinearity="relu", **o),
    "gru": lambda **o: rf.GRU(**o),
    "gru reset before": lambda **o: rf.GRU(reset_after=False, **o),
    "gru simple": lambda **o: rf.GRU(reset_gate=False, **o),
    "lstm": lambda **o: rf.LSTM(**o),
    "lstm peephole": lambda **o: rf.LSTM(peephole=True, **o),
    "lstm previous": lambda **o: rf.LSTM(peephole="previous", **o),
    "ind rnn": lambda **o: rf.IndRNN(**o),
    "ind rnn tanh": lambda **o: rf.IndRNN(nonlinearity="tanh", **o),
    "min gru": lambda **o: rf.MinGRU(**o),
    "min lstm": lambda **o: rf.MinLSTM(**o),
    "sru": lambda **o: rf.SRU(highway_bias=-1.0, **o),
    "qrnn": lambda **o: rf.QRNN(**o),
    "qrnn f": lambda **o: rf.QRNN(pooling="f", **o),
    "qrnn ifo": lambda **o: rf.QRNN(pooling="ifo", **o),
    "qrnn width 3": lambda **o: rf.QRNN(width=3, **o),
    "qrnn ifo width 2": lambda **o: rf.QRNN(pooling="ifo", width=2, **o),
    "layer norm gru": lambda **o: rf.LayerNormGRU(zoneout=0.2, **o),
    "layer norm lstm": lambda **o: rf.LayerNormLSTM(zoneout=(0.1, 0.3), **o),
    "zoneout gru": lambda **o: rf.LayerNormGRU(layer_norm=False, zoneout=0.2, **o),
    "zoneout lstm": lambda **o: rf.LayerNormLSTM(layer_norm=False, zoneout=0.2, **o),
    "plain layer norm lstm": lambda **o: rf.LayerNormLSTM(layer_norm=False, **o),
}
PROJECTED = {
    "lstm projected": lambda **o: rf.LSTM(proj_size=2, **o),
    "lstm projected peephole": lambda **o: rf.LSTM(proj_size=2, peephole=True, **o),
}
# Cells for which ONNX has an operator.
WITH_OPERATOR = [*[*KINDS][:7], "plain layer norm lstm"]

LENGTHS = [7, 1, 0, 4]


def filled(layer, seed=3):
    """Fill a layer with numbers so large that each matters, gains and biases too."""
    rng = np.random.default_rng(seed)
    for parameter in layer.parameters().values():
        parameter.assign(rng.normal(size=parameter.shape) * parameter.shape[-1] ** -0.5)
    return layer


def inputs(layer, steps=7, batch=4, seed=0):
    rng = np.random.default_rng(seed)
    shape = (batch, steps) if layer.batch_first else (steps, batch)
    x = rng.normal(size=(*shape, layer.input_size)).astype(layer.dtype)
    rows = layer.num_layers * layer.num_directions
    h = rng.normal(size=(rows, batch, layer.output_size)).astype(layer.dtype)
    c = rng.normal(size=(rows, batch, layer.spec.memory_size)).astype(layer.dtype)
    room = layer.spec.memory_size - layer.hidden_size  # of earlier steps, some of which read less
    c[:, :, layer.hidden_size :] *= np.arange(room) % max(layer.spec.window_width, 1) < 3
    return x, h, c


def compare(layer, path, opset, steps=7, batch=4, lengths=LENGTHS, with_states=True):
    run = Run(layer, path, opset=opset)
    x, h, c = inputs(layer, steps, batch)
    given = {"h0": h, "c0": c} if layer.spec.cell.has_memory else {"h0": h}
    state = tuple(given.values()) if layer.spec.cell.has_memory else h
    assert run.inputs == ["x"]
    assert sorted(run.optional) == sorted(["lengths", *given])
    assert run.outputs == ["y", *(f"{name[0]}_n" for name in given)]
    if not with_states:
        given, state = {}, None
    got = run(x=x, lengths=None if lengths is None else np.array(lengths), **given)
    y, final = layer(x, state, lengths)
    assert_same(got["y"], y)
    finals = final if isinstance(final, tuple) else (final,)
    for name, one in zip(run.outputs[1:], finals, strict=True):
        assert_same(got[name], one)
    return run


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("kind", [*KINDS, *PROJECTED])
def test_every_cell_with_ragged_lengths_and_states(kind, opset, tmp_path):
    layer = filled((KINDS | PROJECTED)[kind](input_size=3, hidden_size=5, num_layers=2))
    run = compare(layer, tmp_path / "a.onnx", opset)
    assert bool(run.operators & {"RNN", "GRU", "LSTM"}) == (kind in WITH_OPERATOR)
    assert ("Scan" in run.operators) != (kind in WITH_OPERATOR)


@pytest.mark.parametrize("kind", [*KINDS, *PROJECTED])
def test_every_cell_in_both_directions_batch_first(kind, tmp_path):
    layer = filled(
        (KINDS | PROJECTED)[kind](
            input_size=3, hidden_size=5, num_layers=2, bidirectional=True, batch_first=True
        )
    )
    compare(layer, tmp_path / "a.onnx", 22)


@pytest.mark.parametrize("kind", [*KINDS, *PROJECTED])
def test_every_cell_in_float64_without_bias(kind, tmp_path):
    layer = filled(
        (KINDS | PROJECTED)[kind](
            input_size=3, hidden_size=5, bidirectional=True, bias=False, dtype="float64"
        )
    )
    run = compare(layer, tmp_path / "a.onnx", 14)
    assert "Scan" in run.operators


@pytest.mark.parametrize("size", [1, 3, 17, 33])
@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm peephole", "layer norm gru", "min lstm"])
def test_odd_sizes(kind, size, tmp_path):
    layer = filled(KINDS[kind](input_size=size, hidden_size=size, num_layers=3))
    compare(layer, tmp_path / "a.onnx", 22, steps=size, batch=size, lengths=None)


@pytest.mark.parametrize("kind", ["gru", "lstm", "lstm previous"])
def test_what_is_left_out_is_zero_and_whole(kind, tmp_path):
    layer = filled(KINDS[kind](input_size=3, hidden_size=5, bidirectional=True))
    compare(layer, tmp_path / "a.onnx", 22, lengths=None, with_states=False)
    run = compare(layer, tmp_path / "a.onnx", 22, with_states=False)
    x, *_ = inputs(layer)
    whole, minus = run(x=x), run(x=x, lengths=np.array([-1, 7, -1, 7]))
    assert all((whole[name] == minus[name]).all() for name in whole)


def test_a_sequence_taken_step_by_step_goes_on_with_its_states(tmp_path):
    layer = filled(rf.LSTM(3, 5, 2))
    run = Run(layer, tmp_path / "a.onnx")
    x, h, c = inputs(layer)
    whole = run(x=x, h0=h, c0=c)
    for t in range(len(x)):
        one = run(x=x[t : t + 1], h0=h, c0=c)
        h, c = one["h_n"], one["c_n"]
        assert_same(one["y"], whole["y"][t : t + 1])
    assert_same(h, whole["h_n"])


@pytest.mark.parametrize(
    "layer",
    [
        rf.GRU(3, 5),
        rf.GRU(3, 5, dtype="float64", bidirectional=True),
        rf.MinLSTM(3, 5),
        rf.chain(rf.Linear(3, 4), rf.Pooling("mean")),
        rf.chain(rf.Linear(3, 4), rf.Pooling("last")),
        rf.chain(rf.Linear(3, 4), rf.Pooling("max")),
        rf.chain(rf.GRU(3, 4), rf.AttentionPooling(rf.DotAttention(4, 4))),
    ],
    ids=str,
)
def test_lengths_that_cannot_be_are_refused_when_the_graph_runs(layer, tmp_path):
    run = Run(layer, tmp_path / "a.onnx")
    session = Session(tmp_path / "a.onnx", choice="kernels")
    x = np.ones((7, 4, 3), layer.dtype)
    for lengths in ([8, 1, 1, 1], [-2, 1, 1, 1], [2**32 + 1, 1, 1, 1], [2]):
        feeds = {"x": x, "lengths": np.array(lengths)}
        with pytest.raises(Exception, match="Name:'lengths'"):
            run(**feeds)
        with pytest.raises(ValueError, match="lengths"):
            session.run(None, feeds)
    for lengths in ([7, 0, 1, 6], [-1, 2, 7, 0], [-1]):
        assert run(x=x, lengths=np.array(lengths))["y"].size


@pytest.mark.parametrize("kind", ["gru", "min gru"])
def test_indices_are_one_hot_vectors(kind, tmp_path):
    layer = filled(KINDS[kind](input_size=6, hidden_size=5))
    run = Run(layer, tmp_path / "a.onnx", indices=True)
    x = np.random.default_rng(0).integers(6, size=(7, 4))
    y, h = layer(x, None, LENGTHS)
    got = run(x=x, lengths=np.array(LENGTHS))
    assert_same(got["y"], y)
    assert_same(got["h_n"], h)
    for wrong in (x + 1, x - 1):
        with pytest.raises(Exception, match=r"indices element out of data bounds"):
            run(x=wrong)


def test_gates_that_vanish_still_have_their_shares(tmp_path):
    layer = rf.MinLSTM(2, 3)
    layer.load_state_dict(
        {
            "weight_ih_l0": np.zeros((9, 2)),
            "bias_ih_l0": [-30.0, -60, -90, -33, -60, -80, 1, 2, 3],
        }
    )
    compare(layer, tmp_path / "a.onnx", 22)


@pytest.mark.parametrize("seed", range(24))
def test_any_options_together(seed, tmp_path):
    rng = np.random.default_rng(seed)
    layer = filled(
        (KINDS | PROJECTED)[str(rng.choice([*KINDS, *PROJECTED]))](
            input_size=int(rng.choice([1, 3, 17, 33])),
            hidden_size=int(rng.choice([3, 17, 33])),
            num_layers=int(rng.integers(1, 4)),
            bias=bool(rng.integers(2)),
            batch_first=bool(rng.integers(2)),
            bidirectional=bool(rng.integers(2)),
            dtype=str(rng.choice(["float32", "float64"])),
        )
    )
    steps, batch = (int(rng.choice([1, 3, 17, 33])) for _ in range(2))
    compare(
        layer,
        tmp_path / "a.onnx",
        int(rng.integers(14, 23)),
        steps,
        batch,
        rng.integers(steps + 1, size=batch) if rng.integers(2) else None,
        with_states=bool(rng.integers(2)),
    )


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_a_window_with_its_state_and_ragged_lengths(size, opset, tmp_path):
    net = rf.chain(rf.Window(size), filled(rf.QRNN(3 * size, 5)), rf.Window(2), rf.Linear(10, 2))
    run = Run(net, tmp_path / "a.onnx", opset=opset)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(7, 4, 3)).astype("f4")
    states = {"1": tuple(rng.normal(size=(2, 1, 4, 5)).astype("f4"))}
    given = {"1.h0": states["1"][0], "1.c0": states["1"][1]}
    for place, before, width in (("0", size - 1, 3), ("2", 1, 5)):
        states[place] = rng.normal(size=(before, 4, width)).astype("f4")
        if before:
            given[f"{place}.x0"] = states[place]
    assert sorted(run.optional) == sorted(["lengths", *given])
    got = run(x=x, lengths=np.array(LENGTHS), **given)
    y, final = net(x, LENGTHS, state=states, return_state=True)
    inside = np.arange(7)[:, np.newaxis] < LENGTHS
    assert_same(got["y"][inside], y[inside])
    for name in run.outputs[1:]:
        place, kind = name.split(".")
        expected = final[place]["hc".index(kind[0])] if kind[0] in "hc" else final[place]
        assert_same(got[name], expected)
    assert_same(run(x=x)["y"], net(x))


def test_a_window_in_both_directions_and_what_it_reads(tmp_path):
    net = rf.bidirectional(
        rf.chain(rf.Window(3), filled(rf.QRNN(9, 4))), rf.chain(rf.Window(2), filled(rf.GRU(6, 4)))
    )
    run = Run(net, tmp_path / "a.onnx")
    x = np.random.default_rng(0).normal(size=(7, 4, 3)).astype("f4")
    got = run(x=x, lengths=np.array(LENGTHS))["y"]
    inside = np.arange(7)[:, np.newaxis] < LENGTHS
    assert_same(got[inside], net(x, LENGTHS)[inside])
    with pytest.raises(ValueError, match=r"^module: expected a layer .*, got Window alone"):
        Run(rf.Window(2), tmp_path / "b.onnx")
    with pytest.raises(ValueError, match=r"^indices: expected False with a Chain, which reads"):
        rf.interop.onnx.export(net.forward_layer, tmp_path / "b.onnx", indices=True)
