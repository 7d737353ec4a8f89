"""The command itself: what it measures and what it says."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

import rnnfast as rf
from rnnfast._dispatch import MOST_THREADS
from rnnfast.cli.bench.cases import CELLS, MODES, Case
from rnnfast.cli.bench.runs import Run, peers, runs_of
from rnnfast.cli.bench.timing import Limits, in_turns, ratios
from rnnfast.cli.console import flush, note, say
from rnnfast.cli.options import choice, integer
from rnnfast.cli.results import AsJson, Quiet, say_json
from rnnfast.io.streams import ForgivingStream

_SIZES = (64, 256)


def bench(
    cell: Annotated[Any, choice("One cell alone.", *CELLS)] = None,
    size: Annotated[
        int | None, integer("Units, and as many inputs; else 64 and 256.", 1, high=4096)
    ] = None,
    threads: Annotated[
        int | None,
        integer("Threads to use; else as many as a call takes.", 1, high=MOST_THREADS),
    ] = None,
    seconds: Annotated[int, integer("How long to measure, about.", 1, high=86400)] = 60,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure layers on this machine, beside its limits, NumPy, PyTorch and ONNX Runtime.

    Answers are compared with the equations before anything is timed. Ctrl-C ends it with what there
    is.
    """
    if threads is not None:
        rf.set_num_threads(threads)
    count = rf.get_num_threads()
    cases = [
        Case(name, mode, units, count)
        for name in ([cell] if cell else CELLS)
        for units in ([size] if size else _SIZES)
        for mode in MODES
    ]
    limits = Limits(count)
    for _ in range(20):
        limits.probe()
    names = peers()
    table = _Table(names, as_json, quiet)
    table.begin(limits)
    done = 0
    try:
        for case in cases:
            with _telling(f"{done + 1} of {len(cases)}: {case.cell} {case.mode} {case.size}"):
                runs = runs_of(case, names)
                times = in_turns(runs, case, limits, seconds / len(cases))
            table.add(case, runs, times, limits.least_seconds(case))
            done += 1
    except KeyboardInterrupt:
        note(f"stopped by Ctrl-C after {done} of {len(cases)} measurements")
        raise typer.Exit(130) from None


class _Table:
    """Says each measurement as soon as it is made: a line of a table, or of JSON."""

    def __init__(self, names: list[str], as_json: bool, quiet: bool) -> None:
        self._names, self._as_json, self._quiet = names, as_json, quiet

    def begin(self, limits: Limits) -> None:
        """Say what the machine is."""
        info = rf.cpu_info()
        if self._as_json:
            say_json(rnnfast=rf.__version__, **info, flops=limits.flops, peers=self._names)
            return
        if not self._quiet:
            say(
                f"rnnfast {rf.__version__} on {info['name']} ({info['level']}), "
                f"threads: {limits.threads}, float32, {limits.flops / 1e9:,.0f} Gflop/s at most"
            )
            for mode, meaning in MODES.items():
                say(f"{mode}: {meaning}")
            say("of limit: the least time that the matrix products could take, over the time")
            say(f"{', '.join(self._names)}: times as long, of least times (median of all rounds)")
        others = "".join(f"{name:>18}" for name in self._names)
        say(f"{'cell':5} {'what':6} {'size':>5} {'time':>10} {'of limit':>9}{others}")
        flush()

    def add(self, case: Case, runs: list[Run], times: list[list[float]], least: float) -> None:
        """Say what was measured."""
        ours = times[0]
        share = least / min(ours)
        found = {run.name: (one, *ratios(one, ours)) for run, one in zip(runs, times, strict=True)}
        if self._as_json:
            say_json(
                cell=case.cell,
                mode=case.mode,
                size=case.size,
                threads=case.threads,
                rounds=len(ours),
                seconds=min(ours),
                median_seconds=statistics.median(ours),
                share_of_limit=share,
                peers={
                    name: {"seconds": min(one), "ratio": ratio, "median_ratio": median}
                    for name, (one, ratio, median) in found.items()
                    if name != "rnnfast"
                },
            )
        else:
            cells = [
                f"{found[name][1]:.2f} ({found[name][2]:.2f})" if name in found else "-"
                for name in self._names
            ]
            others = "".join(f"{text:>18}" for text in cells)
            say(
                f"{case.cell:5} {case.mode:6} {case.size:5} {_time(min(ours)):>10} "
                f"{share:>9.0%}{others}"
            )
        flush()


@contextmanager
def _telling(text: str) -> Iterator[None]:
    """Show on a terminal what is measured, as long as it is."""
    stream = ForgivingStream(sys.stderr)
    shown = stream.isatty()
    if shown:
        print(f"\r{text}", end="", file=stream, flush=True)
    try:
        yield
    finally:
        if shown:
            print(f"\r{' ' * len(text)}\r", end="", file=stream, flush=True)


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
