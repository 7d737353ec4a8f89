"""Streams: the bits of a whole call step by step, in memory and a state of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layer_cases import DTYPES, Case, assert_same_bits, named
from network_cases import CELLS, pack


def started(case: Case, dtype: str, **options: Any) -> tuple[Any, Any, Any]:
    """A layer, a stream that stands at the initial state, and the arguments."""
    layer, inputs = case.layer(dtype, **options), case.inputs.astype(dtype)
    stream = layer.stream(case.batch)
    stream.state = pack(inputs.states)
    return layer, stream, inputs


@pytest.mark.parametrize("indices", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [1, 2, 7])
@pytest.mark.parametrize("cell", CELLS)
def test_steps_are_one_call(level: str, cell: str, batch: int, dtype: str, indices: bool) -> None:
    case = Case(cell, hidden_size=21, batch=batch, num_layers=3, indices=indices)
    layer, stream, inputs = started(case, dtype)
    whole = named(*layer(inputs.x, pack(inputs.states)))
    y = np.stack([stream(x_t).copy() for x_t in inputs.x])
    assert_same_bits(named(y, stream.state), whole)
    stream.state = pack(inputs.states)
    assert_same_bits(named(stream.run(inputs.x), stream.state), whole)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_steps_and_runs_in_turn(level: str, cell: str, dtype: str) -> None:
    case = Case(cell, hidden_size=9, steps=9, batch=3, num_layers=2)
    layer, stream, inputs = started(case, dtype)
    whole = named(*layer(inputs.x, pack(inputs.states)))
    parts = [stream(inputs.x[0])[np.newaxis].copy(), stream.run(inputs.x[1:4])]
    parts += [stream.run(inputs.x[4:4]), stream(inputs.x[4])[np.newaxis].copy()]
    parts += [stream.run(inputs.x[5:])]
    assert_same_bits(named(np.concatenate(parts), stream.state), whole)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_a_stream_of_many_weights(
    level: str, set_threads: Callable[[int], None], cell: str, dtype: str, threads: int
) -> None:
    # More than one core's cache holds: threads share the units.
    case = Case(cell, input_size=9, hidden_size=420, steps=3, batch=2, num_layers=2)
    set_threads(1)
    layer, stream, inputs = started(case, dtype)
    whole = named(*layer(inputs.x, pack(inputs.states)))
    set_threads(threads)
    y = [stream(x_t).copy() for x_t in inputs.x[:-1]]
    time.sleep(0.015)  # a step after a pause keeps to one thread
    y.append(stream(inputs.x[-1]).copy())
    assert_same_bits(named(np.stack(y), stream.state), whole)


def test_run_follows_time_even_where_the_layer_has_the_batch_first(level: str) -> None:
    case = Case("lstm", batch=3)
    layer, stream, inputs = started(case, "float32", batch_first=True)
    y, state = layer(np.swapaxes(inputs.x, 0, 1), pack(inputs.states))
    values = named(np.ascontiguousarray(stream.run(inputs.x)), stream.state)
    assert_same_bits(values, named(np.ascontiguousarray(np.swapaxes(y, 0, 1)), state))


def test_a_step_of_one_sequence_takes_and_gives_a_vector(level: str) -> None:
    case = Case("gru reset after", batch=1)
    _, stream, inputs = started(case, "float32")
    flat = stream(inputs.x[0, 0]).copy()
    assert flat.shape == (5,)
    stream.state = pack(inputs.states)
    np.testing.assert_array_equal(stream(inputs.x[0]), [flat])


@pytest.mark.parametrize("kind", [int, np.int64, np.uint8, np.array])
def test_a_step_of_one_sequence_takes_an_index(level: str, kind: Any) -> None:
    case = Case("gru reset after", batch=1, indices=True)
    _, stream, inputs = started(case, "float32")
    expected = stream(inputs.x[0]).copy()
    stream.state = pack(inputs.states)
    y = stream(kind(inputs.x[0, 0]))
    assert y.shape == (5,)
    np.testing.assert_array_equal([y], expected)


def test_a_step_writes_where_it_is_told(level: str) -> None:
    case = Case("lstm", batch=2)
    _, stream, inputs = started(case, "float32")
    own = stream(inputs.x[0])
    first = own.copy()
    assert stream(inputs.x[1]) is own, "the stream's own array"
    stream.state = pack(inputs.states)
    out = np.empty((3, 2, 5), np.float32)
    assert np.shares_memory(stream(inputs.x[0], out=out[1]), out)
    np.testing.assert_array_equal(out[1], first)
    one = case.layer("float32").stream()
    flat = np.empty(5, np.float32)
    assert one(inputs.x[0, 0], out=flat) is flat


def test_an_output_may_be_the_next_input(level: str) -> None:
    case = Case("gru reset before", input_size=5, batch=2, num_layers=2)
    layer, stream, inputs = started(case, "float64")
    y, state = inputs.x[0], pack(inputs.states)
    expected = y
    for _ in range(4):
        y = stream(y)
        (expected,), state = layer(expected[np.newaxis], state)
        np.testing.assert_array_equal(y, expected)


def test_strided_steps(level: str) -> None:
    case = Case("lstm", batch=4)
    _, stream, inputs = started(case, "float32")
    expected = stream(inputs.x[0]).copy()
    x = np.empty((8, 9), np.float32)
    x[1::2, ::3] = inputs.x[0]
    for view in (x[1::2, ::3], np.asfortranarray(inputs.x[0])):
        stream.state = pack([np.asfortranarray(s) for s in inputs.states])
        np.testing.assert_array_equal(stream(view), expected)


@pytest.mark.parametrize("cell", CELLS)
def test_the_state_is_copied_both_ways(level: str, cell: str) -> None:
    case = Case(cell, hidden_size=9, num_layers=2)
    _, stream, inputs = started(case, "float64")
    given = {f"state {k}": s.copy() for k, s in enumerate(inputs.states)}
    for state in inputs.states:
        state[...] = 7
    held = named(None, stream.state)
    assert_same_bits(held, given)
    for state in held.values():
        state[...] = 7
    assert_same_bits(named(None, stream.state), given)
    stream(inputs.x[0])
    stream.reset()
    assert not any(s.any() for s in named(None, stream.state).values())
    first = stream(inputs.x[0]).copy()
    np.testing.assert_array_equal(case.layer("float64").stream(4)(inputs.x[0]), first)
    stream.state = None
    assert not any(s.any() for s in named(None, stream.state).values())


def test_streams_of_one_layer_are_apart(level: str) -> None:
    case = Case("lstm", batch=2, num_layers=2)
    layer, _, inputs = started(case, "float32")
    streams = [layer.stream(2), layer.stream(2)]
    expected, _ = layer(inputs.x)
    for t, x_t in enumerate(inputs.x):
        np.testing.assert_array_equal(streams[0](x_t), expected[t])
    for t, x_t in enumerate(inputs.x):
        np.testing.assert_array_equal(streams[1](x_t), expected[t])


def test_a_stream_outlives_the_name_of_its_layer(level: str) -> None:
    case = Case("gru simplified")
    layer, _, inputs = started(case, "float32")
    expected, _ = layer(inputs.x)
    stream = layer.stream(case.batch)
    del layer
    np.testing.assert_array_equal(stream.run(inputs.x), expected)
