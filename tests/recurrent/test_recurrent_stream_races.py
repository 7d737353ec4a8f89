"""Two threads on one stream: each step is taken whole by one of them, or refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf

REFUSED = "stream: expected no other thread to run it, got one that does"


def race(calls: list[Callable[[], Any]], turns: int) -> list[int]:
    """Make calls over and over, each in a thread of its own; how often each was not refused."""
    taken, wrong = [0] * len(calls), []
    together = threading.Barrier(len(calls))

    def run(number: int) -> None:
        together.wait()
        for _ in range(turns):
            try:
                calls[number]()
            except RuntimeError as error:
                if str(error) != REFUSED:
                    wrong.append(error)
            except BaseException as error:  # whatever else it is
                wrong.append(error)
            else:
                taken[number] += 1

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    return taken


def assert_same(stream: Any, other: Any) -> None:
    for one, two in zip(stream.state, other.state, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("how", ["strided", "Fortran", "byte by byte", "list"])
@pytest.mark.parametrize("batch", [512, 700])
def test_steps_of_arrays_that_are_copied_first(
    set_threads: Callable[[int], None], batch: int, how: str
) -> None:
    # Copying x may let another thread run, before the step has locked the stream.
    set_threads(2)
    layer = rf.LSTM(24, 32, seed=0)
    numbers = np.random.default_rng(0).normal(size=(batch, 24)).astype(np.float32)
    wide = np.repeat(numbers, 2, axis=1)
    packed = np.zeros((batch, 24), np.dtype([("skip", "i1"), ("x", "f4")]))
    packed["x"] = numbers
    x: Any = {
        "strided": wide[:, ::2],
        "Fortran": np.asfortranarray(numbers),
        "byte by byte": packed["x"],
        "list": numbers[::-1][::-1],
    }[how]
    out = [np.empty((batch, 32), np.float32) for _ in range(2)]
    stream = layer.stream(batch)
    taken = race([lambda n=n: stream(x, out=out[n]) for n in range(2)], 30)  # type: ignore[misc]
    assert sum(taken) >= 1
    alone = layer.stream(batch)
    for _ in range(sum(taken)):
        alone(numbers)
    assert_same(stream, alone)


def test_steps_of_all_and_of_rows(set_threads: Callable[[int], None]) -> None:
    set_threads(1)
    layer = rf.GRU(16, 64, seed=0)
    x = np.random.default_rng(0).normal(size=(600, 32)).astype(np.float32)[:, ::2]
    rows = np.arange(600)[::-1]
    stream, out = layer.stream(600), [np.empty((600, 64), np.float32) for _ in range(2)]
    taken = race(
        [lambda: stream(x, out=out[0]), lambda: stream(x[rows], rows=rows, out=out[1])], 30
    )
    alone = layer.stream(600)
    for _ in range(sum(taken)):
        alone(x)
    np.testing.assert_array_equal(stream.state, alone.state)


def test_a_step_beside_drawing(set_threads: Callable[[int], None]) -> None:
    # Drawing keeps the stream locked while other threads run.
    set_threads(1)
    layer, head = rf.GRU(24, 64, seed=0), rf.Linear(64, 24, seed=1)
    stream = layer.stream(512)
    x = np.random.default_rng(0).normal(size=(512, 48)).astype(np.float32)[:, ::2]
    drawn: list[Any] = []

    def draw() -> None:
        drawn.append(rf.sample(stream, head, max_length=70, temperature=0.0))

    taken = race([lambda: stream(x), draw, lambda: stream.reset([511])], 12)
    assert taken[1] == len(drawn)
    assert all(len(each) == 512 for each in drawn)
    assert np.isfinite(stream.state).all()


def test_states_beside_steps(set_threads: Callable[[int], None]) -> None:
    set_threads(1)
    layer = rf.GRU(24, 64, seed=0)
    stream = layer.stream(600)
    x = np.random.default_rng(0).normal(size=(600, 48)).astype(np.float32)[:, ::2]
    seen: list[Any] = []
    race([lambda: stream(x), lambda: seen.append(stream.state)], 30)
    steps, alone = [], layer.stream(600)
    for _ in range(31):
        steps.append(alone.state.tobytes())
        alone(x)
    assert {state.tobytes() for state in seen} <= set(steps)  # never one that is half of a step
