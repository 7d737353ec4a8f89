"""The compiled networks of a recurrent layer, all on its own parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rnnfast import _core

if TYPE_CHECKING:
    from rnnfast.nn.recurrent_base import Recurrent

_KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr", "weight_peephole")


def whole_network(layer: Recurrent, kernel: str) -> Any:
    """Return the network of all layers and directions."""
    return _network(layer, kernel, 0, layer.num_directions, _offsets(layer))


def one_way_networks(layer: Recurrent, kernel: str) -> list[list[Any]]:
    """Return, for each layer of a bidirectional one, the network of each direction."""
    rows = _offsets(layer)
    return [
        [_network(layer, kernel, k, 1, [row]) for row in rows[2 * k : 2 * k + 2]]
        for k in range(layer.num_layers)
    ]


def _offsets(layer: Recurrent) -> list[list[int]]:
    """Return where the parameters stand, a row for each layer and direction; -1: absent."""
    own = layer.parameters()
    names = [[f"{kind}_{suffix}" for kind in _KINDS] for _, suffix in layer._suffixes()]
    return [[own[n].offset if n in own else -1 for n in row] for row in names]


def _network(
    layer: Recurrent, kernel: str, first: int, directions: int, rows: list[list[int]]
) -> Any:
    """Return the network of rows of offsets that begin with those of layer ``first``."""
    return _core.Recurrent(
        cell=kernel,
        input_size=layer._width(first),
        hidden_size=layer.hidden_size,
        output_size=layer.output_size,
        num_layers=len(rows) // directions,
        num_directions=directions,
        bias=layer.bias,
        projection=layer.proj_size > 0,
        buffer=layer.buffer,
        offsets=rows,
    )
