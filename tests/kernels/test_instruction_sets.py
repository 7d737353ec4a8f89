"""Each compiled module uses the instructions of its level and none above it."""

from __future__ import annotations

import importlib.util
import platform
import re
import shutil
import subprocess

import pytest

pytestmark = [
    pytest.mark.skipif(
        platform.machine() not in ("x86_64", "AMD64"), reason="levels of other processors: one"
    ),
    pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump (binutils) is missing"),
]

# In the assembly that objdump prints: what only AVX has, and what only AVX-512 has.
AVX = re.compile(rb"%[yz]mm|\tv[a-z0-9]+ ")
AVX512 = re.compile(rb"%zmm|%[xy]mm(?:1[6-9]|2\d|3[01])\b|%k[0-7]\b")


def assembly(module: str) -> bytes:
    found = importlib.util.find_spec(f"rnnfast.{module}")
    if found is None or found.origin is None:
        pytest.skip(f"{module} is not built")
    return subprocess.run(
        ["objdump", "--disassemble", "--no-show-raw-insn", found.origin],
        check=True,
        stdout=subprocess.PIPE,
    ).stdout


@pytest.mark.parametrize("module", ["_core", "_kernels_v1", "_reduced_v1"])
def test_baseline_runs_on_any_x86_64(module):
    code = assembly(module)
    assert b"%xmm0" in code
    assert AVX.findall(code) == []


def test_v3_uses_avx_and_no_avx512():
    code = assembly("_kernels_v3")
    assert b"%ymm" in code
    assert b"vfmadd" in code
    assert AVX512.findall(code) == []


def test_v4_uses_avx512():
    code = assembly("_kernels_v4")
    assert b"%zmm" in code
    assert AVX512.search(code) is not None


@pytest.mark.parametrize(
    ("module", "instructions"),
    [
        ("_reduced_v3", [b"vpmaddwd"]),
        ("_reduced_vnni", [b"vpdpbusd"]),
        ("_reduced_bf16", [b"vpdpbusd", b"vdpbf16ps"]),
        ("_reduced_amx", [b"vpdpbusd", b"tdpbusd", b"tdpbf16ps"]),
    ],
)
def test_smaller_numbers_use_their_instructions(module, instructions):
    code = assembly(module)
    for instruction in instructions:
        assert instruction in code
    if module == "_reduced_v3":
        assert AVX512.findall(code) == []
