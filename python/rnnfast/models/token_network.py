"""The network of a language model: token ids in, the next token's probabilities out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnfast.models.parts import make_recurrent
from rnnfast.nn.dropout import Dropout
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.losses import linear_cross_entropy, log_softmax
from rnnfast.nn.module import Array, Module
from rnnfast.nn.recurrent import State


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
        self.embedding = (
            None
            if embedding_size is None
            else Embedding(num_tokens + 1, embedding_size, padding_idx=self.start, dtype=dtype, seed=rng)
        )
        self.recurrent = make_recurrent(
            cell,
            num_tokens + 1 if embedding_size is None else embedding_size,
            hidden_size,
            num_layers,
            options=cell_options,
            dropout=dropout,
            dtype=dtype,
            rng=rng,
        )
        if embedding_size is None:
            parameter = self.recurrent.parameters()["weight_ih_l0"]
            weight = parameter.data.copy()
            weight[:, self.start] = 0
            parameter.assign(weight)
        self.output = Linear(self.recurrent.output_size, num_tokens, dtype=dtype, seed=rng)
        self.dropout = Dropout(dropout, seed=rng)
        self.modules: dict[str, Module] = {"recurrent": self.recurrent, "output": self.output}
        if self.embedding is not None:
            self.modules = {"embedding": self.embedding, **self.modules}

    def add_gradients(
        self, inputs: Array, targets: Array, lengths: Array | None, state: State
    ) -> tuple[float, State]:
        """Add the gradients of the summed loss of one batch.

        Parameters
        ----------
        inputs, targets : ndarray of int64, shape (T, B)
            Ids; the inputs may be `start`.
        lengths : ndarray of int64, shape (B,), optional
            How many steps of each column count; None: all.
        state : ndarray or pair of ndarray, optional
            The recurrent layers' initial state, to which no gradient flows; None: zero.

        Returns
        -------
        loss : float
            The sum of ``-log P(target)`` in nats.
        state
            The final state.
        """
        x, embedding_backprop = inputs, None
        if self.embedding is not None:
            embedded, embedding_backprop = self.embedding.forward(inputs)
            x, input_mask = self.dropout.forward(embedded)
        (h, state), recurrent_backprop = self.recurrent.forward(x, state, lengths=lengths)
        dropped, output_mask = self.dropout.forward(h)
        loss, dh = linear_cross_entropy(dropped, self.output, _masked(targets, lengths))
        dx, _ = recurrent_backprop(output_mask(dh))
        if embedding_backprop is not None:
            embedding_backprop(input_mask(dx))
        else:
            self.recurrent.grads["weight_ih_l0"][:, self.start] = 0
        return loss, state

    def loss(
        self, inputs: Array, targets: Array, lengths: Array | None, state: State
    ) -> tuple[float, State]:
        """Return what `add_gradients` does, without gradients and dropout."""
        h, state = self.hidden(inputs, lengths, state)
        loss, _ = linear_cross_entropy(h, self.output, _masked(targets, lengths), backward=False)
        return loss, state

    def hidden(self, inputs: Array, lengths: Array | None, state: State) -> tuple[Array, State]:
        """Return the recurrent layers' outputs ``(T, B, H)`` and final state."""
        x = inputs if self.embedding is None else self.embedding(inputs)
        return self.recurrent(x, state, lengths=lengths)

    def next_probabilities(self, ids: Array) -> Array:
        """Return the probability of each token after ``ids`` (T,), from zero state and input."""
        inputs = np.concatenate([[self.start], ids])[:, np.newaxis]
        h, _ = self.hidden(inputs, None, None)
        return np.exp(log_softmax(self.output(h[-1, 0])))


def _masked(targets: Array, lengths: Array | None) -> Array:
    if lengths is None:
        return targets
    return np.where(np.arange(len(targets))[:, np.newaxis] < lengths, targets, -1)
