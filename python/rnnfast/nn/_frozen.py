"""Parameters that stay as they are, in fewer bits: memory, rounding, and arrays of files.

What the bits are is defined in `rnnfast.reference.quantized`.
"""

from __future__ import annotations

import math
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


# A matrix in fewer bits: where it begins among the numbers of its buffer, int8 or the bits of
# bfloat16, and the scale of each row of int8.
Matrix = tuple[int, Array, Array | None]


class FrozenBuffer(Buffer):
    """The memory of parameters that do not change, in fewer bits: there are no gradients.

    Parameters
    ----------
    size : int
        How many numbers there are.
    numbers : str
        In what; one of `NUMBERS`.
    others : ndarray of float32
        Those of no matrix, in their order.
    matrices : list of tuple
        A `Matrix` each.
    """

    kept: tuple[Array, list[Matrix]]

    def __init__(self, size: int, numbers: str, others: Array, matrices: list[Matrix]) -> None:
        super().__init__(size, others, matrices)
        self.numbers, self._shapes = numbers, {m[0]: m[1].shape for m in matrices}

    @classmethod
    def of(cls, values: Array, numbers: str, shapes: Mapping[int, tuple[int, ...]]) -> FrozenBuffer:
        """Return what float32 numbers become, of which matrices of these places are rounded."""
        matrices: list[Matrix] = []
        stays = np.ones(values.size, np.bool_)
        for offset, shape in shapes.items():
            place = slice(offset, offset + math.prod(shape))
            arrays = encoded("", values[place].reshape(shape), numbers)
            matrices.append((offset, arrays[""], arrays.get(_SCALE)))
            stays[place] = False
        return cls(values.size, numbers, values[stays], matrices)

    def is_rounded(self, offset: int) -> bool:
        """Return whether the parameter that begins there is in fewer bits."""
        return offset in self._shapes

    def arrays(self, name: str, offset: int) -> dict[str, Array]:
        """Return a matrix as `encoded` does, read-only."""
        codes, scale = next(m[1:] for m in self.kept[1] if m[0] == offset)
        return {name: codes} if scale is None else {name: codes, f"{name}{_SCALE}": scale}

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
        return type(self), (self.size, self.numbers, *self.kept)

    def __setstate__(self, state: Any) -> None:
        """Do nothing: all of it is what it was made of."""


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
    """Return the bytes that parameters take, in a file and in memory."""
    total = 0
    for parameter in parameters:
        size, buffer = math.prod(parameter.shape), parameter.buffer
        if not isinstance(buffer, FrozenBuffer) or not buffer.is_rounded(parameter.offset):
            total += size * parameter.dtype.itemsize
        elif buffer.numbers == "bfloat16":
            total += 2 * size
        else:
            total += size + 4 * parameter.shape[0]
    return total


def arrays_of(name: str, parameter: Any) -> dict[str, Array]:
    """Return a copy of a parameter as files have it."""
    buffer = parameter.buffer
    if isinstance(buffer, FrozenBuffer) and buffer.is_rounded(parameter.offset):
        kept = buffer.arrays(name, parameter.offset)
        return {key: array.copy() for key, array in kept.items()}
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
