"""Parameters that stay as they are, in fewer bits: memory, rounding, and arrays of files.

What the bits are is defined in `rnnfast.reference.quantized`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast.nn._copies import Buffer

Array = npt.NDArray[Any]

# What matrices may be kept in; "int8-16" is int8 with activations of 16 bits.
NUMBERS = ("int8", "int8-16", "bfloat16")
# Ends the name of an array of scales in a file.
_SCALE = ".scale"
# A row whose largest magnitude is less becomes 0; a larger number than the other is refused.
_LEAST = np.float32(1e-30)
# What the kernels of these numbers have: cells, by how their names begin, and the longest row.
_CELLS = ("rnn_", "gru", "lstm", "linear")
_MOST_COLUMNS = 65536
LARGEST = 1e38


class FrozenBuffer(Buffer):
    """The memory of parameters that do not change, as float32: there are no gradients.

    Parameters
    ----------
    values : ndarray of float32
        All numbers, those of matrices as they have been rounded.
    numbers : str
        In what; one of `NUMBERS`.
    matrices : frozenset of int
        The offsets of the parameters that are rounded.
    """

    def __init__(self, values: Array, numbers: str, matrices: frozenset[int]) -> None:
        super().__init__(values.size, "float32")
        super().assign(0, values)
        self.numbers, self.matrices = numbers, matrices

    def assign(self, offset: int, source: Array) -> NoReturn:
        """Raise TypeError."""
        refuse("parameters", self.numbers)

    def add_grads(self, offset: int, source: Array) -> NoReturn:
        """Raise TypeError."""
        refuse("grads", self.numbers)

    def sparse_grads(self) -> NoReturn:
        """Raise TypeError."""
        refuse("grads", self.numbers)

    @property
    def grads(self) -> NoReturn:
        """Raise TypeError."""
        refuse("grads", self.numbers)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.values, self.numbers, self.matrices)


def refuse(what: str, numbers: str) -> NoReturn:
    """Raise TypeError: something would change numbers that stay, or wants their gradients."""
    raise TypeError(
        f"{what}: expected numbers of float32 or float64, got those in {numbers} that rf.quantize "
        "made, which stay as they are"
    )


def require_floats(what: str, buffers: Iterable[_core.ParameterBuffer]) -> None:
    """Raise TypeError if parameters are such that stay as they are."""
    for buffer in buffers:
        if isinstance(buffer, FrozenBuffer):
            refuse(what, buffer.numbers)


def quantized_call(call: str, numbers: str) -> str:
    """Return the call that makes in other numbers what a call makes."""
    kind, _, bits = numbers.partition("-")
    return f"quantize({call}, {kind!r}{f', activations={bits}' if bits else ''})"


def numbers_of(buffer: _core.ParameterBuffer) -> str:
    """Return what the matrices in a buffer are kept in."""
    return buffer.numbers if isinstance(buffer, FrozenBuffer) else str(buffer.dtype)


def kernel_numbers(buffer: _core.ParameterBuffer, columns: int, cell: str = "linear") -> str:
    """Return in what the kernels multiply rows of so many numbers with weights in a buffer.

    "float32" where there are none of other numbers: for cells but those of RNN, GRU and LSTM, and
    for longer rows. The weights are rounded then, and what is multiplied with them is not.
    """
    if not isinstance(buffer, FrozenBuffer) or columns > _MOST_COLUMNS:
        return "float32"
    return buffer.numbers if cell.startswith(_CELLS) else "float32"


# Rounding


def rounded(matrix: Array, numbers: str) -> Array:
    """Return the float32 numbers that stand for a matrix in others."""
    return decoded(encoded("", matrix, numbers))[""]


def encoded(name: str, matrix: Array, numbers: str) -> dict[str, Array]:
    """Return a matrix as files have it: int8 with a scale a row, or bits of bfloat16 in uint16."""
    if numbers == "bfloat16":
        return {name: _bfloat16(matrix)}
    scale = _scales(matrix)
    by = np.where(scale > 0, scale, np.float32(np.inf))[:, np.newaxis]  # of a row of zeros
    codes = np.rint(matrix / by).astype(np.int8)
    return {name: codes, f"{name}{_SCALE}": scale}


def decoded(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return arrays as float32 where they are those of `encoded`, and as they are where not.

    Raises
    ------
    ValueError
        If there are scales without codes, or of another shape, or the other way round.
    """
    found = {}
    for name, array in arrays.items():
        owner = arrays.get(name.removesuffix(_SCALE)) if name.endswith(_SCALE) else None
        if owner is not None and owner.dtype == np.int8:
            continue
        if array.dtype == np.int8:
            scale = arrays.get(f"{name}{_SCALE}")
            if scale is None or scale.dtype != np.float32 or array.ndim != 2:
                raise ValueError(f"{name}: expected a matrix of int8 and a float32 scale a row")
            if scale.shape != array.shape[:1]:
                raise ValueError(
                    f"{name}{_SCALE}: expected shape ({len(array)},), got {scale.shape}"
                )
            with np.errstate(over="ignore", invalid="ignore"):
                array = array.astype(np.float32) * scale[:, np.newaxis]
        elif array.dtype == np.uint16:
            array = (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
        found[name] = array
    return found


def kept_bytes(parameters: Iterable[Any]) -> int:
    """Return the bytes that parameters take in a file."""
    total = 0
    for parameter in parameters:
        size, buffer = parameter.data.size, parameter.buffer
        if not isinstance(buffer, FrozenBuffer) or parameter.offset not in buffer.matrices:
            total += parameter.data.nbytes
        elif buffer.numbers == "bfloat16":
            total += 2 * size
        else:
            total += size + 4 * len(parameter.data)
    return total


def arrays_of(name: str, parameter: Any) -> dict[str, Array]:
    """Return a copy of a parameter as files have it."""
    buffer = parameter.buffer
    if isinstance(buffer, FrozenBuffer) and parameter.offset in buffer.matrices:
        return encoded(name, parameter.data, buffer.numbers)
    return {name: parameter.data.copy()}


def require_kept(made: Mapping[str, Array], arrays: Mapping[str, Array]) -> None:
    """Raise ValueError unless arrays of a file are what layers that were made of it give again.

    So no file has numbers that rounding would change, nor others than it says.
    """
    for name in sorted({*made, *arrays}):
        ours, theirs = made.get(name), arrays.get(name)
        if ours is None or theirs is None or ours.dtype != theirs.dtype:
            raise ValueError(f"{name}: expected other numbers, as rf.quantize makes them")
        if ours.tobytes() != theirs.tobytes():
            raise ValueError(f"{name}: expected numbers as rf.quantize makes them, got others")


def _scales(matrix: Array) -> npt.NDArray[np.float32]:
    """Return ``max |row| / 127``, rounded up to 16 significant bits; 0 of a row next to 0."""
    largest = np.abs(matrix).max(axis=1, initial=np.float32(0))
    exact = np.where(largest < _LEAST, np.float32(0), largest / np.float32(127))
    bits = exact.astype(np.float32).view(np.uint32)
    return ((bits + np.uint32(0xFF)) & np.uint32(0xFFFFFF00)).view(np.float32)


def _bfloat16(matrix: Array) -> npt.NDArray[np.uint16]:
    """Return the upper halves of the nearest numbers of bfloat16, of two the even one."""
    bits = np.ascontiguousarray(matrix).view(np.uint32)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    return ((bits + np.uint32(0x7FFF) + odd) >> np.uint32(16)).astype(np.uint16)
