"""What must hold of every call, whatever it is given."""

from __future__ import annotations

import contextlib
import dataclasses
import linecache
import os
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

import rnnfast as rf
from exporters import Exported
from rnnfast._checks.adjustments import AdjustmentWarning

from .draws import Draw

Array = npt.NDArray[Any]

REFUSALS = (ValueError, TypeError, FloatingPointError, MemoryError, OSError)
# Messages that say what is wrong in other words than "name: expected ..., got ...".
OTHER_WORDS = (
    "needs",  # of memory
    "has not been fitted", "not read", "not written", "cannot", "Unable to allocate", "damaged",
    "do not fit together", "not the state of a generator", "not finite",
)  # fmt: skip
# Arguments that say how long to work: nothing is wrong with billions but the time.
LONG = ("epochs", "max_length", "steps")
_SNAPSHOT = 1 << 26  # bytes of an array that is compared


class Fault(Exception):
    """Something that must never be."""


class Refused(Exception):
    """A call was refused as it may be: the case ends."""


@dataclasses.dataclass
class Case:
    """One case: its draws, and the calls that were made.

    Attributes
    ----------
    spoiled : bool
        Whether something that does not fit was passed: refusals and numbers that are not finite are
        allowed from then on.
    aloud : bool
        Whether calls are printed before they are made.
    """

    draw: Draw
    spoil: float = 0.12  # probability, each call
    spoiled: bool = False
    calls: list[str] = dataclasses.field(default_factory=list)
    aloud: bool = False

    def call(
        self,
        function: Callable[..., Any],
        *args: Any,
        pure: bool = False,
        finite: bool = True,
        writes: tuple[str, ...] = (),
        files: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Call something and check all that must hold.

        Parameters
        ----------
        function : callable
            With its arguments, one of which may be replaced by an odd one.
        pure : bool
            Whether the same arguments must give the same bits, also with two threads, and if arrays
            lie otherwise in memory.
        finite : bool
            Whether finite arguments must give finite numbers.
        writes : tuple of str
            Arguments by name that the call writes to.
        files : bool
            Whether it reads or writes a file, so that an OSError is a refusal too.

        Raises
        ------
        Refused
            If the call refused its arguments as it may.
        Fault
            If something that must hold does not.
        """
        args_list, kwargs = list(args), dict(kwargs)
        keys = [*range(len(args_list)), *(name for name in kwargs if name not in LONG)]
        if not self.spoiled and keys and self.draw.chance(self.spoil):
            self.spoiled = True
            key = self.draw.choice(keys)
            place: Any = args_list if isinstance(key, int) else kwargs
            place[key] = self.draw.odd(place[key])
        self.tell(describe(function, args_list, kwargs))
        before = [
            (array, snapshot(array))
            for array in arrays_of(
                [args_list, {k: v for k, v in kwargs.items() if k not in writes}]
            )
        ]
        try:
            result = self._run(function, args_list, kwargs, files)
        finally:
            for array, bits in before:
                now = snapshot(array)  # None: there was no memory for it
                if None not in (now, bits) and now != bits:
                    raise Fault(f"changed an argument of {array.dtype}{array.shape}")
        if finite and not self.spoiled:
            require_finite(result)
        # A seed may have become None, which is another one each time; an iterator gives once.
        given = [*args_list, *kwargs.values()]
        once = kwargs.get("seed", 0) is None or any(isinstance(a, Iterator) for a in given)
        if pure and not once and self.draw.chance(0.3):
            self._repeat(function, args_list, kwargs, result)
        return result

    def tell(self, what: str) -> None:
        """Note what is done."""
        self.calls.append(what)
        if self.aloud:
            print(what, flush=True)

    def _run(self, function: Any, args: Any, kwargs: Any, files: bool) -> Any:
        try:
            with warnings.catch_warnings():
                # Of numbers that overflow, NumPy may warn; but not of those that do not.
                warnings.simplefilter("ignore" if self.spoiled else "error")
                warnings.simplefilter("ignore", AdjustmentWarning)  # of what has no effect
                warnings.filterwarnings("ignore", ".* is far above .* learned nothing")
                return function(*args, **kwargs)
        except Refused:
            raise
        except Exception as error:
            require_refusal(error, files)
            if not self.spoiled:
                raise Fault(f"refused what fits: {type(error).__name__}: {error}") from error
            raise Refused from error

    def _repeat(self, function: Any, args: Any, kwargs: Any, result: Any) -> None:
        expected = bits_of(result)
        threads = self.draw.chance(0.5)
        lie = self.draw.choice((_as_they_are, plain, exported))
        copies = lie(args), lie(kwargs)
        rf.set_num_threads(2 if threads else 1)
        try:
            again = function(*copies[0], **copies[1])
        finally:
            rf.set_num_threads(1)
        if bits_of(again) != expected:
            how = " with two threads" if threads else ""
            raise Fault(f"gave other bits when called again{how}, arrays {lie.__name__}")


def require_refusal(error: BaseException, files: bool = False) -> None:
    """Raise Fault unless an exception is one that may reach a user, in one line that says why."""
    kind, text = type(error), str(error)
    allowed = REFUSALS if files else REFUSALS[:-1]
    if not isinstance(error, allowed) or isinstance(error, UnicodeError):
        raise Fault(f"{kind.__name__} is no refusal: {text}") from error
    if isinstance(error, OSError):
        return
    if "\n" in text or not text.strip():
        raise Fault(f"{kind.__name__} says not one line: {text!r}") from error
    if text == "std::bad_alloc" or not ("expected" in text or any(w in text for w in OTHER_WORDS)):
        raise Fault(f"{kind.__name__} names no expectation: {text}") from error


def near(actual: Any, expected: Any, tolerance: float, what: str) -> None:
    """Raise Fault unless two arrays agree to the tolerance, relative to the largest number."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    if actual.shape != expected.shape:
        raise Fault(f"{what}: shape {actual.shape} in place of {expected.shape}")
    scale = max(float(np.abs(expected).max(initial=0.0)), 1.0)
    error = float(np.abs(actual - expected).max(initial=0.0))
    if not error <= tolerance * scale:
        raise Fault(f"{what}: off by {error:g} of {scale:g}")


def require(holds: Any, what: str) -> None:
    """Raise Fault unless something holds."""
    if not holds:
        raise Fault(what)


def require_finite(result: Any) -> None:
    """Raise Fault if a result has a number that is NaN or infinite."""
    for array in arrays_of(result):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise Fault(f"gave numbers that are not finite, in {array.dtype}{array.shape}")
    for number in numbers_of(result):
        if not np.isfinite(number):
            raise Fault(f"gave {number}")


def arrays_of(value: Any, depth: int = 4) -> Iterator[Array]:
    """Yield the arrays that a value holds."""
    if isinstance(value, np.ndarray):
        yield value
    elif depth and isinstance(value, dict):
        for item in value.values():
            yield from arrays_of(item, depth - 1)
    elif depth and isinstance(value, (list, tuple)):
        for item in value:
            yield from arrays_of(item, depth - 1)


def numbers_of(value: Any) -> Iterator[float]:
    if isinstance(value, (float, np.floating)):
        yield float(value)
    elif isinstance(value, (list, tuple)):
        for item in value[:100]:
            yield from numbers_of(item) if not isinstance(item, list) else ()


def snapshot(array: Array) -> bytes | None:
    """Return the bytes of an array, of its memory where it stands for more than that."""
    with contextlib.suppress(Exception):
        while array.base is not None and array.nbytes > _SNAPSHOT:
            if not isinstance(array.base, np.ndarray):
                return None
            array = array.base
        if array.nbytes <= _SNAPSHOT and array.dtype.kind != "O":
            return array.tobytes()
    return None


def bits_of(value: Any) -> Any:
    """Return something that is equal for results of the same bits."""
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, (list, tuple)):
        return tuple(map(bits_of, value))
    if isinstance(value, dict):
        return {key: bits_of(item) for key, item in value.items()}
    if isinstance(value, float):
        return value.hex()
    return value if isinstance(value, (int, str, bool, type(None))) else type(value)


def _as_they_are(value: Any) -> Any:
    return value


def plain(value: Any) -> Any:
    """Return the same arguments with arrays that are contiguous and writeable."""
    return _changed(value, lambda array: array.copy(order="C") if _is_small(array) else array)


def exported(value: Any) -> Any:
    """Return the same arguments with arrays as another library's are."""
    return _changed(value, Exported)


def _is_small(array: Array) -> bool:
    return array.nbytes <= _SNAPSHOT


def _changed(value: Any, change: Callable[[Array], Any]) -> Any:
    if type(value) is np.ndarray:
        return change(value)
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(_changed(item, change) for item in value)
    if type(value) is dict:
        return {key: _changed(item, change) for key, item in value.items()}
    return value


def describe(function: Any, args: Any, kwargs: Any) -> str:
    """Return a call as one reads it, arrays by dtype and shape."""
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    parts = [show(a) for a in args] + [f"{k}={show(v)}" for k, v in kwargs.items()]
    return f"{name}({', '.join(parts)})"


def show(value: Any) -> str:
    with contextlib.suppress(Exception):
        if isinstance(value, np.ndarray):
            few = f" {value.tolist()}" if value.size <= 6 else ""
            return f"{value.dtype}{value.shape}{few}"[:200]
        if isinstance(value, (list, tuple)) and len(value) <= 4:
            left, right = "()" if isinstance(value, tuple) else "[]"
            return f"{left}{', '.join(map(show, value))}{right}"
        return repr(value)[:120].encode("ascii", "backslashreplace").decode()
    return f"<{type(value).__name__}>"


def place_of(error: BaseException) -> str:
    """Return the innermost place of the package in an exception's history."""
    place = "?"
    seen: BaseException | None = error
    while seen is not None:
        for frame in traceback.extract_tb(seen.__traceback__):
            if f"{os.sep}rnnfast{os.sep}" in frame.filename:
                file = frame.filename.rpartition(f"{os.sep}rnnfast{os.sep}")[2]
                place = f"{file}:{frame.lineno}"
        seen = seen.__cause__
    linecache.clearcache()
    return place
