"""Steps and runs of streams by their shortest way: the same numbers, refusals and memory."""

from __future__ import annotations

import copy
import gc
import inspect
import sys
import threading
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from layer_cases import DTYPES, TOLERANCE, Case, assert_same_bits, named, reference
from network_cases import pack
from rnnfast.nn.recurrent.stream import Stream

# What has a loop of its own for one small sequence, and one that has not.
SMALL = ["rnn tanh", "rnn relu", "gru simplified", "gru reset after", "lstm"]
CELLS = [*SMALL, "gru reset before"]
SIZES = [1, 3, 16, 17, 33, 65]


def single_case(cell: str, hidden: int, **options: Any) -> Case:
    return Case(cell, hidden_size=hidden, batch=1, steps=11, **options)


def taken_singly(stream: Any, x: Any) -> Any:
    return np.stack([stream(x_t).copy() for x_t in x])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden", SIZES)
@pytest.mark.parametrize("cell", CELLS)
def test_one_sequence_beside_the_reference(level: str, cell: str, hidden: int, dtype: str) -> None:
    case = single_case(cell, hidden)
    layer, inputs = case.layer(dtype), case.inputs.astype(dtype)
    whole, expected = named(*layer(inputs.x, pack(inputs.states))), reference(case)
    for take in (taken_singly, Stream.run):
        stream = layer.stream()
        stream.state = pack(inputs.states)
        found = named(take(stream, inputs.x), stream.state)
        assert_same_bits(found, whole)
        for name, value in found.items():
            bound = TOLERANCE[dtype] * max(1.0, np.abs(expected[name]).max())
            assert np.abs(value - expected[name]).max() <= bound, name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("outputs", [1, 3, 8, 16, 17])
@pytest.mark.parametrize("cell", CELLS)
def test_a_head_within_the_step(level: str, cell: str, outputs: int, dtype: str) -> None:
    case = single_case(cell, 17)
    layer, inputs = case.layer(dtype), case.inputs.astype(dtype)
    for bias in (True, False):
        head = rf.Linear(17, outputs, bias, dtype=dtype, seed=1)
        whole = head(layer(inputs.x)[0])
        stream = Stream(layer, 1, head)
        np.testing.assert_array_equal(taken_singly(stream, inputs.x), whole)
        stream.reset()
        np.testing.assert_array_equal(stream.run(inputs.x), whole)
        weights = head.state_dict()
        y = named(*layer(inputs.x))["y"].astype(np.float64) @ weights["weight"].T.astype(float)
        np.testing.assert_allclose(
            whole, y + weights.get("bias", 0.0), atol=10 * TOLERANCE[dtype], rtol=0
        )


@pytest.mark.parametrize("batch", [2, 5])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_head_of_several_sequences_and_layers(level: str, batch: int, layers: int) -> None:
    layer, head = rf.GRU(4, 9, layers, seed=0), rf.Linear(9, 3, seed=1)
    x = np.random.default_rng(0).normal(size=(6, batch, 4)).astype(np.float32)
    whole = head(layer(x)[0])
    stream = Stream(layer, batch, head)
    np.testing.assert_array_equal(taken_singly(stream, x), whole)
    stream.reset()
    np.testing.assert_array_equal(stream.run(x), whole)
    stream.reset()
    for rows in ([1], [0, *range(2, batch)]):
        y = np.stack([stream(x_t[rows], rows=rows).copy() for x_t in x])
        np.testing.assert_array_equal(y, whole[:, rows])
    out = np.empty((1, 3), np.float32)
    assert stream(x[0, :1], out=out, rows=[0]) is out


@pytest.mark.parametrize("cell", CELLS)
def test_the_state_goes_from_one_way_to_the_other(level: str, cell: str) -> None:
    case = single_case(cell, 9)
    layer, inputs = case.layer("float32"), case.inputs.astype("float32")
    stream, x = layer.stream(), inputs.x
    stream.state = pack(inputs.states)
    both = rf.Ensemble([layer, layer])
    others = both.stream()
    others.state = pack([np.stack([s, s]) for s in inputs.states])
    parts = [
        stream(x[0])[np.newaxis].copy(),
        stream.run(x[1:3]),
        stream(x[3], rows=[0])[np.newaxis].copy(),
        stream.run(x[4:5]),
        stream.run(np.asfortranarray(np.repeat(x[5:7], 2, axis=2)[:, :, ::2])),
        stream(np.array(x[7, 0], order="F"))[np.newaxis, np.newaxis].copy(),
    ]
    stream = copy.copy(stream)
    parts.append(stream.run(x[8:]))
    whole = named(*layer(x, pack(inputs.states)))
    assert_same_bits(named(np.concatenate(parts), stream.state), whole)
    for t, x_t in enumerate(x):
        np.testing.assert_array_equal(others(x_t), np.stack([whole["y"][t]] * 2))


@pytest.mark.parametrize("cell", CELLS)
def test_indices_of_one_sequence(level: str, cell: str) -> None:
    case = single_case(cell, 9, indices=True)
    layer, inputs = case.layer("float32"), case.inputs.astype("float32")
    whole = named(*layer(inputs.x, pack(inputs.states)))["y"]
    for kind in (int, np.int64, np.array):
        stream = layer.stream()
        stream.state = pack(inputs.states)
        y = np.stack([stream(kind(index)).copy() for index in inputs.x[:, 0]])
        np.testing.assert_array_equal(y, whole[:, 0])


def test_samples_go_on_from_steps(level: str) -> None:
    layer, output = rf.GRU(7, 9, seed=0), rf.Linear(9, 7, seed=1)
    stream = layer.stream()
    stream(2)
    rf.sample(stream, output, prefix=[3], max_length=5, seed=0)
    state = stream.state
    y, final = layer(np.array([[1]]), state)
    np.testing.assert_array_equal(stream(1), y[0, 0])
    np.testing.assert_array_equal(stream.state, final)


@pytest.mark.parametrize("cell", SMALL)
def test_steps_follow_the_parameters(level: str, cell: str) -> None:
    case = single_case(cell, 9)
    layer, inputs = case.layer("float32"), case.inputs.astype("float32")
    head = rf.Linear(9, 2, seed=0)
    streams = [Stream(layer, 1, head), Stream(layer, 1, rf.Linear(9, 2, seed=5)), layer.stream()]
    states = [None, None, None]
    for t, x_t in enumerate(inputs.x):
        for k, stream in enumerate(streams):
            y, states[k] = layer(x_t[np.newaxis], states[k])
            expected = y[0] if stream.head is None else stream.head(y[0])
            np.testing.assert_array_equal(stream(x_t), expected)
        if t % 2:
            parameter = layer.parameters()["weight_hh_l0"]
            parameter.assign(parameter.data * np.float32(0.9))
        else:
            weight = head.parameters()["weight"]
            weight.assign(weight.data + np.float32(0.1))


def test_where_a_run_is_written() -> None:
    for layer in (rf.LSTM(1, 8, seed=0), rf.LSTM(20, 8, seed=0), rf.LSTM(20, 8, 2, seed=0)):
        x = np.random.default_rng(0).normal(size=(5, 1, layer.input_size)).astype(np.float32)
        whole, _ = layer(x)
        for given in (x, np.repeat(x, 2, axis=0)[::2]):
            stream, out = layer.stream(), np.empty((5, 1, 8), np.float32)
            assert stream.run(given, out) is out
            np.testing.assert_array_equal(out, whole)
            stream.reset()
            assert stream.run(given, out=out[::1]).base is out
    # An output over its own input.
    layer = rf.GRU(8, 8, seed=0)
    x = np.random.default_rng(0).normal(size=(6, 1, 8)).astype(np.float32)
    whole = layer(x[:5])[0]
    stream = layer.stream()
    np.testing.assert_array_equal(stream.run(x[:5], out=x[1:]), whole)


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        ([0.0], TypeError, "out: expected a NumPy array, got list"),
        (
            np.empty((4, 1, 8), np.float32),
            ValueError,
            "out: expected shape (5, 1, 8), got (4, 1, 8)",
        ),
        (np.empty((5, 8), np.float32), ValueError, "out: expected shape (5, 1, 8), got (5, 8)"),
        (np.empty((5, 1, 8)), TypeError, "out: expected dtype float32, got float64"),
        (
            np.empty((8, 1, 5), np.float32).T,
            ValueError,
            "out: expected a writeable C-contiguous array, got another",
        ),
        (
            np.broadcast_to(np.float32(0), (5, 1, 8)),
            ValueError,
            "out: expected a writeable C-contiguous array, got another",
        ),
    ],
)
@pytest.mark.parametrize("layer", [rf.GRU(1, 8, seed=0), rf.GRU(1, 8, 2, seed=0)])
def test_a_run_refuses_outputs(layer: Any, out: Any, error: type[Exception], message: str) -> None:
    stream, x = layer.stream(), np.ones((5, 1, 1), np.float32)
    before = stream.run(x)[-1].copy(), stream.state
    with pytest.raises(error) as caught:
        stream.run(x, out=out)
    assert str(caught.value) == message
    np.testing.assert_array_equal(stream.state, before[1])


def test_a_head_that_does_not_fit() -> None:
    for head in (rf.Linear(7, 1), rf.Linear(8, 1, dtype="float64")):
        with pytest.raises(ValueError, match=r"^head: expected in_features 8 and the dtype of the"):
            Stream(rf.GRU(1, 8), 1, head)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite(bad: float) -> None:
    stream, x = rf.GRU(1, 8, seed=0).stream(), np.ones((3000, 1, 1), np.float32)
    stream(x[0])
    before, x[7] = stream.state, bad
    for given in (x[7], x[7, 0], x[:9], x):
        call = stream if given.ndim < 3 else stream.run
        with pytest.raises(ValueError, match=r"^x: expected finite numbers, got NaN or infinity"):
            call(given)
    np.testing.assert_array_equal(stream.state, before)


def test_what_the_methods_say_of_themselves() -> None:
    parameters = inspect.signature(Stream.__call__).parameters
    assert list(parameters) == ["self", "x", "out", "rows", "like"]
    assert list(inspect.signature(rf.GRU(1, 1).stream().run).parameters) == ["x", "out", "like"]
    assert Stream.run.__doc__ is not None
    assert Stream.run.__doc__.startswith("Take the steps of")
    assert (Stream.run.__name__, Stream.run.__module__) == ("run", Stream.__module__)
    assert inspect.isroutine(Stream.run)
    stream = rf.GRU(1, 1).stream()
    with pytest.raises(TypeError, match="unexpected keyword argument 'ouf'"):
        stream.run(np.ones((1, 1, 1), np.float32), ouf=None)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        stream.run()  # type: ignore[call-arg]


@pytest.mark.parametrize("layer", [rf.LSTM(1, 8, seed=0), rf.LSTM(1, 8, 2, seed=0)])
def test_no_reference_is_lost_or_kept(layer: Any) -> None:
    stream = Stream(layer, 1, rf.Linear(8, 1, seed=0))
    x, block = np.ones(1, np.float32), np.ones((9, 1, 1), np.float32)
    out, outs, bad = np.empty(1, np.float32), np.empty((9, 1, 1), np.float32), np.ones(2)
    own = stream(x)

    def all_ways() -> None:
        stream(x)
        stream(x, out)
        stream(x, out=out)
        stream.run(block)
        stream.run(block, out=outs)
        for call, given in ((stream, bad), (stream.run, bad)):
            with pytest.raises((TypeError, ValueError)):
                call(given)

    held = [own, x, block, out, outs, bad, stream.native, layer, None, layer.native]
    all_ways()
    gc.collect()
    before = [sys.getrefcount(one) for one in held], len(gc.get_objects())
    for _ in range(200):
        all_ways()
    gc.collect()
    after = [sys.getrefcount(one) for one in held], len(gc.get_objects())
    # None and pytest's own objects may move a little; what is lost at each call would be hundreds.
    for one, other in zip([*before[0], before[1]], [*after[0], after[1]], strict=True):
        assert abs(one - other) < 100


def test_threads_with_streams_of_one_layer() -> None:
    layer, head = rf.GRU(1, 16, seed=0), rf.Linear(16, 1, seed=1)
    x = np.random.default_rng(0).normal(size=(2000, 1, 1)).astype(np.float32)
    whole = head(layer(x)[0])
    found: list[Any] = [None] * 4

    def take(number: int) -> None:
        stream = Stream(layer, 1, head)
        for _ in range(3):
            stream.reset()
            found[number] = taken_singly(stream, x) if number % 2 else stream.run(x)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in found:
        np.testing.assert_array_equal(one, whole)


def test_a_long_run_belongs_to_one_thread() -> None:
    layer = rf.GRU(1, 64, seed=0)
    x = np.random.default_rng(0).normal(size=(50_000, 1, 1)).astype(np.float32)
    stream, done = layer.stream(), threading.Event()
    found: list[Any] = []

    def take() -> None:
        found.append(stream.run(x))
        done.set()

    thread = threading.Thread(target=take)
    thread.start()
    while not done.is_set():
        try:
            _ = stream.state
        except RuntimeError as error:
            assert str(error) == "stream: expected no other thread to run it, got one that does"
    thread.join()
    np.testing.assert_array_equal(found[0], layer(x)[0])
