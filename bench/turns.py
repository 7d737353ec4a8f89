"""Least times of things that run in one thread, called in turns.

By the CPU time of the process, of slices in turns: so ratios hold on a machine that others use too.
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
