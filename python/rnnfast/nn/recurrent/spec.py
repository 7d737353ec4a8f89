"""What a recurrent network is, beside its weights."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast import _core
from rnnfast.nn.module import Array


@functools.cache  # asked for several times in each call of a layer
def _cell(name: str) -> _core.Cell:
    return _core.cells()[name]


@dataclass(frozen=True)
class RecurrentSpec:
    """The cell, the sizes and the form of a recurrent network.

    Attributes
    ----------
    cell_name : str
        Name of the cell among the kernels.
    input_size, hidden_size, num_layers, bias, batch_first, bidirectional, proj_size
        As the layers take them.
    zoneout : pair of float
        How much of h and of c stays at each step of inference.
    highway_scale : float
        Factor of an input that passes by the products, of cells with a highway.
    window : int
        Steps that each layer's product sees: the one, and those before it.
    """

    cell_name: str
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    bidirectional: bool
    proj_size: int = 0
    zoneout: tuple[float, float] = (0.0, 0.0)
    highway_scale: float = 1.0
    window: int = 1

    @property
    def cell(self) -> _core.Cell:
        """What the cell is, beside its step."""
        return _cell(self.cell_name)

    @property
    def num_directions(self) -> int:
        """2 if bidirectional, else 1."""
        return 2 if self.bidirectional else 1

    @property
    def output_size(self) -> int:
        """Units of one direction's output: ``proj_size`` if that is not 0, else ``hidden_size``."""
        return self.proj_size or self.hidden_size

    @property
    def window_width(self) -> int:
        """Numbers of each earlier step in a state: as many as the widest layer reads."""
        if self.window == 1:
            return 0
        return max(self.width(layer) for layer in range(min(self.num_layers, 2)))

    @property
    def memory_size(self) -> int:
        """Numbers of c of a sequence: its units, and the ``window - 1`` steps behind them."""
        return self.hidden_size + (self.window - 1) * self.window_width

    def width(self, layer: int) -> int:
        """Return the number of features of a layer's input."""
        return self.input_size if layer == 0 else self.num_directions * self.output_size

    def highway(self, layer: int) -> bool:
        """Return whether a layer's input, as wide as its output, passes by the products."""
        return self.cell.has_highway and self.width(layer) == self.num_directions * self.output_size

    def suffixes(self) -> list[tuple[int, str]]:
        """Return, for each layer and direction, the layer and how its parameters' names end."""
        directions = ("", "_reverse")[: self.num_directions]
        return [(k, f"l{k}{d}") for k in range(self.num_layers) for d in directions]

    def layer_shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of one direction's parameters by kind."""
        sizes = {"I": self.window * self.width(layer), "H": self.hidden_size, "P": self.output_size}
        shapes: dict[str, tuple[int, ...]] = {}
        for kind, factor, letters in self.cell.parameters(
            self.bias, self.proj_size > 0, self.highway(layer)
        ):
            rows, *columns = (sizes[letter] for letter in letters)
            shapes[kind] = (factor * rows, *columns)
        return shapes

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all parameters by name."""
        return {
            f"{kind}_{suffix}": shape
            for layer, suffix in self.suffixes()
            for kind, shape in self.layer_shapes(layer).items()
        }

    def split_state(self, state: Any) -> tuple[Any, Any]:
        """Return h and c of what a caller gave as the state, each None if there is none.

        Raises
        ------
        TypeError, ValueError
            If the cell has a memory and the state is not a pair.
        """
        if not self.cell.has_memory:
            return state, None
        if state is None:
            return None, None
        if not isinstance(state, (tuple, list)):
            raise TypeError(f"state: expected a pair (h, c), got {type(state).__name__}")
        if len(state) != 2:
            raise ValueError(f"state: expected a pair (h, c), got {len(state)} values")
        return state[0], state[1]

    def without_steps(self, state: Any) -> Any:
        """Return a state of the units alone, without the steps that a window keeps behind them."""
        if self.window == 1:
            return state
        h, c = state
        return h, c[..., : self.hidden_size]

    def with_steps(self, state: Any) -> Any:
        """Return a state of the units alone with steps of zeros behind them."""
        if self.window == 1:
            return state
        h, c = state
        zeros = np.zeros((*c.shape[:2], self.memory_size - self.hidden_size), c.dtype)
        return h, np.concatenate([c, zeros], axis=2)

    def pack_state(self, h: Array, c: Array) -> Any:
        """Return the state as callers have it: h, or (h, c) if the cell has a memory."""
        return (h, c) if self.cell.has_memory else h
