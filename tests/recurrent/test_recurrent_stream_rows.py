"""Streams of which some sequences alone take a step, or are reset: the bits of whole sequences."""

from __future__ import annotations

import copy
import pickle
import re
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from layer_cases import DTYPES, Case, assert_same_bits, named
from network_cases import CELLS, pack


def raises(error: type[Exception], message: str) -> Any:
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def random_steps(rng: np.random.Generator, steps: int, batch: int) -> list[Any]:
    """Subsets in random order, by which each sequence takes all its steps; and how they come."""
    taken, turns = np.zeros(batch, int), []
    while (taken < steps).any():
        left = rng.permutation(np.flatnonzero(taken < steps))
        rows = left[: rng.integers(0, len(left) + 1)]
        taken[rows] += 1
        turns.append(rows)
    return turns


@pytest.mark.parametrize("indices", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("cell", CELLS)
def test_steps_of_some_are_whole_calls(
    level: str, cell: str, batch: int, dtype: str, indices: bool
) -> None:
    case = Case(cell, hidden_size=21, batch=batch, num_layers=2, steps=4, indices=indices)
    layer, inputs = case.layer(dtype), case.inputs.astype(dtype)
    whole, state = layer(inputs.x, pack(inputs.states))
    stream, place = layer.stream(batch), np.zeros(batch, int)
    stream.state = pack(inputs.states)
    y = np.zeros_like(whole)
    for rows in random_steps(np.random.default_rng(0), 4, batch):
        y[place[rows], rows] = stream(inputs.x[place[rows], rows], rows=rows)
        place[rows] += 1
    assert_same_bits(named(y, stream.state), named(whole, state))


@pytest.mark.parametrize("cell", ["lstm", "gru reset after", "rnn tanh"])
def test_many_step_together_and_apart(
    level: str, set_threads: Callable[[int], None], cell: str
) -> None:
    # So many that a step of all of them is a pass that threads share.
    case = Case(cell, input_size=40, hidden_size=48, batch=600, num_layers=2, steps=4)
    layer, inputs = case.layer("float32"), case.inputs.astype("float32")
    set_threads(1)
    whole, state = layer(inputs.x, pack(inputs.states))
    rng = np.random.default_rng(1)
    for threads in (1, 2, 3):
        set_threads(threads)
        stream = layer.stream(600)
        stream.state = pack(inputs.states)
        y = [stream(inputs.x[0]).copy()]
        y.append(np.empty_like(y[0]))
        for rows in np.array_split(rng.permutation(600), 3):
            y[1][rows] = stream(inputs.x[1, rows], rows=rows.tolist())
        y += [stream(inputs.x[2]).copy(), stream.run(inputs.x[3:])[0]]
        assert_same_bits(named(np.stack(y), stream.state), named(whole, state))


@pytest.mark.parametrize("batch", [3, 600])
def test_an_output_may_be_the_next_input(level: str, batch: int) -> None:
    layer = rf.GRU(48, 48, 2, seed=0)
    y = np.random.default_rng(0).normal(size=(batch, 48)).astype(np.float32)
    stream, expected, state = layer.stream(batch), y, None
    for _ in range(3):
        y = stream(y)
        (expected,), state = layer(expected[np.newaxis], state)
        np.testing.assert_array_equal(y, expected)
    rows = range(batch - 1)
    y = stream(y[:-1], rows=rows)
    (expected,), state = layer(expected[np.newaxis], state)
    np.testing.assert_array_equal(y, expected[:-1])


@pytest.mark.parametrize("batch", [5, 600])
@pytest.mark.parametrize("kind", [rf.LSTM, rf.GRU, rf.MinGRU])
def test_reset_of_some(level: str, kind: Any, batch: int) -> None:
    layer = kind(40, 40, 2, seed=0)
    x = np.random.default_rng(0).normal(size=(3, batch, 40)).astype(np.float32)
    fresh, stream = layer.stream(batch), layer.stream(batch)
    for x_t in x:
        stream(x_t)
    before = named(None, stream.state)
    rows = np.array([4, 1])
    stream.reset(rows)
    for name, after in named(None, stream.state).items():
        assert not after[:, rows].any()
        others = np.delete(np.arange(batch), rows)
        np.testing.assert_array_equal(after[:, others], before[name][:, others])
    np.testing.assert_array_equal(stream(x[0])[rows], fresh(x[0])[rows])
    stream.reset()
    assert not any(s.any() for s in named(None, stream.state).values())


def test_shapes_and_memory_of_what_comes_back(level: str) -> None:
    stream = rf.LSTM(3, 5, seed=0).stream(4)
    x = np.ones((4, 3), np.float32)
    own = stream(x)
    some = stream(x[:2], rows=[3, 0])
    assert some.shape == (2, 5)
    assert np.shares_memory(some, own)
    assert stream(x[0], rows=[2]).shape == (5,)
    assert stream(x[:1], rows=[2]).shape == (1, 5)
    assert stream(x[:0], rows=[]).shape == (0, 5)
    assert stream(np.zeros(0, int), rows=np.array([])).shape == (0, 5)
    assert stream(1, rows=[2]).shape == (5,)
    out = np.zeros((3, 2, 5), np.float32)
    assert np.shares_memory(stream(x[:2], out[1], rows=(1, 2)), out)
    assert out[1].any()
    flat = np.zeros(5, np.float32)
    assert stream(x[0], out=flat, rows=range(1)) is flat


@pytest.mark.parametrize("batch", [4, 600])
@pytest.mark.parametrize(
    "made", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_copies_go_on_by_themselves(level: str, batch: int, made: Callable[[Any], Any]) -> None:
    stream = rf.LSTM(40, 40, seed=0).stream(batch)
    x = np.random.default_rng(0).normal(size=(batch, 40)).astype(np.float32)
    stream(x)
    stream(x[:2], rows=[3, 0])
    other = made(stream)
    assert_same_bits(named(None, other.state), named(None, stream.state))
    expected = stream(x).copy()
    np.testing.assert_array_equal(other(x), expected)
    stream.reset([0])
    assert other.state[0].any(axis=2).all()


WRONG: list[tuple[Any, Any, type[Exception], str]] = [
    ([4], None, ValueError, "rows: expected numbers from 0 to 3, got 4"),
    ([-1], None, ValueError, "rows: expected numbers from 0 to 3, got -1"),
    ([2**80], None, ValueError, f"rows: expected numbers from 0 to 3, got {2**63 - 1}"),
    (
        np.array([2**63], np.uint64),
        None,
        ValueError,
        f"rows: expected numbers from 0 to 3, got {2**63}",
    ),
    (np.array([2**40]), None, ValueError, f"rows: expected numbers from 0 to 3, got {2**40}"),
    (
        np.array([2**32 + 1]),
        None,
        ValueError,
        f"rows: expected numbers from 0 to 3, got {2**32 + 1}",
    ),
    ([1, 1], None, ValueError, "rows: expected each once, got 1 again"),
    (range(2**70), None, ValueError, "rows: expected at most 4, each once, got more"),
    (np.arange(5), None, ValueError, "rows: expected at most 4, each once, got more"),
    ([[1]], None, TypeError, "rows: expected integers, got list"),
    ([1.0], None, TypeError, "rows: expected integers, got float"),
    ([True], None, TypeError, "rows: expected integers, got bool"),
    ("1", None, TypeError, "rows: expected a list or an array of integers, got str"),
    (1, None, TypeError, "rows: expected a list or an array of integers, got int"),
    ({1}, None, TypeError, "rows: expected a list or an array of integers, got set"),
    (np.array([1.0]), None, TypeError, "rows: expected integers, got dtype float64"),
    (np.array([1.7], "f4"), None, TypeError, "rows: expected integers, got dtype float32"),
    (np.array([1], object), None, TypeError, "rows: expected integers, got dtype object"),
    (
        np.ones(4, bool),
        None,
        TypeError,
        "rows: expected integers, got dtype bool; np.flatnonzero(rows) are those of a mask",
    ),
    (np.array(1), None, ValueError, "rows: expected shape (n,), got ()"),
    (np.array([[1]]), None, ValueError, "rows: expected shape (n,), got (1, 1)"),
    (
        np.ma.array([1, 2], mask=[0, 1]),
        None,
        TypeError,
        "rows: expected an array without a mask, got a masked one; rows.filled(number) says what "
        "stands where it is masked",
    ),
    ([0, 1], np.ones((3, 3), "f4"), ValueError, "x: expected shape (2, 3), got (3, 3)"),
    (
        [0],
        np.full((1, 3), np.nan, "f4"),
        ValueError,
        "x: expected finite numbers, got NaN or infinity",
    ),
    ([0, 1], np.array([0, 3]), ValueError, "x: expected indices from 0 to 2, got 3"),
    ([], np.ones((1, 3), "f4"), ValueError, "x: expected shape (0, 3), got (1, 3)"),
]


@pytest.mark.parametrize(("rows", "x", "error", "message"), WRONG)
def test_what_is_refused_changes_nothing(
    rows: Any, x: Any, error: type[Exception], message: str
) -> None:
    stream = rf.LSTM(3, 5, seed=0).stream(4)
    stream(np.ones((4, 3), np.float32))
    before = named(None, stream.state)
    with raises(error, message):
        stream(np.ones((1, 3), np.float32) if x is None else x, rows=rows)
    assert_same_bits(named(None, stream.state), before)
    if x is None:
        with raises(error, message):
            stream.reset(rows)
        assert_same_bits(named(None, stream.state), before)


def test_arrays_of_other_libraries() -> None:
    torch = pytest.importorskip("torch")
    layer = rf.LSTM(3, 5, seed=0)
    one, other = layer.stream(4), layer.stream(4)
    x = np.ones((2, 3), np.float32)
    expected = one(x, rows=[1, 3])
    found = other(torch.from_numpy(x), rows=torch.tensor([1, 3]))
    np.testing.assert_array_equal(found, expected)


def test_a_row_that_runs_code_of_its_own() -> None:
    stream = rf.LSTM(3, 5, seed=0).stream(64)
    x = np.ones((64, 3), np.float32)

    class Row:
        def __index__(self) -> int:
            stream(x[:60], rows=range(60))
            rows.clear()
            return 2

    rows = [Row(), 1, 3]
    stream(x[0], rows=rows)
    assert stream.state[0][0, :60].any(axis=1).all()


def test_threads_meanwhile(set_threads: Callable[[int], None]) -> None:
    # A long step lets other threads run: the stream refuses them, and another one goes on.
    set_threads(1)
    layer = rf.GRU(128, 256, seed=0)
    stream = layer.stream(2000)
    x = np.random.default_rng(0).normal(size=(2000, 128)).astype(np.float32)
    refused, stop = [], threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                stream.reset([0])
            except RuntimeError as error:
                refused.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(200):
            try:
                stream(x)
            except RuntimeError:
                continue
            if refused:
                break
    finally:
        stop.set()
        asking.join()
    assert set(refused) == {"stream: expected no other thread to run it, got one that does"}


def test_sampling_goes_on_from_rows(level: str) -> None:
    layer, output = rf.GRU(40, 40, seed=0), rf.Linear(40, 40, seed=1)
    x = np.random.default_rng(0).integers(0, 40, size=(2, 600))
    streams = [layer.stream(600), layer.stream(600)]
    for x_t in x:
        streams[0](x_t)
        for row in range(600):
            streams[1](x_t[[row]], rows=[row])
    drawn = [
        rf.sample(s, output, max_length=5, zero_first=False, prefix=[1], seed=0) for s in streams
    ]
    np.testing.assert_array_equal(*drawn)
    assert_same_bits(named(None, streams[1].state), named(None, streams[0].state))
