"""Times of things that are called in turns.

Least times of what runs in one thread, by the CPU time of the process and of slices in turns: so
ratios hold on a machine that others use too. Of what has threads, all times, by the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

SLICE_SECONDS = 5e-3


def seconds_of(run: Callable[[], Any], calls: int) -> float:
    """Return the CPU time of one call of several."""
    begin = time.process_time()
    for _ in range(calls):
        run()
    return (time.process_time() - begin) / calls


def in_turns(runs: Sequence[Callable[[], Any]], rounds: int) -> list[float]:
    """Return the least time of a call of each; a turn is a slice of 5 ms, or one call."""
    calls = [max(1, round(SLICE_SECONDS / max(seconds_of(run, 1), 1e-7))) for run in runs]
    found = []
    for _ in range(rounds):
        found.append([seconds_of(run, n) for run, n in zip(runs, calls, strict=True)])
    return [min(times) for times in zip(*found, strict=True)]


def times_in_turns(runs: Sequence[Callable[[], Any]], seconds: float) -> list[list[float]]:
    """Return times of each, a call a turn, until so many seconds are over."""
    times: list[list[float]] = [[] for _ in runs]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or not times[0]:
        for run, own in zip(runs, times, strict=True):
            begin = time.perf_counter()
            run()
            own.append(time.perf_counter() - begin)
    return times
