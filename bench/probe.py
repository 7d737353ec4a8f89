"""The machine's limits, measured with the kernels' own instructions, in the run that uses them."""

from __future__ import annotations

import os
import platform
import time
from typing import Any

import rnnfast as rf
from rnnfast import _core

PROBE_SECONDS = 60e-6  # the probe warms up for 100 microseconds before
CLEAN = 0.8
READ_SIZES = tuple(1 << k for k in range(14, 27))  # 16 KB to 64 MB a thread


class Machine:
    """Probes, and the best that they have shown so far."""

    def __init__(self) -> None:
        self.best_fma: dict[tuple[str, int], float] = {}
        self.best_read: dict[tuple[int, int], float] = {}

    def fma(self, dtype: str, threads: int, seconds: float = PROBE_SECONDS) -> float:
        """Floating-point operations per second of multiply-adds on registers, now."""
        rate = _core.fma_probe(dtype, threads, seconds)
        key = dtype, threads
        self.best_fma[key] = max(rate, self.best_fma.get(key, 0.0))
        return rate

    def read(self, bytes_per_thread: int, threads: int, seconds: float = 2e-3) -> float:
        """Bytes per second that the threads read, each from so many of its own, now."""
        rate = _core.read_probe(max(bytes_per_thread, 4096), threads, seconds)
        key = bytes_per_thread, threads
        self.best_read[key] = max(rate, self.best_read.get(key, 0.0))
        return rate

    def is_clean(self, rate: float, dtype: str, threads: int) -> bool:
        """Whether a probe came near the best of the run."""
        return rate >= CLEAN * self.best_fma[dtype, threads]

    def settle(self, dtype: str, threads: int, patience: float) -> float:
        """Wait `patience` seconds, and up to as long again for a clean probe; return the last one.

        A pool of threads spins for some tens of milliseconds after its last work before it sleeps,
        and takes a core from the next library, slice by slice: a short probe may not meet it.
        """
        time.sleep(patience)
        end = time.perf_counter() + patience
        while True:
            rate = self.fma(dtype, threads)
            if self.is_clean(rate, dtype, threads) or time.perf_counter() >= end:
                return rate
            time.sleep(2e-3)

    def survey(self, threads: list[int], dtypes: list[str], rounds: int = 5) -> None:
        """Find the limits at each level of the caches."""
        for _ in range(rounds):
            for count in threads:
                for dtype in dtypes:
                    self.fma(dtype, count, 2e-3)
                for size in READ_SIZES:
                    self.read(size, count)

    def as_json(self) -> dict[str, Any]:
        """What the machine is and can do, in plain types."""
        return {
            **rf.cpu_info(),
            "platform": platform.platform(),
            "python": platform.python_version(),
            "load_average": os.getloadavg(),
            "fma_gflops": {f"{d} x{t}": r / 1e9 for (d, t), r in sorted(self.best_fma.items())},
            "read_gbytes": {
                f"{size} x{t}": r / 1e9 for (size, t), r in sorted(self.best_read.items())
            },
        }
