"""Time one tree of rnnfast against another, in turns, or compare the bits of their answers.

Run as ``python bench/trees.py OLD NEW [--seconds S] [--only TEXT] [--bits]``, with the roots of two
trees built in place. A process of each makes the calls of a point, a slice of 20 ms at a time, old
and new first by turns. Prints, for each point, the ratio of new to old: the median of pairs of
slices, and that of the least times. ``--bits`` compares outputs, states and gradients of layers of
many kinds and sizes instead, and ends with status 1 where a bit differs.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SLICE_SECONDS = 0.02
# T, B, I, H, L.
SHAPES = (
    (1, 1, 64, 64, 1),
    (50, 1, 64, 64, 1),
    (50, 4, 16, 32, 1),
    (50, 16, 64, 128, 1),
    (35, 20, 200, 200, 2),
    (20, 64, 256, 512, 1),
    (100, 32, 17, 33, 2),
)
KINDS: dict[str, dict[str, Any]] = {
    "RNN": {},
    "RNN relu": {"nonlinearity": "relu"},
    "GRU": {},
    "GRU simple": {"reset_gate": False},
    "GRU before": {"reset_after": False},
    "LSTM": {},
    "LSTM peephole": {"peephole": True},
    "LSTM projection": {"proj_size": 7},
    "LayerNormLSTM": {},
    "LayerNormGRU": {},
    "MinGRU": {},
    "MinLSTM": {},
    "IndRNN": {},
    "SRU": {},
    "QRNN": {},
}
# I, H, L, B, T.
SIZES = (
    (1, 8, 1, 1, 3),
    (3, 17, 2, 1, 5),
    (17, 33, 1, 3, 4),
    (65, 65, 1, 17, 6),
    (300, 300, 1, 2, 3),
    (20, 200, 1, 33, 7),
    (5, 130, 2, 13, 9),
    (33, 520, 1, 5, 3),
    (8, 16, 1, 4, 5),
)


def points() -> Iterator[tuple[str, str, tuple[int, ...], int]]:
    """Yield the cell, the mode, the shape and the number of threads of each point."""
    for cell in ("RNN", "GRU", "LSTM"):
        for shape, mode in itertools.product(SHAPES, ("inference", "training")):
            yield cell, mode, shape, 1
        yield cell, "step", (50, 1, 64, 256, 1), 1
        yield cell, "training", (35, 20, 200, 200, 2), 2
        yield cell, "inference", (50, 16, 64, 128, 1), 2


def label_of(point: Any) -> str:
    """Return what a point is called."""
    cell, mode, (steps, batch, inputs, hidden, layers), threads = point
    return f"{cell} {mode} T{steps} B{batch} I{inputs} H{hidden} L{layers} x{threads}"


# In a process that has imported one tree


def make_run(point: Any) -> Callable[[], Any]:
    """Return the call that is timed."""
    import numpy as np

    import rnnfast as rf

    cell, mode, (steps, batch, inputs, hidden, layers), threads = point
    rf.set_num_threads(threads)
    layer = getattr(rf, cell)(inputs, hidden, num_layers=layers, seed=0)
    x = np.random.default_rng(0).standard_normal((steps, batch, inputs), dtype=np.float32)
    if mode == "inference":
        return lambda: layer(x)
    if mode == "step":
        step, x_t = layer.stream(batch), x[0].copy()
        return lambda: [step(x_t) for _ in range(steps)]
    dy = np.ones((steps, batch, hidden), np.float32)

    def train() -> None:
        _, backprop = layer.forward(x)
        backprop(dy)

    return train


def serve() -> None:
    """Answer each line, a point and a number of calls, by the time of a call."""
    point: Any = None
    run: Callable[[], Any] = list
    for line in sys.stdin:
        asked, calls = json.loads(line)
        if asked != point:
            point, run = asked, make_run(asked)
            run()
            run()
        begin = time.perf_counter()
        for _ in range(calls):
            run()
        print((time.perf_counter() - begin) / calls, flush=True)


def print_bits() -> None:
    """Print a line for each layer that is made, which ends with what its answers hash to."""
    import numpy as np

    import rnnfast as rf

    rng = np.random.default_rng(1)
    for (kind, options), dtype, sizes, both, threads in itertools.product(
        KINDS.items(), ("float32", "float64"), SIZES, (False, True), (1, 2)
    ):
        inputs, hidden, layers, batch, steps = sizes
        rf.set_num_threads(threads)
        layer = getattr(rf, kind.split()[0])(
            inputs, hidden, num_layers=layers, bidirectional=both, seed=0, dtype=dtype, **options
        )
        x = rng.normal(size=(steps, batch, inputs)).astype(dtype)
        lengths = rng.integers(1, steps + 1, size=batch)
        inferred = layer(x, lengths=lengths)
        (y, state), backprop = layer.forward(x, lengths=lengths)
        gradients = backprop(np.cos(np.arange(y.size)).reshape(y.shape).astype(dtype))
        found = hashlib.sha256()
        for array in leaves((inferred, y, state, gradients, *layer.grads.values())):
            found.update(np.ascontiguousarray(array).tobytes())
        print(kind, dtype, sizes, both, threads, found.hexdigest())


def leaves(value: Any) -> Iterator[Any]:
    """Yield the arrays in tuples within tuples."""
    if isinstance(value, tuple):
        for part in value:
            yield from leaves(part)
    elif value is not None:
        yield value


# In the process that asks both


def environment_of(tree: Path) -> dict[str, str]:
    """Return the environment in which a tree is imported."""
    return {**os.environ, "PYTHONPATH": str(tree / "python")}


class Tree:
    """A process that has imported a tree."""

    def __init__(self, root: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve"],
            env=environment_of(root),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def seconds(self, point: Any, calls: int) -> float:
        """Return the time of one of so many calls."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps([point, calls]) + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def compare_times(old: Tree, new: Tree, point: Any, seconds: float) -> tuple[float, float]:
    """Return the ratio of new to old: the median of pairs, and that of the least times."""
    calls = max(1, round(SLICE_SECONDS / min(old.seconds(point, 1), new.seconds(point, 1))))
    pairs: list[tuple[float, float]] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(pairs) < 7:
        trees = (old, new) if len(pairs) % 2 else (new, old)
        times = {tree: tree.seconds(point, calls) for tree in trees}
        pairs.append((times[old], times[new]))
    before, after = zip(*pairs, strict=True)
    median = statistics.median(b / a for a, b in pairs)
    least = min(after) / min(before)
    print(
        f"{label_of(point):42s} {median:6.3f} {least:6.3f}   "
        f"{min(after) * 1e6:10.1f} us  {len(pairs)} pairs",
        flush=True,
    )
    return median, least


def compare_bits(roots: list[Path]) -> int:
    """Print the lines that differ, and return how many they are."""
    command = [sys.executable, __file__, "--print-bits"]
    before, after = (
        subprocess.run(
            command, env=environment_of(root), check=True, capture_output=True, text=True
        ).stdout.splitlines()
        for root in roots
    )
    differ = [b for a, b in itertools.zip_longest(before, after) if a != b]
    print(f"{len(after)} layers, {len(differ)} with other bits")
    for line in differ:
        print(line)
    return len(differ)


def main() -> int:
    """Read the command line, and do what it says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trees", type=Path, nargs=2, metavar="TREE", help="OLD and NEW")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each point")
    parser.add_argument("--only", default="", help="points whose label contains this")
    parser.add_argument("--bits", action="store_true", help="compare answers, not times")
    options = parser.parse_args()
    roots = [root.resolve() for root in options.trees]
    if options.bits:
        return 1 if compare_bits(roots) else 0
    old, new = map(Tree, roots)
    print(f"{'new / old':42s} {'median':>6s} {'least':>6s}")
    found = [
        compare_times(old, new, point, options.seconds)
        for point in points()
        if options.only in label_of(point)
    ]
    medians, leasts = zip(*found, strict=True)
    for name, ratios in (("median", medians), ("least", leasts)):
        mean = math.exp(statistics.fmean(map(math.log, ratios)))
        print(f"geometric mean of each {name}: {mean:.3f}, greatest {max(ratios):.3f}")
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    elif sys.argv[1:] == ["--print-bits"]:
        print_bits()
    else:
        sys.exit(main())
