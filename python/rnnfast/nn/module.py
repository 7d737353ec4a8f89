"""What every layer has: named parameters, their gradients, and a way to load and save them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast._arrays import read_array
from rnnfast._checks import check_int
from rnnfast._memory import claim_parameters
from rnnfast._messages import shown
from rnnfast.nn._copies import Buffer, state_without_compiled
from rnnfast.nn._describe import describe

Array = npt.NDArray[Any]
DType = Literal["float32", "float64"]


class Parameter:
    """A named array that is trained, with its gradient.

    Attributes
    ----------
    data : ndarray
        The values, read-only: they change through `assign`, `Module.load_state_dict` and the
        optimizers only, so that packed copies of them cannot go stale.
    """

    def __init__(self, buffer: _core.ParameterBuffer, offset: int, shape: Sequence[int]) -> None:
        size = int(np.prod(shape, dtype=np.int64))
        self.buffer = buffer
        self.offset = offset
        self.data: Array = buffer.values[offset : offset + size].reshape(shape)
        self._grad: Array | None = None
        if not buffer.is_sparse:
            self._grad = buffer.grads[offset : offset + size].reshape(shape)

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
        return self.data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """``float32`` or ``float64``."""
        return self.data.dtype

    def assign(self, value: Any) -> None:
        """Replace the values by those of ``value``, an array of the same shape.

        Raises
        ------
        TypeError
            If it does not hold real numbers.
        ValueError
            If the shape differs, or a number is too large for the dtype.
        """
        self.buffer.assign(self.offset, self._fitting("value", value))

    def _fitting(self, name: str, value: Any) -> Array:
        """Return ``value`` as a contiguous array of this shape and dtype."""
        array = read_array(name, value, f"shape {self.shape}")
        if array.shape != self.shape:
            raise ValueError(f"{name}: expected shape {self.shape}, got {array.shape}")
        if array.dtype.kind not in "fiu":
            raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
        with np.errstate(over="ignore"):
            cast = np.ascontiguousarray(array, dtype=self.dtype)
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


class Module:
    """Base of layers: parameters by name, in one flat buffer.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Name and shape of each parameter, in the order of the state dictionary.
    dtype : {"float32", "float64"}
        Type of every parameter.
    sparse : bool
        Whether the gradient of the one parameter, a table, is kept for those rows alone that are
        used.
    """

    def __init__(
        self, shapes: Mapping[str, Sequence[int]], dtype: str, *, sparse: bool = False
    ) -> None:
        if not isinstance(dtype, str) or dtype not in ("float32", "float64"):
            raise ValueError(f"dtype: expected 'float32' or 'float64', got {shown(dtype)}")
        # Each parameter starts on a cache line of its own.
        offsets, total = [], 0
        for shape in shapes.values():
            offsets.append(Parameter.aligned(total))
            total = offsets[-1] + int(np.prod(shape, dtype=np.int64))
        claim_parameters(sum(map(math.prod, shapes.values())))
        row_size = next(iter(shapes.values()))[1] if sparse else 0
        buffer = Buffer(total, dtype, row_size)
        self._share(
            buffer,
            {
                name: Parameter(buffer, offset, shape)
                for (name, shape), offset in zip(shapes.items(), offsets, strict=True)
            },
        )

    def _share(self, buffer: _core.ParameterBuffer, parameters: dict[str, Parameter]) -> None:
        """Take parameters that stand in a buffer."""
        self.buffer = buffer
        self._parameters = parameters

    def __getstate__(self) -> dict[str, Any]:
        return state_without_compiled(self)

    def __repr__(self) -> str:
        """Return the call that makes such a layer."""
        return describe(self)

    @property
    def grads(self) -> dict[str, Array]:
        """The gradients by name, arrays that backpropagation adds to; see `Parameter`."""
        return {name: parameter.grad for name, parameter in self._parameters.items()}

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the parameters and of what the layer takes and gives."""
        return np.dtype(self.buffer.dtype)

    def parameters(self) -> dict[str, Parameter]:
        """Return the parameters by name, for an optimizer or for inspection."""
        return dict(self._parameters)

    def buffers(self) -> Iterator[_core.ParameterBuffer]:
        """Yield the flat buffers behind the parameters, each once."""
        yield self.buffer

    def zero_grad(self) -> None:
        """Set every gradient to zero."""
        _core.zero_grads(self.buffer, 0, self.buffer.size)

    def state_dict(self) -> dict[str, Array]:
        """Return a copy of every parameter by name."""
        return {name: parameter.data.copy() for name, parameter in self._parameters.items()}

    def load_state_dict(self, mapping: Mapping[str, Any]) -> None:
        """Replace every parameter by the array of its name.

        Parameters
        ----------
        mapping : mapping of str to array_like
            What `state_dict` of this layer or of the PyTorch module of the same name gives:
            anything that NumPy can read as an array.

        Raises
        ------
        TypeError
            If it is no mapping, or an array does not hold real numbers.
        ValueError
            If a name is missing or unknown, a shape differs, or a number is too large for the
            dtype. Nothing is changed then.
        """
        if not isinstance(mapping, Mapping):
            raise TypeError(f"mapping: expected a mapping, got {type(mapping).__name__}")
        missing = [name for name in self._parameters if name not in mapping]
        unknown = [name for name in mapping if name not in self._parameters]
        if missing or unknown:
            parts = []
            if missing:
                parts.append(f"without {', '.join(missing)}")
            if unknown:
                parts.append(f"with the unknown {', '.join(map(str, unknown))}")
            expected = ", ".join(self._parameters)
            raise ValueError(
                f"mapping: expected the names {expected}; got one {' and '.join(parts)}"
            )
        arrays = {name: p._fitting(name, mapping[name]) for name, p in self._parameters.items()}
        for name, array in arrays.items():
            if np.may_share_memory(array, self.buffer.values):  # one of the parameters themselves
                arrays[name] = array.copy()
        for name, parameter in self._parameters.items():
            self.buffer.assign(parameter.offset, arrays[name])
