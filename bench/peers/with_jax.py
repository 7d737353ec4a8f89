"""JAX: `jit` of `lax.scan`, in a process of its own that may use as many CPUs as the point."""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from point import Point, Problem
from timing import Answer, Timed

# The size of XLA's pool of threads is fixed when a process starts: one worker for each.
_workers: dict[int, _Worker] = {}


class _Worker:
    """A process that answers a line of JSON by a line of JSON."""

    def __init__(self, threads: int) -> None:
        script = Path(__file__).with_name("jax_worker.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self.close)

    def ask(self, **request: Any) -> Any:
        """Send a request and wait for what it gives."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the JAX worker ended with status {self._process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()


class _Candidate:
    """One compiled way, in the worker."""

    peer = "jax"

    def __init__(self, name: str, worker: _Worker) -> None:
        self.name, self._worker = name, worker

    def answer(self) -> Answer:
        """Compute what is compared."""
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "answer.npz")
            self._worker.ask(do="answer", name=self.name, path=path)
            with np.load(path) as found:
                return dict(found)

    def time(self, calls: int, blocks: int, clock: str = "wall") -> Timed:
        """Time blocks of calls, in the worker."""
        return Timed(
            *self._worker.ask(do="time", name=self.name, calls=calls, blocks=blocks, clock=clock)
        )

    def close(self) -> None:
        """Let the worker forget what it compiled."""
        self._worker.ask(do="forget", name=self.name)


def candidates(point: Point, problem: Problem) -> Iterator[_Candidate]:
    """Yield scans unrolled 1 and 8 times; the worker draws the same problem itself."""
    worker = _workers.get(point.threads)
    if worker is None:
        worker = _workers[point.threads] = _Worker(point.threads)
    for unroll in (1,) if point.mode in ("step", "sample") else (1, 8):
        name = f"jax unroll {unroll}"
        worker.ask(do="prepare", name=name, point=asdict(point), unroll=unroll)
        yield _Candidate(name, worker)
