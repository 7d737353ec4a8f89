"""What models read, as the first nodes of their graphs: ids, words, series; and their encoders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnfast.interop.onnx.export.graph import Graph
from rnnfast.interop.onnx.export.modules import linear, turn
from rnnfast.interop.onnx.export.recurrent import one_hot, recurrent
from rnnfast.interop.onnx.export.sequences import Sequences, States, Value
from rnnfast.models.parts.networks.encoder import EncoderLayers
from rnnfast.models.parts.networks.word_layers import WordLayers
from rnnfast.models.parts.reading.inputs import SeriesInputs
from rnnfast.models.parts.reading.reader import Reader
from rnnfast.models.parts.reading.word_features import MOST_CHARACTERS, SHAPES, WordFeatures
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear


def read(g: Graph, reader: Reader) -> tuple[Value, Sequences]:
    """Add the input that a reader encodes for, batch first; return it time first, as it is read.

    Series are standardised within the graph.
    """
    known = reader.inputs
    if isinstance(known, SeriesInputs):
        x = g.input("x", np.float64, ["batch", "time", known.size])
        value = Value(standardised(g, x, known), "steps", known.size)
    elif reader.words is not None and reader.words.wide:
        width = 2 + (0 if reader.words.characters is None else MOST_CHARACTERS)
        value = Value(g.input("words", np.int64, ["batch", "time", width]), "words", width)
    else:
        value = Value(g.input("tokens", np.int64, ["batch", "time"]), "ids")
    axes = [1, 0] if value.kind == "ids" else [1, 0, 2]
    name = g.add("Transpose", value.name, perm=axes)
    sequences = Sequences(g, name)
    if reader.reverse:
        name = turn(g, name, sequences)
    return Value(name, value.kind, value.width), sequences


def standardised(g: Graph, x: str, known: SeriesInputs) -> str:
    """Return series of float64 as the network reads them."""
    mean, scale = (g.constant(values, np.float64) for values in (known.mean, known.scale))
    away = g.add("Sub", x, mean)
    return g.cast(g.add("Div", away, scale), g.dtype)


def encoded(
    g: Graph,
    encoder: EncoderLayers,
    x: Value,
    sequences: Sequences,
    *,
    words: WordFeatures | None = None,
    states: States | None = None,
    initial: Sequence[str] = (),
    condition: str | None = None,
) -> tuple[Value, list[str]]:
    """Add the layers that read sequences; return their outputs and final states."""
    if encoder._words is not None:
        assert words is not None
        x = _word_vectors(g, encoder._words, words, x, sequences)
    elif encoder.embedding is not None:
        table = encoder.embedding.parameters()["weight"].data
        x = Value(g.look_up(table, x.name), "steps", table.shape[1])
    if encoder.condition is not None:
        assert condition is not None
        if x.kind == "ids":
            size = encoder.recurrent.input_size - _size(encoder.condition)
            x = Value(one_hot(g, x.name, size, encoder.blank), "steps", size)
        x = _beside(g, x, encoder.condition, condition, sequences)
    return recurrent(g, encoder.recurrent, x, sequences, states, initial=tuple(initial))


def _size(condition: Embedding | Linear) -> int:
    return condition.out_features if isinstance(condition, Linear) else condition.embedding_dim


def _beside(
    g: Graph, x: Value, layer: Embedding | Linear, condition: str, sequences: Sequences
) -> Value:
    """Put the vector of a condition beside every step."""
    if isinstance(layer, Linear):
        vector = linear(g, layer, condition)
    else:
        vector = g.look_up(layer.parameters()["weight"].data, condition)
    shape = g.concat([sequences.steps, g.integers(1, 1)], 0)
    at_each = g.add("Expand", g.unsqueeze(vector, 0), shape)
    assert x.width is not None
    return Value(g.concat([x.name, at_each]), "steps", x.width + _size(layer))


def _word_vectors(
    g: Graph, layers: WordLayers, known: WordFeatures, x: Value, sequences: Sequences
) -> Value:
    """Add what makes vectors of words ``(T, B, W)``: id, shape, characters."""
    parts = []
    own = vars(layers)
    if "embedding" in own:
        table = layers.embedding.parameters()["weight"].data
        parts.append(g.look_up(table, _column(g, x.name, 0)))
    if "char_recurrent" in own:
        parts.append(_characters(g, layers, x.name, sequences))
    if known.shapes:
        parts.append(one_hot(g, _column(g, x.name, 1), len(SHAPES)))
    return Value(g.concat(parts), "steps", layers.output_size)


def _column(g: Graph, words: str, number: int) -> str:
    return g.add("Gather", words, g.constant(number, np.int64), axis=2)


def _characters(g: Graph, layers: WordLayers, words: str, sequences: Sequences) -> str:
    """Return the last states of both directions over the characters of each word."""
    letters = g.add(
        "Reshape", g.slice(words, 2, 2 + MOST_CHARACTERS), g.integers(-1, MOST_CHARACTERS)
    )
    is_there = g.cast(g.add("Not", g.add("Equal", letters, g.integers(0))), np.int64)
    lengths = g.reduce("Sum", is_there, 1, keepdims=False)
    ids = g.add("Transpose", letters, perm=[1, 0])
    table = layers.char_embedding.parameters()["weight"].data
    x = Value(g.look_up(table, ids), "steps", table.shape[1])
    _, (h, *_) = recurrent(g, layers.char_recurrent, x, Sequences(g, ids, lengths=lengths))
    width = 2 * layers.char_recurrent.output_size
    side_by_side = g.add("Transpose", h, perm=[1, 0, 2])
    shape = g.concat([sequences.steps, sequences.batch, g.integers(width)], 0)
    return g.add("Reshape", side_by_side, shape)
