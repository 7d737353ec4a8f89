"""The package ``onnx``, or one line about what is missing."""

from __future__ import annotations

try:
    import onnx
    import onnx.backend.base
    import onnx.checker
    import onnx.defs
    import onnx.external_data_helper
    import onnx.inliner
    import onnx.numpy_helper
    import onnx.shape_inference
    from onnx import checker, helper, numpy_helper
except ImportError as error:
    raise ImportError(
        "rnnfast.interop.onnx: expected the package onnx 1.16 or newer, which cannot be imported; "
        f"pip install 'rnnfast[onnx]' ({error})"
    ) from error

__all__ = ["checker", "helper", "numpy_helper", "onnx"]
