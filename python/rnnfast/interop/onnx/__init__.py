"""Models of ONNX: run as a backend, their recurrent layers taken over, and ours written as such."""

from rnnfast.interop.onnx.backend import (
    Backend,
    Prepared,
    is_compatible,
    prepare,
    run_model,
    run_node,
    supports_device,
)
from rnnfast.interop.onnx.export import export
from rnnfast.interop.onnx.layers import layers
from rnnfast.interop.onnx.metadata import ModelMeta
from rnnfast.interop.onnx.session import Session

__all__ = [
    "Backend",
    "ModelMeta",
    "Prepared",
    "Session",
    "export",
    "is_compatible",
    "layers",
    "prepare",
    "run_model",
    "run_node",
    "supports_device",
]
