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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--level", help="build only this instruction set's kernels (and _core)")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    build = ROOT / "build" / "inplace"
    site = Path(pybind11.__file__).parent.parent
    subprocess.run(
        [
            "cmake",
            "-S",
            str(ROOT),
            "-B",
            str(build),
            "-G",
            "Ninja",
            f"-DPython_EXECUTABLE={sys.executable}",
            f"-DCMAKE_PREFIX_PATH={pybind11.get_cmake_dir()};{site}",
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    targets = ["_core", f"_kernels_{arguments.level}"] if arguments.level else ["all"]
    subprocess.run(
        ["cmake", "--build", str(build), "-j", str(arguments.jobs), "--target", *targets],
        check=True,
    )
    for module in build.glob("_*.so"):
        target = ROOT / "python" / "rnnfast" / module.name
        temporary = target.with_suffix(".part")
        temporary.write_bytes(module.read_bytes())
        temporary.rename(target)


if __name__ == "__main__":
    main()
