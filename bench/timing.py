"""How a point is timed: slices in turn, a probe before and after each, minimum and median.

A shared machine is never the same for two seconds: a neighbour takes a core, a clock falls. So the
candidates take turns in short slices, in an order that rotates, and each slice stands between two
probes, loops of multiply-adds that touch no memory. A slice counts as clean if both probes reached
four fifths of the best probe so far (a clock that falls under load costs less than that, a
neighbour on the same core more) and its threads hardly ever had to wait for a CPU; medians are of
clean slices where there are three.

On a machine that others are using, one thread can be timed by the CPU time of its process instead.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from probe import Machine

Answer = dict[str, npt.NDArray[np.floating]]

BLOCK_SECONDS = 50e-6  # calls shorter than this are timed several at once
SLICE_SECONDS = 10e-3
WARM_SECONDS = 6e-3  # until woken threads are on cores of their own
SETTLE_SECONDS = 0.1  # how long another library's idle threads may go on spinning
FEWEST_ROUNDS = 5
ENOUGH_CLEAN = 3
MOST_WAITED = 0.05  # of a clean slice's time, in a queue for a CPU
CLOCKS = {"wall": time.perf_counter_ns, "cpu": time.process_time_ns}


class Timed(NamedTuple):
    """Blocks of calls, one after the other."""

    seconds: list[float]  # of one call, for each block
    waited: float  # share of the time that threads of the process stood waiting for a CPU


class Candidate(Protocol):
    """A way to compute a point."""

    name: str  # "torch, without oneDNN"
    peer: str  # "torch"

    def answer(self) -> Answer:
        """Compute what is compared, by name."""

    def time(self, calls: int, blocks: int, clock: str = "wall") -> Timed:
        """Time `blocks` blocks of `calls` calls, by a clock of `CLOCKS`."""

    def close(self) -> None:
        """Give back what it holds."""


def time_blocks(call: Callable[[], object], calls: int, blocks: int, clock: str) -> Timed:
    """Time `blocks` blocks of `calls` calls, by a clock of `CLOCKS`."""
    seconds = []
    now = CLOCKS[clock]
    waited, began = _waited(), time.perf_counter()
    for _ in range(blocks):
        if calls == 1:
            start = now()
            call()
            end = now()
        else:
            turns = repeat(None, calls)
            start = now()
            for _ in turns:
                call()
            end = now()
        seconds.append((end - start) * 1e-9 / calls)
    elapsed = time.perf_counter() - began
    return Timed(seconds, (_waited() - waited) / elapsed)


def _waited() -> float:
    """Seconds that the threads of this process stood in a queue for a CPU (on Linux; else 0)."""
    total = 0
    for path in Path("/proc/self/task").glob("*/schedstat"):
        # A thread may end meanwhile.
        with suppress(OSError):
            total += int(path.read_text().split()[1])
    return total * 1e-9


@dataclass(frozen=True)
class Slice:
    """Blocks of calls, one after the other, between two probes."""

    seconds: list[float]  # of one call, for each block
    fma: float  # mean of the probes, in floating-point operations per second
    clean: bool


@dataclass
class Timing:
    """What was measured of one candidate; seconds are of one call."""

    slices: list[Slice] = field(default_factory=list)

    @property
    def clean(self) -> list[Slice]:
        """The clean slices."""
        return [s for s in self.slices if s.clean]

    @property
    def trusted(self) -> list[Slice]:
        """The clean slices if they are at least three, else all."""
        clean = self.clean
        return clean if len(clean) >= ENOUGH_CLEAN else self.slices

    @property
    def minimum(self) -> float:
        """Least seconds of a call."""
        return min(min(s.seconds) for s in self.slices)

    @property
    def median(self) -> float:
        """Median over the trusted slices."""
        return statistics.median(second for s in self.trusted for second in s.seconds)

    def share(self, least_seconds: Callable[[float], float]) -> float:
        """Share of a limit: the median, over the trusted slices, of each one's fastest call.

        `least_seconds` gives the limit for a rate of multiply-adds; each slice is held against the
        rate of its own probes, because clocks change.
        """
        return statistics.median(least_seconds(s.fma) / min(s.seconds) for s in self.trusted)


@dataclass
class _Pace:
    calls: int  # in a block
    warming: int  # blocks before those that count
    blocks: int  # in a slice
    rounds: int

    def goes_on(self, turn: int, timing: Timing) -> bool:
        """Whether there is another slice: up to twice as many if clean ones are few."""
        few = len(timing.clean) < ENOUGH_CLEAN
        return turn < self.rounds or (few and turn < 2 * self.rounds)


def _pace(candidate: Candidate, budget: float, clock: str) -> _Pace:
    """Choose how many calls make a block, and how many blocks a slice.

    From calls that are warm: a first one whose threads wake up on the same core may take a thousand
    times as long, and would make slices of a single call, none of them warm.
    """
    once, spent = float("inf"), 0.0
    while spent < 4 * WARM_SECONDS:
        seconds = candidate.time(1, 2, clock).seconds
        once, spent = min(once, *seconds), spent + sum(seconds)
    calls = max(1, round(BLOCK_SECONDS / once))
    blocks = max(1, round(SLICE_SECONDS / (calls * once)))
    warming = max(1, round(WARM_SECONDS / (calls * once)))
    rounds = round(budget / (blocks * calls * once))
    return _Pace(calls, warming, blocks, max(FEWEST_ROUNDS, min(rounds, 40)))


def time_in_turns(
    candidates: Sequence[Candidate],
    machine: Machine,
    dtype: str,
    threads: int,
    budget: float,
    clock: str,
) -> list[Timing]:
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
    clock : {"wall", "cpu"}
        CPU time, of all threads of the process, means something for one thread only.

    Returns
    -------
    list of Timing
        One for each candidate.
    """
    patience = SETTLE_SECONDS if threads > 1 else 0.0
    paces = []
    for candidate in candidates:
        machine.settle(dtype, threads, patience)
        paces.append(_pace(candidate, budget, clock))
    timings = [Timing() for _ in candidates]
    for turn in range(2 * max(pace.rounds for pace in paces)):
        for place in range(len(candidates)):
            k = (turn + place) % len(candidates)
            candidate, pace = candidates[k], paces[k]
            if not pace.goes_on(turn, timings[k]):
                continue
            before = machine.settle(dtype, threads, patience)
            # The first calls wake threads and fill caches: they are not counted.
            candidate.time(pace.calls, pace.warming, clock)
            timed = candidate.time(pace.calls, pace.blocks, clock)
            after = machine.fma(dtype, threads)
            clean = machine.is_clean(min(before, after), dtype, threads)
            if clock == "wall" and timed.waited > MOST_WAITED:
                clean = False
            timings[k].slices.append(Slice(timed.seconds, (before + after) / 2, clean))
    return timings
