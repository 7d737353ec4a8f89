"""How a point is timed: slices in turn, a probe before and after each, minimum and median.

A shared machine is never the same for two seconds: a neighbour takes a core, a clock falls. So the
candidates take turns in short slices, in an order that rotates, and each slice stands between two
probes, loops of multiply-adds that touch no memory. A slice counts as clean if both probes reached
nine tenths of the best probe of the run; medians are of clean slices where there are enough.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Protocol

import numpy as np
import numpy.typing as npt

from probe import Machine

Answer = dict[str, npt.NDArray[np.floating]]

BLOCK_SECONDS = 50e-6  # calls shorter than this are timed several at once
SLICE_SECONDS = 10e-3
SETTLE_SECONDS = 40e-3  # how long another library's idle threads may go on spinning
FEWEST_ROUNDS = 5


class Candidate(Protocol):
    """A way to compute a point."""

    name: str  # "torch, without oneDNN"
    peer: str  # "torch"

    def answer(self) -> Answer:
        """Compute what is compared, by name."""

    def time(self, calls: int, blocks: int) -> list[float]:
        """Time `blocks` blocks of `calls` calls; return the seconds of a call in each."""

    def close(self) -> None:
        """Give back what it holds."""


def time_blocks(call: Callable[[], object], calls: int, blocks: int) -> list[float]:
    """Time `blocks` blocks of `calls` calls; return the seconds of a call in each."""
    seconds = []
    clock = time.perf_counter_ns
    for _ in range(blocks):
        if calls == 1:
            start = clock()
            call()
            end = clock()
        else:
            turns = repeat(None, calls)
            start = clock()
            for _ in turns:
                call()
            end = clock()
        seconds.append((end - start) * 1e-9 / calls)
    return seconds


@dataclass
class Timing:
    """What was measured of one candidate; seconds are of one call."""

    seconds: list[float] = field(default_factory=list)
    clean: list[float] = field(default_factory=list)  # of clean slices
    slices: int = 0
    clean_slices: int = 0

    def add(self, seconds: Sequence[float], clean: bool) -> None:
        """Take in a slice."""
        self.slices += 1
        self.seconds.extend(seconds)
        if clean:
            self.clean_slices += 1
            self.clean.extend(seconds)

    @property
    def minimum(self) -> float:
        """Least seconds of a call."""
        return min(self.seconds)

    @property
    def median(self) -> float:
        """Median of the clean slices if they are at least three, else of all."""
        return statistics.median(self.clean if self.clean_slices >= 3 else self.seconds)


@dataclass
class _Pace:
    calls: int  # in a block
    blocks: int  # in a slice
    rounds: int


def _pace(candidate: Candidate, budget: float) -> _Pace:
    """Choose how many calls make a block, and how many blocks a slice."""
    once = min(candidate.time(1, 2))
    calls = max(1, round(BLOCK_SECONDS / once))
    blocks = max(1, round(SLICE_SECONDS / (calls * once)))
    rounds = round(budget / (blocks * calls * once))
    return _Pace(calls, blocks, max(FEWEST_ROUNDS, min(rounds, 40)))


def time_in_turns(
    candidates: Sequence[Candidate], machine: Machine, dtype: str, threads: int, budget: float
) -> tuple[list[Timing], float]:
    """Time the candidates in turns.

    Parameters
    ----------
    candidates : sequence of Candidate
        Each has run at least once.
    machine : Machine
        Whose probes are used.
    dtype : {"float32", "float64"}
        Of the probes.
    threads : int
        Of the candidates and the probes.
    budget : float
        Seconds for each candidate; at least five slices are taken whatever it is.

    Returns
    -------
    timings : list of Timing
        One for each candidate.
    fma : float
        The best probe of these slices, in floating-point operations per second.
    """
    paces = [_pace(candidate, budget) for candidate in candidates]
    slices: list[list[tuple[list[float], float]]] = [[] for _ in candidates]
    best = 0.0
    for turn in range(max(pace.rounds for pace in paces)):
        for place in range(len(candidates)):
            k = (turn + place) % len(candidates)
            candidate, pace = candidates[k], paces[k]
            if turn >= pace.rounds:
                continue
            before = machine.settle(dtype, threads, SETTLE_SECONDS if threads > 1 else 0.0)
            candidate.time(pace.calls, 1)  # wakes its threads, fills the caches: not counted
            seconds = candidate.time(pace.calls, pace.blocks)
            after = machine.fma(dtype, threads)
            best = max(best, before, after)
            slices[k].append((seconds, min(before, after)))
    timings = []
    for taken in slices:
        timing = Timing()
        for seconds, rate in taken:
            timing.add(seconds, machine.is_clean(rate, dtype, threads))
        timings.append(timing)
    return timings, best
