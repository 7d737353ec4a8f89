"""Imports point down only: read off the sources, where those are at hand."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rnnfast

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ROOT / "cpp" / "kernels"
# From the bottom up.
FOLDERS = ["abi", "core", "threads", "gemm", "ops", "xlstm", "rnn", "reduced"]

PACKAGE = Path(rnnfast.__file__).parent
# From the bottom up; packages, and what stands beside them at the root. `io` writes layers and what
# registers itself with it; what it knows of models is their name.
PACKAGES = [
    "_core", "_imports", "_interrupts", "_products", "_renamed", "_subinterpreters", "_checks",
    "_dispatch", "nn", "io",
    "text", "data", "metrics", "training", "generation", "models", "diagnostics", "interop", "",
    "cli", "__main__",
]  # fmt: skip
# The definition stands by itself: it neither imports the others nor is it imported.
APART = "reference"

needs_sources = pytest.mark.skipif(not KERNELS.is_dir(), reason="the sources are not here")


def includes(path: Path) -> list[str]:
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), flags=re.MULTILINE)


@needs_sources
def test_every_kernel_file_is_in_a_layer() -> None:
    loose = {path.name for path in KERNELS.glob("*.*")}
    assert loose == {"module.cpp", "table.cpp"}
    assert {path.name for path in KERNELS.iterdir() if path.is_dir()} == set(FOLDERS)


@needs_sources
@pytest.mark.parametrize("folder", FOLDERS)
def test_kernels_include_their_own_layer_and_those_below(folder: str) -> None:
    rank = FOLDERS.index(folder)
    paths = [p for p in (KERNELS / folder).rglob("*") if p.suffix in (".h", ".cpp")]
    assert paths
    for path in paths:
        for name in includes(path):
            top, *rest = name.split("/")
            assert top == "kernels", f"{path}: includes {name}"
            assert FOLDERS.index(rest[0]) <= rank, f"{path}: {folder} includes {name} above it"


@needs_sources
def test_only_the_simd_header_names_eigens_internals() -> None:
    users = {p.name for p in KERNELS.rglob("*.*") if "Eigen::internal" in p.read_text()}
    assert users == {"simd.h"}


@needs_sources
@pytest.mark.parametrize("seam", ["bindings", "library"])
def test_the_seams_see_no_more_of_the_kernels_than_their_interface(seam: str) -> None:
    for path in (ROOT / "cpp" / seam).glob("*.*"):
        if path.name == "entry.cpp":  # which is compiled with a level's kernels
            continue
        for name in includes(path):
            if name.startswith("kernels/"):
                assert name.startswith("kernels/abi/"), f"{path}: includes {name}"


# Python


def unit(module: str) -> str:
    """Return the package or the module at the root that a module belongs to; "" is the root."""
    return module.split(".")[1] if "." in module else ""


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and full name of all of ours that a file imports, also within functions."""
    package = ["rnnfast", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = [*package[: len(package) - node.level + 1]] if node.level else []
            module = ".".join([*origin, *filter(None, [node.module])])
            of_root = module == "rnnfast"  # its modules; other names are what it hands on
            names = [f"{module}.{a.name}" for a in node.names] if of_root else [module]
        yield from ((node.lineno, name) for name in names if name.split(".")[0] == "rnnfast")


def test_every_module_is_in_a_layer() -> None:
    units = {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in PACKAGE.rglob("*.py")}
    assert units - {"__init__"} == {*PACKAGES, APART} - {"", "_core"}


@pytest.mark.parametrize("name", sorted({*PACKAGES, APART} - {"_core"}))
def test_packages_import_only_those_below(name: str) -> None:
    rank = {APART: -1, **{known: place for place, known in enumerate(PACKAGES)}}
    own = {"": PACKAGE / "__init__.py"}.get(name, PACKAGE / name)
    paths = [*own.rglob("*.py")] if own.is_dir() else [own.with_suffix(".py")]
    assert paths
    for path in paths:
        for line, module in imports(path):
            other = unit(module)
            below = other in rank and rank[other] < rank[name] and other != APART
            assert other == name or below, f"{path}:{line}: {name} imports {module} above it"


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python itself refuses")
def test_a_subinterpreter_is_refused() -> None:
    code = (
        "import rnnfast, _xxsubinterpreters as others\n"
        "others.run_string(others.create(isolated=False), 'import rnnfast')"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "rnnfast: expected the main interpreter of the process, got a sub" in done.stderr
