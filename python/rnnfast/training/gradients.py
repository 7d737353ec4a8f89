"""The gradients of layers, summed over processes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from rnnfast import _core
from rnnfast.nn.module import Array, Module

# Numbers up to which a buffer is copied beside others, so that they go in one message.
_SMALL = 1 << 16


class Gradients:
    """The flat buffers of gradients of some layers.

    Dense ones that are small go together in one message, each large one as it lies. Of sparse ones
    go the rows that were used, which are added up in the order of ranks.
    """

    def __init__(self, modules: Mapping[str, Module]) -> None:
        found = {id(b): b for module in modules.values() for b in module.buffers()}
        buffers = list(found.values())
        self._sparse = [b for b in buffers if b.is_sparse]
        dense = [b.grads for b in buffers if not b.is_sparse and b.size]
        self._large = [g for g in dense if g.size > _SMALL]
        small = [g for g in dense if g.size <= _SMALL]
        kinds = sorted({g.dtype.str for g in small})
        self._together = [_Together([g for g in small if g.dtype.str == kind]) for kind in kinds]

    def reduce(self, comm: Any) -> None:
        """Have the sum over all ranks in every gradient, of the same bits on each."""
        from mpi4py import MPI

        for part in self._together:
            comm.Allreduce(MPI.IN_PLACE, part.filled())
            part.spread()
        for gradient in self._large:
            comm.Allreduce(MPI.IN_PLACE, gradient)
        for buffer in self._sparse:
            self._reduce_rows(comm, buffer)

    def _reduce_rows(self, comm: Any, buffer: _core.ParameterBuffer) -> None:
        rows, values = buffer.sparse_grads()
        width = values.shape[1]
        counts = np.empty(comm.Get_size(), np.int64)
        comm.Allgather(np.array([len(rows)], np.int64), counts)
        total = int(counts.sum())
        all_rows = np.empty(total, np.int64)
        all_values = np.empty((total, width), values.dtype)
        comm.Allgatherv(np.ascontiguousarray(rows), (all_rows, counts))
        comm.Allgatherv(np.ascontiguousarray(values), (all_values, counts * width))
        _core.zero_grads(buffer, 0, buffer.size)
        if total:
            table = _core.Embedding(buffer.size // width, width, buffer, 0, -1)
            table.backward(all_values, all_rows)


def fingerprint(modules: Mapping[str, Module]) -> int:
    """Return what tells weights from others."""
    result = 0
    for module in modules.values():
        for parameter in module.parameters().values():
            result = zlib.crc32(parameter.data.reshape(-1).view(np.uint8).data, result)
    return result


class _Together:
    """Arrays side by side in one."""

    def __init__(self, arrays: Iterable[Array]) -> None:
        self._arrays = list(arrays)
        ends = np.cumsum([array.size for array in self._arrays]).tolist()
        self._flat = np.empty(ends[-1], self._arrays[0].dtype)
        self._parts = [
            self._flat[end - array.size : end]
            for array, end in zip(self._arrays, ends, strict=True)
        ]

    def filled(self) -> Array:
        """Return their numbers as they are."""
        for array, part in zip(self._arrays, self._parts, strict=True):
            part[...] = array
        return self._flat

    def spread(self) -> None:
        """Have the numbers of `filled` in them."""
        for array, part in zip(self._arrays, self._parts, strict=True):
            array[...] = part
