"""Compare rnnfast with other libraries over a grid of shapes; see README.md here."""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import readme_table
import report
import rnnfast as rf
from grid import CELLS, MODES, make_grid
from peers import PEERS, candidates, installed, ours
from point import Point, make_problem
from probe import Machine
from report import Measured, Result
from timing import CLOCKS, Answer, Candidate, time_in_turns

TOLERANCE = {"float32": 2e-5, "float64": 1e-11}


def relative_error(found: Answer, expected: Answer) -> float:
    """The largest relative distance, in the Euclidean norm, of what both computed."""
    worst = 0.0
    for name in found.keys() & expected.keys():
        if found[name].shape != expected[name].shape:
            raise ValueError(
                f"{name}: expected shape {expected[name].shape}, got {found[name].shape}"
            )
        distance = float(np.linalg.norm((found[name] - expected[name]).ravel()))
        size = float(np.linalg.norm(expected[name].ravel()))
        worst = max(worst, distance / max(size, 1e-30))
    return worst if np.isfinite(worst) else float("inf")


def measure(
    point: Point, peers: Sequence[str], machine: Machine, budget: float, clock: str
) -> Result:
    """Compare the answers at a point, then time every way in turns."""
    problem = make_problem(point)
    mine = ours.candidate(point, problem)
    expected = mine.answer()
    ways: list[Candidate] = [mine]
    errors = [0.0]
    for peer in peers:
        for way in candidates(peer, point, problem):
            ways.append(way)
            errors.append(relative_error(way.answer(), expected))
    wrong = max(errors) > TOLERANCE[point.dtype]
    bytes_per_thread = max(point.step_bytes // point.threads, 1)
    for _ in range(3):
        machine.read(bytes_per_thread, point.threads)
    timings = time_in_turns(ways, machine, point.dtype, point.threads, budget, clock)
    machine.read(bytes_per_thread, point.threads)
    for way in ways:
        way.close()
    fma = machine.best_fma[point.dtype, point.threads]
    read = machine.best_read[bytes_per_thread, point.threads]
    bound = point.least_seconds(fma, read)[1]
    measured = [
        Measured(
            way.name,
            way.peer,
            timing.minimum,
            timing.median,
            timing.share(lambda rate: point.least_seconds(rate, read)[0]),
            len(timing.clean),
            len(timing.slices),
            error,
        )
        for way, timing, error in zip(ways, timings, errors, strict=True)
    ]
    return Result(asdict(point), point.label, point.flops, bound, fma, read, wrong, measured)


def split(text: str, allowed: Sequence[str]) -> list[str]:
    """Parse a list with commas."""
    found = text.split(",")
    for name in found:
        if name not in allowed:
            raise argparse.ArgumentTypeError(f"expected some of {','.join(allowed)}, got {name!r}")
    return found


def default_modes() -> list[str]:
    """The modes whose geometric means count: training is whole where rnnfast has optimizers."""
    return ["step", "infer", "train" if hasattr(rf, "Adam") else "grad"]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", choices=("quick", "small", "full", "readme"), default="quick")
    parser.add_argument("--quick", dest="grid", action="store_const", const="quick")
    parser.add_argument("--cells", type=lambda s: split(s, CELLS), default=list(CELLS))
    parser.add_argument("--modes", type=lambda s: split(s, MODES), default=default_modes())
    parser.add_argument("--threads", type=lambda s: [int(n) for n in s.split(",")], default=[1, 2])
    parser.add_argument(
        "--dtypes", type=lambda s: split(s, ("float32", "float64")), default=["float32"]
    )
    parser.add_argument(
        "--peers",
        type=lambda s: [] if s == "none" else split(s, list(PEERS)),
        default=["torch", "onnxruntime", "openvino"],
        help=f"some of {','.join(PEERS)}, as far as installed, or none: only how near the limits",
    )
    parser.add_argument("--only", default="", help="points whose label contains this")
    parser.add_argument("--seconds-per-point", type=float, default=0.5, help="for each candidate")
    parser.add_argument(
        "--clock", choices=tuple(CLOCKS), default="wall", help="cpu: on a busy machine, one thread"
    )
    parser.add_argument("--repeat", type=int, default=1, help="runs of the whole grid, merged")
    parser.add_argument("--json", type=Path, help="write everything measured here")
    parser.add_argument("--figure", type=Path, help="draw the ratios here (needs matplotlib)")
    parser.add_argument("--show", type=Path, nargs="+", help="merge and show files; run nothing")
    options = parser.parse_args(arguments)
    if options.clock == "cpu" and options.threads != [1]:
        parser.error("--clock cpu: expected --threads 1, got other threads")
    return options


def versions() -> dict[str, str]:
    """Versions of what takes part."""
    names = ["rnnfast", "numpy", "torch", "onnxruntime", "openvino", "jax", "jaxlib"]
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def chosen(options: argparse.Namespace) -> list[Point]:
    """The points of a grid; the README's rows are what they are, but for threads not asked for."""
    if options.grid == "readme":
        return [point for point in readme_table.points() if point.threads in options.threads]
    return make_grid(options.grid, options.cells, options.modes, options.dtypes, options.threads)


def run(options: argparse.Namespace) -> tuple[dict[str, Any], list[Result]]:
    """Measure the grid, as often as asked, and print as it goes."""
    points = [point for point in chosen(options) if options.only in point.label]
    peers = installed(options.peers)
    machine = Machine()
    machine.survey(options.threads, options.dtypes)
    about = {"started": time.strftime("%Y-%m-%d %H:%M:%S"), "versions": versions()}
    for name, rate in machine.as_json()["fma_gflops"].items():
        print(f"multiply-add limit, {name} threads: {rate:.1f} GF/s")
    for count in options.threads:
        rates = [(s, r) for (s, n), r in sorted(machine.best_read.items()) if n == count]
        shown = ", ".join(f"{s >> 10} KB {r / 1e9:.0f}" for s, r in rates)
        print(f"read limit, x{count} threads, GB/s by size a thread: {shown}")
    runs: list[list[Result]] = []
    for turn in range(options.repeat):
        print(f"\nRun {turn + 1} of {options.repeat}, {len(points)} points")
        print(report.header(peers), flush=True)
        runs.append([])
        for point in points:
            result = measure(point, peers, machine, options.seconds_per_point, options.clock)
            runs[-1].append(result)
            print(report.line(result, peers), flush=True)
            if options.json:
                shown_options = {k: str(v) for k, v in vars(options).items()}
                report.save(
                    options.json,
                    {**machine.as_json(), **about},
                    shown_options,
                    report.merge(runs),
                )
    return {**machine.as_json(), **about}, report.merge(runs)


def main() -> int:
    """Run, or show what ran."""
    options = parse()
    if options.show:
        results = report.merge([report.load(path)[1] for path in options.show])
        peers = [p for p in PEERS if any(p in r.ratios() for r in results)]
        print(report.header(peers))
        for result in results:
            print(report.line(result, peers))
    else:
        _, results = run(options)
        peers = installed(options.peers)
    print(report.summary(results, peers))
    if options.grid == "readme":
        print(f"\n{readme_table.markdown(results, peers)}")
    if options.figure:
        from figure import draw

        draw(results, options.figure)
    return 1 if any(r.wrong for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
