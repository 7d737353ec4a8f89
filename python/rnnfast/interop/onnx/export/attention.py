"""Pooling and attention."""

from __future__ import annotations

import numpy as np

from rnnfast.interop.onnx.export.graph import Graph
from rnnfast.interop.onnx.export.sequences import Sequences, Value
from rnnfast.nn.attention import AdditiveAttention, Attention, DotAttention
from rnnfast.nn.attention_parts import AttentionPooling, SelfAttention
from rnnfast.nn.pooling import POOLINGS, Pooling


def pooling(g: Graph, part: Pooling, x: Value, sequences: Sequences) -> Value:
    """Add a `Pooling`: ``(B, W)`` of ``(T, B, F)``."""
    kinds = [kind for kind in POOLINGS if kind != "concat"] if part.how == "concat" else [part.how]
    vectors = [_pool(g, kind, x.name, sequences, part.num_directions) for kind in kinds]
    width = None if x.width is None else x.width * len(kinds)
    return Value(g.concat(vectors), "vectors", width)


def _pool(g: Graph, how: str, x: str, sequences: Sequences, directions: int) -> str:
    zero = g.constant(0)
    if how == "mean":
        inside = g.cast(sequences.inside_rows, g.dtype)
        count = g.cast(g.add("Max", sequences.lengths, g.integers(1)), g.dtype)
        share = g.add("Div", inside, g.unsqueeze(g.unsqueeze(count, 0), 2))
        return g.reduce("Sum", g.add("Mul", x, share), 0, keepdims=False)
    if how == "max":
        masked = g.add("Where", sequences.inside_rows, x, g.constant(-np.inf))
        found = g.reduce("Max", masked, 0, keepdims=False)
    else:
        last = g.add("Max", g.add("Sub", sequences.lengths, g.integers(1)), g.integers(0))
        by_sequence = g.add("Transpose", x, perm=[1, 0, 2])
        found = g.add("GatherND", by_sequence, g.unsqueeze(last, 1), batch_dims=1)
        if directions > 1:  # what the others have when they have read all is of the first step
            first = g.add("Gather", x, g.constant(0, np.int64), axis=0)
            others = g.split(first, directions)[1:]
            found = g.concat([g.split(found, directions)[0], *others])
    return g.add("Where", sequences.empty_rows, zero, found)


def attend(
    g: Graph, attention: Attention, query: str, memory: str, sequences: Sequences
) -> tuple[str, str]:
    """Add an attention of queries ``(T, B, Q)`` to a memory ``(S, B, M)``.

    Returns
    -------
    context, weights : str
        ``(T, B, M)`` and ``(T, B, S)``.
    """
    scores = _scores(g, attention, query, memory)  # (B, T, S)
    inside = g.unsqueeze(g.add("Transpose", sequences.inside, perm=[1, 0]), 1)
    masked = g.add("Where", inside, scores, g.constant(np.finfo(g.dtype).min))
    powers = g.add("Exp", g.add("Sub", masked, g.reduce("Max", masked, -1)))
    powers = g.add("Where", inside, powers, g.constant(0))
    # At least 1, that of the largest, unless there is nothing to read.
    total = g.add("Max", g.reduce("Sum", powers, -1), g.constant(1))
    weights = g.add("Div", powers, total)
    mixed = g.add("MatMul", weights, g.add("Transpose", memory, perm=[1, 0, 2]))
    context, shares = (g.add("Transpose", part, perm=[1, 0, 2]) for part in (mixed, weights))
    return context, shares


def _scores(g: Graph, attention: Attention, query: str, memory: str) -> str:
    own = {name: parameter.data for name, parameter in attention.parameters().items()}
    if isinstance(attention, DotAttention):
        if attention.general:
            query = g.affine(query, own["weight"].T)
        return g.add(
            "MatMul",
            g.add("Transpose", query, perm=[1, 0, 2]),
            g.add("Transpose", memory, perm=[1, 2, 0]),
        )
    assert isinstance(attention, AdditiveAttention)
    queries = g.unsqueeze(g.affine(query, own["weight_query"]), 1)  # (T, 1, B, N)
    keys = g.unsqueeze(g.affine(memory, own["weight_memory"]), 0)  # (1, S, B, N)
    hidden = g.add("Tanh", g.add("Add", queries, keys))
    scores = g.squeeze(g.affine(hidden, own["weight_score"][np.newaxis]), 3)
    return g.add("Transpose", scores, perm=[2, 0, 1])


def self_attention(g: Graph, part: SelfAttention, x: Value, sequences: Sequences) -> Value:
    """Add a `SelfAttention`."""
    context, _ = attend(g, part.attention, x.name, x.name, sequences)
    return Value(context, "steps", part.attention.memory_size)


def attention_pooling(g: Graph, part: AttentionPooling, x: Value, sequences: Sequences) -> Value:
    """Add an `AttentionPooling`."""
    query = g.constant(part._parameters["query"].data)
    shape = g.concat([g.integers(1), sequences.batch, g.integers(1)], 0)
    queries = g.add("Expand", g.unsqueeze(g.unsqueeze(query, 0), 0), shape)
    context, _ = attend(g, part.attention, queries, x.name, sequences)
    return Value(g.squeeze(context, 0), "vectors", part.attention.memory_size)
