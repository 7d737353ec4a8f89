"""What a network is: its sizes and variants, and the names and shapes of its parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from .cell import CELLS
from .lstm import Peephole
from .qrnn import Pooling


@dataclass(frozen=True)
class NetworkSpec:
    """Sizes and variants of a network, named as the arguments of the library's layers.

    Parameters
    ----------
    cell : str
        Kind of the cells: one of `rnnfast.reference.CELLS`.
    input_size, hidden_size : int
        Features of x, and units of a cell.
    num_layers : int
        Layers, each reading the outputs of the one below.
    bias : bool
        Whether there are ``bias_ih`` and ``bias_hh``.
    bidirectional : bool
        Whether every layer also runs from the end to the start.
    nonlinearity : {"tanh", "relu"}
        Of cells that have a choice of it.
    reset_after, reset_gate : bool
        GRU only: whether the reset gate follows the recurrent product; False for the simplified
        GRU, which has no reset gate.
    peephole : {False, True, "previous"}
        LSTM only, see `lstm_step`.
    proj_size : int
        LSTM only: the width that the outputs are projected to, 0 for no projection.
    layer_norm : bool
        Layer-normalised cells only: whether they are.
    zoneout : float
        Layer-normalised cells only: how much of h and of c stays at each step, as in inference.
    highway_bias, rescale
        SRU only, see `sru.highway`.
    pooling : {"fo", "f", "ifo"}
        QRNN only, see `qrnn_step`.
    width : int
        QRNN only: steps that the filters see.

    Raises
    ------
    ValueError
        If a size or a choice is not one of the above, or belongs to another cell.
    """

    cell: str
    input_size: int
    hidden_size: int
    num_layers: int = 1
    bias: bool = True
    bidirectional: bool = False
    nonlinearity: Literal["tanh", "relu"] = "tanh"
    reset_after: bool = True
    reset_gate: bool = True
    peephole: Peephole = False
    proj_size: int = 0
    layer_norm: bool = True
    zoneout: float = 0.0
    highway_bias: float = 0.0
    rescale: bool = True
    pooling: Pooling = "fo"
    width: int = 1

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise ValueError(f"cell: expected one of {', '.join(CELLS)}, got {self.cell!r}")
        if not 0 <= self.zoneout <= 1:
            raise ValueError(f"zoneout: expected a number from 0 to 1, got {self.zoneout}")
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"nonlinearity: expected tanh or relu, got {self.nonlinearity!r}")
        if not isinstance(self.peephole, bool) and self.peephole != "previous":
            raise ValueError(f"peephole: expected False, True or 'previous', got {self.peephole!r}")
        if self.pooling not in ("f", "fo", "ifo"):
            raise ValueError(f"pooling: expected f, fo or ifo, got {self.pooling!r}")
        for name in ("input_size", "hidden_size", "num_layers", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if not 0 <= self.proj_size < self.hidden_size:
            raise ValueError(
                f"proj_size: expected 0 to {self.hidden_size - 1}, got {self.proj_size}"
            )
        defaults = {name: value for cell in CELLS.values() for name, value in cell.options.items()}
        for name, default in defaults.items():
            if name not in CELLS[self.cell].options and getattr(self, name) != default:
                raise ValueError(
                    f"{name}: expected {default!r} for the cell {self.cell}, "
                    f"got {getattr(self, name)!r}"
                )

    @property
    def num_directions(self) -> int:
        """D: 2 if bidirectional, otherwise 1."""
        return 2 if self.bidirectional else 1

    @property
    def output_size(self) -> int:
        """Width of one direction's h: the projection's width if there is one, otherwise H."""
        return self.proj_size or self.hidden_size

    @property
    def num_gates(self) -> int:
        """Blocks of H rows in the weights: i, f, g, o; r, z, n; z, n; or one."""
        return CELLS[self.cell].shapes(self, 1)["weight_ih"][0] // self.hidden_size

    @property
    def window_width(self) -> int:
        """Numbers of each step that a state keeps: as many as the widest layer reads."""
        between = self.num_directions * self.output_size
        return max(self.input_size, between if self.num_layers > 1 else 0)

    def suffixes(self) -> Iterator[str]:
        """Name every layer and direction, in the order of the states' first axis.

        Yields
        ------
        str
            ``"l0"``, ``"l0_reverse"``, ``"l1"``, ...; without the reverse ones if there is one
            direction.
        """
        for layer in range(self.num_layers):
            yield f"l{layer}"
            if self.bidirectional:
                yield f"l{layer}_reverse"

    def parameter_shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Name every parameter, in the order of PyTorch's ``state_dict``.

        By layer, forward then reverse: ``weight_ih``, ``weight_hh``, ``bias_ih``, ``bias_hh``,
        ``weight_hr``, and what PyTorch does not have, such as ``weight_peephole``.

        Yields
        ------
        name : str
        shape : tuple of int
        """
        for index, suffix in enumerate(self.suffixes()):
            first_layer = index < self.num_directions
            below = self.input_size if first_layer else self.num_directions * self.output_size
            for kind, shape in CELLS[self.cell].shapes(self, below).items():
                yield f"{kind}_{suffix}", shape

    def state_shapes(self, batch_size: int) -> list[tuple[int, int, int]]:
        """Shape of h, and of c after it if the cell has a memory.

        Behind the units of c stand the ``width - 1`` steps before the next one, the newest first.
        """
        states = self.num_layers * self.num_directions
        shapes = [(states, batch_size, self.output_size)]
        if CELLS[self.cell].memory:
            kept = (self.width - 1) * self.window_width
            shapes.append((states, batch_size, self.hidden_size + kept))
        return shapes


def random_parameters(
    spec: NetworkSpec, rng: np.random.Generator, dtype: npt.DTypeLike = np.float64
) -> dict[str, npt.NDArray[np.floating]]:
    """Draw every parameter from the uniform distribution on (-1/sqrt(H), 1/sqrt(H)).

    Parameters
    ----------
    spec : NetworkSpec
        The network.
    rng : numpy.random.Generator
        Drawn from in the order of `NetworkSpec.parameter_shapes`, in float64.
    dtype : dtype
        What the draws are rounded to.

    Returns
    -------
    dict of str to array
        In the order of `NetworkSpec.parameter_shapes`.
    """
    bound = spec.hidden_size**-0.5
    return {
        name: rng.uniform(-bound, bound, shape).astype(dtype)
        for name, shape in spec.parameter_shapes()
    }
