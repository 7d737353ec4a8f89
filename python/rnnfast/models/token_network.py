"""The network of a language model: token ids in, the next token's probabilities out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnfast.data.batches import Batch
from rnnfast.models.encoder import EncoderLayers
from rnnfast.nn.linear import Linear
from rnnfast.nn.losses import linear_cross_entropy, softmax
from rnnfast.nn.module import Array, Module
from rnnfast.nn.recurrent_base import State

# The target that `linear_cross_entropy` ignores by default.
_IGNORED = -100


class TokenNetwork:
    """Tokens or their embeddings, recurrent layers, a linear layer, softmax.

    Before the first token the input is a vector of zeros, ``x<1> = 0``. Batches of ids say it with
    an id of its own, `start`: the column of the first layer's weights that belongs to it, or its
    embedding, is zero and stays so.

    Parameters
    ----------
    num_tokens : int
        V, how many tokens there are.
    embedding_size : int or None
        Numbers of a token's embedding; None: one-hot vectors, by their index.
    dropout : float
        Probability with which embeddings, the outputs between layers and those of the last one
        are set to zero in training.
    cell, hidden_size, num_layers, cell_options, dtype
        As `make_recurrent` takes them.
    rng : numpy.random.Generator
        Draws the initial weights and dropout.

    Attributes
    ----------
    start : int
        The id that stands for no token, V.
    modules : dict of str to Module
        The trained layers: ``embedding`` if there is one, ``recurrent``, ``output``.
    """

    def __init__(
        self,
        num_tokens: int,
        *,
        cell: str,
        hidden_size: int,
        num_layers: int,
        embedding_size: int | None,
        dropout: float,
        cell_options: Mapping[str, Any] | None,
        dtype: str,
        rng: np.random.Generator,
    ) -> None:
        self.start = num_tokens
        self.encoder = EncoderLayers(
            num_tokens + 1,
            tokens=True,
            embedding_size=embedding_size,
            cell=cell,
            hidden_size=hidden_size,
            num_layers=num_layers,
            dropout=dropout,
            cell_options=cell_options,
            dtype=dtype,
            rng=rng,
            blank=self.start,
        )
        self.embedding, self.recurrent = self.encoder.embedding, self.encoder.recurrent
        self.output = Linear(self.encoder.output_size, num_tokens, dtype=dtype, seed=rng)
        self.modules: dict[str, Module] = {**self.encoder.modules, "output": self.output}

    def add_gradients(self, batch: Batch, state: State) -> tuple[float, State]:
        """Add the gradients of the summed loss of one batch.

        Parameters
        ----------
        batch : Batch
            Ids; the inputs may be `start`.
        state : ndarray or pair of ndarray, optional
            The recurrent layers' initial state, to which no gradient flows; None: zero.

        Returns
        -------
        loss : float
            The sum of ``-log P(target)`` in nats.
        state
            The final state.
        """
        inputs, targets, lengths = _effective(batch)
        (h, state), backprop = self.encoder.forward(inputs, lengths, state)
        loss, dh = linear_cross_entropy(self.output, h, targets, reduction="sum")
        backprop(dh)
        return loss, state

    def loss(self, batch: Batch, state: State) -> tuple[float, State]:
        """Return what `add_gradients` does, without gradients and dropout."""
        inputs, targets, lengths = _effective(batch)
        h, state = self.encoder(inputs, lengths, state)
        loss, _ = linear_cross_entropy(self.output, h, targets, reduction="sum", backward=False)
        return loss, state

    def next_probabilities(self, ids: Array) -> Array:
        """Return the probability of each token after ``ids`` (T,), from zero state and input."""
        inputs = np.concatenate([[self.start], ids])[:, np.newaxis]
        h, _ = self.encoder(inputs)
        probabilities: Array = softmax(self.output(h[-1]))[0]
        return probabilities


def _effective(batch: Batch) -> tuple[Array, Array, Array | None]:
    """Return inputs, targets that are ignored past a length, and lengths if any is short."""
    inputs, targets, lengths = batch
    if (lengths == len(inputs)).all():
        return inputs, targets, None
    return inputs, np.where(batch.mask, targets, _IGNORED), lengths
