"""Runs of exported networks in ONNX Runtime, for the tests of exports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
ort = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

from rnnfast.interop.onnx import export  # noqa: E402

OPSETS = [14, 22]


class Run:
    """An exported file, checked, in ONNX Runtime."""

    def __init__(self, module: Any, path: Path, **options: Any) -> None:
        returned = export(module, path, **options)
        self.model = onnx.load(path)
        assert self.model.SerializeToString() == returned.SerializeToString()
        onnx.checker.check_model(self.model, full_check=True)
        settings = ort.SessionOptions()
        settings.log_severity_level = 3
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        self._session = ort.InferenceSession(
            path.read_bytes(), settings, providers=["CPUExecutionProvider"]
        )
        self.inputs = [one.name for one in self._session.get_inputs()]
        self.optional = [one.name for one in self._session.get_overridable_initializers()]
        self.outputs = [one.name for one in self._session.get_outputs()]

    def __call__(self, **values: Any) -> dict[str, Any]:
        """Return the outputs by name; inputs of None are left out."""
        given = {name: value for name, value in values.items() if value is not None}
        return dict(zip(self.outputs, self._session.run(None, given), strict=True))

    @property
    def operators(self) -> set[str]:
        return {node.op_type for node in self.model.graph.node}


def assert_same(got: Any, expected: Any) -> None:
    """Assert that arrays have one shape and dtype, and the same numbers but for rounding."""
    expected = np.asarray(expected)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    tolerance = 1e-5 if expected.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)
