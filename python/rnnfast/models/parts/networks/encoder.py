"""The layers that read a sequence, which most networks begin with."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from rnnfast.models.parts.hyperparameters import LayerOptions
from rnnfast.models.parts.networks.input_parts import (
    Beside,
    DroppedEmbedding,
    FixedPart,
    Network,
    TokenDropout,
    one_hot,
    set_zero,
)
from rnnfast.models.parts.networks.word_layers import WordLayers
from rnnfast.models.parts.shared import make_recurrent
from rnnfast.nn.compose import chain
from rnnfast.nn.dropout import Dropout
from rnnfast.nn.dropout_masks import EmbeddingDropout, VariationalDropout
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.module import Array, Module
from rnnfast.nn.recurrent.base import Backprop, State
from rnnfast.nn.tied import TiedEmbedding


class EncoderLayers(Network):
    """Embeddings, one-hot vectors or features; recurrent layers; dropout.

    ::

        ids (T, B)         -> embedding -> dropout -> recurrent layers -> dropout -> h (T, B, D*H)
        ids (T, B)         ->        one-hot       -> recurrent layers -> dropout -> h
        features (T, B, F) ->                         recurrent layers -> dropout -> h
        words (T, B, W)    -> vectors   -> dropout -> recurrent layers -> dropout -> h

    With a condition, its vector stands beside the input of every step, ``[x<t>, v]``: so it cannot
    be forgotten, as an initial state can.

    Parameters
    ----------
    size : int
        How many ids there are, or features.
    options : LayerOptions
        Embeddings and layers. Of no effect on features: ``embedding_size``, None of which are
        one-hot vectors by their index, ``embedding_scale``, the deviation of initial embeddings,
        and ``word_dropout``, the probability with which in training an id becomes `unknown`.
        With ``dropout``, embeddings, the outputs between layers and those of the last one are set
        to zero in training.
    tokens : bool
        Whether inputs are ids.
    rng : numpy.random.Generator
        Draws the initial weights, then dropout.
    drop_outputs : bool
        Whether there is dropout after the last layer.
    blank : int, optional
        An id that stands for no input: its vector is zero and stays so.
    unknown : int, optional
        An id whose vector begins as zeros, so that it says nothing until it was learned from.
    words : WordLayers, optional
        What makes the vectors of words in place of an embedding; then inputs are ``(T, B, W)``
        as it takes them, and ``size``, ``blank``, ``unknown`` and what concerns embeddings are of
        no effect.
    embedding_dropout : float
        Probability with which `EmbeddingDropout` drops an id.
    tied : int, optional
        Make the embedding a `TiedEmbedding` whose ``linear`` scores so many ids.
    condition : Embedding or Linear, optional
        Makes a vector of what sequences are conditioned on.

    Attributes
    ----------
    output_size : int
        D*H, the numbers of a step of the output: those of both directions.
    """

    has_state = True

    def __init__(
        self,
        size: int,
        options: LayerOptions,
        *,
        tokens: bool,
        rng: np.random.Generator,
        drop_outputs: bool = True,
        blank: int | None = None,
        unknown: int | None = None,
        words: WordLayers | None = None,
        embedding_dropout: float = 0.0,
        tied: int | None = None,
        condition: Embedding | Linear | None = None,
    ) -> None:
        dropout, dtype, embedding_size = options.dropout, options.dtype, options.embedding_size
        self.blank = blank
        self.embedding: Embedding | None = None
        kind = VariationalDropout if options.variational else Dropout
        parts: list[Module] = []
        features = size if words is None else words.output_size
        if words is not None:
            parts = [words, kind(dropout, seed=rng)]
        elif tokens:
            if unknown is not None and options.word_dropout > 0:
                parts.append(TokenDropout(options.word_dropout, unknown, seed=rng))
            if embedding_size is not None:
                make = Embedding if tied is None else partial(TiedEmbedding, out_features=tied)
                self.embedding = make(
                    size,
                    embedding_size,
                    blank,
                    sparse=options.sparse_embedding,
                    dtype=dtype,
                    seed=rng,
                )
                table = self.embedding.parameters()["weight"]
                table.assign(options.embedding_scale * table.data)
                features = embedding_size
                dropped = DroppedEmbedding(
                    self.embedding, EmbeddingDropout(embedding_dropout, seed=rng)
                )
                parts += [dropped, kind(dropout, seed=rng)]
            elif condition is not None:
                parts.append(FixedPart(partial(one_hot, size=size, dtype=dtype, blank=blank)))
        self._words = words
        inputs: Module | None = chain(*parts) if parts else None
        if condition is not None:
            features += (
                condition.out_features if isinstance(condition, Linear) else condition.embedding_dim
            )
        self.recurrent = make_recurrent(
            options.cell,
            features,
            options.hidden_size,
            options.num_layers,
            options=options.cell_options,
            bidirectional=options.bidirectional,
            dropout=dropout,
            variational=options.variational,
            dtype=dtype,
            rng=rng,
        )
        self.condition = condition
        self._input = inputs if condition is None else Beside(inputs, condition)
        last = kind(dropout if drop_outputs else 0.0, seed=rng)
        first = parts if condition is None else [self._input]
        self._layers = chain(*first, self.recurrent, last)
        (self._place,) = self._layers.state_places()
        self.num_directions = self.recurrent.num_directions
        self.output_size = self.num_directions * self.recurrent.output_size
        by_column = tokens and words is None and embedding_size is None
        self._columns = [
            parameter
            for name, parameter in self.recurrent.parameters().items()
            if by_column and name in ("weight_ih_l0", "weight_ih_l0_reverse")
        ]
        for number in {blank, unknown} - {None} if tokens and words is None else ():
            if self.embedding is not None:
                set_zero(self.embedding.parameters()["weight"], number)
            for parameter in self._columns:
                set_zero(parameter, np.s_[:, number :: self.recurrent.input_size])

    def __call__(
        self,
        x: Array,
        state: State = None,
        lengths: Array | None = None,
        *,
        condition: Array | None = None,
    ) -> tuple[Array, State]:
        """Read a batch without dropout.

        Parameters
        ----------
        x : ndarray
            Ids ``(T, B)``, or features ``(T, B, F)``.
        state : ndarray or pair of ndarray, optional
            The recurrent layers' initial state; None: zero.
        lengths : ndarray of int, optional
            ``(B,)``.
        condition : ndarray, optional
            What its layer takes, for each sequence.

        Returns
        -------
        h : ndarray
            The last layer's outputs ``(T, B, D*H)``, zero past a length.
        state : ndarray or pair of ndarray
            The final state.
        """
        h, states = self._layers(
            self._given(x, condition), lengths, state=self._at_place(state), return_state=True
        )
        return h, states[self._place]

    def forward(
        self,
        x: Array,
        state: State = None,
        lengths: Array | None = None,
        *,
        condition: Array | None = None,
    ) -> tuple[tuple[Array, State], Backprop]:
        """Read a batch, with dropout, and keep what backpropagation needs.

        Takes what a call takes.

        Returns
        -------
        (h, state) : tuple
            As a call.
        backprop : callable
            ``_, dstate0 = backprop(dh, dstate=None)``: adds the gradients of the layers, given
            those of ``h`` and of the final state (None: zero), and returns that of the initial
            state. The input has none.
        """
        (h, states), to_layers = self._layers.forward(
            self._given(x, condition), lengths, state=self._at_place(state), return_state=True
        )

        def backprop(
            dh: Array | None, dstate: State = None, *, need_dx: bool = False
        ) -> tuple[None, State]:
            _, dstates = to_layers(dh, self._at_place(dstate), need_dx=False)
            if self.blank is not None:
                for parameter in self._columns:
                    parameter.grad[:, self.blank :: self.recurrent.input_size] = 0
            return None, dstates.get(self._place)

        return (h, states[self._place]), backprop

    def inputs(self, x: Array, condition: Array | None = None) -> Array:
        """Return what the recurrent layers take: vectors ``(T, B, F)``, or the ids themselves."""
        given = self._given(x, condition)
        vectors: Array = given if self._input is None else self._input(given)
        return vectors

    def _at_place(self, state: State) -> dict[str, State] | None:
        return None if state is None else {self._place: state}

    def _given(self, x: Array, condition: Array | None) -> Any:
        return x if self.condition is None else (x, condition)
