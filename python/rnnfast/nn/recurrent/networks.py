"""The compiled networks of a recurrent layer, all on its own parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from rnnfast import _core
from rnnfast.nn._frozen import kernel_numbers
from rnnfast.nn.module import Parameter
from rnnfast.nn.recurrent.spec import RecurrentSpec

Offsets: TypeAlias = dict[str, int]
# Of a direction of a general cell: functions by ONNX's names with alpha and beta, the bound of what
# goes into those of gates, whether the forget gate is 1 less the input gate.
Functions: TypeAlias = tuple[Sequence[tuple[str, float, float]], float, bool]


def whole_network(
    spec: RecurrentSpec,
    buffer: _core.ParameterBuffer,
    parameters: Mapping[str, Parameter],
    functions: Sequence[Functions] = (),
) -> Any:
    """Return the network of all layers and directions; ``functions`` of each, of a general cell."""
    rows = _offsets(spec, parameters)
    return _network(spec, buffer, 0, spec.num_directions, rows, functions)


def one_way_networks(
    spec: RecurrentSpec, buffer: _core.ParameterBuffer, parameters: Mapping[str, Parameter]
) -> list[list[Any]]:
    """Return, for each layer of a bidirectional one, the network of each direction."""
    rows = _offsets(spec, parameters)
    return [
        [_network(spec, buffer, k, 1, [rows[2 * k + d]], direction=d) for d in range(2)]
        for k in range(spec.num_layers)
    ]


def layer_networks(
    spec: RecurrentSpec, buffer: _core.ParameterBuffer, parameters: Mapping[str, Parameter]
) -> list[Any]:
    """Return the network of each layer, of all its directions."""
    rows, size = _offsets(spec, parameters), spec.num_directions
    return [
        _network(spec, buffer, k, size, rows[size * k : size * (k + 1)])
        for k in range(spec.num_layers)
    ]


def _offsets(spec: RecurrentSpec, parameters: Mapping[str, Parameter]) -> list[Offsets]:
    """Return where the parameters of each layer and direction stand, by kind."""
    ends = [f"_{suffix}" for _, suffix in spec.suffixes()]
    return [
        {name.removesuffix(end): p.offset for name, p in parameters.items() if name.endswith(end)}
        for end in ends
    ]


def _network(
    spec: RecurrentSpec,
    buffer: _core.ParameterBuffer,
    first: int,
    directions: int,
    rows: list[Offsets],
    functions: Sequence[Functions] = (),
    direction: int = 0,
) -> Any:
    """Return the network of rows of offsets that begin with those of layer ``first``.

    ``direction`` is the layer's first that it has.
    """
    return _core.Recurrent(
        cell=spec.cell_name,
        input_size=spec.width(first),
        hidden_size=spec.hidden_size,
        output_size=spec.output_size,
        num_layers=len(rows) // directions,
        num_directions=directions,
        bias=spec.bias,
        projection=spec.proj_size > 0,
        buffer=buffer,
        offsets=rows,
        zoneout=spec.zoneout,
        functions=functions,
        highway=direction * spec.hidden_size if spec.highway(first) else -1,
        highway_scale=spec.highway_scale,
        window=spec.window,
        window_width=spec.window_width,
        numbers=kernel_numbers(
            buffer,
            max(spec.width(first), directions * max(spec.hidden_size, spec.output_size)),
            spec.cell_name,
        ),
    )
