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

ROOT = Path(__file__).resolve().parent.parent


def configure(folder: Path, level: str | None, preset: str) -> None:
    """Have CMake prepare a folder for a preset of CMakePresets.json, without the unit tests.

    Parameters
    ----------
    folder : Path
        Where to build; what is there is used.
    level : str, optional
        The instruction set whose kernels are built beside ``_core``; else all.
    preset : str
        What the modules are built for.
    """
    command = ["cmake", "--preset", preset, "-S", str(ROOT), "-B", str(folder)]
    command += [
        f"-DPython_EXECUTABLE={sys.executable}",
        f"-DRNNFAST_LEVELS={level}" if level else "-URNNFAST_LEVELS",
        "-DRNNFAST_TESTS=OFF",
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)


def build(folder: Path, level: str | None, jobs: int, preset: str = "release") -> None:
    """Build the modules in a folder, as `configure` takes it, ``jobs`` files at once."""
    configure(folder, level, preset)
    subprocess.run(["cmake", "--build", str(folder), "-j", str(jobs)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--level", help="build only this instruction set's kernels (and _core)")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    folder = ROOT / "build" / "inplace"
    build(folder, arguments.level, arguments.jobs)
    package = ROOT / "python" / "rnnfast"
    built = {module: package / module.name for module in folder.glob("_*.so")}
    built |= {library: package / "lib" / library.name for library in folder.glob("wheel/*.so")}
    built |= {file: package / "cmake" / file.name for file in folder.glob("cmake/*Version.cmake")}
    for module, target in built.items():
        target.parent.mkdir(exist_ok=True)
        temporary = target.with_suffix(".part")
        temporary.write_bytes(module.read_bytes())
        temporary.rename(target)


if __name__ == "__main__":
    main()
