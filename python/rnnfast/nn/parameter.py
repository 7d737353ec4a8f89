"""A named array that is trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast._checks import check_int
from rnnfast._checks.arrays import read_array
from rnnfast.nn._frozen import FrozenBuffer

Array = npt.NDArray[Any]
_DRAWN_AT_ONCE = 1 << 16


class Parameter:
    """A named array that is trained, with its gradient."""

    def __init__(self, buffer: _core.ParameterBuffer, offset: int, shape: Sequence[int]) -> None:
        self.buffer, self.offset = buffer, offset
        self._shape, self._dtype = tuple(shape), np.dtype(buffer.dtype)
        # Of numbers in fewer bits there is no array, but what `data` makes.
        self._data: Array | None = None
        self._grad: Array | None = None
        if isinstance(buffer, FrozenBuffer):
            return
        end = offset + math.prod(shape)
        self._data = buffer.values[offset:end].reshape(shape)
        if not buffer.is_sparse:
            self._grad = buffer.grads[offset:end].reshape(shape)

    def _move(self, buffer: FrozenBuffer) -> None:
        """Be in the same place of a buffer of the same size, without a gradient."""
        self.buffer, self._data, self._grad = buffer, None, None

    @property
    def data(self) -> Array:
        """The values, read-only.

        They change through `assign`, `Module.load_state_dict` and the optimizers only, so that
        packed copies of them cannot go stale. Of numbers that `quantize` made a copy, made at each
        access.
        """
        if self._data is None:
            return self.buffer.read(self.offset, math.prod(self.shape)).reshape(self.shape)
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        raise AttributeError("data: expected to be read only, assign(values) changes a parameter")

    @property
    def grad(self) -> Array:
        """The gradient, of the same shape, writeable. Backpropagation adds to it.

        Where gradients are kept by row, in ``Embedding(sparse=True)``: a read-only copy, made at
        each access.
        """
        if self._grad is not None:
            return self._grad
        dense = np.zeros(self.shape, self.dtype)
        rows, values = self.buffer.sparse_grads()
        dense[rows] = values
        dense.setflags(write=False)
        return dense

    @staticmethod
    def aligned(offset: int) -> int:
        """Return the first place from ``offset`` on where a parameter of a buffer may start."""
        return -(-check_int("offset", offset, 0) // 16) * 16

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """``float32`` or ``float64``."""
        return self._dtype

    def assign(self, value: Any) -> None:
        """Replace the values by those of ``value``, an array of the same shape.

        Raises
        ------
        TypeError
            If it does not hold real numbers.
        ValueError
            If the shape differs, or a number is NaN, infinite or too large for the dtype.
        """
        self.buffer.assign(self.offset, self._fitting("value", value))

    def _fill(self, draw: Callable[[int], Array]) -> None:
        """Replace the values by drawn ones, ``draw(n)`` the next n of them in order.

        In parts: drawn at once, in float64, a large parameter would take three times its memory.
        """
        size = self.data.size
        for begin in range(0, size, _DRAWN_AT_ONCE):
            part = draw(min(_DRAWN_AT_ONCE, size - begin))
            self.buffer.assign(self.offset + begin, part.astype(self.dtype))

    def _fill_uniform(self, rng: np.random.Generator, bound: float) -> None:
        """Replace the values by draws from U(-bound, bound)."""
        self._fill(lambda n: rng.uniform(-bound, bound, n))

    def _add_grad(self, gradient: Array) -> None:
        """Add to the gradient, as backpropagation in other threads may at the same time."""
        if gradient.shape != self.shape:
            raise ValueError(f"gradient: expected shape {self.shape}, got {gradient.shape}")
        self.buffer.add_grads(self.offset, gradient)

    def _fitting(self, name: str, value: Any, *, finite: bool = True) -> Array:
        """Return ``value`` as a contiguous array of this shape and dtype, of finite numbers."""
        array = read_array(name, value, f"shape {self.shape}")
        if array.shape != self.shape:
            raise ValueError(f"{name}: expected shape {self.shape}, got {array.shape}")
        if array.dtype.kind not in "fiu":
            raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
        with np.errstate(over="ignore"):
            cast = np.ascontiguousarray(array, dtype=self.dtype)
        if finite and not np.isfinite(array).all():
            place = tuple(map(int, np.argwhere(~np.isfinite(array))[0]))
            raise ValueError(f"{name}: expected finite numbers, got {array[place]} at {place}")
        if cast.dtype != array.dtype:
            lost = np.isinf(cast) & np.isfinite(array)
            if lost.any():
                number = array[lost][0]
                raise ValueError(f"{name}: expected numbers within {self.dtype}, got {number}")
        return cast

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        wanted = self.dtype if dtype is None else np.dtype(dtype)
        if not copy and wanted == self.dtype:
            return self.data
        if copy is False:
            raise ValueError(f"copy: expected True or None for another dtype, {wanted}, got False")
        return self.data.astype(wanted)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.buffer, self.offset, self.shape)

    def __repr__(self) -> str:
        return f"Parameter(shape={self.shape}, dtype={self.dtype})"
