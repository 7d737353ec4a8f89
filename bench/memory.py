"""Peak memory of a training step, each library in a process of its own; see README.md here."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from point import Point, make_problem

LIBRARIES = ("rnnfast", "rnnfast recompute", "torch", "jax")
BASE = Point("lstm", "train", 1, 1, 1, 1)
SHAPES = (
    replace(BASE, T=100, B=1, I=256, H=256),
    replace(BASE, T=64, B=32, I=65, H=256, layers=2, indices=True),
    replace(BASE, T=50, B=64, I=128, H=128),
    replace(BASE, T=50, B=64, I=512, H=512),
    replace(BASE, T=35, B=20, I=650, H=650, layers=2),
    replace(BASE, T=100, B=32, I=128, H=256, bidirectional=True),
    replace(BASE, T=1000, B=8, I=128, H=256),
)


def status(name: str) -> int:
    """A line of /proc/self/status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"name: expected a line of /proc/self/status, got {name!r}")


def training_step(library: str, point: Point) -> Any:
    """Make the data and the network; return a candidate of `compare.py`."""
    problem = make_problem(point)
    if library.startswith("rnnfast"):
        from peers import ours

        return ours.candidate(point, problem, recompute=library.endswith("recompute"))
    from peers import candidates

    return next(candidates(library, point, problem))


def held_by_any(point: Point) -> int:
    """Bytes that a library holds at the end of a step, whatever it does on the way.

    Each weight, its gradient and Adam's two numbers; input, output and the output's gradient.
    """
    weights = sum(array.size for array in make_problem(point).weights.values())
    features = 2 if point.indices else point.I  # an index has the bytes of two numbers
    return 4 * (4 * weights + point.rows * (features + 2 * point.directions * point.H))


def child(library: str, point: Point) -> None:
    """Print the bytes that three steps of training added, at their peak, to a warm process."""
    if library == "jax":
        sys.argv = ["jax_worker.py", str(point.threads)]
        from peers.jax_worker import prepare

        def run(shape: Point) -> None:
            call, _ = prepare(shape, 1)
            for _ in range(3):
                call()
    else:

        def run(shape: Point) -> None:
            training_step(library, shape).time(1, 3)

    # A small shape first: libraries load code and start threads when they first compute.
    run(replace(point, T=3, B=2, I=8, H=8))
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = status("VmRSS")
    run(point)
    print(json.dumps(status("VmHWM") - before))


def peak(library: str, point: Point, runs: int) -> int:
    """Measure in new processes and return the least."""
    command = [sys.executable, __file__, "--child", library, json.dumps(asdict(point))]
    found = []
    for _ in range(runs):
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found.append(int(done.stdout.splitlines()[-1]))
    return min(found)


def main() -> None:
    """Print a table of shapes and libraries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", default="rnn,gru,lstm")
    parser.add_argument("--libraries", default="rnnfast,rnnfast recompute,torch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=1, help="processes for each number")
    parser.add_argument("--json", type=Path, help="write the bytes here")
    parser.add_argument("--child", nargs=2, metavar=("LIBRARY", "POINT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(options.child[0], Point(**json.loads(options.child[1])))
    libraries = options.libraries.split(",")
    unknown = [name for name in libraries if name not in LIBRARIES]
    if unknown:
        parser.error(f"--libraries: expected some of {','.join(LIBRARIES)}, got {unknown[0]!r}")
    print(
        "Peak memory that a step of training adds to the process, MB; least: weights, gradients, "
        "Adam's numbers, inputs and outputs alone; ratio: torch / rnnfast; limit: torch / least"
    )
    names = "".join(f"{name:>20}" for name in libraries)
    print(f"{'point':<46}{names}{'least':>8}{'ratio':>8}{'limit':>8}")
    found = {}
    for shape in SHAPES:
        for cell in options.cells.split(","):
            point = replace(shape, cell=cell, threads=options.threads)
            bytes_of = {name: peak(name, point, options.runs) for name in libraries}
            found[point.label] = bytes_of
            text = "".join(f"{bytes_of[name] / 1e6:>20.1f}" for name in libraries)
            least = held_by_any(point)
            text += f"{least / 1e6:>8.1f}"
            if {"rnnfast", "torch"} <= bytes_of.keys():
                text += f"{bytes_of['torch'] / bytes_of['rnnfast']:>8.2f}"
                text += f"{bytes_of['torch'] / least:>8.2f}"
            print(f"{point.label:<46}{text}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
