"""Networks and models as ONNX files, for other runtimes: see `export`."""

from rnnfast.interop.onnx.export import export

__all__ = ["export"]
