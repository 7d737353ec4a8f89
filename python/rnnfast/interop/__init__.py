"""Bridges to other libraries; each imports its library when it is first asked for."""

from rnnfast._imports import import_late

_BRIDGES = ("dask", "flax", "keras", "onnx", "rtneural", "torch")


def __getattr__(name: str) -> object:
    if name in _BRIDGES:
        return import_late(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_BRIDGES})
