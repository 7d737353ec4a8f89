"""Arrays as other libraries have them."""

from __future__ import annotations

import array
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

Array = npt.NDArray[Any]


class Exported:
    """Has `__array__` and no more."""

    def __init__(self, of: Array) -> None:
        self.of = of

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return self.of


class OverDLPack:
    """Has DLPack's two methods and no more, on any device."""

    def __init__(self, of: Array, device: tuple[int, int] = (1, 0)) -> None:
        self.of, self.kind = of, device

    def __dlpack__(self, **options: Any) -> Any:
        return self.of.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.kind


def _buffer(of: Array) -> Any:
    if of.ndim != 1:
        return memoryview(of)
    made = array.array(of.dtype.char)
    made.frombytes(of.tobytes())
    return made


def _torch(of: Array) -> Any:
    return pytest.importorskip("torch", reason="PyTorch is not installed").from_numpy(of)


def _pandas(of: Array) -> Any:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    return pandas.DataFrame(of, copy=False) if of.ndim == 2 else pandas.Series(of, copy=False)


def _polars(of: Array) -> Any:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    return polars.DataFrame(of) if of.ndim == 2 else polars.Series(of)


def _arrow(of: Array) -> Any:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    return arrow.array(of) if of.ndim == 1 else arrow.Tensor.from_numpy(np.ascontiguousarray(of))


def _readonly(of: Array) -> Array:
    copy = of.copy()
    copy.setflags(write=False)
    return copy


CONTAINERS: dict[str, Callable[[Array], Any]] = {
    "__array__": Exported,
    "DLPack": OverDLPack,
    "buffer": _buffer,
    "read-only": _readonly,
    "torch": _torch,
    "pandas": _pandas,
    "polars": _polars,
    "Arrow": _arrow,
}
TABLES = ("pandas", "polars")  # have two axes at most


def named_table(kind: str, of: Array, names: list[str]) -> Any:
    """Return a table of a library, with names of its columns."""
    package = "pyarrow" if kind in ("Table", "RecordBatch") else kind
    module = pytest.importorskip(package, reason=f"{package} is not installed")
    columns = {name: of[:, place] for place, name in enumerate(names)}
    if package == "pyarrow":
        made = module.table(columns)
        return made if kind == "Table" else made.to_batches()[0]
    return module.DataFrame(columns)
