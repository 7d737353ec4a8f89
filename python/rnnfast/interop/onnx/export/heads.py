"""What stands above a model's encoder, and what it gives out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnfast.interop.onnx.export.cells import Cell, prepare, step
from rnnfast.interop.onnx.export.graph import Graph, Shape
from rnnfast.interop.onnx.export.modules import linear
from rnnfast.interop.onnx.export.recurrent import weights_of
from rnnfast.interop.onnx.export.sequences import Sequences, Value
from rnnfast.models.parts.codecs.numbers import NumberTargets
from rnnfast.models.parts.language.token_output import TokenOutput
from rnnfast.models.parts.networks.feedback_head import FeedbackHead
from rnnfast.nn.adaptive import AdaptiveSoftmax


def batch_first(g: Graph, x: str) -> str:
    """Return ``(B, T, F)`` of ``(T, B, F)``."""
    return g.add("Transpose", x, perm=[1, 0, 2])


def give_scores(g: Graph, scores: str, shape: Shape, function: str | None) -> None:
    """Give scores as outputs, and with a function, "Softmax" or "Sigmoid", probabilities."""
    g.output("scores", scores, shape)
    if function is not None:
        options = {"axis": -1} if function == "Softmax" else {}
        g.output("probabilities", g.add(function, scores, **options), shape)


def token_scores(g: Graph, output: TokenOutput, h: str) -> str:
    """Return the scores of tokens; those of an adaptive softmax are logarithms of probabilities."""
    if not isinstance(output, AdaptiveSoftmax):
        return linear(g, output, h)
    own = {name: parameter.data for name, parameter in output.parameters().items()}
    scores = g.affine(h, own["head.weight"], own.get("head.bias"))
    head, first = g.add("LogSoftmax", scores, axis=-1), output.cutoffs[0]
    parts = [g.slice(head, 0, first)]
    for i in range(len(output.cutoffs)):
        projected = g.affine(h, own[f"tail.{i}.0.weight"])
        within = g.add("LogSoftmax", g.affine(projected, own[f"tail.{i}.1.weight"]), axis=-1)
        parts.append(g.add("Add", within, g.slice(head, first + i, first + i + 1)))
    return g.concat(parts)


def in_units(g: Graph, outputs: str, numbers: NumberTargets) -> str:
    """Return in float64 the numbers that a network's outputs stand for."""
    mean, scale = (g.constant(values, np.float64) for values in (numbers.mean, numbers.scale))
    return g.add("Add", g.add("Mul", g.cast(outputs, np.float64), scale), mean)


def feedback(g: Graph, head: FeedbackHead, h: Value, sequences: Sequences) -> str:
    """Return the scores ``(T, B, K)`` of a head that reads the likeliest label before."""
    layer, table = head.decoder, head.label_embedding.parameters()["weight"].data
    cell = Cell.of(layer.spec, weights_of(layer, 0)[0])
    widths = [layer.output_size, layer.spec.memory_size][: 2 if layer.spec.cell.has_memory else 1]
    shapes = [g.concat([sequences.batch, g.integers(width)], 0) for width in widths]
    begin = [g.add("Expand", g.constant(0), shape) for shape in shapes]
    start = g.add("Expand", g.integers(head.start), sequences.batch)

    body = g.body()
    label = body.input(g.name("label"), np.int64, ["batch"])
    names = [body.input(g.name("state"), g.dtype, ["batch", width]) for width in widths]
    row = body.input(g.name("row"), g.dtype, ["batch", h.width])
    both = body.concat([row, body.look_up(table, label)])
    memory = names[1] if len(names) > 1 else None
    after = step(body, cell, prepare(body, cell, both), names[0], memory)
    scores = linear(body, head.output, after[0])
    best = body.add("ArgMax", scores, axis=1, keepdims=0)
    body.output(g.name("label"), best, ["batch"], np.int64)
    for one, width in zip(_present(after), widths, strict=True):
        body.output(g.name("state"), one, ["batch", width])
    body.output(g.name("scores"), scores, ["batch", head.output.out_features])
    return g.several(
        "Scan",
        [start, *begin, h.name],
        len(widths) + 2,
        body=body.proto("label"),
        num_scan_inputs=1,
    )[-1]


def _present(values: Sequence[str | None]) -> list[str]:
    return [value for value in values if value is not None]
