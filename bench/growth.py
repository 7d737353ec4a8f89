"""How time and memory grow with T, B, H and the sum of lengths: forward and backpropagation.

Run as ``python bench/growth.py [--cells rnn,gru,lstm] [--rounds R] [--figure FILE]``. Each quantity
changes alone, the others stay what they are in `BASE`; for the sum of lengths one sequence keeps
all T steps, and the others become longer. Times are of the process's CPU on one thread, all points
in turns, the least of each. Memory is of a process for each point: what a first forward pass has
made resident beside its output (what backpropagation needs, and the packed weights), and the most
that it and its way back have. Points of less than `FEW_BYTES`, which pages decide, are left out.
What is printed are slopes in log-log, fitted to the lower and to the upper half of the points: 1
means twice as much for twice as much, 2 four times as much.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import rnnfast as rf
from memory import status
from turns import SLICE_SECONDS, seconds_of


@dataclass(frozen=True)
class Pass:
    """A layer's shape, and its lengths: one sequence has T steps, each other `others`."""

    cell: str
    T: int
    B: int
    H: int  # and as many inputs
    others: int | None = None

    @property
    def lengths(self) -> Any:
        """(B,), or None if all are full."""
        return None if self.others is None else np.array([self.T] + [self.others] * (self.B - 1))

    @property
    def steps(self) -> int:
        """Sum of lengths."""
        return self.T * self.B if self.others is None else int(self.lengths.sum())


FEW_BYTES = 100_000
BASE = Pass("lstm", T=64, B=16, H=64)
AXES: dict[str, tuple[Callable[[Pass], int], list[Pass]]] = {
    "T": (lambda p: p.T, [replace(BASE, T=1 << k) for k in range(1, 12)]),
    "B": (lambda p: p.B, [replace(BASE, B=1 << k) for k in range(10)]),
    "H": (lambda p: p.H, [replace(BASE, T=16, H=1 << k) for k in range(2, 11)]),
    "sum of lengths": (
        lambda p: p.steps,
        [replace(BASE, T=256, B=64, others=1 << k) for k in range(9)],
    ),
}


class Network:
    """A layer with its data."""

    def __init__(self, shape: Pass) -> None:
        rng = np.random.default_rng(0)
        make: Any = {"rnn": rf.RNN, "gru": rf.GRU, "lstm": rf.LSTM}[shape.cell]
        self.layer = make(shape.H, shape.H, seed=0)
        self.x, self.dy = (
            rng.standard_normal((shape.T, shape.B, shape.H), dtype=np.float32) for _ in range(2)
        )
        self.lengths = shape.lengths

    def forward(self) -> Any:
        """Return the output and the way back."""
        return self.layer.forward(self.x, lengths=self.lengths)

    def __call__(self) -> None:
        """Go forward and back."""
        self.layer.zero_grad()
        _, backprop = self.forward()
        backprop(self.dy, need_dx=False)


def child(shape: Pass) -> None:
    """Print the bytes kept by a forward pass, and those that it and its way back took at most."""
    rf.set_num_threads(1)
    Network(replace(shape, T=2, B=2, H=8, others=None))()
    network = Network(shape)
    ctypes.CDLL(None).malloc_trim(0)  # what making it has freed is not there to be used again
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = status("VmRSS")
    found, backprop = network.forward()
    kept = status("VmRSS") - before - found[0].nbytes
    backprop(network.dy, need_dx=False)
    print(json.dumps([kept, status("VmHWM") - before]))


def memory(shape: Pass) -> list[int]:
    """Return `child`'s bytes, of a new process."""
    command = [sys.executable, __file__, "--child", json.dumps(asdict(shape))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: list[int] = json.loads(done.stdout)
    return found


def least_times(runs: list[Network], rounds: int) -> list[float]:
    """Return the least seconds of a call of each; a turn is a call that warms, and a slice."""
    found = []
    for _ in range(rounds):
        times = []
        for run in runs:
            once = seconds_of(run, 1)
            times.append(seconds_of(run, max(1, round(SLICE_SECONDS / once))))
        found.append(times)
    return [min(times) for times in zip(*found, strict=True)]


def slope(x: list[float], y: list[float]) -> float:
    """Fit the exponent of a power."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def halves(x: list[float], y: list[float]) -> tuple[float, float]:
    """Return the slopes of the lower and the upper half, which share the middle."""
    middle = len(x) // 2
    return slope(x[: middle + 1], y[: middle + 1]), slope(x[middle:], y[middle:])


KINDS = {"time": ("ms", 1e3), "kept": ("MB", 1e-6), "peak": ("MB", 1e-6)}
Lines = dict[tuple[str, str, str], tuple[list[float], list[float]]]  # axis, cell, kind: x and y


def measure(cells: list[str], rounds: int) -> Lines:
    """Measure all."""
    shapes = {
        (axis, cell): [replace(shape, cell=cell) for shape in AXES[axis][1]]
        for axis in AXES
        for cell in cells
    }
    rf.set_num_threads(1)
    flat = [shape for line in shapes.values() for shape in line]
    seconds = dict(zip(flat, least_times([Network(shape) for shape in flat], rounds), strict=True))
    lines: Lines = {}
    for (axis, cell), line in shapes.items():
        x = [float(AXES[axis][0](shape)) for shape in line]
        lines[axis, cell, "time"] = x, [seconds[shape] for shape in line]
        for kind, sizes in zip(("kept", "peak"), zip(*map(memory, line), strict=True), strict=True):
            enough = [pair for pair in zip(x, sizes, strict=True) if pair[1] >= FEW_BYTES]
            lines[axis, cell, kind] = [one for one, _ in enough], [size for _, size in enough]
    return lines


def show(lines: Lines) -> None:
    """Print the ends of each line and its slopes."""
    print(f"{'':27}{'from':>10}{'to':>10}{'least':>14}{'most':>14}   slopes: lower, upper half")
    for (axis, cell, kind), (x, y) in lines.items():
        unit, scale = KINDS[kind]
        lower, upper = halves(x, y)
        print(
            f"{axis:16}{cell:6}{kind:5}{x[0]:>10.0f}{x[-1]:>10.0f}{y[0] * scale:>11.3g} {unit}"
            f"{y[-1] * scale:>11.4g} {unit}   {lower:5.2f} {upper:5.2f}"
        )


COLOURS = {"rnn": "#2b8a3e", "gru": "#1864ab", "lstm": "#d9480f"}
TITLES = {"time": "time", "kept": "memory kept for\nbackpropagation", "peak": "memory at its peak"}


def draw(lines: Lines, path: Path) -> None:
    """Write a figure: a column a quantity, a row a kind; with the slopes of the upper halves."""
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("Agg")
    # Words stay words, and the same numbers give the same file.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "growth"})
    pyplot: Any = import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(3, len(AXES), figsize=(12, 7.5), sharex="col", sharey="row")
    for row, (kind, (unit, scale)) in enumerate(KINDS.items()):
        for column, name in enumerate(AXES):
            axis = axes[row][column]
            for (its_axis, cell, its_kind), (x, y) in lines.items():
                if (its_axis, its_kind) != (name, kind):
                    continue
                values = [value * scale for value in y]
                lower, upper = halves(x, y)
                label = f"{cell.upper()}: {lower:.2f}, {upper:.2f}"
                axis.plot(x, values, "o-", ms=3, lw=1, color=COLOURS[cell], label=label)
            axis.set_xscale("log", base=2)
            axis.set_yscale("log")
            axis.minorticks_off()
            axis.grid(alpha=0.3)
            axis.legend(fontsize=7, title="slopes: lower, upper half", title_fontsize=7)
        axes[row][0].set_ylabel(f"{TITLES[kind]}, {unit}")
    for axis, name in zip(axes[-1], AXES, strict=True):
        axis.set_xlabel(name)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", default="rnn,gru,lstm")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--figure", type=Path, help="draw here (needs matplotlib)")
    parser.add_argument("--child", metavar="PASS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(Pass(**json.loads(options.child)))
    cells = options.cells.split(",")
    unknown = [cell for cell in cells if cell not in COLOURS]
    if unknown:
        parser.error(f"--cells: expected some of {','.join(COLOURS)}, got {unknown[0]!r}")
    lines = measure(cells, options.rounds)
    show(lines)
    if options.figure:
        draw(lines, options.figure)


if __name__ == "__main__":
    main()
