"""What a language model says of the prefixes that a search for symbols keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rnnfast._checks.arrays import read_array
from rnnfast.data.batches import Ints
from rnnfast.models.parts.language.token_network import TokenNetwork

Floats = npt.NDArray[np.float64]
# Prefixes that a language model reads side by side.
_AT_ONCE = 1024


class PrefixScores(Protocol):
    """Base of what scores prefixes, each of a place that stands for it.

    A place may be used again once no prefix is there that has it.
    """

    def scores(self, places: Ints, parents: Ints, symbols: Ints) -> Floats:
        """Return what is added for each symbol that may follow prefixes, ``(n, K)``.

        Parameters
        ----------
        places, parents : ndarray of int64, shape (n,)
            Of each prefix the place that it has from now on, and that of the prefix which it
            prolongs; -1: none, it is empty.
        symbols : ndarray of int64, shape (n,)
            The class by which it prolongs it.

        Returns
        -------
        ndarray of float64, shape (n, K)
            In the place of the blank, what is added if the text ends there.
        """
        ...

    def ends(self, texts: list[list[str]]) -> list[float]:
        """Return what is added besides if texts end."""
        ...


class States:
    """The states of a recurrent network at places, all layers side by side."""

    def __init__(self) -> None:
        self._arrays: list[npt.NDArray[Any]] = []
        self._pair = False

    def at(self, places: Ints) -> Any:
        """Return the states of places, zero for -1; None: there is none yet."""
        if not self._arrays:
            return None
        parts = [np.where((places < 0)[:, np.newaxis], 0, a[:, places]) for a in self._arrays]
        return tuple(parts) if self._pair else parts[0]

    def put(self, places: Ints, state: Any) -> None:
        """Keep the states of places."""
        self._pair = isinstance(state, tuple)
        parts = list(state) if self._pair else [state]
        if not self._arrays:
            self._arrays = [
                np.zeros((part.shape[0], 0, part.shape[2]), part.dtype) for part in parts
            ]
        size = int(places.max()) + 1
        for number, (array, part) in enumerate(zip(self._arrays, parts, strict=True)):
            if array.shape[1] < size:
                grown = np.zeros((array.shape[0], 2 * size, array.shape[2]), array.dtype)
                grown[:, : array.shape[1]] = array
                self._arrays[number] = array = grown
            array[:, places] = part


class SymbolScores:
    """A language model whose tokens are the symbols.

    Parameters
    ----------
    network : TokenNetwork
        Its layers.
    ids : ndarray of int64, shape (K,)
        The token of each class; that of the blank is not looked at.
    end : int or None
        The token that ends a text.
    blank : int
        The class of the blank.
    weight : float
        By which its log-probabilities are multiplied.
    """

    def __init__(
        self, network: TokenNetwork, ids: Ints, end: int | None, blank: int, weight: float
    ) -> None:
        self._network, self._ids, self._end = network, ids, end
        self._blank, self._weight = blank, weight
        self._states = States()

    def scores(self, places: Ints, parents: Ints, symbols: Ints) -> Floats:
        """Return what the base says."""
        tokens = np.where(parents < 0, self._network.start, self._ids[symbols])
        found = np.empty((len(places), len(self._ids)))
        before = self._states.at(parents)  # all, before one's place is another's
        for begin in range(0, len(places), _AT_ONCE):
            rows = slice(begin, begin + _AT_ONCE)
            log_probs, state = self._network.step(tokens[rows], _rows_of(before, rows))
            found[rows] = log_probs[:, self._ids]
            found[rows, self._blank] = 0.0 if self._end is None else log_probs[:, self._end]
            self._states.put(places[rows], state)
        return weighed(self._weight, found)

    def ends(self, texts: list[list[str]]) -> list[float]:
        """Return 0: the end is among the scores."""
        return [0.0] * len(texts)


class FunctionScores:
    """Any function of a prefix: a tuple of symbols to log-probabilities of what may follow.

    Parameters
    ----------
    function : callable
        Takes a tuple of str; returns ``(K - 1,)`` numbers, one for each symbol in the order of the
        classes without the blank, or ``(K,)`` with one for the end of the text after them.
    labels : sequence of str
        The K classes.
    blank : int
        The class of the blank.
    weight : float
        By which they are multiplied.
    """

    def __init__(
        self, function: Callable[[Any], Any], labels: Sequence[str], blank: int, weight: float
    ) -> None:
        self._function, self._labels = function, labels
        self._blank, self._weight = blank, weight
        self._prefixes: dict[int, tuple[str, ...]] = {}

    def scores(self, places: Ints, parents: Ints, symbols: Ints) -> Floats:
        """Return what the base says."""
        prefixes = [
            () if parent < 0 else (*self._prefixes[parent], self._labels[symbol])
            for parent, symbol in zip(parents.tolist(), symbols.tolist(), strict=True)
        ]
        self._prefixes.update(zip(places.tolist(), prefixes, strict=True))
        return weighed(self._weight, np.array([self._of(prefix) for prefix in prefixes]))

    def _of(self, prefix: tuple[str, ...]) -> Floats:
        name, count = "language_model(prefix)", len(self._labels)
        given = read_array(name, self._function(prefix), f"shape ({count - 1},) or ({count},)")
        if given.dtype.kind not in "biuf":
            raise TypeError(f"{name}: expected real numbers, got dtype {given.dtype}")
        if given.shape not in ((count - 1,), (count,)):
            raise ValueError(
                f"{name}: expected shape ({count - 1},), or ({count},) with the end, got "
                f"{given.shape}"
            )
        numbers = given.astype(np.float64)
        if not (numbers < np.inf).all():
            raise ValueError(f"{name}: expected numbers below infinity, got NaN or infinity")
        end = numbers[count - 1] if len(numbers) == count else 0.0
        return np.insert(numbers[: count - 1], self._blank, end)

    def ends(self, texts: list[list[str]]) -> list[float]:
        """Return 0: the end is among the scores."""
        return [0.0] * len(texts)


def weighed(weight: float, log_probs: Floats) -> Floats:
    """Return log-probabilities times a weight, of which -inf forbids even where that is 0."""
    forbidden = log_probs == -np.inf
    return np.where(forbidden, -np.inf, weight * np.where(forbidden, 0.0, log_probs))


def _rows_of(state: Any, rows: slice) -> Any:
    if state is None:
        return None
    if isinstance(state, tuple):
        return tuple(np.ascontiguousarray(part[:, rows]) for part in state)
    return np.ascontiguousarray(state[:, rows])
