"""Processes that run cases, and the one that watches them."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

CHUNK = 200  # cases that a worker is handed at once
STARTS = 3  # that may fail one after the other, before the run does
IMPORT = 300.0  # the most seconds that a worker may take before its first case


@dataclasses.dataclass
class Worker:
    """One process, and what it is doing."""

    kind: str
    seed: int

    def __post_init__(self) -> None:
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent), "--work", self.kind, "--seed",
             str(self.seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
        )  # fmt: skip
        self.ready = False  # whether it has imported what it needs
        self.number: int | None = None  # the case that runs
        self.chunk = 0  # the first of the cases that it was handed
        self.end = 0
        self.began = time.monotonic()
        self.rest = b""

    def give(self, begin: int, end: int) -> None:
        """Hand over cases."""
        self.number, self.end, self.began = None, end, time.monotonic()
        self.next = begin
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its end is read from its output
            self.process.stdin.write(b"%d %d\n" % (begin, end))
            self.process.stdin.flush()

    def last_words(self) -> str:
        """Return what it wrote before it ended."""
        self.errors.seek(0)
        return self.errors.read()[-20000:].decode(errors="replace")


class Run:
    """A run of many cases, in several processes.

    Parameters
    ----------
    kind : {"call", "file"}
    count, seed : int
    jobs : int
        Processes.
    seconds : float
        The most that a case may take.
    state : Path, optional
        Where the run's place is noted.
    """

    def __init__(
        self, kind: str, count: int, seed: int, jobs: int, seconds: float, state: Path | None
    ) -> None:
        self.kind, self.count, self.seed, self.seconds, self.state = (
            kind, count, seed, seconds, state,
        )  # fmt: skip
        self.faults: collections.Counter[str] = collections.Counter()
        self.done = self.next = 0
        self.running: set[int] = set()  # where the chunks begin that workers have
        if state is not None and state.exists():
            noted = json.loads(state.read_text())
            if (noted["kind"], noted["seed"]) != (kind, seed):
                sys.exit(f"{state}: expected a run of {kind}s with seed {seed}, got another one")
            self.done = self.next = noted["done"]
            self.faults.update(noted["faults"])
        self.failed_starts = 0
        self.jobs = max(1, min(jobs, -(-max(count - self.done, 1) // CHUNK)))
        self.selector = selectors.DefaultSelector()
        self.began = self.told = time.monotonic()
        self.before = self.done

    def finish(self) -> int:
        """Run all cases, print a summary, and return the exit code."""
        workers = [self._start() for _ in range(self.jobs)]
        for worker in workers:
            self._give(worker)
        while self.selector.get_map():
            for key, _ in self.selector.select(timeout=1.0):
                self._read(key.data)
            for key in list(self.selector.get_map().values()):
                limit = self.seconds if key.data.ready else IMPORT
                if time.monotonic() - key.data.began > limit:
                    key.data.process.send_signal(signal.SIGABRT)
                    key.data.began = time.monotonic()
            if time.monotonic() - self.told > 10:
                self._tell()
        seconds = time.monotonic() - self.began
        total = sum(self.faults.values())
        print(
            f"{self.done} {self.kind}s with seed {self.seed}: {len(self.faults)} kinds of fault, "
            f"{total} in all, {seconds:.0f} s"
        )
        for signature, times in self.faults.most_common():
            print(f"  {times:6d}  {signature}")
        return 1 if total else 0

    def _start(self) -> Worker:
        worker = Worker(self.kind, self.seed)
        assert worker.process.stdout is not None
        self.selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
        return worker

    def _give(self, worker: Worker) -> None:
        if self.next >= self.count:
            self._stop(worker)
            return
        begin, self.next = self.next, min(self.count, self.next + CHUNK)
        self.running.add(begin)
        worker.chunk = begin
        worker.give(begin, self.next)

    def _stop(self, worker: Worker) -> None:
        self.selector.unregister(worker.process.stdout)  # type: ignore[arg-type]
        assert worker.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            worker.process.stdin.close()
        worker.process.wait()

    def _read(self, worker: Worker) -> None:
        assert worker.process.stdout is not None
        data = os.read(worker.process.stdout.fileno(), 1 << 16)
        if not data:
            self._ended(worker)
            return
        *lines, worker.rest = (worker.rest + data).split(b"\n")
        for line in lines:
            if line == b"ready":
                worker.ready, worker.began, self.failed_starts = True, time.monotonic(), 0
            elif line == b"done":
                self.done += worker.end - worker.next
                self._end_chunk(worker.chunk)
                self._give(worker)
            elif line.startswith(b"{"):
                assert worker.number is not None
                self._fault(worker.number, **json.loads(line))
            else:
                worker.number, worker.began = int(line), time.monotonic()

    def _ended(self, worker: Worker) -> None:
        """Note the end of a process as a fault of the case that it ran, and go on after it."""
        code = worker.process.wait()
        self.selector.unregister(worker.process.stdout)  # type: ignore[arg-type]
        words = worker.last_words()
        if not worker.ready:
            self._restart(worker, words)
            return
        number = worker.next if worker.number is None else worker.number
        why = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        report = re.search(r"(runtime error: .*|ERROR: \w+Sanitizer: .*|Assertion .*)", words)
        place = re.search(r'rnnfast/([\w/]+\.py", line \d+)', words)
        self._fault(
            number, case="crash",
            text=f"the process ended: {why}" + (f", {report[1]}" if report else ""),
            place=place[1] if place else "?", calls=[], traceback=words,
        )  # fmt: skip
        self.done += number + 1 - worker.next
        fresh = self._start()
        fresh.chunk = worker.chunk
        if number + 1 < worker.end:
            fresh.give(number + 1, worker.end)
        else:
            self._end_chunk(worker.chunk)
            self._give(fresh)

    def _restart(self, worker: Worker, words: str) -> None:
        """Start a worker in place of one that ended before its first case, but not for ever."""
        self.failed_starts += 1
        if self.failed_starts >= STARTS:
            for key in list(self.selector.get_map().values()):
                key.data.process.kill()
                key.data.process.wait()
            sys.exit(f"{words}\nworkers end before their first case")
        fresh = self._start()
        fresh.chunk = worker.chunk
        fresh.give(worker.next, worker.end)

    def _fault(
        self, number: int, case: str, text: str, place: str, calls: list[str], traceback: str
    ) -> None:
        # What differs from case to case is left out: quoted values, details, paths, numbers.
        plain = re.sub(r"says not one line: .*", "says not one line", text)
        plain = re.sub(r"'[^']*'|\"[^\"]*\"|\([^()]*\)|/\S+|0x[0-9a-f]+|-?\d[\d.e+]*", "#", plain)
        signature = f"[{case}] {plain[:120]} ({place})"
        self.faults[signature] += 1
        if self.faults[signature] > 1:
            return
        lines = [f"FAULT in {case}: {text} ({place})", *(f"    {call}" for call in calls)]
        if case == "crash":
            lines += [f"    {line}" for line in traceback.splitlines()[:40]]
        lines.append(f"    again: python tests/fuzz --{self.kind} {number} --seed {self.seed}")
        print(*lines, sep="\n", flush=True)

    def _end_chunk(self, begin: int) -> None:
        """Note where a run that is stopped would go on: at the first chunk that has not ended."""
        self.running.remove(begin)
        if self.state is not None:
            first = min(self.running, default=self.next)
            noted = {"kind": self.kind, "seed": self.seed, "done": first, "faults": self.faults}
            temporary = self.state.with_suffix(".part")
            temporary.write_text(json.dumps(noted))
            temporary.replace(self.state)

    def _tell(self) -> None:
        self.told = time.monotonic()
        rate = (self.done - self.before) / (self.told - self.began)
        left = (self.count - self.done) / rate if rate else float("inf")
        print(
            f"... {self.done} of {self.count} {self.kind}s, {rate:.0f} a second, "
            f"{left / 60:.0f} min left, {len(self.faults)} kinds of fault",
            flush=True,
        )
