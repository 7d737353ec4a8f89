"""The faster of two ways, found by trying."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Way: TypeAlias = Callable[[], Any]

# Calls of one way in a row, the first of them to warm up, and how many such rows decide.
_ROW, _ROWS = 5, 4
# Combinations of shapes that are remembered; then it begins anew.
_MOST = 1024


class Fastest:
    """Which of two ways is faster, for each combination of the arrays' shapes and dtypes."""

    def __init__(self) -> None:
        self._chosen: dict[Any, int] = {}
        self._times: dict[Any, tuple[list[float], list[float]]] = {}

    def chosen(self, arrays: Mapping[str, Any]) -> int | None:
        """Return which way is kept; None: it is not known yet, or they are no arrays by name."""
        try:
            return self._chosen.get(_key(arrays))
        except (AttributeError, TypeError, ValueError):
            return None

    def run(self, arrays: Mapping[str, Any], first: Way, second: Way) -> Any:
        """Return what one of the ways does: both by rows of calls at first, then the faster one.

        Not in turns, because threads of one may still be busy when the other begins.
        """
        key = _key(arrays)
        chosen = self._chosen.get(key)
        if chosen is not None:
            return (first, second)[chosen]()
        if len(self._times) >= _MOST:
            self._times.clear()
        times = self._times.setdefault(key, ([], []))
        made = len(times[0]) + len(times[1])
        which = made // _ROW % 2
        begin = time.perf_counter()
        result = (first, second)[which]()
        times[which].append(time.perf_counter() - begin)
        if made + 1 >= _ROW * _ROWS:
            self.keep(arrays, int(_least(times[1]) < _least(times[0])))
        return result

    def keep(self, arrays: Mapping[str, Any], which: int) -> None:
        """Decide for a way, 0 or 1, without a further try."""
        if len(self._chosen) >= _MOST:
            self._chosen.clear()
        key = _key(arrays)
        self._chosen[key] = which
        self._times.pop(key, None)


def _least(times: list[float]) -> float:
    """Return the least time of the calls that did not warm up.

    Calls of several threads at once may have left out a way.
    """
    return min((one for k, one in enumerate(times) if k % _ROW), default=math.inf)


def _key(arrays: Mapping[str, Any]) -> Any:
    # A number of NumPy is not an array: ONNX Runtime does not take it.
    if len(arrays) == 1:  # in half the time
        [(name, array)] = arrays.items()
        return name, array.shape, array.dtype, type(array)
    return tuple([(name, array.shape, array.dtype, type(array)) for name, array in arrays.items()])
