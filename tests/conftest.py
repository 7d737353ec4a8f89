"""Fixtures of the tests of the kernels."""

from __future__ import annotations

import gc
import os
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest

import rnnfast as rf
from rnnfast import _core
from rnnfast._dispatch import available_levels, reduced_levels, use_level, use_reduced_level

# A shell starts its background jobs with Ctrl-C ignored, and nohup ignores SIGHUP: tests that send
# them need them heard.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


# RNNFAST_TEST_GRIDS=N: of a test with many cases one in N alone, which ones RNNFAST_TEST_TURN says.
# What takes an hour so takes half of one, and what is left out has its turn another time.
GRIDS = int(os.environ.get("RNNFAST_TEST_GRIDS", "1"))
TURN = int(os.environ.get("RNNFAST_TEST_TURN", "0"))
MANY = 12


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what RNNFAST_TEST_GRIDS says."""
    if GRIDS == 1:
        return
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        cases[item.nodeid.partition("[")[0]].append(item)
    left_out = {
        item
        for group in cases.values()
        if len(group) > MANY
        for number, item in enumerate(group)
        if (number + TURN) % GRIDS
    }
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave the tests themselves, hundreds of thousands of objects, out of what is collected."""
    gc.collect()
    gc.freeze()


@pytest.fixture(params=available_levels())
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction-set level that this CPU runs: layers made in the test use its kernels."""
    before = rf.cpu_info()["level"]
    use_level(request.param)
    yield request.param
    use_level(before)


@pytest.fixture
def set_threads() -> Iterator[Callable[[int], None]]:
    """`rf.set_num_threads`, undone after the test."""
    before = rf.get_num_threads()
    yield rf.set_num_threads
    rf.set_num_threads(before)


@pytest.fixture(params=reduced_levels())
def reduced_level(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each level of smaller numbers that this CPU runs."""
    before = _core.reduced_level()
    use_reduced_level(request.param)
    yield request.param
    use_reduced_level(before)
