"""Threads that ask models at once take turns in Python, and nobody waits for ever."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast import _core
from rnnfast.models.parts.turns import in_turn


@pytest.fixture(scope="module")
def model() -> Any:
    X = np.random.default_rng(0).normal(size=(40, 12, 3))
    return rf.SequenceClassifier(
        cell="gru", hidden_size=8, pooling="last", epochs=1, seed=0, verbose=0
    ).fit(X, ["a", "b"] * 20)


def in_threads(count: int, run: Callable[[int], Any]) -> list[Any]:
    """Return what so many threads make of their numbers; raise what one of them raises."""
    results: list[Any] = [None] * count
    errors: list[BaseException] = []

    def work(n: int) -> None:
        try:
            results[n] = run(n)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def test_threads_get_what_one_gets(model: Any) -> None:
    rng = np.random.default_rng(1)
    given = [rng.normal(size=(1 + 40 * n, 12, 3)) for n in range(8)]
    expected = [model.predict_proba(X) for X in given]
    for _ in range(3):
        found = in_threads(8, lambda n: [model.predict_proba(given[n]) for _ in range(5)])
        for each, right in zip(found, expected, strict=True):
            for one in each:
                np.testing.assert_array_equal(one, right)


def test_long_passes_within_a_turn() -> None:
    """They give it away, and have it again."""
    layer = rf.GRU(16, 64, seed=0)
    x = np.random.default_rng(0).normal(size=(50, 30, 16)).astype(np.float32)
    expected = layer(x)[0]
    run = in_turn(lambda: [layer(x)[0] for _ in range(3)])
    for each in in_threads(4, lambda _: run()):
        for one in each:
            np.testing.assert_array_equal(one, expected)


def test_who_never_ends_does_not_hold_others_up(model: Any) -> None:
    X = np.ones((2, 12, 3))
    expected = model.predict_proba(X)
    entered, done = threading.Event(), threading.Event()

    @in_turn
    def hold() -> None:
        entered.set()
        done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert entered.wait(60)
        for _ in range(2):
            np.testing.assert_array_equal(model.predict_proba(X), expected)
    finally:
        done.set()
        holder.join()
    np.testing.assert_array_equal(model.predict_proba(X), expected)


def test_turns_within_turns_and_errors() -> None:
    @in_turn
    def fails(depth: int) -> None:
        if depth:
            fails(depth - 1)
        raise KeyError(depth)

    for _ in range(2):
        with pytest.raises(KeyError):
            fails(3)
    _core.leave_turn()  # of nobody: nothing
    assert in_threads(2, in_turn(lambda n: n)) == [0, 1]


def test_functions_keep_their_names_and_arguments(model: Any) -> None:
    import inspect

    assert list(inspect.signature(model.predict_proba).parameters) == ["X", "like"]
    assert model.predict_proba.__doc__.startswith("Return the probability")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_has_its_turn(model: Any) -> None:
    X = np.ones((2, 12, 3))
    entered, done = threading.Event(), threading.Event()

    @in_turn
    def hold() -> None:
        entered.set()
        done.wait()

    @in_turn
    def fork() -> int:
        return os.fork()  # with another thread's turn, or within the own

    def status_of_child() -> int:
        child = fork()
        if child == 0:
            try:
                os._exit(0 if len(model.predict_proba(X)) == 2 else 1)
            finally:
                os._exit(2)
        return os.waitpid(child, 0)[1]

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert entered.wait(60)
        assert status_of_child() == 0
    finally:
        done.set()
        holder.join()
    assert status_of_child() == 0


class Interrupted(Exception):
    """What a handler of signals raises."""


def by_alarm() -> Callable[[], None]:
    signal.setitimer(signal.ITIMER_REAL, 0.005)

    def stop() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    return stop


def by_ctrl_c() -> Callable[[], None]:
    main = threading.get_ident()
    timer = threading.Timer(0.005, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()

    def stop() -> None:
        timer.cancel()
        timer.join()

    return stop


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such signals on this system")
@pytest.mark.parametrize(("number", "send"), [("SIGALRM", by_alarm), ("SIGINT", by_ctrl_c)])
def test_an_interrupt_of_who_waits_leaves_no_turn(
    number: str, send: Callable[[], Callable[[], None]], model: Any
) -> None:
    """It comes where the call began, not in what it does, and others have the turn afterwards."""
    X = np.ones((2, 12, 3))
    expected = model.predict_proba(X)
    entered, done = threading.Event(), threading.Event()
    had: list[bool] = []

    @in_turn
    def hold() -> None:
        had.append(_core.has_turn())
        entered.set()
        done.wait()

    inside, interrupted = False, 0

    @in_turn
    def work() -> None:
        nonlocal inside
        inside = True

    def interrupt(*_: Any) -> None:
        raise Interrupted

    others = [threading.Thread(target=lambda: [work() for _ in range(20)]) for _ in range(2)]
    holder = threading.Thread(target=hold)
    before = signal.signal(getattr(signal, number), interrupt)
    try:
        holder.start()
        assert entered.wait(60) and had == [True]
        for thread in others:
            thread.start()
        for _ in range(1000):
            inside = False
            try:
                stop = send()
                try:
                    work()
                finally:
                    stop()
            except Interrupted:
                assert not _core.has_turn()
                interrupted += not inside
            if interrupted == 3:
                break
        assert interrupted == 3, "interrupts came to a thread that waited"
        np.testing.assert_array_equal(model.predict_proba(X), expected)  # goes on beside the holder
        assert not _core.has_turn()
    finally:
        signal.signal(getattr(signal, number), before)
        done.set()
        for thread in (holder, *others):
            thread.join()
    assert not _core.has_turn()
    asked = in_turn(_core.has_turn)
    assert asked() and in_threads(1, lambda _: asked()) == [True]
    assert asked() and not _core.has_turn()  # nested and after: it is given back each time
    np.testing.assert_array_equal(model.predict_proba(X), expected)
