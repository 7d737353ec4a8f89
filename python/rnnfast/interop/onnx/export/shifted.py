"""Steps side by side: each with those before it."""

from __future__ import annotations

import numpy as np

from rnnfast.interop.onnx.export.graph import Graph
from rnnfast.interop.onnx.export.sequences import Sequences, States, Value
from rnnfast.nn.window import Window


def window(
    g: Graph, part: Window, x: Value, sequences: Sequences, states: States | None, place: str
) -> Value:
    """Add a window over steps whose width is known.

    Its state, ``(size - 1, B, F)``, is the input ``x0`` and the output ``x_n``.
    """
    before, width = part.size - 1, x.width
    assert width is not None
    if before == 0:
        return Value(_inside(g, x.name, sequences), x.kind, width)
    shape = g.concat([g.integers(before), sequences.batch, g.integers(width)], 0)
    given = g.constant(0) if states is None else states.initial(place, "x", before, width)
    state = g.add("Expand", given, shape)
    newest_last = g.add("Gather", state, g.constant(np.arange(before)[::-1], np.int64), axis=0)
    steps = g.concat([newest_last, _inside(g, x.name, sequences)], 0)
    shifted = [_from(g, steps, before - k, sequences.steps) for k in range(part.size)]
    if states is not None:
        states.final(place, "x", _last(g, steps, before, width, sequences), before, width)
    return Value(_inside(g, g.concat(shifted), sequences), x.kind, part.size * width)


def _inside(g: Graph, steps: str, sequences: Sequences) -> str:
    """Return steps ``(T, B, F)``, zero past a length."""
    if sequences.whole:
        return steps
    return g.add("Where", sequences.inside_rows, steps, g.constant(0))


def _from(g: Graph, steps: str, begin: int, count: str) -> str:
    """Return so many steps from one on."""
    first = g.integers(begin)
    return g.add("Slice", steps, first, g.add("Add", first, count), g.integers(0))


def _last(g: Graph, steps: str, before: int, width: int, sequences: Sequences) -> str:
    """Return the last steps of each sequence, the newest first, ``(before, B, F)``."""
    back = g.constant(before - 1 - np.arange(before)[:, np.newaxis], np.int64)
    rows = g.unsqueeze(g.add("Add", g.unsqueeze(sequences.lengths, 0), back), 2)
    shape = g.concat([g.integers(before), sequences.batch, g.integers(width)], 0)
    return g.add("GatherElements", steps, g.add("Expand", rows, shape), axis=0)
