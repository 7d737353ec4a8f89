"""What a case draws from its seed: numbers, arrays in every layout, and values that do not fit."""

from __future__ import annotations

import fractions
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Item = TypeVar("Item")

DTYPES = ("float32", "float64")
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


class Draw:
    """Random choices of one case.

    Parameters
    ----------
    seed, number : int
        The run's seed and the case's number: together they decide everything.
    """

    longest = 2**20  # an axis of an odd array

    def __init__(self, seed: int, number: int) -> None:
        self.rng = np.random.default_rng((seed, number))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def choice(self, items: Sequence[Item]) -> Item:
        return items[int(self.rng.integers(len(items)))]

    def integer(self, low: int, high: int) -> int:
        """Return an integer from ``low`` to ``high``, both included."""
        return int(self.rng.integers(low, high + 1))

    def weighted(self, items: Sequence[tuple[float, Item]]) -> Item:
        """Return one of the items by their weights."""
        weights = np.array([weight for weight, _ in items])
        return items[int(self.rng.choice(len(items), p=weights / weights.sum()))][1]

    def size(self, most: int = 9) -> int:
        """Return an array's size: mostly small, now and then one that fills registers."""
        return self.integer(1, most) if self.chance(0.9) else self.choice((15, 16, 17, 31, 33, 64))

    def real(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def some(self, **options: Callable[[], Any]) -> dict[str, Any]:
        """Return some of the options, each with a value drawn."""
        return {name: make() for name, make in options.items() if self.chance(0.3)}

    # Arrays

    def numbers(self, *shape: int, dtype: Any = "float64", scale: float = 1.0) -> Array:
        """Return normal numbers in any layout."""
        return self.layout((self.rng.normal(size=shape) * scale).astype(dtype))

    def indices(self, high: int, *shape: int, low: int = 0, dtype: Any = None) -> Array:
        """Return integers from ``low`` to ``high - 1`` of any integer dtype, in any layout."""
        dtype = dtype or self.choice(INTEGERS)
        least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
        values = self.rng.integers(max(low, least), min(high - 1, most) + 1, size=shape)
        return self.layout(values.astype(dtype))

    def lengths(self, batch: int, steps: int, least: int = 0) -> Array | list[int] | None:
        """Return lengths from ``least`` to ``steps``, or None."""
        if self.chance(0.5):
            return None
        values = self.indices(steps + 1, batch, low=min(least, steps))
        return values.tolist() if self.chance(0.3) else values

    def layout(self, array: Array) -> Array:
        """Return an array of the same values that lies otherwise in memory."""
        way = self.integer(0, 13)
        if array.ndim == 0:
            return array
        if way == 0:
            array = np.asfortranarray(array)
        elif way == 1 and array.ndim:  # every other one of a larger array, backwards
            axis = self.integer(0, array.ndim - 1)
            shape = list(array.shape)
            shape[axis] *= 2
            larger = np.zeros(shape, array.dtype)
            place = [slice(None)] * array.ndim
            place[axis] = slice(None, None, -2)
            larger[tuple(place)] = array
            array = larger[tuple(place)]
        elif way == 2:  # no number on its own boundary
            raw = np.zeros(array.nbytes + 1, np.uint8)[1:]
            shifted = raw.view(array.dtype).reshape(array.shape)
            shifted[...] = array
            array = shifted
        elif way == 3:
            array = array.copy()
            array.flags.writeable = False
        elif way == 4 and array.ndim and array.size:  # one row for all
            array = np.broadcast_to(array[:1], array.shape)
        elif way == 5 and array.ndim > 1:
            order = self.rng.permutation(array.ndim)
            array = np.ascontiguousarray(array.transpose(order)).transpose(np.argsort(order))
        return array

    # Values that do not fit

    def odd(self, value: Any) -> Any:
        """Return something else in the place of ``value``."""
        if self.chance(0.15):
            return self.choice(_ANYTHING)()
        if isinstance(value, np.ndarray):
            return self._odd_array(value)
        if isinstance(value, bool):
            return self.choice((None, 1, 0, "yes", np.True_, np.array(True), float("nan"), []))
        if isinstance(value, int):
            return self.choice(_INTEGERS)
        if isinstance(value, float):
            return self.choice(_NUMBERS)
        if isinstance(value, str):
            return self.choice(_TEXTS)
        if isinstance(value, (list, tuple)):
            return self._odd_list(value)
        if isinstance(value, dict):
            return self._odd_dict(value)
        return self.choice(_ANYTHING)()

    def _odd_array(self, array: Array) -> Any:
        ways = (self._other_dtype, self._other_shape, self._other_numbers, self._other_kind)
        with np.errstate(all="ignore"):
            return self.choice(ways)(array)

    def _other_dtype(self, array: Array) -> Any:
        dtype = self.choice(("f2", "f4", "f8", "g", "c8", "?", "O", "U8", "S4", "M8[s]", "V8",
                             ">f4", ">f8", ">i8", *INTEGERS))  # fmt: skip
        if dtype == "V8":
            return np.zeros(array.shape, dtype)
        return np.nan_to_num(array.astype("f8")).astype("i8").astype(dtype)

    def _other_shape(self, array: Array) -> Any:
        way = self.integer(0, 7)
        if way == 0:
            return array[None]
        if way == 1:
            return array[..., None]
        if way == 2:
            return array.reshape(-1)
        if way == 3 and array.ndim:
            return array[:0]
        if way == 4 and array.ndim:
            return array[..., :-1]
        if way == 5 and array.ndim:
            return np.concatenate([array, array], axis=self.integer(0, array.ndim - 1))
        if way == 6:  # more than there is memory for, in no memory
            shape = [self.longest if self.chance(0.6) else n for n in array.shape]
            if not array.size or math.prod(shape) * array.itemsize > _LARGEST:
                return array
            return np.broadcast_to(array.reshape(-1)[:1].reshape([1] * array.ndim), shape)
        return np.zeros([0] * self.integer(0, 5), array.dtype)

    def _other_numbers(self, array: Array) -> Any:
        if array.size == 0:
            return array.tolist()
        other = array.copy()
        place = np.unravel_index(self.integer(0, other.size - 1), other.shape)
        if other.dtype.kind == "f":
            other[place] = self.choice(
                (np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, -0.0, np.finfo(other.dtype).max)
            )
        elif other.dtype.kind in "iu":
            info = np.iinfo(other.dtype)
            other[place] = self.choice((info.min, info.max, info.max // 2))
        return other

    def _other_kind(self, array: Array) -> Any:
        way = self.integer(0, 5)
        if way == 0:
            return array.tolist()
        if way == 1:
            return np.ma.masked_array(array, array == array)
        if way == 2 and array.ndim <= 2:
            return np.asarray(array).view(np.matrix)
        if way == 3:
            return memoryview(np.ascontiguousarray(array))
        if way == 4:
            return array.tobytes()
        return _Arraylike(array)

    def _odd_list(self, value: Sequence[Any]) -> Any:
        items = list(value)
        way = self.integer(0, 6)
        if way == 0:
            return []
        if way == 1 and items:
            place = self.integer(0, len(items) - 1)
            items[place] = self.odd(items[place])
        elif way == 2:
            items = items + items
        elif way == 3:
            items = items[:-1]
        elif way == 4:
            return iter(items)
        elif way == 5 and items:
            items[self.integer(0, len(items) - 1)] = items
        else:
            return set(map(str, items))
        return tuple(items) if isinstance(value, tuple) else items

    def _odd_dict(self, value: dict[Any, Any]) -> Any:
        other = dict(value)
        if other and self.chance(0.7):
            key = self.choice(list(other))
            if self.chance(0.2):
                del other[key]
            else:
                other[key] = self.odd(other[key])
        else:
            other[self.choice(("", "none_of_these", 3, None))] = self.choice(_NUMBERS)
        return other


class _Arraylike:
    """Something that NumPy reads as an array."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.array, dtype)

    def __repr__(self) -> str:
        return f"array-like of {self.array.dtype}{self.array.shape}"


class _Failing:
    """Something that fails when it is looked at."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        raise ValueError("expected to fail")

    def __index__(self) -> int:
        raise TypeError("expected to fail")

    def __len__(self) -> int:
        raise ValueError("expected to fail")

    def __float__(self) -> float:
        raise TypeError("expected to fail")


_LARGEST = 2**63 - 1  # bytes of an array, as NumPy counts them
_INTEGERS: tuple[Any, ...] = (
    -1, 0, 2, 1000, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1, 2**63, 2**64, -(2**63),
    -(2**63) - 1, 10**30, True, 1.5, 2.0, float("nan"), "3", None, (1,), np.int64(3),
    np.uint8(255), np.float32(2), np.array(3), np.array([3]), fractions.Fraction(3),
)  # fmt: skip
_NUMBERS: tuple[Any, ...] = (
    float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 1.0, 1e308, -1e308, 1e-320, 1e39, 2,
    10**400, -0.0, "0.5", None, True, np.float32(0.5), np.float16(0.5), np.array(0.5),
    fractions.Fraction(1, 2), 1j, [0.5],
)  # fmt: skip
_TEXTS: tuple[Any, ...] = (
    "", " ", "none of these", "\ud800", "\0", "a" * 5000, "é\u0301", "\n\n", b"bytes", None, 3,
    True, ["mean"], "\u2028", "MEAN", "<EOS>", "<UNK>", "<PAD>",
)  # fmt: skip
_ANYTHING: tuple[Callable[[], Any], ...] = (
    lambda: None, lambda: 0, lambda: -1, lambda: 1.5, lambda: "text", lambda: b"text",
    lambda: True, lambda: [], lambda: (), lambda: {}, lambda: [[1.0], [2.0, 3.0]],
    lambda: object(), lambda: int, lambda: sys, lambda: _Failing(), lambda: np.float32(1),
    lambda: np.zeros(()), lambda: np.zeros(0), lambda: np.zeros((1, 1, 1)), lambda: float("nan"),
    lambda: 2**63, lambda: 10**30, lambda: iter([1, 2]), lambda: {"a": 1}, lambda: {1, 2},
    lambda: np.array([None]), lambda: np.array("text"), lambda: range(3), lambda: slice(3),
    lambda: "\ud800", lambda: Ellipsis, lambda: np.random.default_rng(0), lambda: 1j,
)  # fmt: skip
