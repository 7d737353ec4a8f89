"""Sampling in the kernels against a loop of single steps, and the draw against its distribution."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import rnnfast as rf

Array = npt.NDArray[Any]

V = 11


class Net:
    """A recurrent layer with an output layer and, if wanted, an embedding."""

    def __init__(self, cell: Any, dtype: str, embedded: bool, hidden: int = 33) -> None:
        rng = np.random.default_rng(7)
        inputs = 5 if embedded else V
        self.embedding = rf.Embedding(V, inputs, dtype=dtype, seed=rng) if embedded else None
        self.layer = cell(inputs, hidden, 2, dtype=dtype, seed=rng)
        self.linear = rf.Linear(hidden, V, dtype=dtype, seed=rng)
        self.linear.parameters()["weight"].assign(8.0 * self.linear.parameters()["weight"].data)

    def sample(self, batch: int = 1, **options: Any) -> list[Array]:
        return rf.sample(self.layer.stream(batch), self.linear, embedding=self.embedding, **options)

    def loop(
        self,
        batch: int,
        max_length: int,
        zero_first: bool = True,
        prefix: tuple[int, ...] = (),
        stop: tuple[int, ...] = (),
        **options: Any,
    ) -> list[Array]:
        """The same, step by step."""
        step = self.layer.stream(batch)
        inputs: list[Array] = []
        if zero_first:
            inputs.append(np.zeros((batch, self.layer.input_size), self.layer.dtype))
        inputs += [self.feed(np.full(batch, token)) for token in prefix]
        for x in inputs:
            h = step(x)
        rows: list[list[int]] = [[] for _ in range(batch)]
        done = [False] * batch
        for position in range(max_length):
            tokens = rf.generation.draw(self.linear(h), position=position, **options)
            for b in range(batch):
                if not done[b]:
                    rows[b].append(int(tokens[b]))
                    done[b] = int(tokens[b]) in stop
            if all(done):
                break
            h = step(self.feed(np.array([row[-1] for row in rows])))
        return [np.array(row) for row in rows]

    def feed(self, tokens: Array) -> Array:
        return tokens if self.embedding is None else self.embedding(tokens)


OPTIONS: list[dict[str, Any]] = [
    {"seed": 1},
    {"seed": 2, "temperature": 0.3, "prefix": (3, 1, 4)},
    {"seed": 3, "top_k": 4, "stop": (2,)},
    {"seed": 4, "top_p": 0.8, "zero_first": False, "prefix": (5,)},
    {"seed": 5, "top_k": 6, "top_p": 0.9, "temperature": 2.0, "forbidden": (0, 10), "stop": (1, 3)},
    {"seed": 6, "temperature": 0.0},
]


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("cell", [rf.RNN, rf.GRU, rf.LSTM])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("embedded", [True, False])
def test_same_as_a_loop(
    set_threads: Callable[[int], None], cell: Any, dtype: str, embedded: bool
) -> None:
    net = Net(cell, dtype, embedded)
    for options in OPTIONS:
        for batch in (1, 3):
            set_threads(1)
            want = net.loop(batch, 40, **options)
            for threads in (1, 2):
                set_threads(threads)
                got = net.sample(batch, max_length=40, **options)
                assert len(got) == batch
                for row, want_row in zip(got, want, strict=True):
                    assert row.dtype == np.int64
                    np.testing.assert_array_equal(row, want_row)


def test_rows_are_their_own() -> None:
    """A row draws the same whatever else is drawn; rows differ; seeds differ."""
    net = Net(rf.LSTM, "float32", True)
    one, three = (net.sample(batch, max_length=30, seed=9) for batch in (1, 3))
    np.testing.assert_array_equal(one[0], three[0])
    assert (three[0] != three[1]).any()
    assert (one[0] != net.sample(max_length=30, seed=10)[0]).any()
    assert (net.sample(max_length=50)[0] != net.sample(max_length=50)[0]).any()


def test_longer_than_one_look() -> None:
    """Prefixes and samples longer than what runs between two looks for Ctrl-C."""
    net = Net(rf.GRU, "float64", False)
    prefix = tuple(np.random.default_rng(0).integers(V, size=200).tolist())
    want = net.loop(2, 150, prefix=prefix, seed=1)
    got = net.sample(2, max_length=150, prefix=prefix, seed=1)
    np.testing.assert_array_equal(got, want)


def test_stream_goes_on() -> None:
    """The stream keeps the state after its last step: sampling in two parts."""
    net = Net(rf.LSTM, "float64", True)
    whole = net.sample(max_length=20, temperature=0.0)[0]
    stream = net.layer.stream()
    first = rf.sample(stream, net.linear, embedding=net.embedding, max_length=8, temperature=0.0)
    second = rf.sample(
        stream, net.linear, embedding=net.embedding, max_length=12, temperature=0.0,
        zero_first=False, prefix=first[0][-1:],
    )  # fmt: skip
    np.testing.assert_array_equal(np.concatenate([first[0], second[0]]), whole)


def test_changed_weights_are_used() -> None:
    net = Net(rf.GRU, "float64", False)
    stream = net.layer.stream()
    net.linear.parameters()["weight"].assign(np.zeros((V, 33)))
    net.linear.parameters()["bias"].assign(np.eye(V)[4])
    assert set(rf.sample(stream, net.linear, max_length=5, temperature=0.0)[0]) == {4}


def probabilities(logits: Array, temperature: float = 1.0) -> Array:
    e = np.exp((logits - logits.max()) / temperature)
    return e / e.sum()


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_draw_follows_the_distribution(dtype: str) -> None:
    rng = np.random.default_rng(0)
    count, classes = 60_000, 19
    logits = (2.0 * rng.normal(size=classes)).astype(dtype)
    rows = np.broadcast_to(logits, (count, classes))
    order = np.argsort(-logits)
    for options in (
        {},
        {"temperature": 0.5},
        {"temperature": 3.0, "forbidden": (order[0], 4)},
        {"top_k": 5},
        {"top_p": 0.7},
        {"top_k": 7, "top_p": 0.9},
    ):
        p = probabilities(logits.astype("float64"), options.get("temperature", 1.0))
        for token in options.get("forbidden", ()):
            p[token] = 0.0
        if "top_k" in options:
            p[order[options["top_k"] :]] = 0.0
        p /= p.sum()
        if "top_p" in options:
            kept = np.searchsorted(np.cumsum(p[order]), options["top_p"]) + 1
            p[order[kept:]] = 0.0
            p /= p.sum()
        drawn = np.bincount(rf.generation.draw(rows, seed=1, **options), minlength=classes) / count
        assert not drawn[p == 0.0].any(), options
        assert (np.abs(drawn - p) < 5 * np.sqrt(p * (1 - p) / count) + 1e-12).all(), options


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_most_likely_token(dtype: str) -> None:
    logits = np.array([[0.0, 3.0, 3.0, -1.0], [-5.0, -2.0, -3.0, -4.0]], dtype)
    for options in ({"temperature": 0.0}, {"top_k": 1}, {"top_p": 1e-9}):
        np.testing.assert_array_equal(rf.generation.draw(logits, seed=3, **options), [1, 1])
    np.testing.assert_array_equal(
        rf.generation.draw(logits, temperature=0.0, forbidden=[1]), [2, 2]
    )
    # Nearly cold: two are equally likely, the others are not at all.
    cold = [rf.generation.draw(logits, seed=seed, temperature=1e-300) for seed in range(40)]
    assert {int(first) for first, _ in cold} == {1, 2}
    assert {int(second) for _, second in cold} == {1}


def test_positions_have_their_own_numbers() -> None:
    logits = np.zeros((1, 1000))
    drawn = {int(rf.generation.draw(logits, seed=1, position=i)[0]) for i in range(50)}
    assert len(drawn) > 40


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers(bad: float) -> None:
    logits = np.zeros((2, 4))
    logits[1, 2] = bad
    with pytest.raises(FloatingPointError, match="logits: expected finite numbers"):
        rf.generation.draw(logits)
    # What is forbidden is not looked at.
    assert rf.generation.draw(logits, forbidden=[2]).shape == (2,)
    net = Net(rf.GRU, "float32", False)
    diverged = net.linear.state_dict() | {"bias": np.where(np.arange(V) == 3, bad, 0.0)}
    net.linear._replace(diverged, finite=False)
    with pytest.raises(FloatingPointError, match="logits: expected finite numbers"):
        net.sample(max_length=5)


def test_interrupt() -> None:
    """A signal ends a long sample soon; the stream can be used again."""
    net = Net(rf.LSTM, "float32", False)
    stream = net.layer.stream()

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            rf.sample(stream, net.linear, max_length=5_000_000)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    stream.reset()
    np.testing.assert_array_equal(
        rf.sample(stream, net.linear, max_length=9, seed=1), net.sample(max_length=9, seed=1)
    )


def test_one_thread_at_a_time() -> None:
    """Others run while one samples, but not on its stream."""
    net = Net(rf.LSTM, "float32", False)
    stream = net.layer.stream()
    thread = threading.Thread(
        target=lambda: rf.sample(stream, net.linear, max_length=200_000, seed=1)
    )
    thread.start()
    refused = False
    while thread.is_alive() and not refused:
        try:
            stream.reset()
        except RuntimeError as error:
            assert "stream: expected no other thread to run it" in str(error)
            refused = True
    thread.join()
    assert refused
    stream.reset()


NET = Net(rf.GRU, "float32", False)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"temperature": -1.0}, ValueError, "temperature: expected a finite number of at least 0"),
        ({"temperature": np.nan}, ValueError, "temperature: expected a finite number"),
        ({"top_k": 0}, ValueError, "top_k: expected at least 1, got 0"),
        ({"top_p": 0.0}, ValueError, "top_p: expected a finite number above 0 and of at most 1"),
        ({"forbidden": range(V)}, ValueError, "forbidden: expected a token that is allowed"),
        ({"forbidden": [V]}, ValueError, "forbidden: expected tokens from 0 to 10, got 11"),
        ({"stop": [V]}, ValueError, "stop: expected tokens from 0 to 10, got 11"),
        ({"prefix": [V]}, ValueError, "prefix: expected tokens from 0 to 10, got 11"),
        ({"prefix": [[1]]}, ValueError, "prefix: expected an array with ndim 1"),
        ({"zero_first": False}, ValueError, "prefix: expected a token, or zero_first=True"),
        ({"max_length": 0}, ValueError, "max_length: expected at least 1, got 0"),
        ({"seed": -1}, ValueError, "seed: expected at least 0, got -1"),
        ({"seed": 2**64}, ValueError, r"seed: expected at most 18446744073709551615"),
        ({"embedding": rf.Embedding(V, 4)}, ValueError, r"embedding: expected shape \(11, 11\)"),
        ({"embedding": rf.Embedding(V, V, dtype="float64")}, TypeError, "embedding: expected"),
        ({"embedding": rf.Embedding(V - 1, V)}, ValueError, "linear: expected at most 10 tokens"),
        ({"embedding": 3}, TypeError, "embedding: expected an Embedding, got int"),
        ({"linear": rf.Linear(32, V)}, ValueError, "linear: expected in_features 33, got 32"),
        ({"linear": rf.Linear(33, V, dtype="float64")}, TypeError, "linear: expected the dtype"),
        ({"linear": rf.Linear(33, V + 1)}, ValueError, "linear: expected at most 11 tokens"),
        ({"linear": None}, TypeError, "linear: expected a Linear, got NoneType"),
        ({"stream": NET.layer}, TypeError, "stream: expected a Stream, got GRU"),
    ],
)  # fmt: skip
def test_bad_input(options: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"stream": NET.layer.stream(), "linear": NET.linear, "max_length": 5} | options
    with pytest.raises(error, match=message):
        rf.sample(**arguments)


def test_bad_scores() -> None:
    with pytest.raises(ValueError, match=r"logits: expected shape \(R, V\), got \(3,\)"):
        rf.generation.draw(np.zeros(3))
    with pytest.raises(TypeError, match="logits: expected dtype float32 or float64, got int64"):
        rf.generation.draw(np.zeros((2, 3), int))
