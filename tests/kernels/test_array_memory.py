"""Memory of large new arrays, which is kept for the next ones."""

from __future__ import annotations

import os
import pickle
import threading
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
