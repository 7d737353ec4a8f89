"""What a network is made of, as a table: layers, shapes, numbers and memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from rnnfast import _core
from rnnfast._checks.messages import one_line, shown
from rnnfast.nn._frozen import kept_bytes
from rnnfast.nn.crf import CRF
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.module import Module
from rnnfast.nn.recurrent.base import Recurrent
from rnnfast.nn.recurrent.exponential import ExponentialRecurrent

_HEAD = ("layer", "", "output", "numbers", "memory")
_TO_THE_RIGHT = (3, 4)  # columns of numbers
_WIDEST = 72  # characters of a cell


@dataclass(frozen=True)
class ParameterRow:
    """One parameter of a layer.

    Attributes
    ----------
    name : str
        Its name within the layer.
    shape : tuple of int
    numbers, bytes : int
        How many numbers it has, and the memory that they take.
    """

    name: str
    shape: tuple[int, ...]
    numbers: int
    bytes: int


@dataclass(frozen=True)
class LayerRow:
    """One layer.

    Attributes
    ----------
    name : str
        Where it stands, ``""`` for the network itself.
    layer : str
        The call that makes such a layer; of what holds other layers its class alone.
    output : str
        The shape of what it gives, with T steps of B sequences; empty where that is as its input or
        not known.
    parameters : tuple of ParameterRow
        Its own, without those of layers within.
    """

    name: str
    layer: str
    output: str
    parameters: tuple[ParameterRow, ...]

    @property
    def numbers(self) -> int:
        """How many numbers its own parameters have."""
        return sum(one.numbers for one in self.parameters)

    @property
    def bytes(self) -> int:
        """The memory that they take."""
        return sum(one.bytes for one in self.parameters)


@dataclass(frozen=True, repr=False)
class Summary:
    """What a network is made of; its text, and what a notebook shows of it, is a table.

    Attributes
    ----------
    title : str
        The class of the network or model.
    layers : tuple of LayerRow
        Each layer once, in the order of their names in state dictionaries.
    facts : tuple of (str, str)
        What is told below the table.
    """

    title: str
    layers: tuple[LayerRow, ...]
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def num_parameters(self) -> int:
        """How many numbers all parameters have together."""
        return sum(row.numbers for row in self.layers)

    @property
    def num_bytes(self) -> int:
        """The memory that they take, in bytes; in training gradients take as much again."""
        return sum(row.bytes for row in self.layers)

    def __str__(self) -> str:
        lines = [_HEAD, *(cells for _, cells in self._cells())]
        widths = [max(len(cells[k]) for cells in lines) for k in range(len(_HEAD))]
        text = [self.title]
        for cells in lines:
            padded = (
                cell.rjust(width) if k in _TO_THE_RIGHT else cell.ljust(width)
                for k, (cell, width) in enumerate(zip(cells, widths, strict=True))
            )
            text.append("  ".join(padded).rstrip())
        return "\n".join([*text, *(f"{name}: {fact}" for name, fact in self._facts())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return f"<b>{escape(self.title)}</b>{self.table_html()}"

    def table_html(self) -> str:
        """Return the table alone, and what stands below it."""
        rows = [_html_row("th", _HEAD, "")]
        for is_layer, cells in self._cells():
            rows.append(_html_row("td", cells, "font-weight: bold" if is_layer else ""))
        facts = "".join(f"<div>{escape(n)}: {escape(f)}</div>" for n, f in self._facts())
        return f'<table style="font-family: monospace">{"".join(rows)}</table>{facts}'

    def _facts(self) -> Sequence[tuple[str, str]]:
        total = f"{self.num_parameters:,} numbers, {_core.text_of_bytes(self.num_bytes)}"
        return [("parameters", total), *self.facts]

    def _cells(self) -> Iterator[tuple[bool, tuple[str, ...]]]:
        """Yield the cells of each line, and whether it is that of a layer."""
        for row in self.layers:
            numbers = f"{row.numbers:,}" if row.parameters else ""
            memory = _core.text_of_bytes(row.bytes) if row.parameters else ""
            yield True, (row.name, row.layer, row.output, numbers, memory)
            for one in row.parameters:
                cells = (str(one.shape), "", f"{one.numbers:,}", _core.text_of_bytes(one.bytes))
                yield False, (f"  {one.name}", *cells)


def _html_row(kind: str, cells: Sequence[str], style: str) -> str:
    sides = ["right" if k in _TO_THE_RIGHT else "left" for k in range(len(cells))]
    shown_cells = "".join(
        f'<{kind} style="text-align: {side}; white-space: pre">{escape(cell)}</{kind}>'
        for side, cell in zip(sides, cells, strict=True)
    )
    return f'<tr style="{style}">{shown_cells}</tr>'


def summarise(
    title: str, modules: Mapping[str, Module], facts: Sequence[tuple[str, str]] = ()
) -> Summary:
    """Return what modules, by name, are made of."""
    rows, seen = [], set()
    for start, root in modules.items():
        for name, module in root.named_modules():
            if id(module) in seen:
                continue
            seen.add(id(module))
            dotted = ".".join(filter(None, (start, name)))
            rows.append(
                LayerRow(_visible(dotted), _described(module), _output(module), _own(module))
            )
    return Summary(title, tuple(rows), tuple(facts))


def numbers_facts(network: Module) -> list[tuple[str, str]]:
    """Return what is told of numbers in fewer bits: in what, and what they take in a file."""
    frozen = {module.numbers: None for _, module in network.named_modules() if module._frozen}
    if not frozen:
        return []
    size = _core.text_of_bytes(kept_bytes(network.parameters().values()))
    return [("numbers", f"{', '.join(frozen)}, {size} in a file")]


def _own(module: Module) -> tuple[ParameterRow, ...]:
    return tuple(
        ParameterRow(name, one.shape, math.prod(one.shape), kept_bytes([one]))
        for name, one in module._parameters.items()
    )


def _described(module: Module) -> str:
    if module.children():
        return type(module).__name__
    if isinstance(module, CRF) and module.constraints is not None:  # arrays, of many tags long ones
        return f"CRF({module.num_tags}, constraints=...)"
    return one_line(shown(module), _WIDEST)


def _visible(name: str) -> str:
    return one_line(name if name.isprintable() else ascii(name), _WIDEST)


def _output(module: Module) -> str:
    """Return the shape of what a layer gives, where its options tell it."""
    if isinstance(module, Recurrent):
        places = "B, T" if module.batch_first else "T, B"
        return f"({places}, {module.num_directions * module.output_size})"
    if isinstance(module, ExponentialRecurrent):
        places = "B, T" if module.batch_first else "T, B"
        return f"({places}, {module.hidden_size})"
    if isinstance(module, Linear):
        return f"(..., {module.out_features})"
    if isinstance(module, Embedding):
        return f"(..., {module.embedding_dim})"
    return ""
