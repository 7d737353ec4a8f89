"""The layers that make a word's vector: of its id, its characters, its shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rnnfast.models.parts import make_recurrent
from rnnfast.models.word_features import SHAPES, WordFeatures, distinct_rows
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.module import Array, Module

VectorBackprop = Callable[[Array], None]


class WordLayers:
    """A vector for each word: ``[E_w word, forward(characters), backward(characters), shape]``.

    The characters of a word are read by recurrent layers in both directions, whose last states are
    its part of the vector (Lample et al. 2016, section 4.1; Ling et al. 2015): so a word that
    training has never seen still has one. A word that stands in a batch several times is read once.

    Parameters
    ----------
    features : WordFeatures
        How words were encoded.
    num_words : int
        How many ids there are.
    embedding_size : int or None
        Numbers of ``E_w word``; None: the id is not read.
    char_embedding_size, char_hidden_size : int
        Numbers of a character's embedding, and units of each direction over the characters.
    cell, cell_options, dtype
        As `make_recurrent` takes them.
    rng : numpy.random.Generator
        Draws the initial weights and word dropout.
    unknown : int
        The id of unknown words: its embedding begins as zeros.
    word_dropout : float
        Probability with which, in training, an id becomes `unknown`; the characters stay.
    sparse_embedding : bool
        Whether the gradients of ``E_w`` are kept by row.

    Attributes
    ----------
    modules : dict of str to Module
        The trained layers: ``embedding``, ``char_embedding``, ``char_recurrent``.
    output_size : int
        Numbers of a vector.
    """

    def __init__(
        self,
        features: WordFeatures,
        num_words: int,
        *,
        embedding_size: int | None,
        char_embedding_size: int,
        char_hidden_size: int,
        cell: str,
        cell_options: Mapping[str, Any] | None,
        dtype: str,
        rng: np.random.Generator,
        unknown: int,
        word_dropout: float,
        sparse_embedding: bool = False,
    ) -> None:
        self.modules: dict[str, Module] = {}
        self._unknown, self._word_dropout, self._rng = unknown, word_dropout, rng
        self._shapes = np.eye(len(SHAPES), dtype=dtype) if features.shapes else None
        self._embedding = self._char_embedding = None
        sizes = [len(SHAPES) if features.shapes else 0]
        if embedding_size is not None:
            self._embedding = Embedding(
                num_words, embedding_size, sparse=sparse_embedding, dtype=dtype, seed=rng
            )
            set_row_to_zero(self._embedding, unknown)
            self.modules["embedding"] = self._embedding
            sizes.append(embedding_size)
        if features.characters is not None:
            known = features.characters
            self._char_embedding = Embedding(
                len(known), char_embedding_size, padding_idx=0, dtype=dtype, seed=rng
            )
            assert known.unk_id is not None
            set_row_to_zero(self._char_embedding, known.unk_id)
            self._char_recurrent = make_recurrent(
                cell,
                char_embedding_size,
                char_hidden_size,
                1,
                options=cell_options,
                bidirectional=True,
                dtype=dtype,
                rng=rng,
            )
            self.modules["char_embedding"] = self._char_embedding
            self.modules["char_recurrent"] = self._char_recurrent
            sizes.append(2 * self._char_recurrent.output_size)
        self.output_size = sum(sizes)

    def __call__(self, x: Array) -> Array:
        """Return the vectors ``(T, B, output_size)`` of encoded words ``(T, B, W)``."""
        parts = []
        if self._embedding is not None:
            parts.append(self._embedding(x[..., 0]))
        if self._char_embedding is not None:
            ids, lengths, place = _distinct_words(x)
            _, state = self._char_recurrent(self._char_embedding(ids), lengths=lengths)
            parts.append(_side_by_side(state)[place])
        return self._joined(parts, x)

    def forward(self, x: Array) -> tuple[Array, VectorBackprop]:
        """Make vectors, with word dropout, and keep what backpropagation needs.

        Returns
        -------
        vectors : ndarray
            As a call.
        backprop : callable
            ``backprop(dvectors)`` adds to the layers' gradients.
        """
        parts: list[Array] = []
        steps: list[tuple[int, VectorBackprop]] = []
        if self._embedding is not None:
            words = x[..., 0]
            if self._word_dropout > 0:
                dropped = self._rng.random(words.shape) < self._word_dropout
                words = np.where(dropped, self._unknown, words)
            vectors, to_embedding = self._embedding.forward(words)
            parts.append(vectors)
            steps.append((vectors.shape[-1], to_embedding))
        if self._char_embedding is not None:
            vectors, to_characters = self._read_characters(x)
            parts.append(vectors)
            steps.append((vectors.shape[-1], to_characters))

        def backprop(dvectors: Array) -> None:
            begin = 0
            for size, step in steps:
                step(np.ascontiguousarray(dvectors[..., begin : begin + size]))
                begin += size

        return self._joined(parts, x), backprop

    def _read_characters(self, x: Array) -> tuple[Array, VectorBackprop]:
        assert self._char_embedding is not None
        ids, lengths, place = _distinct_words(x)
        vectors, to_embedding = self._char_embedding.forward(ids)
        (_, state), to_vectors = self._char_recurrent.forward(vectors, lengths=lengths)

        def backprop(dparts: Array) -> None:
            order = np.argsort(place, axis=None, kind="stable")
            first = np.searchsorted(place.reshape(-1)[order], np.arange(ids.shape[1]))
            dwords = np.add.reduceat(dparts.reshape(-1, dparts.shape[-1])[order], first, axis=0)
            dh = np.ascontiguousarray(dwords.reshape(len(dwords), 2, -1).transpose(1, 0, 2))
            dstate = (dh, None) if isinstance(state, tuple) else dh
            dx, _ = to_vectors(None, dstate)
            assert dx is not None
            to_embedding(dx)

        return _side_by_side(state)[place], backprop

    def _joined(self, parts: list[Array], x: Array) -> Array:
        if self._shapes is not None:
            parts = [*parts, self._shapes[x[..., 1]]]
        return np.concatenate(parts, axis=-1)


def set_row_to_zero(embedding: Embedding, row: int) -> None:
    """Make the vector of an id zero, so that it says nothing until it was learned from."""
    parameter = embedding.parameters()["weight"]
    table = parameter.data.copy()
    table[row] = 0
    parameter.assign(table)


def _distinct_words(x: Array) -> tuple[Array, Array, Array]:
    """Return the characters ``(C, U)`` of U distinct words, lengths, and places ``(T, B)``."""
    letters, place = distinct_rows(x.reshape(-1, x.shape[-1])[:, 2:])
    lengths = (letters != 0).sum(axis=1)
    return letters[:, : max(int(lengths.max()), 1)].T, lengths, place.reshape(x.shape[:-1])


def _side_by_side(state: Any) -> Array:
    """Return the last states of both directions, ``(U, 2H)``."""
    h: Array = state[0] if isinstance(state, tuple) else state
    return h.transpose(1, 0, 2).reshape(h.shape[1], -1)
