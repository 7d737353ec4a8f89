"""Look at cpp/ with clang-tidy: the checks of .clang-tidy, on what one instruction set compiles.

    python tools/tidy.py [-j N] [FILE ...]

Without files it looks at all that CMake compiles, and at the headers that those include. Needs
clang-tidy, pybind11, cmeel-eigen, cmake and ninja.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from build_inplace import ROOT, configure

LEVEL = "v3"


def gcc_headers() -> str:
    """Return the folder in which GCC has headers of its own, OpenMP's among them."""
    command = [os.environ.get("CXX", "c++"), "-print-file-name=include"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="sources to look at, in place of all")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    folder = ROOT / "build" / "tidy"
    configure(folder, LEVEL, "debug")
    database = json.loads((folder / "compile_commands.json").read_text())
    known = sorted({Path(entry["file"]) for entry in database})
    files = [file.resolve() for file in arguments.files] or known
    if unknown := [str(file) for file in files if file not in known]:
        sys.exit(f"files: expected sources that CMake compiles, got {', '.join(unknown)}")
    # Clang's own headers come first, and what only GCC understands goes.
    command = ["clang-tidy", "--quiet", "-p", str(folder), "--removed-arg=-fno-gnu-unique"]
    command += [f"--extra-arg=-idirafter{gcc_headers()}", "--extra-arg=-Wno-unknown-warning-option"]

    def look(file: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, str(file)], capture_output=True, text=True)

    with ThreadPoolExecutor(arguments.jobs) as pool:
        results = list(pool.map(look, files))
    for result in results:
        if result.returncode != 0:
            print(result.stdout or result.stderr)
    failed = sum(result.returncode != 0 for result in results)
    print(f"{len(files)} files looked at, {failed} with findings")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
