"""Sequences drawn as the kernels draw them, with any output layer: a call a step."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast.nn.adaptive import AdaptiveSoftmax
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.stream import Stream


def draw_step_by_step(
    stream: Stream,
    output: AdaptiveSoftmax,
    embedding: Embedding | None,
    zero_first: bool,
    prefix: list[int],
    options: _core.DrawOptions,
    stops: npt.NDArray[np.bool_] | None,
    max_length: int,
) -> list[Array]:
    """Return the tokens drawn for each sequence; arguments as `sample` has them.

    Raises
    ------
    TypeError
        If dtypes differ.
    ValueError
        If sizes do not fit, or a token of the prefix cannot be fed.
    """
    layer = stream._layer
    if output.dtype != layer.dtype:
        raise TypeError("linear: expected the dtype of the recurrent layer, got another")
    if output.in_features != layer.output_size:
        raise ValueError(
            f"linear: expected in_features {layer.output_size}, got {output.in_features}"
        )
    known = layer.input_size if embedding is None else embedding.num_embeddings
    if known < output.n_classes:
        raise ValueError(
            f"linear: expected at most {known} tokens, as many as can be fed back, got "
            f"{output.n_classes}"
        )
    for token in prefix:
        if token >= known:
            raise ValueError(f"prefix: expected tokens from 0 to {known - 1}, got {token}")
    if not zero_first and not prefix:
        raise ValueError("prefix: expected a token, or zero_first=True, got neither")

    def step(tokens: Any) -> Array:
        return stream(tokens if embedding is None else embedding(tokens))

    rows = stream.batch_size
    h = stream(np.zeros((rows, layer.input_size), layer.dtype)) if zero_first else None
    for token in prefix:
        h = step(np.full(rows, token))
    drawn: list[list[int]] = [[] for _ in range(rows)]
    goes_on = np.ones(rows, np.bool_)
    for position in range(max_length):
        assert h is not None
        tokens = _core.draw(output.log_prob(h), options, position)
        for row in np.flatnonzero(goes_on).tolist():
            drawn[row].append(int(tokens[row]))
        if stops is not None:
            goes_on &= ~stops[tokens]
        if not goes_on.any() or position + 1 == max_length:
            break
        h = step(tokens)
    return [np.array(row, np.int64) for row in drawn]
