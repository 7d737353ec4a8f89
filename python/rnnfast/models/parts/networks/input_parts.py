"""What networks are, parts that those of tokens begin with, and two inputs side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast.nn.dropout import RandomDrop
from rnnfast.nn.dropout_masks import EmbeddingDropout
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.module import Array, Module, Parameter
from rnnfast.nn.placement import random_of_rows


class Network(Module):
    """A module whose layers stand in files by the names of the attributes that hold them."""

    @property
    def modules(self) -> dict[str, Module]:
        """The trained layers by name, each under that of its own attribute alone."""
        return {
            name.rpartition(".")[2]: module
            for name, module in self.named_modules()
            if module._parameters
        }


class FixedPart(Module):
    """A function of an array that learns nothing and passes no gradient on."""

    def __init__(self, function: Callable[[Array], Array]) -> None:
        self._function = function

    def forward(self, x: Array) -> tuple[Array, Callable[[Any], None]]:
        """Return the function of ``x``."""
        return self._function(x), _no_gradient


def one_hot(x: Array, *, size: int, dtype: str, blank: int | None = None) -> Array:
    """Return one-hot vectors ``(*x.shape, size)`` of ids; that of ``blank`` is zero."""
    vectors = np.zeros((*x.shape, size), dtype)
    np.put_along_axis(vectors, x[..., np.newaxis], 1, axis=-1)
    if blank is not None:
        vectors[..., blank] = 0
    return vectors


class TokenDropout(RandomDrop):
    """Reads ids as another one at random, in training.

    Parameters
    ----------
    p : float
        The probability.
    unknown : int
        That other one.
    seed : numpy.random.Generator
        Draws which.
    """

    def __init__(self, p: float, unknown: int, *, seed: np.random.Generator) -> None:
        super().__init__(p, seed=seed)
        self._unknown = unknown

    def forward(self, x: Array) -> tuple[Array, Callable[[Any], None]]:
        """Return the ids; they have no gradient."""
        if self.p == 0.0 or not self.training:
            return x, _no_gradient
        drawn = random_of_rows(self._rng, x.shape, 1)
        return np.where(drawn < self.p, self._unknown, x), _no_gradient


class DroppedEmbedding(Module):
    """An embedding and the dropout of whole rows of its table."""

    def __init__(self, embedding: Embedding, dropout: EmbeddingDropout) -> None:
        self.embedding, self.dropout = embedding, dropout

    def __call__(self, x: Array) -> Array:
        """Return the vectors of ids."""
        return self.embedding(x)

    def forward(self, x: Array) -> tuple[Array, Callable[[Array], None]]:
        """Return the vectors of ids, and what takes their gradient."""
        vectors, to_table = self.embedding.forward(x)
        kept, to_vectors = self.dropout.forward(vectors, x)
        return kept, lambda dy: to_table(to_vectors(dy))


class Beside(Module):
    """Two inputs, each with a part of its own, side by side: ``[first(a)<t>, second(b)<t>]``.

    Parameters
    ----------
    first : Module or None
        Makes vectors ``(T, B, E)`` of the first input; None: that is such an array.
    second : Module
        Makes vectors ``(T, B, C)`` of the second one, or ``(B, C)``, which stand at every step.
    """

    def __init__(self, first: Module | None, second: Module) -> None:
        self.first, self.second = first, second

    def __call__(self, pair: tuple[Array, Any]) -> Array:
        """Return ``(T, B, E + C)``."""
        a, b = pair
        return _joined(a if self.first is None else self.first(a), self.second(b))

    def forward(self, pair: tuple[Array, Any]) -> tuple[Array, Callable[[Array], Any]]:
        """Return ``(T, B, E + C)``, and what returns the gradients of both inputs."""
        a, b = pair
        left, to_a = (a, _unchanged) if self.first is None else self.first.forward(a)
        right, to_b = self.second.forward(b)
        width, at_each = left.shape[-1], right.ndim < left.ndim

        def backprop(dy: Array) -> Any:
            da = to_a(np.ascontiguousarray(dy[..., :width]))
            dright = dy[..., width:]
            db = to_b(dright.sum(axis=0) if at_each else np.ascontiguousarray(dright))
            return da, db

        return _joined(left, right), backprop


def _joined(left: Array, right: Array) -> Array:
    right = np.broadcast_to(right, (*left.shape[:-1], right.shape[-1]))
    return np.concatenate([left, right], axis=-1)


def _no_gradient(dy: Any) -> None:
    return None


def _unchanged(dy: Array) -> Array:
    return dy


def set_zero(parameter: Parameter, where: Any) -> None:
    """Set what stands at an index to zero, so that it says nothing until it was learned from."""
    values = parameter.data.copy()
    values[where] = 0
    parameter.assign(values)
