"""Checks of single values and options."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rnnfast._checks.exporters import read_exporter
from rnnfast._checks.masks import require_unmasked
from rnnfast._checks.messages import shown
from rnnfast._checks.tables import is_table

MAX_INT = 2**63 - 1  # what the kernels count with


def check_int(name: str, value: Any, minimum: int, maximum: int = MAX_INT) -> int:
    """Return ``value`` as an int from ``minimum`` to ``maximum``.

    Raises
    ------
    TypeError
        If it is not an integer; a bool is none.
    ValueError
        If it is smaller or larger.
    """
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected an integer, got a bool")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected an integer, got {type(value).__name__}") from None
    if number < minimum:
        raise ValueError(f"{name}: expected at least {minimum}, got {shown(number)}")
    if number > maximum:
        raise ValueError(f"{name}: expected at most {maximum}, got {shown(number)}")
    return number


def among(value: Any, choices: Iterable[Any]) -> bool:
    """Return whether a value is one of some names, None or a bool; arrays are none of those."""
    return isinstance(value, (str, bool, type(None))) and value in choices


def check_bool(name: str, value: Any) -> bool:
    """Return ``value`` as a bool.

    Raises
    ------
    TypeError
        If it is none.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected a bool, got {type(value).__name__}")
    return bool(value)


def check_probability(name: str, value: Any) -> float:
    """Return ``value`` as a float from 0 to 1.

    Raises
    ------
    TypeError
        If it is not a real number; a bool is none.
    ValueError
        If it is outside of [0, 1] or NaN.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
    number = _as_float(value)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{name}: expected a probability from 0 to 1, got {shown(value)}")
    return number


# Factors go into kernels of either dtype: none may be larger than float32 holds.
LARGEST_FACTOR = float(np.finfo(np.float32).max)


def check_factor(name: str, value: Any, low: float = -LARGEST_FACTOR) -> float:
    """Return ``value`` as a float that float32 holds, from ``low``; raises as `check_real`."""
    return check_real(name, value, low, LARGEST_FACTOR)


def check_real(
    name: str,
    value: Any,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
) -> float:
    """Return ``value`` as a finite float from ``low`` to ``high``.

    Parameters
    ----------
    name : str
        The argument, for messages.
    value : number
        A bool is none.
    low, high : float
        The bounds.
    above, below : bool
        Whether ``low`` or ``high`` itself is not allowed.

    Raises
    ------
    TypeError
        If it is not a real number.
    ValueError
        If it is out of bounds, NaN or infinite.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(
        value, (float, int, np.integer, np.floating)
    ):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
    number = _as_float(value)
    if (
        math.isfinite(number)
        and (number > low if above else number >= low)
        and (number < high if below else number <= high)
    ):
        return number
    bounds = []
    if low != -math.inf:
        bounds.append(f"{'above' if above else 'of at least'} {low:g}")
    if high != math.inf:
        bounds.append(f"{'below' if below else 'of at most'} {high:g}")
    which = f" {' and '.join(bounds)}" if bounds else ""
    raise ValueError(f"{name}: expected a finite number{which}, got {shown(value)}")


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond all floats
        return math.inf if value > 0 else -math.inf


def check_options(name: str, options: Any, allowed: Sequence[str], of: str) -> dict[str, Any]:
    """Return further arguments by name as a dict of its own.

    Parameters
    ----------
    name : str
        The argument that holds them, for messages.
    options : mapping of str, optional
        None: there are none.
    allowed : sequence of str
        The names that they may have.
    of : str
        What takes them, for messages.

    Raises
    ------
    TypeError
        If it is no mapping.
    ValueError
        If a name is none of those allowed.
    """
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise TypeError(f"{name}: expected a dict or None, got {type(options).__name__}")
    for option in options:
        if option not in allowed:
            raise ValueError(
                f"{name}: expected some of {', '.join(allowed)} with {of!r}, got {shown(option)}"
            )
    return dict(options)


def check_mapping(name: str, value: Any) -> None:
    """Raise TypeError unless it is a mapping."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name}: expected a mapping, got {type(value).__name__}")


def check_list(name: str, values: Any, of: str) -> list[Any]:
    """Return the items of an iterable, which is no text, as a list of its own.

    Raises
    ------
    TypeError
        If there is nothing to iterate over.
    """
    if not isinstance(values, (str, bytes)):
        try:
            if not is_table(values):  # which iterates over the names of its columns
                return list(values)
        except (TypeError, NotImplementedError):  # the latter of a memoryview with several axes
            pass
        array = read_exporter(name, values)
        if array is not None and array.ndim:
            return [*array]
    raise TypeError(f"{name}: expected a list of {of}, got {type(values).__name__}")


def check_integers(name: str, values: Any, minimum: int) -> list[int]:
    """Return a list, tuple or array of integers of at least ``minimum`` as a list of its own.

    Raises
    ------
    TypeError
        If it is something else.
    ValueError
        If one is smaller, or an array has several axes.
    """
    if isinstance(values, np.ndarray):
        require_unmasked(name, values)
        if values.ndim != 1:
            raise ValueError(f"{name}: expected one axis of integers, got shape {values.shape}")
    elif isinstance(values, str) or not isinstance(values, Sequence):
        raise TypeError(f"{name}: expected a list of integers, got {type(values).__name__}")
    return [check_int(f"{name}[{place}]", n, minimum) for place, n in enumerate(values)]


def check_functions(name: str, functions: Any) -> None:
    """Raise TypeError unless it is a list or tuple of functions."""
    if not isinstance(functions, Sequence) or isinstance(functions, str):
        raise TypeError(f"{name}: expected a list of functions, got {type(functions).__name__}")
    for number, function in enumerate(functions):
        if not callable(function):
            got = type(function).__name__
            raise TypeError(f"{name}[{number}]: expected a function, got {got}")


def check_generator(name: str, rng: Any) -> np.random.Generator | None:
    """Return ``rng`` if it is a NumPy generator or None.

    Raises
    ------
    TypeError
        If it is anything else.
    """
    if rng is not None and not isinstance(rng, np.random.Generator):
        raise TypeError(f"{name}: expected a numpy.random.Generator, got {type(rng).__name__}")
    return rng


def make_generator(name: str, seed: Any) -> np.random.Generator:
    """Return the generator that ``seed`` stands for, or ``seed`` itself if it is one.

    Raises
    ------
    TypeError
        If it is neither None nor an integer nor one of NumPy's generators.
    ValueError
        If it is negative.
    """
    generators = (np.random.Generator, np.random.BitGenerator, np.random.SeedSequence)
    if seed is None or isinstance(seed, generators):
        return np.random.default_rng(seed)
    if isinstance(seed, np.random.RandomState):  # as scikit-learn takes
        return np.random.Generator(seed._bit_generator)
    expected = f"{name}: expected None, an integer of at least 0 or a generator"
    if isinstance(seed, (bool, np.bool_)) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"{expected}, got {shown(seed)}")
    if seed < 0:
        raise ValueError(f"{expected}, got {shown(seed)}")
    return np.random.default_rng(seed)
