"""Build the extension modules with compilers' sanitizers, and run Python with them.

    python tools/sanitize.py address -m pytest tests/nn/test_linear.py
    python tools/sanitize.py address tests/fuzz --calls 2000
    python tools/sanitize.py thread -m pytest tests/recurrent/test_recurrent_threads.py

``address`` is AddressSanitizer and UndefinedBehaviorSanitizer. ``thread`` is ThreadSanitizer, for
which GCC's OpenMP runtime is replaced by LLVM's: that one tells the sanitizer, through its tool
Archer, what waits for what, where each parallel region of the former looks like a race. Debian has
both in the package libomp-dev.

What follows the name is handed to Python as it is; without it, only the build is made. It is kept
in ``build/asan`` or ``build/tsan``, as the presets of CMake have these names. Needs pybind11,
cmeel-eigen, cmake and ninja.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from build_inplace import ROOT, build

# AVX2: the level with the most code of its own that all machines run.
LEVEL = "v3"
PRESETS = {"address": "asan", "thread": "tsan"}

OPTIONS = {
    "address": {
        # The interpreter itself leaks. Fresh memory is NaN, so that no one relies on it.
        "ASAN_OPTIONS": (
            "detect_leaks=0:allocator_may_return_null=1:max_malloc_fill_size=1073741824:"
            "malloc_fill_byte=255:detect_stack_use_after_return=1:strict_string_checks=1"
        ),
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        # Every object of Python's in memory of its own.
        "PYTHONMALLOC": "malloc",
    },
    "thread": {
        # Python, NumPy and the runtime itself are not built for it.
        "TSAN_OPTIONS": "halt_on_error=1:ignore_noninstrumented_modules=1:die_after_fork=0",
    },
}


def preload(name: str) -> list[str]:
    """Return the libraries that have to be there before Python."""
    found = [f"lib{PRESETS[name]}.so", "libstdc++.so"]
    command = [os.environ.get("CXX", "c++")]
    libraries = [
        subprocess.run(
            [*command, f"-print-file-name={file}"], check=True, capture_output=True, text=True
        ).stdout.strip()
        for file in found
    ]
    if name == "thread":
        libraries.append(llvm("libomp.so.5"))
    return [str(Path(library).resolve()) for library in libraries]


def llvm(file: str) -> str:
    """Return the path of a library of the newest LLVM here."""
    paths = sorted(Path("/usr/lib").glob(f"llvm-*/lib/{file}"))
    if not paths:
        sys.exit(f"{file}: expected LLVM's OpenMP runtime, as Debian's package libomp-dev has it")
    return str(paths[-1])


def package(folder: Path) -> Path:
    """Return a folder for PYTHONPATH with the sources' Python and this build's modules."""
    target = folder / "python" / "rnnfast"
    target.mkdir(parents=True, exist_ok=True)
    for old in target.iterdir():
        if old.is_symlink():  # Python keeps a folder of compiled files beside them
            old.unlink()
    for source in (ROOT / "python" / "rnnfast").iterdir():
        if source.suffix != ".so" and source.name != "__pycache__":
            (target / source.name).symlink_to(source)
    for module in folder.glob("_*.so"):
        (target / module.name).symlink_to(module)
    return target.parent


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in OPTIONS:
        sys.exit(__doc__)
    name, arguments = sys.argv[1], sys.argv[2:]
    folder = ROOT / "build" / PRESETS[name]
    jobs = int(os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL") or os.cpu_count() or 1)
    build(folder, LEVEL, jobs, PRESETS[name])
    if not arguments:
        return
    environment = (
        os.environ
        | OPTIONS[name]
        | {
            "LD_PRELOAD": " ".join(preload(name)),
            "RNNFAST_ISA": LEVEL,
            "PYTHONPATH": str(package(folder)),
            # Reports go to standard error, which pytest would keep to itself.
            "PYTEST_ADDOPTS": "--capture=sys",
        }
    )
    if name == "thread":
        environment["OMP_TOOL_LIBRARIES"] = llvm("libarcher.so")
    os.execve(sys.executable, [sys.executable, *arguments], environment)


if __name__ == "__main__":
    main()
