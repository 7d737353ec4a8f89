"""New steps for models that predict each step's labels from the labels before it."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast._checks import check_int, check_real, make_generator
from rnnfast.models.parts.encoder_network import EncoderNetwork
from rnnfast.models.parts.heads import SigmoidHead
from rnnfast.models.parts.inputs import SeriesInputs
from rnnfast.nn.module import Array


def draw_steps(
    network: EncoderNetwork,
    inputs: Any,
    num_labels: int,
    steps: int,
    prefix: list[Array],
    temperature: float,
    seed: Any,
) -> list[Array]:
    """Draw steps that follow each prefix, as `MultiLabelTagger.generate` says.

    Parameters
    ----------
    network : EncoderNetwork
        Of one direction, with a head whose ``output`` scores each label.
    inputs : SeriesInputs
        How rows of labels are encoded.
    num_labels : int
        K.
    steps : int
        How many to draw.
    prefix : list of ndarray, shapes (T_i, K)
        What each sequence begins with, 0 and 1; maybe nothing.
    temperature : float
        Divides the scores; 0 takes a label if it is likelier than not.
    seed : int or numpy.random.Generator, optional
        Of the draws.

    Raises
    ------
    TypeError, ValueError
        If the model does not read what it predicts, or an argument is out of its range.
    """
    steps = check_int("steps", steps, 1)
    temperature = check_real("temperature", temperature, 0.0)
    rng = make_generator("seed", seed)
    if not isinstance(inputs, SeriesInputs) or inputs.size != num_labels:
        size = inputs.size if isinstance(inputs, SeriesInputs) else "text"
        raise ValueError(
            f"generate: expected a model that reads the {num_labels} labels of the step before, "
            f"got one that reads {size}{'' if size == 'text' else ' numbers'}"
        )
    if network.encoder.recurrent.bidirectional:
        raise ValueError("generate: expected bidirectional=False, got True")
    # What is read before step 1 is silence: zeros.
    read = inputs.encode("prefix", [np.concatenate([np.zeros((1, num_labels)), p]) for p in prefix])
    lengths = np.array([len(rows) for rows in read])
    x = np.zeros((lengths.max(), len(read), num_labels), read[0].dtype)
    for column, rows in enumerate(read):
        x[: len(rows), column] = rows
    h, state = network.encoder(x, lengths=lengths)
    last = h[lengths - 1, np.arange(len(read))][np.newaxis]
    drawn = np.empty((steps, len(read), num_labels), np.bool_)
    assert isinstance(network.head, SigmoidHead)
    for t in range(steps):
        scores = network.head.output(last)[0].astype(float)
        # A draw of the logistic distribution is below s with the probability sigmoid(s).
        drawn[t] = scores > temperature * rng.logistic(size=scores.shape)
        rows = inputs.encode("prefix", [drawn[t].astype(float)])[0]
        last, state = network.encoder(rows[np.newaxis], state)
    return [np.ascontiguousarray(drawn[:, i]) for i in range(len(read))]
