"""Imports point down only: read off the sources, where those are at hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
KERNELS = ROOT / "cpp" / "kernels"
# From the bottom up.
FOLDERS = ["abi", "core", "threads", "gemm", "ops", "rnn"]

pytestmark = pytest.mark.skipif(not KERNELS.is_dir(), reason="the sources are not here")


def includes(path: Path) -> list[str]:
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), flags=re.MULTILINE)


def test_every_kernel_file_is_in_a_layer() -> None:
    loose = {path.name for path in KERNELS.glob("*.*")}
    assert loose == {"module.cpp", "table.cpp"}
    assert {path.name for path in KERNELS.iterdir() if path.is_dir()} == set(FOLDERS)


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


def test_only_the_simd_header_names_eigens_internals() -> None:
    users = {p.name for p in KERNELS.rglob("*.*") if "Eigen::internal" in p.read_text()}
    assert users == {"simd.h"}


def test_the_seam_sees_no_more_of_the_kernels_than_their_interface() -> None:
    for path in (ROOT / "cpp" / "bindings").iterdir():
        for name in includes(path):
            if name.startswith("kernels/"):
                assert name.startswith("kernels/abi/"), f"{path}: includes {name}"
