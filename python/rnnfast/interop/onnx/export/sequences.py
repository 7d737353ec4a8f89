"""What a pass through an exported network knows: sizes, lengths, states, and the values within."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnnfast.interop.onnx.export.graph import Graph


@dataclass(frozen=True)
class Value:
    """A value of a graph, time first.

    Attributes
    ----------
    name : str
        What the graph calls it.
    kind : {"ids", "steps", "vectors"}
        Indices ``(T, B)``, numbers ``(T, B, F)``, or one row of numbers a sequence, ``(B, F)``.
    width : int or None
        F; None: not known.
    """

    name: str
    kind: str
    width: int | None = None


class Sequences:
    """The sequences of one pass: how many, how long.

    Parameters
    ----------
    graph : Graph
        Whose values they are.
    like : str
        A value ``(T, B, ...)``, or ``(B, T, ...)``.
    batch_first : bool
        Which of the two.
    lengths : str, optional
        Lengths ``(B,)``; None: an input ``lengths``, which comes to be where one is asked for.
    whole : bool
        True: every sequence has T steps; there are no lengths.
    """

    def __init__(
        self,
        graph: Graph,
        like: str,
        *,
        batch_first: bool = False,
        lengths: str | None = None,
        whole: bool = False,
    ) -> None:
        self.graph, self.whole = graph, whole
        self._like, self._axis, self._given = like, int(batch_first), lengths

    @cached_property
    def steps(self) -> str:
        """T, as an array of one number."""
        return self.graph.size(self._like, self._axis)

    @cached_property
    def batch(self) -> str:
        """B, as an array of one number."""
        return self.graph.size(self._like, 1 - self._axis)

    @cached_property
    def lengths(self) -> str:
        """Lengths ``(B,)`` of int64."""
        g = self.graph
        if self.whole:
            return g.add("Expand", self.steps, self.batch)
        if self._given is not None:
            return self._given
        # -1, also of all when it is left out, is the whole of T.
        given = g.input("lengths", np.int64, ["batch"], np.array([-1], np.int64))
        is_left_out = g.add("Equal", given, g.integers(-1))
        # What cannot be, or is not one for each sequence, is looked up where nothing is: an error.
        end = g.add("Add", self.steps, g.integers(1))
        is_each = g.add("Equal", g.add("Shape", given), self.batch)
        is_wrong = g.add("Or", g.add("Less", given, g.integers(0)), g.add("Not", is_each))
        told = g.add("Where", is_left_out, self.steps, g.add("Where", is_wrong, end, given))
        known = g.add("Gather", self._up_to(end), told, axis=0, name="lengths")
        return g.add("Expand", known, self.batch)

    def _up_to(self, end: str) -> str:
        """Return 0, 1, ... below an end, which is an array of one number."""
        g = self.graph
        first, one = g.constant(0, np.int64), g.constant(1, np.int64)
        return g.add("Range", first, g.squeeze(end, 0), one)

    @cached_property
    def sequence_lens(self) -> str:
        """Lengths as ONNX's recurrent operators take them; ``""`` if all are whole."""
        return "" if self.whole else self.graph.cast(self.lengths, np.int32)

    @cached_property
    def inside(self) -> str:
        """True where a step counts, ``(T, B)``."""
        g = self.graph
        time = g.unsqueeze(self._up_to(self.steps), 1)
        return g.add("Less", time, g.unsqueeze(self.lengths, 0))

    @cached_property
    def inside_rows(self) -> str:
        """True where a step counts, ``(T, B, 1)``."""
        return self.graph.unsqueeze(self.inside, 2)

    @cached_property
    def empty_rows(self) -> str:
        """True of sequences of no step, ``(B, 1)``."""
        g = self.graph
        return g.unsqueeze(g.add("Equal", self.lengths, g.integers(0)), 1)


class States:
    """Where the states of a network's recurrent layers come from, and where they go.

    Parameters
    ----------
    graph : Graph
        Gets an input with the default 0 for each initial state, and an output for each final one.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._final: list[tuple[str, str, int, int]] = []

    def initial(self, place: str, name: str, rows: int, width: int) -> str:
        """Return an initial state ``(rows, B or 1, width)``: ``h`` or ``c`` of a place."""
        zeros = np.zeros((rows, 1, width), self._graph.dtype)
        return self._graph.input(
            _at(place, f"{name}0"), self._graph.dtype, [rows, "batch", width], zeros
        )

    def final(self, place: str, name: str, value: str, rows: int, width: int) -> None:
        """Take a final state ``(rows, B, width)``."""
        self._final.append((_at(place, f"{name}_n"), value, rows, width))

    def give(self) -> None:
        """Add the outputs."""
        for name, value, rows, width in self._final:
            self._graph.output(name, value, [rows, "batch", width])


def _at(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
