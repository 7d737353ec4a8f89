"""Arrays of other libraries, read where they are.

Of a tensor, a Series, a table or a buffer: by the protocols by which such things hand their memory
on, ``__array__`` and the buffer protocol, which NumPy reads, and DLPack.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks.masks import require_unmasked
from rnnfast._checks.messages import one_line
from rnnfast._checks.tables import numbers_of_pandas

# Kinds of devices of DLPack whose memory the CPU reads: its own, and what CUDA and ROCm pin for it.
_OF_CPU = (1, 3, 11)
_PROTOCOLS = ("__dlpack__", "__array__", "__array_interface__")
# What is no array though it hands on memory, or reads as one.
_NO_ARRAYS = (str, bytes, bytearray, list, tuple, int, float, complex, np.generic, Mapping)


def _cure_of(name: str, value: Any) -> str:
    """Return what a message ends with of a tensor in a dtype that NumPy does not have."""
    is_bfloat16 = one_line(getattr(value, "dtype", "")) == "torch.bfloat16"
    return f"; {name}.float() has float32" if is_bfloat16 else ""


def read_exporter(name: str, value: Any) -> npt.NDArray[Any] | None:
    """Return the array that something of another library hands on; None if it is no such thing.

    Nothing is copied that its owner does not copy, and nothing cast.

    Parameters
    ----------
    name : str
        The argument, for messages.
    value : object
        No ndarray.

    Raises
    ------
    TypeError
        If it is on another device, or a tensor that requires a gradient, which would be lost; or a
        masked array.
    ValueError
        If its owner makes no array of it.
    """
    if not is_exporter(value):
        return None
    kind = type(value)
    if _is_on_device(value) or not _is_of_cpu(value):
        raise TypeError(
            f"{name}: expected an array in the memory of the CPU, got a {kind.__name__} on "
            f"{one_line(getattr(value, 'device', 'another device'))}"
        )
    if getattr(value, "requires_grad", False) is True:
        raise TypeError(
            f"{name}: expected an array without a gradient, got a {kind.__name__} that requires "
            f"one; rnnfast.interop.torch has layers that give it, {name}.detach() does without"
        )
    only_dlpack = not any(hasattr(kind, protocol) for protocol in _PROTOCOLS[1:])
    try:
        if only_dlpack and not _is_buffer(value):
            array: npt.NDArray[Any] = np.from_dlpack(value)
        else:
            numbers = numbers_of_pandas(value)
            array = np.asanyarray(value) if numbers is None else numbers
    except MemoryError:
        raise
    except Exception as error:  # of many kinds, also those of an object's own __array__
        raise ValueError(
            f"{name}: expected an array, got a {kind.__name__} that makes none ({one_line(error)})"
            f"{_cure_of(name, value)}"
        ) from error
    require_unmasked(name, array)
    return array.view(np.ndarray)


def is_exporter(value: Any) -> bool:
    """Whether a value, which is no ndarray, is an array of another library."""
    if isinstance(value, (_NO_ARRAYS, type)):
        return False
    exports = any(hasattr(type(value), protocol) for protocol in _PROTOCOLS)
    return exports or _is_on_device(value) or _is_buffer(value)


def _is_on_device(value: Any) -> bool:
    return hasattr(value, "__cuda_array_interface__")


def _is_buffer(value: Any) -> bool:
    try:
        memoryview(value).release()
    except (TypeError, BufferError, ValueError):
        return False
    return True


def _is_of_cpu(value: Any) -> bool:
    """Whether the CPU reads its memory, as far as it says where it is."""
    device = getattr(value, "__dlpack_device__", None)
    if device is None:
        return True
    try:
        return int(device()[0]) in _OF_CPU
    except Exception:  # of many kinds; PyTorch's for devices that DLPack does not know
        return False
