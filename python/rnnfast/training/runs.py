"""Parameters as contiguous runs of flat buffers: what optimizers and clipping work on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from rnnfast import _core
from rnnfast.nn._frozen import require_floats
from rnnfast.nn.module import Module, Parameter

Trainable: TypeAlias = Module | Parameter
Parameters: TypeAlias = Trainable | Iterable[Trainable] | Mapping[str, Trainable]


class Run(NamedTuple):
    """A part ``[begin, end)`` of a flat buffer."""

    buffer: _core.ParameterBuffer
    begin: int
    end: int


# Runs, each with its parameters by name.
Collected: TypeAlias = list[tuple[Run, dict[str, Parameter]]]


def collect(parameters: Parameters) -> Collected:
    """Return the runs that hold the parameters, each with its parameters by name.

    A parameter that is given twice counts once. Parameters that follow each other in a buffer make
    one run, so that a whole layer is one.

    Raises
    ------
    TypeError
        If something is neither a layer nor a parameter, or stays as it is.
    ValueError
        If there is no parameter.
    """
    buffers: dict[int, dict[int, tuple[str, Parameter]]] = {}
    for name, parameter in _named(parameters):
        buffers.setdefault(id(parameter.buffer), {}).setdefault(parameter.offset, (name, parameter))
    runs: Collected = []
    for places in buffers.values():
        next_offset = -1
        for offset in sorted(places):
            name, parameter = places[offset]
            end = offset + parameter.data.size
            if offset == next_offset:
                run, members = runs[-1]
                runs[-1] = (run._replace(end=end), members | {name: parameter})
            else:
                runs.append((Run(parameter.buffer, offset, end), {name: parameter}))
            next_offset = Parameter.aligned(end)
    if not runs:
        raise ValueError("parameters: expected at least one parameter, got none")
    require_floats("parameters", [run.buffer for run, _ in runs])
    return runs


def _named(parameters: Parameters, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
    if isinstance(parameters, Parameter):
        yield prefix.removesuffix(".") or "parameter", parameters
    elif isinstance(parameters, Module):
        for name, parameter in parameters.parameters().items():
            yield prefix + name, parameter
    elif isinstance(parameters, Mapping):
        for name, item in parameters.items():
            yield from _named(_trainable(item), f"{prefix}{name}.")
    else:
        try:
            items = list(parameters)
        except TypeError:  # also an array without axes, which claims to be iterable
            items = [_trainable(parameters)]
        for i, item in enumerate(items):
            yield from _named(_trainable(item), f"{prefix}{i}.")


def _trainable(item: object) -> Trainable:
    if not isinstance(item, (Module, Parameter)):
        raise TypeError(f"parameters: expected layers or parameters, got {type(item).__name__}")
    return item
