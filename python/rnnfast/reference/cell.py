"""What a network has to know of a cell: one definition, beside the cell's steps in its own file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from .arrays import Array, Gradients, Parameters

if TYPE_CHECKING:
    from .spec import NetworkSpec

Cache = TypeVar("Cache")
Shapes: TypeAlias = dict[str, tuple[int, ...]]
# From the gradients of the states after a step to those of its x, of the states before it, and of
# the cell's parameters. The states of a cell are [h], or [h, c].
Backprop: TypeAlias = Callable[[list[Array]], tuple[Array, list[Array], Gradients]]
Step: TypeAlias = tuple[list[Array], Backprop]


@dataclass(frozen=True)
class Cell:
    """A cell as networks use it.

    Parameters
    ----------
    name : str
        What a spec calls it.
    shapes : callable
        From a spec and the width of a layer's input to the shapes of the library's parameters, by
        the beginning of their names.
    parameters : callable
        From a spec, the library's parameters and a suffix to those of the cell's own step.
    step : callable
        From a spec, x, the states before a step and the cell's own parameters to the states after
        it and its backward step.
    gradients : callable
        From gradients of the cell's own parameters and a suffix to those of the library's.
    options : mapping, optional
        Fields of the spec that are the cell's, with their defaults.
    memory : bool
        Whether there is a state c beside h.
    """

    name: str
    shapes: Callable[[NetworkSpec, int], Shapes]
    parameters: Callable[[NetworkSpec, Parameters, str], Parameters]
    step: Callable[[NetworkSpec, Array, list[Array], Parameters], Step]
    gradients: Callable[[Gradients, str], Gradients]
    options: Mapping[str, Any] = field(default_factory=dict)
    memory: bool = False

    def __post_init__(self) -> None:
        CELLS[self.name] = self


# Every cell by its name; a definition enters itself.
CELLS: dict[str, Cell] = {}


def product_shapes(spec: NetworkSpec, below: int, gates: int) -> Shapes:
    """Return the shapes of a cell whose gates see x and h through a matrix each."""
    rows = gates * spec.hidden_size
    shapes: Shapes = {"weight_ih": (rows, below), "weight_hh": (rows, spec.output_size)}
    return shapes | ({"bias_ih": (rows,), "bias_hh": (rows,)} if spec.bias else {})


def input_shapes(spec: NetworkSpec, below: int, gates: int) -> Shapes:
    """Return the shapes of a cell whose gates see x alone through a matrix each."""
    rows = gates * spec.hidden_size
    return {"weight_ih": (rows, below)} | ({"bias_ih": (rows,)} if spec.bias else {})


def one_state(
    left: tuple[Array, Cache], backward: Callable[[Array, Cache], tuple[Array, Array, Gradients]]
) -> Step:
    """Return what a step of a cell with one state left, and its backward step, for networks."""
    h, cache = left

    def backprop(dleft: list[Array]) -> tuple[Array, list[Array], Gradients]:
        dx, dh_prev, grads = backward(dleft[0], cache)
        return dx, [dh_prev], grads

    return [h], backprop
