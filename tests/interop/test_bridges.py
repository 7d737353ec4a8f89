"""The bridges are there by name, and what they need is imported with them alone."""

from __future__ import annotations

import importlib
import subprocess
import sys

import rnnfast as rf


def test_a_bridge_is_there_by_name() -> None:
    assert rf.interop.rtneural is importlib.import_module("rnnfast.interop.rtneural")
    assert {"dask", "flax", "keras", "onnx", "rtneural", "torch"} <= {*dir(rf.interop)}
    assert not hasattr(rf.interop, "tensorflow")


def test_none_is_imported_before() -> None:
    code = "import sys, rnnfast; rnnfast.interop; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
