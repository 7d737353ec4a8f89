"""The layers that read a sequence, which most networks begin with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rnnfast.models.parts import make_recurrent
from rnnfast.nn.dropout import Dropout
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.module import Array, Module
from rnnfast.nn.recurrent_base import State

EncoderBackprop = Callable[..., State]


class EncoderLayers:
    """Embeddings, one-hot vectors or features; recurrent layers; dropout.

    ::

        ids (T, B)         -> embedding -> dropout -> recurrent layers -> dropout -> h (T, B, D*H)
        ids (T, B)         ->        one-hot       -> recurrent layers -> dropout -> h
        features (T, B, F) ->                         recurrent layers -> dropout -> h

    Parameters
    ----------
    size : int
        How many ids there are, or features.
    tokens : bool
        Whether inputs are ids.
    embedding_size : int or None
        Numbers of an id's embedding; None: one-hot vectors, by their index. Of no effect on
        features.
    dropout : float
        Probability with which embeddings, the outputs between layers and those of the last one are
        set to zero in training.
    cell, hidden_size, num_layers, bidirectional, cell_options, dtype
        As `make_recurrent` takes them.
    rng : numpy.random.Generator
        Draws the initial weights, then dropout.
    drop_outputs : bool
        Whether there is dropout after the last layer.
    blank : int, optional
        An id that stands for no input: its vector is zero and stays so.
    unknown : int, optional
        An id whose vector begins as zeros, so that it says nothing until it was learned from.
    word_dropout : float
        Probability with which, in training, an id becomes `unknown`. Of no effect on features.
    embedding_scale : float
        Standard deviation of the initial embeddings.

    Attributes
    ----------
    modules : dict of str to Module
        The trained layers: ``embedding`` if there is one, ``recurrent``.
    output_size : int
        D*H, the numbers of a step of the output: those of both directions.
    """

    def __init__(
        self,
        size: int,
        *,
        tokens: bool,
        cell: str,
        hidden_size: int,
        num_layers: int,
        embedding_size: int | None,
        dropout: float,
        dtype: str,
        rng: np.random.Generator,
        bidirectional: bool = False,
        cell_options: Mapping[str, Any] | None = None,
        drop_outputs: bool = True,
        blank: int | None = None,
        unknown: int | None = None,
        word_dropout: float = 0.0,
        embedding_scale: float = 1.0,
    ) -> None:
        self.blank, self.unknown = blank, unknown
        self._word_dropout = word_dropout if tokens else 0.0
        self._rng = rng
        self.embedding: Embedding | None = None
        if tokens and embedding_size is not None:
            self.embedding = Embedding(
                size, embedding_size, padding_idx=blank, dtype=dtype, seed=rng
            )
            table = self.embedding.parameters()["weight"]
            table.assign(embedding_scale * table.data)
        self.recurrent = make_recurrent(
            cell,
            size if self.embedding is None else self.embedding.embedding_dim,
            hidden_size,
            num_layers,
            options=cell_options,
            bidirectional=bidirectional,
            dropout=dropout,
            dtype=dtype,
            rng=rng,
        )
        self.output_size = self.recurrent.num_directions * self.recurrent.output_size
        self._dropout = Dropout(dropout, seed=rng)
        self._output_dropout = Dropout(dropout if drop_outputs else 0.0, seed=rng)
        self._columns = [
            parameter
            for name, parameter in self.recurrent.parameters().items()
            if name in ("weight_ih_l0", "weight_ih_l0_reverse")
        ]
        for number in {blank, unknown} - {None} if tokens else ():
            self._set_zero(number)
        self.modules: dict[str, Module] = {"recurrent": self.recurrent}
        if self.embedding is not None:
            self.modules = {"embedding": self.embedding, **self.modules}

    def __call__(
        self, x: Array, lengths: Array | None = None, state: State = None
    ) -> tuple[Array, State]:
        """Read a batch without dropout.

        Parameters
        ----------
        x : ndarray
            Ids ``(T, B)``, or features ``(T, B, F)``.
        lengths : ndarray of int, optional
            ``(B,)``.
        state : ndarray or pair of ndarray, optional
            The recurrent layers' initial state; None: zero.

        Returns
        -------
        h : ndarray
            The last layer's outputs ``(T, B, D*H)``, zero past a length.
        state : ndarray or pair of ndarray
            The final state.
        """
        return self.recurrent(x if self.embedding is None else self.embedding(x), state, lengths)

    def forward(
        self, x: Array, lengths: Array | None = None, state: State = None
    ) -> tuple[tuple[Array, State], EncoderBackprop]:
        """Read a batch, with dropout, and keep what backpropagation needs.

        Takes what a call takes.

        Returns
        -------
        (h, state) : tuple
            As a call.
        backprop : callable
            ``dstate0 = backprop(dh, dstate=None)``: adds the gradients of the layers, given those
            of ``h`` and of the final state (None: zero), and returns that of the initial state.
        """
        if self._word_dropout > 0 and self.unknown is not None:
            x = np.where(self._rng.random(x.shape) < self._word_dropout, self.unknown, x)
        vectors, to_embedding = x, None
        if self.embedding is not None:
            embedded, to_embedding = self.embedding.forward(x)
            vectors, to_embedded = self._dropout.forward(embedded)
        (h, state), to_vectors = self.recurrent.forward(vectors, state, lengths=lengths)
        dropped, to_h = self._output_dropout.forward(h)

        def backprop(dh: Array | None, dstate: State = None) -> State:
            dy = None if dh is None else to_h(dh)
            dx, dstate0 = to_vectors(dy, dstate, need_dx=to_embedding is not None)
            if to_embedding is not None:
                assert dx is not None
                to_embedding(to_embedded(dx))
            elif self.blank is not None:
                for parameter in self._columns:
                    parameter.grad[:, self.blank] = 0
            return dstate0

        return (dropped, state), backprop

    def _set_zero(self, number: int | None) -> None:
        if self.embedding is not None:
            parameter = self.embedding.parameters()["weight"]
            table = parameter.data.copy()
            table[number] = 0
            parameter.assign(table)
            return
        for parameter in self._columns:
            weight = parameter.data.copy()
            weight[:, number] = 0
            parameter.assign(weight)
