"""Peak memory of training on many images as rows, beside the size of the images themselves.

Each case in a process of its own: a small training first, so that code is loaded and threads are
started; then the images, random ones of the size of MNIST's, and one epoch.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import rnnfast as rf
from memory import status

ROWS = COLUMNS = 28
KINDS = ("array", "list", "memory map")


def images(kind: str, count: int, folder: str) -> tuple[object, np.ndarray]:
    """Return images of a kind, float32, and their classes."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, count)
    path = Path(folder) / "images.npy"
    x = np.lib.format.open_memmap(path, "w+", np.float32, (count, ROWS, COLUMNS))
    for first in range(0, count, 1000):
        x[first : first + 1000] = rng.random((len(x[first : first + 1000]), ROWS, COLUMNS))
    x.flush()
    del x
    if kind == "memory map":
        return np.load(path, mmap_mode="r"), y
    whole = np.load(path)
    return [*whole] if kind == "list" else whole, y


def measure(kind: str, count: int, batch_size: int) -> None:
    """Print what a training added to the memory of a warm process that has the images."""

    def learn(x: object, y: np.ndarray) -> None:
        rf.SequenceClassifier(
            cell="lstm", hidden_size=32, epochs=1, batch_size=batch_size, seed=0, verbose=0
        ).fit(x, y)

    with tempfile.TemporaryDirectory() as folder:
        learn(*images("array", 500, folder))
        x, y = images(kind, count, folder)
        size = count * ROWS * COLUMNS * 4
        before = status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        learn(x, y)
        added = status("VmHWM") - before
        print(
            f"{kind}: {size / 1e6:.0f} MB of images, {added / 1e6:.0f} MB more at the peak of "
            f"training, {added / size:.2f} times their size",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=54_000, help="images")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.kind:
        measure(arguments.kind, arguments.count, arguments.batch_size)
        return
    for kind in KINDS:
        command = [sys.executable, __file__, "--kind", kind, "--count", str(arguments.count)]
        subprocess.run([*command, "--batch-size", str(arguments.batch_size)], check=True)


if __name__ == "__main__":
    main()
