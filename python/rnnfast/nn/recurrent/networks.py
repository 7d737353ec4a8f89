"""The compiled networks of a recurrent layer, all on its own parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from rnnfast import _core

if TYPE_CHECKING:
    from rnnfast.nn.recurrent.base import Recurrent


Offsets: TypeAlias = dict[str, int]


def whole_network(layer: Recurrent) -> Any:
    """Return the network of all layers and directions."""
    return _network(layer, 0, layer.num_directions, _offsets(layer))


def one_way_networks(layer: Recurrent) -> list[list[Any]]:
    """Return, for each layer of a bidirectional one, the network of each direction."""
    rows = _offsets(layer)
    return [
        [_network(layer, k, 1, [row]) for row in rows[2 * k : 2 * k + 2]]
        for k in range(layer.num_layers)
    ]


def _offsets(layer: Recurrent) -> list[Offsets]:
    """Return where the parameters of each layer and direction stand, by kind."""
    own = layer.parameters()
    ends = [f"_{suffix}" for _, suffix in layer._suffixes()]
    return [
        {name.removesuffix(end): p.offset for name, p in own.items() if name.endswith(end)}
        for end in ends
    ]


def _network(layer: Recurrent, first: int, directions: int, rows: list[Offsets]) -> Any:
    """Return the network of rows of offsets that begin with those of layer ``first``."""
    return _core.Recurrent(
        cell=layer._cell.name,
        input_size=layer._width(first),
        hidden_size=layer.hidden_size,
        output_size=layer.output_size,
        num_layers=len(rows) // directions,
        num_directions=directions,
        bias=layer.bias,
        projection=layer.proj_size > 0,
        buffer=layer.buffer,
        offsets=rows,
        zoneout=layer._zoneout,
    )
