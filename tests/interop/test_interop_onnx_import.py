"""What is imported when."""

from __future__ import annotations

import subprocess
import sys

import pytest


def test_onnx_runtime_is_not_imported_before_a_session_is_made() -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    code = "import sys, rnnfast.interop.onnx; print('onnxruntime' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
