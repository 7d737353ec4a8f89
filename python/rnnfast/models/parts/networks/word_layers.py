"""The layers that make a word's vector: of its id, its characters, its shape."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

from rnnfast.models.parts.hyperparameters import LayerOptions, WordOptions
from rnnfast.models.parts.networks.input_parts import (
    FixedPart,
    Network,
    TokenDropout,
    one_hot,
    set_zero,
)
from rnnfast.models.parts.reading.word_features import SHAPES, WordFeatures, distinct_rows
from rnnfast.models.parts.shared import make_recurrent
from rnnfast.nn.compose import chain, concatenate
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.module import Array, Module
from rnnfast.nn.placement import placement
from rnnfast.nn.recurrent.base import Recurrent

VectorBackprop = Callable[[Array], None]


class WordLayers(Network):
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
    layers : LayerOptions
        ``embedding_size`` is that of ``E_w word``, None if the id is not read; ``word_dropout`` the
        probability with which, in training, an id becomes `unknown`, while the characters stay.
    words : WordOptions
        Sizes of the layers over characters.
    rng : numpy.random.Generator
        Draws the initial weights and word dropout.
    unknown : int
        The id of unknown words: its embedding begins as zeros.

    Attributes
    ----------
    output_size : int
        Numbers of a vector.
    """

    def __init__(
        self,
        features: WordFeatures,
        num_words: int,
        layers: LayerOptions,
        words: WordOptions,
        *,
        rng: np.random.Generator,
        unknown: int,
    ) -> None:
        dtype, embedding_size = layers.dtype, layers.embedding_size
        parts: list[Module] = []
        self.output_size = 0
        if embedding_size is not None:
            self.embedding = Embedding(
                num_words, embedding_size, sparse=layers.sparse_embedding, dtype=dtype, seed=rng
            )
            set_zero(self.embedding.parameters()["weight"], unknown)
            dropout = TokenDropout(layers.word_dropout, unknown, seed=rng)
            parts.append(chain(_column(0), dropout, self.embedding))
            self.output_size += embedding_size
        if features.characters is not None:
            known = features.characters
            self.char_embedding = Embedding(
                len(known), words.char_embedding_size, padding_idx=0, dtype=dtype, seed=rng
            )
            assert known.unk_id is not None
            set_zero(self.char_embedding.parameters()["weight"], known.unk_id)
            self.char_recurrent = make_recurrent(
                layers.cell,
                words.char_embedding_size,
                words.char_hidden_size,
                1,
                options=layers.cell_options,
                bidirectional=True,
                dtype=dtype,
                rng=rng,
            )
            parts.append(_Characters(self.char_embedding, self.char_recurrent))
            self.output_size += 2 * self.char_recurrent.output_size
        if features.shapes:
            rows = FixedPart(partial(one_hot, size=len(SHAPES), dtype=dtype))
            parts.append(chain(_column(1), rows))
            self.output_size += len(SHAPES)
        self._vectors = concatenate(*parts)

    def __call__(self, x: Array) -> Array:
        """Return the vectors ``(T, B, output_size)`` of encoded words ``(T, B, W)``."""
        vectors: Array = self._vectors(x)
        return vectors

    def forward(self, x: Array) -> tuple[Array, VectorBackprop]:
        """Make vectors, with word dropout, and keep what backpropagation needs.

        Returns
        -------
        vectors : ndarray
            As a call.
        backprop : callable
            ``backprop(dvectors)`` adds to the layers' gradients.
        """
        return self._vectors.forward(x)


class _Characters(Module):
    """The last states of both directions over the characters of each word."""

    def __init__(self, embedding: Embedding, recurrent: Recurrent) -> None:
        self._layers, self._recurrent = chain(embedding, recurrent), recurrent

    def __call__(self, x: Array) -> Array:
        ids, lengths, place = _distinct_words(x)
        _, states = self._layers(ids, lengths, return_state=True)
        return _side_by_side(states["1"])[place]

    def forward(self, x: Array) -> tuple[Array, VectorBackprop]:
        if placement() is not None and self._recurrent._noise().within_steps:
            raise ValueError(
                "comm: expected no noise in the steps of a layer that reads characters, such as "
                "zoneout, which is drawn for the words of a whole batch"
            )
        ids, lengths, place = _distinct_words(x)
        (_, states), to_layers = self._layers.forward(ids, lengths, return_state=True)
        state = states["1"]

        def backprop(dparts: Array) -> None:
            order = np.argsort(place, axis=None, kind="stable")
            first = np.searchsorted(place.reshape(-1)[order], np.arange(ids.shape[1]))
            dwords = np.add.reduceat(dparts.reshape(-1, dparts.shape[-1])[order], first, axis=0)
            dh = np.ascontiguousarray(dwords.reshape(len(dwords), 2, -1).transpose(1, 0, 2))
            to_layers(None, {"1": (dh, None) if isinstance(state, tuple) else dh})

        return _side_by_side(state)[place], backprop


def _column(number: int) -> FixedPart:
    """Return the part that takes one of the numbers that a word is encoded as."""
    return FixedPart(itemgetter((..., number)))


def _distinct_words(x: Array) -> tuple[Array, Array, Array]:
    """Return the characters ``(C, U)`` of U distinct words, lengths, and places ``(T, B)``."""
    letters, place = distinct_rows(x.reshape(-1, x.shape[-1])[:, 2:])
    lengths = (letters != 0).sum(axis=1)
    return letters[:, : max(int(lengths.max()), 1)].T, lengths, place.reshape(x.shape[:-1])


def _side_by_side(state: Any) -> Array:
    """Return the last states of both directions, ``(U, 2H)``."""
    h: Array = state[0] if isinstance(state, tuple) else state
    return h.transpose(1, 0, 2).reshape(h.shape[1], -1)
