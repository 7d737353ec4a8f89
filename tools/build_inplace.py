"""Build the extension modules and put them beside the Python sources, for work on the package.

Run as ``python tools/build_inplace.py [--level v1|v3|v4] [-j N]`` with pybind11, cmeel-eigen, cmake
and ninja installed; then ``PYTHONPATH=python`` uses the result.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pybind11

ROOT = Path(__file__).resolve().parent.parent


def build(folder: Path, level: str | None, jobs: int, *options: str) -> None:
    """Build the modules in a folder: those of one level, or all.

    Parameters
    ----------
    folder : Path
        Where to build; what is there is used.
    level : str, optional
        The instruction set whose kernels are built beside ``_core``.
    jobs : int
        How many files are compiled at once.
    *options : str
        Further arguments of CMake.
    """
    site = Path(pybind11.__file__).parent.parent
    configure = ["cmake", "-S", str(ROOT), "-B", str(folder), "-G", "Ninja"]
    configure += [
        f"-DPython_EXECUTABLE={sys.executable}",
        f"-DCMAKE_PREFIX_PATH={pybind11.get_cmake_dir()};{site}",
        *options,
    ]
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    targets = ["_core", f"_kernels_{level}"] if level else ["all"]
    command = ["cmake", "--build", str(folder), "-j", str(jobs), "--target", *targets]
    subprocess.run(command, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--level", help="build only this instruction set's kernels (and _core)")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    folder = ROOT / "build" / "inplace"
    build(folder, arguments.level, arguments.jobs)
    for module in folder.glob("_*.so"):
        target = ROOT / "python" / "rnnfast" / module.name
        temporary = target.with_suffix(".part")
        temporary.write_bytes(module.read_bytes())
        temporary.rename(target)


if __name__ == "__main__":
    main()
