"""Times of several ways to compute the same, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rnnfast import _core
from rnnfast.cli.bench.cases import GATES, Case
from rnnfast.cli.bench.runs import Run

_SLICE_SECONDS = 5e-3
_LEAST_ROUNDS = 3
# The threads of a library spin for a while after its work, and would take cores from the next one.
_SETTLE_SECONDS = 10e-3
_PROBE_SECONDS = 1e-3


@dataclass
class Limits:
    """The machine's limits, the best that probes have shown so far.

    Attributes
    ----------
    threads : int
        How many compute at once.
    flops : float
        Multiplications and additions a second, of float32 in registers.
    """

    threads: int
    flops: float = 0.0
    _bytes: dict[int, float] = field(default_factory=dict)  # a second, by bytes of a thread

    def probe(self) -> None:
        """Look once more at what the machine can compute now."""
        rate = _core.fma_probe("float32", self.threads, _PROBE_SECONDS)
        self.flops = max(self.flops, rate)

    def probe_read(self, case: Case) -> None:
        """Look once more at what it can read now, of as much memory as a case's weights take."""
        size = self._size(case)
        rate = _core.read_probe(size, self.threads, _PROBE_SECONDS)
        self._bytes[size] = max(rate, self._bytes.get(size, 0.0))

    def least_seconds(self, case: Case) -> float:
        """Return the least time of a case that was probed."""
        return case.least_seconds(self.flops, self._bytes[self._size(case)])

    def _size(self, case: Case) -> int:
        matrices = 2 if case.mode == "step" else 1
        return max(4096, matrices * 4 * GATES[case.cell] * case.size**2 // self.threads)


def in_turns(runs: Sequence[Run], case: Case, limits: Limits, seconds: float) -> list[list[float]]:
    """Return the seconds of a call of each, in each of as many rounds as the time has room for.

    The limits are probed in each round too.
    """
    ends = time.perf_counter() + seconds
    calls = []
    for run in runs:
        run.call()
        calls.append(max(1, round(_SLICE_SECONDS / max(_seconds_of(run, 1), 1e-7))))
    times: list[list[float]] = [[] for _ in runs]
    while time.perf_counter() < ends or len(times[0]) < _LEAST_ROUNDS:
        limits.probe()
        limits.probe_read(case)
        for run, count, found in zip(runs, calls, times, strict=True):
            if limits.threads > 1:
                time.sleep(_SETTLE_SECONDS)
                run.call()
            found.append(_seconds_of(run, count))
    return times


def _seconds_of(run: Run, calls: int) -> float:
    begin = time.perf_counter()
    for _ in range(calls):
        run.call()
    return (time.perf_counter() - begin) / calls


def ratios(times: list[float], ours: list[float]) -> tuple[float, float]:
    """Return how many times as long another takes: of the least times, and the rounds' median."""
    each = [theirs / own for theirs, own in zip(times, ours, strict=True)]
    return min(times) / min(ours), statistics.median(each)
