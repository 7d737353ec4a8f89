"""Chains step by step: what a whole call gives, in states by place."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import numpy as np
import pytest

import rnnfast as rf


def raises(error: type[Exception], message: str) -> Any:
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def numbers(*shape: int, dtype: str = "float32") -> Any:
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


def chains(dtype: str = "float32") -> dict[str, Any]:
    """Networks of 4 inputs, or of 6 indices."""

    def linear(inputs: int, outputs: int) -> Any:
        return rf.Linear(inputs, outputs, dtype=dtype, seed=1)

    def lstm(inputs: int, units: int, layers: int = 1) -> Any:
        return rf.LSTM(inputs, units, layers, dtype=dtype, seed=2)

    gru = rf.GRU(7, 5, dtype=dtype, seed=3)
    embedding = rf.Embedding(6, 4, dtype=dtype, seed=4)
    return {
        "one head": rf.chain(lstm(4, 7), linear(7, 3)),
        "no head": rf.chain(lstm(4, 7)),
        "a head that is large": rf.chain(lstm(4, 7, 2), linear(7, 33)),
        "dropout": rf.chain(rf.Dropout(0.5), lstm(4, 7), rf.Dropout(0.5), linear(7, 3)),
        "two heads": rf.chain(lstm(4, 7), linear(7, 5), linear(5, 2)),
        "linear first": rf.chain(linear(4, 6), rf.Activation("tanh"), lstm(6, 7), linear(7, 3)),
        "activation last": rf.chain(lstm(4, 7), linear(7, 3), rf.Activation("sigmoid")),
        "nested": rf.chain(lstm(4, 7), rf.chain(gru, rf.chain(linear(5, 3))), lstm(3, 2)),
        "embedded": rf.chain(embedding, lstm(4, 7), linear(7, 3)),
        "embedded, activation last": rf.chain(embedding, lstm(4, 7), rf.Activation("relu")),
    }


NAMES = list(chains())


def given(name: str, steps: int, batch: int, dtype: str = "float32") -> Any:
    if name.startswith("embedded"):
        return np.random.default_rng(0).integers(6, size=(steps, batch))
    return numbers(steps, batch, 4, dtype=dtype)


def assert_same_states(one: Any, other: Any) -> None:
    assert list(one) == list(other)
    for place in one:
        np.testing.assert_array_equal(np.stack(one[place]), np.stack(other[place]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_steps_are_one_call(level: str, name: str, batch: int, dtype: str) -> None:
    net, x = chains(dtype)[name], given(name, 6, batch, dtype)
    whole, states = net(x, return_state=True)
    stream = net.stream(batch)
    np.testing.assert_array_equal(np.stack([stream(x_t).copy() for x_t in x]), whole)
    assert_same_states(stream.state, states)
    stream.reset()
    out = np.empty_like(whole)
    assert all(stream(x_t, out=out_t) is out_t for x_t, out_t in zip(x, out, strict=True))
    np.testing.assert_array_equal(out, whole)
    stream.reset()
    np.testing.assert_array_equal(stream.run(x), whole)
    assert_same_states(stream.state, states)
    stream.state = {}
    out[...] = 0
    parts = [stream.run(x[:2]), stream(x[2])[np.newaxis].copy(), stream.run(x[3:], out=out[3:])]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(out[3:], whole[3:])


@pytest.mark.parametrize("name", NAMES)
def test_steps_of_some_sequences(name: str) -> None:
    net, x = chains()[name], given(name, 4, 5)
    whole = net(x)
    stream = net.stream(5)
    for rows in ([3], [0, 4], [2, 1]):
        for t in range(4):
            out = np.empty((len(rows), whole.shape[-1]), np.float32)
            assert stream(x[t, rows], out=out, rows=rows) is out
            np.testing.assert_array_equal(out, whole[t, rows])
    stream.reset([3])
    np.testing.assert_array_equal(stream(x[0, [3]], rows=np.array([3])), whole[0, [3]])


@pytest.mark.parametrize("name", NAMES)
def test_a_step_without_the_batch(name: str) -> None:
    net, x = chains()[name], given(name, 3, 1)
    whole, stream = net(x), net.stream()
    for t in range(3):
        out = np.empty(whole.shape[-1], np.float32)
        one = int(x[t, 0]) if name.startswith("embedded") else x[t, 0]
        assert stream(one, out) is out
        np.testing.assert_array_equal(out, whole[t, 0])


def test_states_begin_where_they_are_set() -> None:
    net, x = chains()["nested"], numbers(6, 2, 4)
    _, states = net(x[:3], return_state=True)
    whole = net(x[3:], state=states)
    stream = net.stream(2)
    stream.state = states
    np.testing.assert_array_equal(stream.run(x[3:]), whole)
    before = stream.state
    with raises(ValueError, "state: expected states of the places 0, 1.0, 2, got '1'"):
        stream.state = {"1": states["0"]}
    with pytest.raises(ValueError, match=r"^h: expected shape \(1, 2, 5\), got \(1, 2, 4\)$"):
        stream.state = {**states, "1.0": np.ones((1, 2, 4), np.float32)}
    assert_same_states(stream.state, before)


@pytest.mark.parametrize("name", ["one head", "nested"])
def test_copies_go_on_by_themselves(name: str) -> None:
    net, x = chains()[name], numbers(6, 1, 4)
    whole, stream = net(x), net.stream()
    stream.run(x[:3])
    others = [copy.copy(stream), copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))]
    for one in (stream, *others):
        np.testing.assert_array_equal(one.run(x[3:]), whole[3:])


def test_a_first_part_that_has_the_batch_first() -> None:
    net = rf.chain(rf.GRU(4, 5, batch_first=True, seed=0), rf.Linear(5, 2, seed=1))
    x = numbers(6, 3, 4)
    stream = net.stream(3)
    whole = net(np.swapaxes(x, 0, 1)).swapaxes(0, 1)
    np.testing.assert_array_equal(stream.run(x), whole)
    stream.reset()
    np.testing.assert_array_equal(stream.run(np.repeat(x, 2, axis=0)[::2]), whole)


def test_quantized_parts() -> None:
    net, x = rf.quantize(chains()["one head"]), numbers(6, 1, 4)
    np.testing.assert_array_equal(net.stream().run(x), net(x))
    stream = net.stream()
    np.testing.assert_array_equal(np.stack([stream(x_t).copy() for x_t in x]), net(x))


@pytest.mark.parametrize("name", ["one head", "activation last", "linear first"])
@pytest.mark.parametrize(
    ("x", "out", "error", "message"),
    [
        (numbers(1, 5), None, ValueError, "x: expected shape "),
        (numbers(1, 4, dtype="float64"), None, TypeError, "x: expected dtype float32"),
        (numbers(1, 4) * np.nan, None, ValueError, "x: expected finite numbers"),
        ([1.0], None, TypeError, "x: expected "),
        (numbers(1, 4), numbers(3), ValueError, "out: expected shape (1, 3), got (3,)"),
        (numbers(4), numbers(1, 3), ValueError, "out: expected shape (3,), got (1, 3)"),
        (numbers(1, 4), [0.0], TypeError, "out: expected a NumPy array, got list"),
    ],
)
def test_bad_input(name: str, x: Any, out: Any, error: type[Exception], message: str) -> None:
    stream = chains()[name].stream()
    stream(numbers(1, 4))
    before = stream.state
    with pytest.raises(error) as caught:
        stream(x, out)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    if isinstance(x, list) or x.ndim == 2:
        with pytest.raises(error):
            stream.run(x if isinstance(x, list) else x[np.newaxis], out=out)
    assert_same_states(stream.state, before)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            (rf.bidirectional(rf.GRU(4, 5)),),
            "chain[0] (Bidirectional): expected a recurrent layer but SLSTM and MLSTM, or Linear, "
            "Embedding, Activation, Dropout or a chain of such for a stream, got Bidirectional",
        ),
        (
            (rf.Dropout(), rf.GRU(4, 5, bidirectional=True)),
            "chain[1] (GRU): expected one direction for a stream, got both",
        ),
        (
            (rf.chain(rf.GRU(4, 5), rf.Pooling("mean")),),
            "chain[0].chain[1] (Pooling): expected a recurrent layer but SLSTM and MLSTM, or "
            "Linear, Embedding, Activation, Dropout or a chain of such for a stream, got Pooling",
        ),
        (
            (rf.GRU(4, 5), rf.Activation("tanh"), rf.Linear(6, 1)),
            "chain[2] (Linear): expected to take 5 features as chain[0] (GRU) gives them, got 6",
        ),
        (
            (rf.GRU(4, 5), rf.Linear(5, 1, dtype="float64")),
            "chain[1] (Linear): expected dtype float32 as chain[0] (GRU) has it, got float64",
        ),
        (
            (rf.GRU(4, 5), rf.Embedding(5, 3)),
            "chain[1] (Embedding): expected to take 5 features as chain[0] (GRU) gives them, got "
            "indices",
        ),
        ((rf.Linear(4, 5),), "stream: expected a chain with a recurrent layer, got one without"),
    ],
)
def test_chains_without_streams(parts: Any, message: str) -> None:
    with raises(ValueError, message):
        rf.chain(*parts).stream()


def test_batch_size() -> None:
    with raises(ValueError, "batch_size: expected at least 1, got 0"):
        chains()["one head"].stream(0)
