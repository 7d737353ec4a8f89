"""Series that are read again each time: of a memory map, or of a sequence that reads a disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import numpy as np

from rnnfast.data.batches import Ints
from rnnfast.nn.module import Array


def is_lazy(X: Any) -> bool:
    """Whether examples may be read one by one, again and again, and are not to be listed."""
    if isinstance(X, np.memmap):
        return X.ndim == 3
    listed = (list, tuple, str, bytes, bytearray, memoryview, range, LazySeries)
    return isinstance(X, Sequence) and not isinstance(X, listed)


class LazySeries(Sequence[Array]):
    """Series ``(T_i, F)``, each read when it is asked for.

    Parameters
    ----------
    read : callable
        Returns the series of a number, checked.
    lengths : ndarray of int64
        Their T_i.
    dtype : dtype
        That of `common_dtype`.
    numbers : ndarray of int, optional
        Which of them there are; None: all.
    """

    def __init__(
        self,
        read: Callable[[int], Array],
        lengths: Ints,
        dtype: np.dtype[Any],
        numbers: Ints | None = None,
    ) -> None:
        self._read, self._all_lengths, self.dtype = read, lengths, dtype
        self._numbers = np.arange(len(lengths)) if numbers is None else numbers
        self.lengths = lengths[self._numbers]

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> Array: ...

    @overload
    def __getitem__(self, place: slice) -> LazySeries: ...

    def __getitem__(self, place: int | slice) -> Array | LazySeries:
        if isinstance(place, slice):
            return self.picked(np.arange(len(self))[place])
        return self._read(int(self._numbers[place]))

    def __iter__(self) -> Iterator[Array]:
        return map(self._read, self._numbers.tolist())

    def picked(self, places: Ints) -> LazySeries:
        """Return those of some places."""
        return LazySeries(self._read, self._all_lengths, self.dtype, self._numbers[places])

    def changed(self, change: Callable[[str, Array], Array], name: str) -> LazySeries:
        """Return what a function makes of each, given its name too; as long as it was."""

        def read(number: int) -> Array:
            return change(f"{name}[{number}]", self._read(number))

        return LazySeries(read, self._all_lengths, self.dtype, self._numbers)
