"""Recurrent layers: ONNX's own operator a layer where there is one, else a loop of plain ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.interop.onnx.export.cells import Cell, prepare, step
from rnnfast.interop.onnx.export.graph import Graph
from rnnfast.interop.onnx.export.sequences import Sequences, States, Value
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.base import Recurrent

# Of cells that ONNX has: the operator, and which of ours its gates are, i o f c and z r h.
_OPERATORS: dict[str, tuple[str, list[int]]] = {
    "rnn_tanh": ("RNN", [0]),
    "rnn_relu": ("RNN", [0]),
    "gru": ("GRU", [1, 0, 2]),
    "gru_reset_before": ("GRU", [1, 0, 2]),
    "gru_simple": ("GRU", [0, -1, 1]),
    "lstm": ("LSTM", [0, 3, 1, 2]),
    "lstm_peephole": ("LSTM", [0, 3, 1, 2]),
}
# sigmoid of it is 1 in every dtype: the bias of a gate that always lets through.
_OPEN = 100.0


def recurrent(
    g: Graph,
    layer: Recurrent,
    x: Value,
    sequences: Sequences,
    states: States | None = None,
    place: str = "",
    initial: tuple[str, ...] = (),
) -> tuple[Value, list[str]]:
    """Add a recurrent layer.

    Parameters
    ----------
    g : Graph
        Where.
    layer : Recurrent
        Which.
    x : Value
        Steps, or ids, which stand for one-hot vectors.
    sequences : Sequences
        How long they are.
    states : States, optional
        Whose inputs and outputs the states at this place become; None: they begin as zero.
    place : str
        Of the layer in the network.
    initial : tuple of str
        States to begin with, ``(L*D, B, H)``: h, and c if the cell has one.

    Returns
    -------
    y : Value
        The outputs ``(T, B, D*H)``.
    final : list of str
        The final states ``(L*D, B, H)``.
    """
    names = ["h", "c"] if layer.spec.cell.has_memory else ["h"]
    widths = [layer.output_size, layer.spec.memory_size][: len(names)]
    rows = layer.num_layers * layer.num_directions
    if states is not None:
        given = [
            states.initial(place, n, rows, width) for n, width in zip(names, widths, strict=True)
        ]
        shape = g.concat([g.integers(1), sequences.batch, g.integers(1)], 0)
        initial = tuple(g.add("Expand", one, shape) for one in given)
    by_layer = [g.split(one, layer.num_layers, 0) for one in initial]
    y = one_hot(g, x.name, layer.input_size) if x.kind == "ids" else x.name
    has_operator = (
        layer.spec.cell.name in _OPERATORS
        and not layer.proj_size
        and g.dtype == np.dtype("float32")
    )
    run = _by_operator if has_operator else _by_loop
    finals: list[list[str]] = []
    for number in range(layer.num_layers):
        y, after = run(g, layer, number, y, sequences, [own[number] for own in by_layer], widths)
        finals.append(after)
    final = [g.concat(one, 0) for one in zip(*finals, strict=True)]
    if states is not None:
        for name, value, width in zip(names, final, widths, strict=True):
            states.final(place, name, value, rows, width)
    return Value(y, "steps", layer.num_directions * layer.output_size), final


def one_hot(g: Graph, ids: str, size: int, blank: int | None = None) -> str:
    """Return one-hot vectors ``(T, B, size)`` of ids; zeros of the id ``blank``.

    A graph that meets an id beyond them, or below 0, fails.
    """
    rows = g.unsqueeze(ids, 2)
    is_there = g.add("Equal", rows, g.constant(np.arange(size), np.int64))
    vectors = g.cast(is_there, g.dtype)
    scale = np.ones(size)
    if blank is not None:
        scale[blank] = 0
    # What it multiplies with is looked up, and so must be there.
    return g.add("Mul", vectors, g.look_up(scale, rows))


def weights_of(layer: Recurrent, number: int) -> list[dict[str, Array]]:
    """Return the parameters of each direction of a layer, by kind."""
    ends = [f"_{suffix}" for k, suffix in layer.spec.suffixes() if k == number]
    own = layer.parameters()
    weights = [
        {name.removesuffix(end): p.data for name, p in own.items() if name.endswith(end)}
        for end in ends
    ]
    if layer.spec.cell.has_highway:
        return [_with_highway(layer, number, d, one) for d, one in enumerate(weights)]
    return weights


def _with_highway(
    layer: Recurrent, number: int, direction: int, own: dict[str, Array]
) -> dict[str, Array]:
    """Return a direction's parameters with all blocks of rows: the highway's, biases of zero."""
    weight, size, gates = own["weight_ih"], layer.hidden_size, len(layer.spec.cell.gates)
    if layer.spec.highway(number):
        passing = np.eye(size, weight.shape[1], direction * size, weight.dtype)
        weight = np.concatenate([weight, passing * weight.dtype.type(layer.spec.highway_scale)])
    filled = {**own, "weight_ih": weight}
    if "bias_ih" in own:
        filled["bias_ih"] = np.pad(own["bias_ih"], (0, gates * size - len(own["bias_ih"])))
    return filled


# ONNX's operators


def _by_operator(
    g: Graph,
    layer: Recurrent,
    number: int,
    x: str,
    sequences: Sequences,
    initial: list[str],
    widths: list[int],
) -> tuple[str, list[str]]:
    operator, order = _OPERATORS[layer.spec.cell.name]
    weights = weights_of(layer, number)
    gates = [_in_order(own, order, layer.hidden_size) for own in weights]
    w, r, b = (np.stack(part) for part in zip(*gates, strict=True))
    inputs = [x, g.constant(w), g.constant(r), g.constant(b), sequences.sequence_lens]
    inputs += initial or [""] * len(widths)
    if "weight_peephole" in weights[0]:
        inputs.append(g.constant([_peepholes(own["weight_peephole"]) for own in weights]))
    y, *after = g.several(
        operator,
        _without_end(inputs),
        1 + len(widths),
        hidden_size=layer.hidden_size,
        direction="bidirectional" if layer.bidirectional else "forward",
        **_attributes(layer),
    )
    if layer.bidirectional:
        swapped = g.add("Transpose", y, perm=[0, 2, 1, 3])
        outputs = g.add("Reshape", swapped, g.integers(0, 0, 2 * layer.hidden_size))
    else:
        outputs = g.squeeze(y, 1)
    if initial and not sequences.whole:  # the operator has zeros where there is no step
        after = [
            g.add("Where", sequences.empty_rows, begin, end)
            for begin, end in zip(initial, after, strict=True)
        ]
    return outputs, after


def _attributes(layer: Recurrent) -> dict[str, Any]:
    name = layer.spec.cell.name
    if name == "rnn_relu":
        return {"activations": ["Relu"] * layer.num_directions}
    if name.startswith("gru"):
        return {"linear_before_reset": int(name == "gru")}
    return {}


def _in_order(own: dict[str, Array], order: list[int], size: int) -> tuple[Array, Array, Array]:
    """Return W, R and both biases with the gates as ONNX has them; -1 is one that is open."""
    gates = max(order) + 1
    zeros = np.zeros(gates * size, own["weight_ih"].dtype)
    parts = []
    for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        blocks = np.split(own.get(kind, zeros), gates)
        fill = _OPEN if kind == "bias_ih" else 0.0
        parts.append(
            np.concatenate([np.full_like(blocks[0], fill) if k < 0 else blocks[k] for k in order])
        )
    return parts[0], parts[1], np.concatenate(parts[2:])


def _peepholes(own: Array) -> Array:
    i, f, o = np.split(own, 3)
    return np.concatenate([i, o, f])


def _without_end(inputs: list[str]) -> list[str]:
    while not inputs[-1]:
        inputs = inputs[:-1]
    return inputs


# A loop


def _by_loop(
    g: Graph,
    layer: Recurrent,
    number: int,
    x: str,
    sequences: Sequences,
    initial: list[str],
    widths: list[int],
) -> tuple[str, list[str]]:
    weights = weights_of(layer, number)
    before = [g.split(one, layer.num_directions, 0) for one in initial]
    outputs, finals = [], []
    for direction, own in enumerate(weights):
        cell = Cell.of(layer.spec, own)
        if initial:
            begin = [g.squeeze(one[direction], 0) for one in before]
        else:
            shapes = [g.concat([sequences.batch, g.integers(width)], 0) for width in widths]
            begin = [g.add("Expand", g.constant(0), shape) for shape in shapes]
        y, after = _scan(g, cell, prepare(g, cell, x), begin, widths, sequences, direction)
        outputs.append(y)
        finals.append([g.unsqueeze(one, 0) for one in after])
    return g.concat(outputs), [g.concat(one, 0) for one in zip(*finals, strict=True)]


def _scan(
    g: Graph,
    cell: Cell,
    gates: str,
    begin: list[str],
    widths: list[int],
    sequences: Sequences,
    direction: int,
) -> tuple[str, list[str]]:
    """Run a cell over what `prepare` returned; past a length the state stays."""
    body = g.body()
    names = [g.name("state") for _ in widths]
    for name, width in zip(names, widths, strict=True):
        body.input(name, g.dtype, ["batch", width])
    a = body.input(g.name("gates"), g.dtype, ["batch", cell.prepared_width])
    after = [one for one in step(body, cell, a, *_pair(names)) if one is not None]
    y, scanned = after[0], [gates]
    if not sequences.whole:
        inside = body.input(g.name("inside"), np.bool_, ["batch", 1])
        scanned.append(sequences.inside_rows)
        y = body.add("Where", inside, y, body.constant(0))
        after = [body.add("Where", inside, new, old) for new, old in zip(after, names, strict=True)]
    for one, width in zip(after, widths, strict=True):
        body.output(g.name("state"), one, ["batch", width])
    body.output(g.name("y"), y, ["batch", widths[0]])
    *final, outputs = g.several(
        "Scan",
        [*begin, *scanned],
        len(widths) + 1,
        body=body.proto("step"),
        num_scan_inputs=len(scanned),
        scan_input_directions=[direction] * len(scanned),
        scan_output_directions=[direction],
    )
    return outputs, final


def _pair(names: list[str]) -> tuple[str, str | None]:
    return names[0], names[1] if len(names) > 1 else None
