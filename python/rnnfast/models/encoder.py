"""The layers that read a sequence, which most networks begin with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rnnfast.models.condition import ConditionInput
from rnnfast.models.parts import make_recurrent
from rnnfast.models.word_layers import WordLayers
from rnnfast.nn.dropout import Dropout
from rnnfast.nn.dropout_masks import EmbeddingDropout, VariationalDropout
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.module import Array, Module
from rnnfast.nn.recurrent_base import State
from rnnfast.nn.tied import TiedEmbedding

EncoderBackprop = Callable[..., State]
InputBackprop = Callable[[Array], None]


class EncoderLayers:
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
    words : WordLayers, optional
        What makes the vectors of words in place of an embedding; then inputs are ``(T, B, W)``
        as it takes them, and ``size``, ``embedding_size``, ``blank``, ``unknown`` and
        ``word_dropout`` are of no effect.
    variational : bool
        Whether dropout has one mask for all steps of a sequence.
    embedding_dropout : float
        Probability with which `EmbeddingDropout` drops an id.
    sparse_embedding : bool
        Whether gradients of an embedding are kept by row.
    tied : int, optional
        Make the embedding a `TiedEmbedding` whose ``linear`` scores so many ids.
    condition : ConditionInput, optional
        Makes a vector of what sequences are conditioned on; it is part of `modules` then.
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
        words: WordLayers | None = None,
        variational: bool = False,
        embedding_dropout: float = 0.0,
        sparse_embedding: bool = False,
        tied: int | None = None,
        condition: ConditionInput | None = None,
        embedding_scale: float = 1.0,
    ) -> None:
        self.blank, self.unknown = blank, unknown
        self._word_dropout = word_dropout if tokens and words is None else 0.0
        self._rng = rng
        self.condition = condition
        self.embedding: Embedding | None = None
        if words is not None:
            size = words.output_size
        elif tokens and embedding_size is not None:
            options: dict[str, Any] = {
                "padding_idx": blank,
                "sparse": sparse_embedding,
                "dtype": dtype,
                "seed": rng,
            }
            self.embedding = (
                Embedding(size, embedding_size, **options)
                if tied is None
                else TiedEmbedding(size, embedding_size, out_features=tied, **options)
            )
        self._size = size
        if self.embedding is not None:
            size = self.embedding.embedding_dim
            table = self.embedding.parameters()["weight"]
            table.assign(embedding_scale * table.data)
        self._reader = self.embedding if words is None else words
        self.recurrent = make_recurrent(
            cell,
            size if condition is None else size + condition.size,
            hidden_size,
            num_layers,
            options=cell_options,
            bidirectional=bidirectional,
            dropout=dropout,
            variational=variational,
            dtype=dtype,
            rng=rng,
        )
        self.output_size = self.recurrent.num_directions * self.recurrent.output_size
        kind = VariationalDropout if variational else Dropout
        self._dropout = kind(dropout, seed=rng)
        self._output_dropout = kind(dropout if drop_outputs else 0.0, seed=rng)
        self._embedding_dropout = EmbeddingDropout(embedding_dropout, seed=rng)
        self._columns = [
            parameter
            for name, parameter in self.recurrent.parameters().items()
            if name in ("weight_ih_l0", "weight_ih_l0_reverse")
        ]
        for number in {blank, unknown} - {None} if tokens and words is None else ():
            self._set_zero(number)
        self.modules: dict[str, Module] = {"recurrent": self.recurrent}
        if self.embedding is not None:
            self.modules = {"embedding": self.embedding, **self.modules}
        elif words is not None:
            self.modules = {**words.modules, **self.modules}
        if condition is not None:
            self.modules["condition"] = condition.layer

    def __call__(
        self,
        x: Array,
        lengths: Array | None = None,
        state: State = None,
        condition: Array | None = None,
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
        condition : ndarray, optional
            What `ConditionInput` takes, for each sequence.

        Returns
        -------
        h : ndarray
            The last layer's outputs ``(T, B, D*H)``, zero past a length.
        state : ndarray or pair of ndarray
            The final state.
        """
        return self.recurrent(self.inputs(x, condition), state, lengths)

    def inputs(self, x: Array, condition: Array | None = None) -> Array:
        """Return what the recurrent layers take: vectors ``(T, B, F)``, or the ids themselves."""
        if self._reader is not None:
            x = self._reader(x)
        if self.condition is None:
            return x
        return _beside(self._as_vectors(x), self.condition(condition))

    def forward(
        self,
        x: Array,
        lengths: Array | None = None,
        state: State = None,
        condition: Array | None = None,
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
        vectors, to_inputs = self._forward_inputs(x, condition)
        (h, state), to_vectors = self.recurrent.forward(vectors, state, lengths=lengths)
        dropped, to_h = self._output_dropout.forward(h)

        def backprop(dh: Array | None, dstate: State = None) -> State:
            dy = None if dh is None else to_h(dh)
            dx, dstate0 = to_vectors(dy, dstate, need_dx=to_inputs is not None)
            if to_inputs is not None:
                assert dx is not None
                to_inputs(dx)
            elif self.blank is not None:
                for parameter in self._columns:
                    parameter.grad[:, self.blank] = 0
            return dstate0

        return (dropped, state), backprop

    def _forward_inputs(
        self, x: Array, condition: Array | None
    ) -> tuple[Array, InputBackprop | None]:
        """Return what the recurrent layers take, and what takes the gradient of that, if any."""
        vectors, to_embedding = x, None
        if self._reader is not None:
            vectors, to_embedding = self._read(self._reader, x)
        if self.condition is None:
            return vectors, to_embedding
        vectors = self._as_vectors(vectors)
        beside, to_condition = self.condition.forward(condition)
        width = vectors.shape[-1]

        def to_both(dx: Array) -> None:
            if to_embedding is not None:
                to_embedding(np.ascontiguousarray(dx[..., :width]))
            to_condition(dx[..., width:].sum(axis=0))

        return _beside(vectors, beside), to_both

    def _read(self, reader: Embedding | WordLayers, x: Array) -> tuple[Array, InputBackprop]:
        vectors, to_reader = reader.forward(x)
        if isinstance(reader, WordLayers):
            dropped, to_vectors = self._dropout.forward(vectors)
            return dropped, lambda dx: to_reader(to_vectors(dx))
        kept, to_embedded = self._embedding_dropout.forward(vectors, x)
        dropped, to_kept = self._dropout.forward(kept)
        return dropped, lambda dx: to_reader(to_embedded(to_kept(dx)))

    def _as_vectors(self, x: Array) -> Array:
        """Return ``x``, or one-hot vectors of ids; zeros for `blank`."""
        if x.dtype.kind == "f":
            return x
        vectors = np.zeros((*x.shape, self._size), self.recurrent.dtype)
        np.put_along_axis(vectors, x[..., np.newaxis], 1, axis=-1)
        if self.blank is not None:
            vectors[..., self.blank] = 0
        return vectors

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


def _beside(x: Array, vectors: Array) -> Array:
    """Return ``x`` (T, B, E) and at each step the vectors (B, C), side by side."""
    at_each = np.broadcast_to(vectors, (len(x), *vectors.shape))
    return np.concatenate([x, at_each], axis=-1)
