"""Which units go along with a property of a text, and which do nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_int, check_list, check_mapping, check_real
from rnnfast._checks.arrays import as_numbers, constant_columns, read_array
from rnnfast._checks.messages import shown
from rnnfast._products import product
from rnnfast.diagnostics.activations import TextActivations
from rnnfast.nn.module import Array

Record: TypeAlias = dict[str, Any]


class UnitCorrelation(NamedTuple):
    """How a unit goes along with a property of a text: layer, unit and Pearson's r."""

    layer: int
    unit: int
    correlation: float


def find_units(
    activations: TextActivations, values: npt.ArrayLike, *, gate: str | None = None, k: int = 5
) -> list[UnitCorrelation]:
    """Find the units that go along with a property of a text, such as being inside quotes.

    Parameters
    ----------
    activations : TextActivations
        What `text_activations` gave.
    values : array_like of bool or number, shape (T,)
        The property at each token.
    gate : str, optional
        Which gate or state to look at; None: the cell ``c`` of an LSTM, else ``h``.
    k : int
        How many units.

    Returns
    -------
    list of UnitCorrelation
        Those whose Pearson correlation with the property is largest in size, over all layers, the
        largest first. A unit that never changes has the correlation 0.

    Raises
    ------
    ValueError
        If there is no such gate, the property has another length, or it never changes.
    TypeError
        If the activations are something else.
    """
    k = check_int("k", k, 1)
    if not isinstance(activations, TextActivations):
        got = type(activations).__name__
        raise TypeError(f"activations: expected what text_activations gave, got {got}")
    if gate is not None and not isinstance(gate, str):
        raise TypeError(f"gate: expected a str or None, got {type(gate).__name__}")
    given = read_array("values", values)
    count = len(activations.tokens)
    if given.shape != (count,):
        raise ValueError(f"values: expected shape ({count},), got {given.shape}")
    wanted = as_numbers("values", given)
    if constant_columns(wanted[:, np.newaxis], given.dtype)[0]:
        raise ValueError("values: expected a property that changes, got the same everywhere")
    wanted = _unit_vectors(wanted[:, np.newaxis])[:, 0]
    found = []
    for number, gates in enumerate(activations.layers):
        name = gate or ("c" if "c" in gates else "h")
        if name not in gates:
            raise ValueError(f"gate: expected one of {', '.join(gates)}, got {shown(gate)}")
        numbers = gates[name].astype(np.float64)
        flat = constant_columns(numbers, gates[name].dtype)
        correlations = np.where(flat, 0.0, product(wanted[np.newaxis], _unit_vectors(numbers))[0])
        found += [UnitCorrelation(number, u, float(r)) for u, r in enumerate(correlations)]
    return sorted(found, key=lambda one: -abs(one.correlation))[:k]


def inside_quotes(tokens: Iterable[str], marks: Sequence[str] = ('"',)) -> npt.NDArray[np.bool_]:
    """Tell for each token whether a quotation is open after it.

    Parameters
    ----------
    tokens : iterable of str
        Characters or words.
    marks : sequence of str
        One token that opens and closes by turns, or a pair of an opening and a closing one.

    Returns
    -------
    ndarray of bool, shape (T,)
        True from an opening mark until the token before the closing one.

    Raises
    ------
    ValueError
        If there are neither one nor two marks.
    """
    listed = [] if isinstance(marks, str) else check_list("marks", marks, "tokens")
    if len(listed) not in (1, 2) or not all(isinstance(mark, str) for mark in listed):
        raise ValueError(f"marks: expected one token or a pair, got {shown(marks)}")
    first, *second = listed
    is_open, result = False, []
    for token in check_list("tokens", tokens, "tokens"):
        if not isinstance(token, str):
            raise TypeError(f"tokens: expected str, got {type(token).__name__}")
        if not second:
            is_open ^= token == first
        elif token in listed:
            is_open = token == first
        result.append(is_open)
    return np.array(result, np.bool_)


def gate_summary(
    layers: Sequence[Mapping[str, Array]],
    *,
    low: float = 0.1,
    high: float = 0.9,
    still: float = 1e-3,
) -> list[Record]:
    """Summarise gates: how often they are shut or wide open, and which units are dead.

    Karpathy, Johnson and Fei-Fei (2015, section 4.2) call gates left- or right-saturated below 0.1
    and above 0.9. A gate that is saturated lets no gradient through to its weights.

    Parameters
    ----------
    layers : sequence of mapping of str to ndarray
        What `gate_activations` gave, or the ``layers`` of `text_activations`.
    low, high : float
        Below and above which a gate, from 0 to 1, counts as saturated. A candidate or state, from
        -1 to 1, does so where its size is above ``high``.
    still : float
        A unit is dead if its value's standard deviation over all steps is at most this.

    Returns
    -------
    list of dict
        For each layer and gate: ``layer``, ``gate``, ``mean``, ``low`` and ``high`` (the shares of
        values that are saturated), ``always_low`` and ``always_high`` (the shares of units that are
        so at every step), ``dead`` (the numbers of the units that never change).

    Raises
    ------
    ValueError
        If a bound is out of its range.
    """
    low = check_real("low", low, 0.0, 1.0)
    high = check_real("high", high, low, 1.0)
    still = check_real("still", still, 0.0)
    records = []
    for number, gates in enumerate(check_list("layers", layers, "mappings")):
        check_mapping(f"layers[{number}]", gates)
        for name, given in gates.items():
            array = as_numbers(f"layers[{number}][{name!r}]", given)
            if array.ndim == 0:
                raise ValueError(f"layers[{number}]: expected arrays (..., H), got shape ()")
            values = array.reshape(-1, array.shape[-1])
            below = values < (low if name in "ifozr" else -high)
            above = values > high
            records.append(
                {
                    "layer": number,
                    "gate": name,
                    "mean": float(values.mean(dtype=float)),
                    "low": float(below.mean()),
                    "high": float(above.mean()),
                    "always_low": float(below.all(axis=0).mean()),
                    "always_high": float(above.all(axis=0).mean()),
                    "dead": np.flatnonzero(values.std(axis=0) <= still).tolist(),
                }
            )
    return records


def _unit_vectors(columns: Array) -> Array:
    """Return columns of float64 less their means, of length 1; zeros where they do not change."""
    centred = columns - columns.mean(axis=0)
    largest = np.abs(centred).max(axis=0)
    centred /= np.where(largest > 0, largest, 1.0)  # so that squares neither overflow nor vanish
    sizes = np.linalg.norm(centred, axis=0)
    units: Array = centred / np.where(sizes > 0, sizes, 1.0)
    return units
