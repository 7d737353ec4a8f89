"""The C library, called from Python: models loaded by both must give the same bits."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf

PACKAGE = Path(rf.__file__).parent
LIBRARY = PACKAGE / "lib" / "librnnfast.so"

OK, INVALID_ARGUMENT, CANNOT_READ, BAD_FILE, UNKNOWN_FORMAT, UNSUPPORTED, WRONG_TYPE = range(7)
NOT_FINITE, OUT_OF_MEMORY, TOO_SMALL, NO_KERNELS = range(7, 11)


class Sampling(ctypes.Structure):
    _fields_ = (
        ("temperature", ctypes.c_double),
        ("top_k", ctypes.c_int64),
        ("top_p", ctypes.c_double),
        ("max_length", ctypes.c_int64),
        ("seed", ctypes.c_uint64),
    )


class CError(Exception):
    """A call that failed: its status and its line."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


def library() -> Any:
    """Return the library of the package that is tested; skip where it has none."""
    if not LIBRARY.exists():
        pytest.skip("this package has no C library, it is for Linux alone")
    lib = ctypes.CDLL(str(LIBRARY))
    lib.rnnfast_last_error.restype = ctypes.c_char_p
    for name in ("version", "level", "status_text", "token", "label"):
        getattr(lib, f"rnnfast_{name}").restype = ctypes.c_char_p
    for name in ("input_size", "output_size", "num_labels", "num_tokens", "state_size"):
        getattr(lib, f"rnnfast_{name}").restype = ctypes.c_int64
    lib.rnnfast_free.restype = lib.rnnfast_stream_free.restype = None
    return lib


def pointer(array: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def size(number: int) -> ctypes.c_int64:
    return ctypes.c_int64(number)


class CModel:
    """A model of the C library."""

    def __init__(self, source: Any, rtneural: bool = False) -> None:
        self.lib, self.made = library(), ctypes.c_void_p()
        kind = "_rtneural" if rtneural else ""
        if isinstance(source, bytes):
            load = getattr(self.lib, f"rnnfast_load{kind}_memory")
            self.check(load(source, ctypes.c_size_t(len(source)), ctypes.byref(self.made)))
        else:
            load = getattr(self.lib, f"rnnfast_load{kind}")
            self.check(load(str(source).encode(), ctypes.byref(self.made)))
        self.dtype = np.dtype("f8" if self.lib.rnnfast_is_double(self.made) else "f4")
        self.end = "_f64" if self.dtype.itemsize == 8 else ""

    def __del__(self) -> None:
        if self.made:
            self.lib.rnnfast_free(self.made)

    def check(self, status: int) -> None:
        if status != OK:
            raise CError(status, self.lib.rnnfast_last_error().decode())

    @property
    def output_size(self) -> int:
        return int(self.lib.rnnfast_output_size(self.made))

    def forward(self, x: Any, pooled: bool = False) -> Any:
        """Return the outputs of ``(T, B, F)``, or of ids ``(T, B)``."""
        x = np.ascontiguousarray(x)
        steps, batch = x.shape[:2]
        y = np.zeros((*(() if pooled else (steps,)), batch, self.output_size), self.dtype)
        ids = "_ids" if x.dtype.kind == "i" else ""
        call = getattr(self.lib, f"rnnfast_forward{ids}{self.end}")
        self.check(call(self.made, size(steps), size(batch), pointer(x), pointer(y)))
        return y

    def fill(self, call: Callable[..., int], *arguments: Any, dtype: str = "i8") -> Any:
        """Return what a function hands over to memory that is too small at first."""
        items, count = np.zeros(1, dtype), ctypes.c_int64()
        while True:
            status = call(*arguments, pointer(items), size(len(items)), ctypes.byref(count))
            if status != TOO_SMALL:
                self.check(status)
                return items[: count.value]
            items = np.zeros(count.value, dtype)

    def encode(self, text: str) -> Any:
        return self.fill(self.lib.rnnfast_encode, self.made, text.encode())

    def predict(self, x: Any) -> list[str]:
        if isinstance(x, str):
            found = self.fill(self.lib.rnnfast_predict_text, self.made, x.encode())
        elif x.dtype.kind == "i":
            found = self.fill(self.lib.rnnfast_predict_ids, self.made, size(len(x)), pointer(x))
        else:
            found = self.fill(self.lib.rnnfast_predict, self.made, size(len(x)), pointer(x))
        return [self.label(number) for number in found]

    def probabilities(self, x: Any) -> Any:
        numbers, ids = (None, pointer(x)) if x.dtype.kind == "i" else (pointer(x), None)
        call = self.lib.rnnfast_probabilities
        return self.fill(call, self.made, size(len(x)), numbers, ids, dtype="f8")

    def label(self, number: int) -> str:
        return str(self.lib.rnnfast_label(self.made, size(number)).decode())

    def score(self, text: str) -> tuple[float, int]:
        value, count = ctypes.c_double(), ctypes.c_int64()
        call = self.lib.rnnfast_score_text
        self.check(call(self.made, text.encode(), ctypes.byref(value), ctypes.byref(count)))
        return value.value, count.value

    def sample(self, prefix: str = "", **options: Any) -> str:
        defaults = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "max_length": 500, "seed": 0}
        sampling = Sampling(**{**defaults, **options})
        text, used = ctypes.create_string_buffer(1 << 16), ctypes.c_size_t()
        self.check(
            self.lib.rnnfast_sample(
                self.made, prefix.encode(), ctypes.byref(sampling), text,
                ctypes.c_size_t(len(text)), ctypes.byref(used),
            )
        )  # fmt: skip
        return text.raw[: used.value].decode()

    def stream(self, batch: int = 1) -> CStream:
        return CStream(self, batch)


class CStream:
    """A stream of the C library."""

    def __init__(self, model: CModel, batch: int) -> None:
        self.model, self.batch, self.made = model, batch, ctypes.c_void_p()
        create = model.lib.rnnfast_stream_create
        model.check(create(model.made, size(batch), ctypes.byref(self.made)))

    def __del__(self) -> None:
        if self.made:
            self.model.lib.rnnfast_stream_free(self.made)

    def step(self, x: Any) -> Any:
        model, x = self.model, np.ascontiguousarray(x)
        y = np.zeros((self.batch, model.output_size), model.dtype)
        ids = "_ids" if x.dtype.kind == "i" else ""
        status = getattr(model.lib, f"rnnfast_step{ids}{model.end}")(
            self.made, pointer(x), pointer(y)
        )
        if status != OK:
            raise CError(status, model.lib.rnnfast_status_text(status).decode())
        return y

    def run(self, x: Any) -> Any:
        model, x = self.model, np.ascontiguousarray(x)
        y = np.zeros((len(x), self.batch, model.output_size), model.dtype)
        status = getattr(model.lib, f"rnnfast_run{model.end}")(
            self.made, size(len(x)), pointer(x), pointer(y)
        )
        if status != OK:
            raise CError(status, model.lib.rnnfast_status_text(status).decode())
        return y

    def state(self) -> Any:
        values = np.zeros(self.model.lib.rnnfast_state_size(self.made), self.model.dtype)
        get = getattr(self.model.lib, f"rnnfast_get_state{self.model.end}")
        assert get(self.made, pointer(values)) == OK
        return values

    def set_state(self, values: Any) -> int:
        set_state = getattr(self.model.lib, f"rnnfast_set_state{self.model.end}")
        return int(set_state(self.made, pointer(values)))
