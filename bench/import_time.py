"""Time to import and size on disk: NumPy, rnnfast, PyTorch, each import in a new process."""

from __future__ import annotations

import argparse
import importlib.metadata
import statistics
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import rnnfast as rf

SCRIPT = """
import time
start = time.perf_counter()
{before}
middle = time.perf_counter()
import {module}
print(middle - start, time.perf_counter() - middle)
"""


def import_seconds(module: str, before: str, runs: int) -> list[float]:
    """Seconds to import a module after others, in as many processes; files are cached by one."""
    seconds = []
    for _ in range(runs + 1):
        script = SCRIPT.format(module=module, before=before)
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True
        )
        seconds.append(float(done.stdout.split()[1]))
    return seconds[1:]


def megabytes(package: str) -> float | None:
    """Size of an installed distribution's files, or of the folder of one that is not installed."""
    try:
        files = importlib.metadata.files(package) or []
        paths = [Path(str(file.locate())) for file in files]
    except importlib.metadata.PackageNotFoundError:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            return None
        paths = list(Path(spec.origin).parent.rglob("*"))
    return sum(p.stat().st_size for p in paths if p.is_file()) / 1e6


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--wheel", type=Path, help="a wheel of rnnfast, for its size")
    options = parser.parse_args()
    print(f"{'import':<34}{'min ms':>9}{'median ms':>11}")
    for module, before in (
        ("numpy", "pass"),
        ("rnnfast", "import numpy"),
        ("onnxruntime", "import numpy"),
        ("jax", "import numpy"),
        ("torch", "import numpy"),
    ):
        if find_spec(module) is None:
            continue
        seconds = import_seconds(module, before, options.runs)
        name = module if before == "pass" else f"{module} after {before.split()[1]}"
        print(f"{name:<34}{1e3 * min(seconds):>9.1f}{1e3 * statistics.median(seconds):>11.1f}")
    print(f"\n{'installed':<34}{'MB':>9}")
    for package in ("rnnfast", "numpy", "onnxruntime", "jaxlib", "torch"):
        size = megabytes(package)
        if size is not None:
            print(f"{package:<34}{size:>9.1f}")
    for module_file in sorted(Path(rf.__file__).parent.glob("*.so")):
        print(f"  {module_file.name:<32}{module_file.stat().st_size / 1e6:>9.1f}")
    if options.wheel:
        print(f"{options.wheel.name:<34}{options.wheel.stat().st_size / 1e6:>9.1f}")


if __name__ == "__main__":
    main()
