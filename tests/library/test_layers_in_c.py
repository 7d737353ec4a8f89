"""Layers in C: what Python saved gives Python's bits."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from c_library import (
    INVALID_ARGUMENT,
    NOT_FINITE,
    OUT_OF_MEMORY,
    UNSUPPORTED,
    WRONG_TYPE,
    CError,
    CModel,
    pointer,
    size,
)  # fmt: skip
from rnnfast.nn.recurrent.base import LAYERS

RNG = np.random.default_rng(3)
CELLS: list[tuple[Any, dict[str, Any]]] = [
    (rf.RNN, {}), (rf.RNN, {"nonlinearity": "relu", "bias": False}),
    (rf.GRU, {}), (rf.GRU, {"reset_after": False}), (rf.GRU, {"reset_gate": False}),
    (rf.LSTM, {}), (rf.LSTM, {"proj_size": 3}), (rf.LSTM, {"peephole": True}),
    (rf.LSTM, {"peephole": "previous"}), (rf.IndRNN, {}), (rf.MinGRU, {}), (rf.MinLSTM, {}),
    (rf.LayerNormGRU, {"zoneout": 0.1}), (rf.LayerNormLSTM, {"zoneout": (0.1, 0.2)}),
    (rf.LayerNormLSTM, {"layer_norm": False, "zoneout": 0.1}),
    (rf.SRU, {}), (rf.SRU, {"highway_bias": -2.0, "bias": False}), (rf.SRU, {"rescale": False}),
    (rf.QRNN, {}), (rf.QRNN, {"pooling": "f", "width": 2}),
    (rf.QRNN, {"pooling": "ifo", "width": 4, "bias": False}),
]  # fmt: skip


def in_c(tmp_path: Path, network: Any) -> CModel:
    rf.save(tmp_path / "n.safetensors", network)
    return CModel(tmp_path / "n.safetensors")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "options"), CELLS)
def test_every_cell_has_the_bits_of_python(
    kind: Any, options: dict[str, Any], dtype: str, tmp_path: Path
) -> None:
    for layers, both in ((1, False), (2, True)):
        layer = kind(5, 19, layers, bidirectional=both, dtype=dtype, seed=1, **options)
        model = in_c(tmp_path, layer)
        x = RNG.normal(size=(7, 3, 5)).astype(dtype)
        np.testing.assert_array_equal(model.forward(x), layer(x)[0])
        ids = RNG.integers(0, 5, (7, 3))
        np.testing.assert_array_equal(model.forward(ids), layer(ids)[0])
        if not both:
            stream, c_stream = layer.stream(3), model.stream(3)
            for t in range(7):
                np.testing.assert_array_equal(c_stream.step(x[t]), stream(x[t]))


def chains(dtype: str) -> list[Any]:
    options: Any = {"dtype": dtype, "seed": 0}
    return [
        rf.chain(rf.GRU(3, 8, **options), rf.Linear(8, 2, **options)),
        rf.chain(rf.Linear(3, 4, **options), rf.Activation("relu"), rf.LSTM(4, 8, 2, **options),
                 rf.Dropout(0.5), rf.Linear(8, 1, bias=False, **options)),
        rf.residual(rf.chain(rf.RNN(3, 5, **options), rf.Linear(5, 3, **options))),
        rf.chain(rf.LSTM(3, 4, batch_first=True, **options), rf.Linear(4, 1, **options)),
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("number", range(4))
def test_chains_in_one_pass_and_step_by_step(number: int, dtype: str, tmp_path: Path) -> None:
    network = chains(dtype)[number]
    model = in_c(tmp_path, network)
    x = RNG.normal(size=(6, 2, 3)).astype(dtype)
    expected = network(np.swapaxes(x, 0, 1) if number == 3 else x)
    expected = np.swapaxes(expected, 0, 1) if number == 3 else expected
    np.testing.assert_array_equal(model.forward(x), expected)
    stream = model.stream(2)
    np.testing.assert_array_equal(np.stack([stream.step(one) for one in x]), expected)
    again = model.stream(2)
    np.testing.assert_array_equal(again.run(x[:4]), expected[:4])
    kept = again.state()
    np.testing.assert_array_equal(again.run(x[4:]), expected[4:])
    assert again.set_state(kept) == 0
    np.testing.assert_array_equal(again.run(x[4:]), expected[4:])
    again.model.lib.rnnfast_reset(again.made)
    np.testing.assert_array_equal(again.run(x), expected)


@pytest.mark.parametrize("how", ["last", "mean", "max", "concat"])
def test_pooling_has_the_bits_of_python(how: str, tmp_path: Path) -> None:
    network = rf.chain(
        rf.GRU(3, 8, bidirectional=True, seed=0), rf.Pooling(how, num_directions=2),
        rf.Linear(48 if how == "concat" else 16, 2, seed=0),
    )  # fmt: skip
    x = RNG.normal(size=(9, 2, 3)).astype("f4")
    model = in_c(tmp_path, network)
    np.testing.assert_array_equal(model.forward(x, pooled=True), network(x))
    with pytest.raises(CError, match="one direction without pooling") as caught:
        model.stream()
    assert caught.value.status == UNSUPPORTED


@pytest.mark.parametrize("kind", ["tanh", "sigmoid"])
def test_functions_are_those_of_numpy_to_the_last_bits(kind: str, tmp_path: Path) -> None:
    network = rf.chain(rf.Linear(3, 40, seed=0), rf.Activation(kind))
    x = RNG.normal(0, 3, size=(9, 2, 3)).astype("f4")
    np.testing.assert_allclose(in_c(tmp_path, network).forward(x), network(x), rtol=1e-6, atol=1e-7)


def test_embeddings_are_looked_up(tmp_path: Path) -> None:
    network = rf.chain(rf.Embedding(11, 4, seed=0), rf.LSTM(4, 8, seed=0))
    model = in_c(tmp_path, network)
    ids = RNG.integers(0, 11, (6, 2))
    np.testing.assert_array_equal(model.forward(ids), network(ids))
    stream = model.stream(2)
    np.testing.assert_array_equal(np.stack([stream.step(one) for one in ids]), network(ids))
    table = rf.TiedEmbedding(11, 8, out_features=10, seed=0)
    tied = rf.chain(table, rf.GRU(8, 8, seed=0), table.linear)
    np.testing.assert_array_equal(in_c(tmp_path, tied).forward(ids), tied(ids))
    for wrong in (11, -1):
        with pytest.raises(CError, match=f"ids: expected numbers from 0 to 10, got {wrong}"):
            model.forward(np.full((2, 2), wrong))
        with pytest.raises(CError, match="out of its range"):
            stream.step(np.full(2, wrong))
    with pytest.raises(CError, match="expected ids, got numbers"):
        model.forward(np.zeros((2, 2, 11), "f4"))


def test_threads_leave_the_bits_alone(tmp_path: Path) -> None:
    network = rf.chain(rf.LSTM(64, 256, seed=0), rf.Linear(256, 100, seed=0))
    x = RNG.normal(size=(20, 8, 64)).astype("f4")
    model = in_c(tmp_path, network)
    assert model.lib.rnnfast_set_num_threads(2) == 0
    np.testing.assert_array_equal(model.forward(x), network(x))
    assert model.lib.rnnfast_set_num_threads(1) == 0
    for count in (0, -1, 1025):
        assert model.lib.rnnfast_set_num_threads(count) == 1


def test_wrong_numbers_and_types_change_nothing(tmp_path: Path) -> None:
    network = rf.chain(rf.GRU(3, 8, seed=0), rf.Linear(8, 2, seed=0))
    model = in_c(tmp_path, network)
    x = RNG.normal(size=(4, 1, 3)).astype("f4")
    stream = model.stream()
    stream.run(x)
    before = stream.state()
    for bad in (np.nan, np.inf):
        spoiled = x.copy()
        spoiled[3, 0, 1] = bad
        with pytest.raises(CError, match="expected finite numbers") as caught:
            model.forward(spoiled)
        assert caught.value.status == NOT_FINITE
        with pytest.raises(CError, match="NaN or infinite"):
            stream.run(spoiled)
        np.testing.assert_array_equal(stream.state(), before)
    assert stream.set_state(np.full(8, np.nan, "f4")) == NOT_FINITE
    model.end = "_f64"
    with pytest.raises(CError, match="expected the functions of float") as caught:
        model.forward(x.astype("f8"))
    assert caught.value.status == WRONG_TYPE


@pytest.mark.parametrize(
    ("steps", "batch"), [(0, 1), (1, 0), (-1, 1), (1, -1), (2**40 + 1, 1), (1, 2**62)]
)
def test_sizes_of_a_pass_that_cannot_be(steps: int, batch: int, tmp_path: Path) -> None:
    model = in_c(tmp_path, rf.GRU(3, 4, seed=0))
    x, y = np.ones(3, "f4"), np.zeros(4, "f4")
    call = model.lib.rnnfast_forward
    status = call(model.made, size(steps), size(batch), pointer(x), pointer(y))
    assert status == INVALID_ARGUMENT and not y.any()
    line = model.lib.rnnfast_last_error().decode()
    assert line == f"T, B: expected 1 to 2**40 each, got {steps} and {batch}"


@pytest.mark.parametrize("batch", [0, -1, 2**31 + 1, 2**40])
def test_sizes_of_a_stream_that_cannot_be(batch: int, tmp_path: Path) -> None:
    with pytest.raises(CError) as caught:
        in_c(tmp_path, rf.GRU(3, 4, seed=0)).stream(batch)
    assert caught.value.status == INVALID_ARGUMENT
    assert str(caught.value) == f"B: expected 1 to 2**31 sequences, got {batch}"


def test_a_batch_for_which_there_is_no_memory(tmp_path: Path) -> None:
    model = in_c(tmp_path, rf.GRU(3, 4, seed=0))
    x, y = np.ones(3, "f4"), np.zeros(4, "f4")
    call = model.lib.rnnfast_forward
    promises = Path("/proc/sys/vm/overcommit_memory").read_text().strip() == "1"
    for steps in (2**40,) if promises else (2**40, 1):  # there all memory is promised
        status = call(model.made, size(steps), size(2**40), pointer(x), pointer(y))
        assert status == OUT_OF_MEMORY
        line = model.lib.rnnfast_last_error()
        assert line == b"this call needs more memory than there is"


def test_no_steps_of_a_stream_are_none(tmp_path: Path) -> None:
    stream = in_c(tmp_path, rf.GRU(3, 4, seed=0)).stream()
    stream.run(np.ones((2, 1, 3), "f4"))
    before = stream.state()
    assert stream.run(np.ones((0, 1, 3), "f4")).shape == (0, 1, 4)
    np.testing.assert_array_equal(stream.state(), before)


def test_outputs_are_not_written_over_inputs(tmp_path: Path) -> None:
    for network in (rf.residual(rf.chain(rf.GRU(3, 8, seed=0), rf.Linear(8, 3, seed=0))),
                    rf.GRU(3, 3, seed=0)):  # fmt: skip
        stream = in_c(tmp_path, network).stream()
        memory = RNG.normal(size=(5, 3)).astype("f4")
        before, x = memory.copy(), ctypes.c_void_p(memory.ctypes.data)
        for shift in (0, 4, 4 * 11):
            y = ctypes.c_void_p(memory.ctypes.data + shift)
            run = stream.model.lib.rnnfast_run
            assert run(stream.made, ctypes.c_int64(4), x, y) == INVALID_ARGUMENT
            np.testing.assert_array_equal(memory, before)
            assert not stream.state().any()
        behind = ctypes.c_void_p(memory.ctypes.data + 4 * 6)
        assert stream.model.lib.rnnfast_run(stream.made, ctypes.c_int64(2), x, behind) == 0


def test_what_has_no_counterpart_is_refused_by_name(tmp_path: Path) -> None:
    assert [kind for kind in LAYERS.values() if kind not in dict(CELLS)] == []
    with pytest.raises(CError, match="expected one that this library has, got 'Window'"):
        in_c(tmp_path, rf.chain(rf.Window(2), rf.GRU(6, 4, seed=0)))
    for numbers in ("int8", "bfloat16"):
        with pytest.raises(CError, match=r"got those of rf\.quantize") as caught:
            in_c(tmp_path, rf.quantize(rf.GRU(3, 4, seed=0), numbers))  # type: ignore[type-var]
        assert caught.value.status == UNSUPPORTED


@pytest.mark.parametrize(
    "behind",
    [rf.Activation("tanh"), rf.Activation("relu"), rf.Pooling("max"), rf.Pooling("last"),
     rf.Linear(3, 3, seed=2), rf.GRU(3, 4, seed=2), rf.residual(rf.Linear(3, 3, seed=2))],
)  # fmt: skip
def test_numbers_that_overflow_between_layers_are_refused_as_in_python(
    behind: Any, tmp_path: Path
) -> None:
    large = rf.Linear(2, 3, bias=False)
    large.load_state_dict({"weight": np.full((3, 2), 1e30)})
    network = rf.chain(large, behind)
    x = np.full((3, 1, 2), 1e20, "f4")
    with pytest.raises(ValueError, match="expected finite numbers, got NaN or infinity"):
        network(x)
    with pytest.raises(CError, match="x: expected finite numbers, got NaN or infinity") as caught:
        in_c(tmp_path, network).forward(x, pooled=isinstance(behind, rf.Pooling))
    assert caught.value.status == NOT_FINITE


def test_numbers_that_overflow_in_a_step_or_in_the_last_layer_are_told(tmp_path: Path) -> None:
    large, more = rf.Linear(8, 3, bias=False), rf.RNN(2, 8, nonlinearity="relu")
    large.load_state_dict({"weight": np.full((3, 8), 3e38)})
    more.load_state_dict({name: np.ones(p.shape) for name, p in more.parameters().items()})
    networks: list[Any] = [
        rf.chain(more, large),
        rf.chain(rf.QRNN(2, 2, width=2, seed=0), more, large, rf.Linear(3, 2, seed=0)),
        rf.chain(rf.Linear(2, 8, seed=0), large, rf.Linear(3, 2, seed=0)),
    ]
    for network in networks:
        model = in_c(tmp_path, network)
        x = np.full((2, 1, 2), 1e3, "f4")
        stream = model.stream()
        with pytest.raises(CError, match="NaN or infinite") as caught:
            stream.step(x[0])
        assert caught.value.status == NOT_FINITE
        with pytest.raises(CError, match="NaN or infinite"):
            stream.run(x)
        with pytest.raises(CError, match="expected finite numbers, got") as caught:
            model.forward(x)
        assert caught.value.status == NOT_FINITE
        if len(stream.state()):
            stream.model.lib.rnnfast_reset(stream.made)
            assert not stream.state().any()


def test_filters_of_several_steps_keep_them_in_the_state(tmp_path: Path) -> None:
    layer = rf.QRNN(2, 5, 2, width=3, seed=0)
    stream, own = in_c(tmp_path, layer).stream(2), layer.stream(2)
    x = RNG.normal(size=(6, 2, 2)).astype("f4")
    expected, _ = layer(x)
    np.testing.assert_array_equal(stream.run(x[:4]), expected[:4])
    own.run(x[:4])
    kept = stream.state()
    np.testing.assert_array_equal(kept, np.concatenate([part.ravel() for part in own.state]))
    np.testing.assert_array_equal(stream.run(x[4:]), expected[4:])
    assert stream.set_state(kept) == 0
    np.testing.assert_array_equal(stream.run(x[4:]), expected[4:])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", [rf.GRU, rf.LSTM])
@pytest.mark.parametrize(
    ("inputs", "hidden", "outputs"),
    [(1, 1, 1), (1, 8, 1), (3, 16, 0), (2, 17, 5), (16, 33, 16), (1, 64, 2), (5, 128, 0),
     (1, 129, 1), (17, 8, 1), (1, 20, 17)],
)  # fmt: skip
def test_small_networks_of_one_sequence_have_a_loop_of_their_own(
    inputs: int, hidden: int, outputs: int, kind: Any, dtype: str, tmp_path: Path
) -> None:
    options: Any = {"dtype": dtype, "seed": 0}
    bias = hidden != 17
    layer = kind(inputs, hidden, bias=bias, **options)
    network = rf.chain(layer, rf.Linear(hidden, outputs, bias, **options)) if outputs else layer
    model = in_c(tmp_path, network)
    x = RNG.normal(size=(37, 1, inputs)).astype(dtype)
    expected = model.forward(x)
    plain = network(x)
    np.testing.assert_array_equal(expected, plain if outputs else plain[0])
    stream = model.stream()
    np.testing.assert_array_equal(stream.run(x), expected)
    before = stream.state()
    assert stream.set_state(np.zeros_like(before)) == 0
    blocks = [stream.run(x[:3]), stream.run(x[3:16]), stream.step(x[16])[np.newaxis]]
    np.testing.assert_array_equal(np.concatenate([*blocks, stream.run(x[17:])]), expected)
    np.testing.assert_array_equal(stream.state(), before)
    if outputs:
        return
    h = before if kind is rf.GRU else before.reshape(2, hidden)[0]
    np.testing.assert_array_equal(h.ravel(), expected[-1, 0])
    ids = RNG.integers(0, inputs, (9, 1))
    stream.model.lib.rnnfast_reset(stream.made)
    found = np.stack([stream.step(one) for one in ids])
    np.testing.assert_array_equal(found, model.forward(ids))
