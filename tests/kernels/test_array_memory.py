"""Memory of large new arrays, which is kept for the next ones."""

from __future__ import annotations

import gc
import os
import pickle
import threading
import tracemalloc
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rnnfast import _core

try:
    from numpy._core.multiarray import get_handler_name
except ImportError:  # before NumPy 2
    from numpy.core.multiarray import get_handler_name

Array = npt.NDArray[Any]


def new(size: int, seed: int = 0) -> Array:
    """Return a new array as the kernels' callers make it."""
    return _core.dropout(np.ones(size, np.float32), 0.5, seed)


@pytest.mark.parametrize(
    ("size", "kept"),
    [(1, False), (1000, False), (50_000, True), (4_000_000, True), (5_000_000, False)],
)
def test_only_large_arrays_have_it(size: int, kept: bool) -> None:
    before = get_handler_name()
    array = new(size)
    assert (get_handler_name(array) == "rnnfast") == kept
    assert array.flags.owndata
    assert array.flags.aligned
    assert get_handler_name() == before  # other arrays are NumPy's own
    assert get_handler_name(array.copy()) == before


def test_an_array_is_what_any_other_is() -> None:
    array, wanted = new(100_000), new(100_000).copy()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(array)), wanted)
    array.resize(300_000, refcheck=False)
    np.testing.assert_array_equal(array[:100_000], wanted)
    assert not array[100_000:].any()
    array.resize(10, refcheck=False)
    np.testing.assert_array_equal(array, wanted[:10])


def test_nobody_else_meets_it() -> None:
    """Garbage may be collected while an array is made: its finalisers have NumPy as it is."""
    before, seen = get_handler_name(), set[str]()
    thresholds = gc.get_threshold()

    def look(*_: object) -> None:
        seen.add(get_handler_name())

    gc.callbacks.append(look)
    try:
        gc.set_threshold(1)
        for n in range(100):
            assert new(50_000, n).size == 50_000
            seen.add(get_handler_name())
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(look)
    assert seen == {before}


def test_tracemalloc_tells_of_it() -> None:
    def traced() -> int:
        numpys = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
        return sum(
            trace.size for trace in tracemalloc.take_snapshot().filter_traces([numpys]).traces
        )

    tracemalloc.start()
    try:
        before = traced()
        array = new(1_000_000)
        assert traced() - before >= 4e6
        array.resize(500_000, refcheck=False)
        assert 2e6 <= traced() - before < 4e6
        del array
        assert traced() - before < 1e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", ["U5", "i2,O", "M8[s]"])
def test_other_than_numbers_are_numpys(dtype: str) -> None:
    arrays = [np.zeros(50_000, dtype) for _ in range(2)]
    padded, _ = _core.side_by_side(arrays, np.zeros((), dtype))
    assert get_handler_name(padded) == get_handler_name(arrays[0])


def test_no_two_arrays_share_it() -> None:
    """Threads make, keep and drop arrays of many sizes at the same time."""
    wrong: list[tuple[int, int]] = []

    def work(number: int) -> None:
        rng = np.random.default_rng(number)
        held: list[tuple[Array, Array]] = []
        for step in range(60):
            size, seed = int(rng.integers(30_000, 300_000)), 100 * number + step
            array = new(size, seed)
            held.append((array, array[::97].copy()))
            if len(held) > 6:
                array, seen = held.pop(int(rng.integers(6)))
                if not np.array_equal(array[::97], seen):
                    wrong.append((number, step))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_child_goes_on_with_it() -> None:
    array = new(100_000)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            same = np.array_equal(array, new(100_000))
            del array
            status = 0 if same and all(new(100_000, n).any() for n in range(50)) else 1
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    np.testing.assert_array_equal(array, new(100_000))


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the system does not tell")
def test_what_many_arrays_leave_goes_back_to_the_system() -> None:
    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    before = resident()
    held = [new(100_000, n) for n in range(1000)]  # 400 MB
    assert resident() - before > 300e6
    del held
    assert resident() - before < 150e6
