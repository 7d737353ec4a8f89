"""Weights of any layout, read as the state dictionary of a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast._checks import check_bool
from rnnfast._checks.arrays import read_array
from rnnfast._checks.messages import shown
from rnnfast.nn.module import Array

# What others call the gates; "c" of an LSTM is the candidate, not the cell.
_ALSO = {
    "ifgo": {"c": "g", "j": "g"},
    "rzn": {"u": "z", "h": "n", "c": "n", "g": "n", "o": "n"},
    "zn": {"u": "z", "h": "n", "c": "n", "g": "n", "o": "n"},
}
_PEEPHOLES = "ifo"


@dataclass(frozen=True)
class Layout:
    """How the arrays lie.

    Attributes
    ----------
    own : str
        The gates in the order of the layer's blocks, a letter each.
    gates : str
        The same letters in the order of the arrays' blocks.
    transposed : bool
        Whether matrices have the gates along their columns.
    """

    own: str
    gates: str
    transposed: bool

    @property
    def count(self) -> int:
        """Blocks of a matrix."""
        return len(self.own)

    def shape(self, rows: Any, columns: Any) -> str:
        """Return the shape of a matrix as it is given."""
        sizes = (columns, rows) if self.transposed else (rows, columns)
        return f"({sizes[0]}, {sizes[1]})"

    def reordered(self, blocks: Array, own: str, given: str) -> Array:
        """Return the blocks of H rows, or numbers, in the layer's order."""
        parts = np.split(blocks, len(own))
        return np.concatenate([parts[given.index(gate)] for gate in own])


def read_layout(own: str, gates: Any, transposed: Any) -> Layout:
    """Return the layout that ``gates`` and ``transposed`` say.

    Raises
    ------
    TypeError, ValueError
        If one of them is not valid.
    """
    transposed = check_bool("transposed", transposed)
    if gates is None:
        return Layout(own, own, transposed)
    if len(own) == 1:
        raise ValueError(f"gates: expected None for an RNN, which has none, got {shown(gates)}")
    if not isinstance(gates, str):
        raise TypeError(f"gates: expected a string, got {type(gates).__name__}")
    letters = "".join(_ALSO[own].get(letter, letter) for letter in gates)
    if sorted(letters) != sorted(own):
        others = ", ".join(f"{also} for {gate}" for also, gate in _ALSO[own].items())
        raise ValueError(
            f"gates: expected each of {', '.join(own)} once, in the order of the blocks "
            f"(or {others}), got {shown(gates)}"
        )
    return Layout(own, letters, transposed)


@dataclass(frozen=True)
class Given:
    """The arrays of every layer and direction, each with its name for messages."""

    W: list[tuple[str, Any]]
    U: list[tuple[str, Any]]
    b: list[tuple[str, Any]] | None
    projection: list[tuple[str, Any]] | None
    peepholes: list[tuple[str, Any]] | None


def read_lists(W: Any, U: Any, b: Any, projection: Any, peepholes: Any, directions: int) -> Given:
    """Return what was given, as lists.

    Raises
    ------
    TypeError, ValueError
        If they are not lists of one length that fits, or no lists at all.
    """
    count = len(W) if isinstance(W, (list, tuple)) else None
    if count is None and directions > 1:
        raise ValueError("W: expected a list with an array for each direction, got one array")
    if count is not None and (not count or count % directions):
        of = f"a multiple of {directions}" if directions > 1 else "one or more"
        raise ValueError(f"W: expected {of} arrays, got {count}")

    def listed(name: str, value: Any) -> list[tuple[str, Any]]:
        if count is None:
            return [(name, value)]
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"{name}: expected a list, as W is, got {type(value).__name__}")
        if len(value) != count:
            raise ValueError(f"{name}: expected {count} arrays, as W has, got {len(value)}")
        return [(f"{name}[{k}]", array) for k, array in enumerate(value)]

    return Given(
        listed("W", W),
        listed("U", U),
        None if b is None else listed("b", b),
        None if projection is None else listed("projection", projection),
        None if peepholes is None else listed("peepholes", peepholes),
    )


class Reader:
    """Reads arrays, all of one dtype.

    Parameters
    ----------
    layout : Layout
        Of the matrices.
    dtype : {"float32", "float64"}, optional
        What they are to become; None: what they are, which must be one of these.
    """

    def __init__(self, layout: Layout, dtype: Any) -> None:
        self.layout = layout
        self.dtype = dtype
        self._kept = dtype is None
        self._first = ""

    def array(self, name: str, value: Any) -> Array:
        """Return an array of real numbers."""
        array = read_array(name, value)
        if array.dtype.kind not in "fiu":
            raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
        if self._kept:
            if self.dtype is None:
                if array.dtype.name not in ("float32", "float64"):
                    raise TypeError(
                        f"{name}: expected dtype float32 or float64, got {array.dtype}; "
                        "dtype='float32' converts"
                    )
                self.dtype, self._first = array.dtype.name, name
            if array.dtype != self.dtype:
                raise TypeError(
                    f"{name}: expected dtype {self.dtype}, as {self._first} has, got {array.dtype}"
                )
        return array

    def matrix(self, name: str, value: Any) -> Array:
        """Return a matrix with its gates along the rows."""
        array = self.array(name, value)
        if array.ndim != 2:
            cure = ""
            if array.ndim == 3 and len(array) in (1, 2):
                cure = f"; the first axis is that of directions: {name}[0] is one of them"
                if len(array) == 2:
                    cure += ", and bidirectional=True takes a list of both"
            raise ValueError(f"{name}: expected 2 axes, got shape {array.shape}{cure}")
        return array.T if self.layout.transposed else array

    def fitting(
        self,
        name: str,
        value: Any,
        rows: int,
        columns: int,
        hints: Mapping[tuple[int, ...], str] | None = None,
    ) -> Array:
        """Return a matrix of a shape; of others, ``hints`` end the message by shape."""
        array = self.matrix(name, value)
        if array.shape != (rows, columns):
            raise ValueError(
                f"{name}: expected shape {self.layout.shape(rows, columns)}, "
                f"got {self.layout.shape(*array.shape)}{(hints or {}).get(array.shape, '')}"
            )
        return array

    def biases(self, name: str, value: Any, size: int) -> list[Array]:
        """Return both biases; of a single one the other is zero."""
        if isinstance(value, (list, tuple)) and len(value) == 2 and np.ndim(value[0]):
            pair = [(f"{name}[{k}]", one) for k, one in enumerate(value)]
        else:
            array = self.array(name, value)
            rows = array if array.ndim == 2 and len(array) == 2 else [array]
            pair = [(name, one) for one in rows]
        arrays = [self.array(*one) for one in pair]
        for (called, _), array in zip(pair, arrays, strict=True):
            if array.shape != (size,):
                cure = (
                    f"; np.split({name}, 2) makes two of one" if array.shape == (2 * size,) else ""
                )
                raise ValueError(
                    f"{called}: expected shape ({size},), or two of those, got {array.shape}{cure}"
                )
        return arrays if len(arrays) == 2 else [arrays[0], np.zeros_like(arrays[0])]

    def peepholes(self, name: str, value: Any, hidden: int) -> Array:
        """Return the peepholes as they were given, one gate after the other."""
        array = self.array(name, value)
        if array.shape not in ((3 * hidden,), (3, hidden)):
            raise ValueError(
                f"{name}: expected shape ({3 * hidden},) or (3, {hidden}), got {array.shape}"
            )
        return array.reshape(-1)


@dataclass(frozen=True)
class Weights:
    """What a layer is made of.

    Attributes
    ----------
    sizes : dict
        Arguments of the constructor.
    arrays : list of dict
        The parameters of each layer and direction by kind, such as ``weight_ih``.
    """

    sizes: dict[str, Any]
    arrays: list[dict[str, Array]]


def read_weights(given: Given, layout: Layout, directions: int, dtype: Any) -> Weights:
    """Return the sizes that the arrays have, and the arrays in the layer's layout.

    Raises
    ------
    TypeError, ValueError
        If one does not fit the others, by its name.
    """
    reader = Reader(layout, dtype)
    first = reader.matrix(*given.W[0])
    hidden, output = _first_sizes(given, reader)
    rows = layout.count * hidden
    inputs = first.shape[1]
    both = ", as W[0] has; bidirectional=True takes two directions of a layer"
    hints: dict[tuple[int, ...], str] = {(rows, inputs): both} if directions == 1 else {}
    arrays = []
    for k in range(len(given.W)):
        width = inputs if k < directions else directions * output
        found = {
            "weight_ih": reader.fitting(*given.W[k], rows, width, hints),
            "weight_hh": reader.fitting(*given.U[k], rows, output),
        }
        if given.b is not None:
            found["bias_ih"], found["bias_hh"] = reader.biases(*given.b[k], rows)
        found = {n: layout.reordered(a, layout.own, layout.gates) for n, a in found.items()}
        if given.projection is not None:
            found["weight_hr"] = reader.fitting(*given.projection[k], output, hidden)
        if given.peepholes is not None:
            seen = "".join(gate for gate in layout.gates if gate in _PEEPHOLES)
            flat = reader.peepholes(*given.peepholes[k], hidden)
            found["weight_peephole"] = layout.reordered(flat, _PEEPHOLES, seen)
        arrays.append(found)
    sizes = {
        "input_size": inputs,
        "hidden_size": hidden,
        "num_layers": len(given.W) // directions,
        "bias": given.b is not None,
        "dtype": reader.dtype,
    }
    if given.projection is not None:
        sizes["proj_size"] = output
    return Weights(sizes, arrays)


def _first_sizes(given: Given, reader: Reader) -> tuple[int, int]:
    """Return the sizes of the state h before and behind a projection, as U[0] has them."""
    (name, value), layout = given.U[0], reader.layout
    first = reader.matrix(name, value)
    rows, output = first.shape
    hidden = rows // layout.count
    fits = rows > 0 and rows % layout.count == 0 and output > 0
    if given.projection is None:
        fits = fits and hidden == output
    if not fits:
        letter = "H" if given.projection is None else "P"
        multiple = f"{layout.count}*H" if layout.count > 1 else "H"
        cure = ""
        if rows and output == layout.count * rows:
            along = "rows" if layout.transposed else "columns"
            cure = f"; transposed={not layout.transposed} is for gates along the {along}"
        raise ValueError(
            f"{name}: expected shape {layout.shape(multiple, letter)}, "
            f"got {layout.shape(rows, output)}{cure}"
        )
    return hidden, output


def require_derived(options: dict[str, Any], names: Sequence[str]) -> None:
    """Raise TypeError for an argument of the constructor that the arrays tell."""
    for name in names:
        if name in options:
            raise TypeError(
                f"{name}: expected no such argument, the arrays tell it; got {shown(options[name])}"
            )
