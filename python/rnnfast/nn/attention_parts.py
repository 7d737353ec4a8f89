"""Attention of a sequence to itself, as parts of a network that take one array."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_finite, make_generator
from rnnfast._checks.arrays import require_array
from rnnfast.nn.attention import Attention
from rnnfast.nn.module import Array, Module
from rnnfast.nn.pooling import checked_sequences, refuse_reset


class SelfAttention(Module):
    """Each step reads a mixture of all steps of its own sequence.

    ::

        y<t> = sum over s of weights<t,s> x<s>

    Parameters
    ----------
    attention : DotAttention or AdditiveAttention
        What scores; ``query_size`` and ``memory_size`` are those of ``x``.
    """

    batch_first = False

    def __init__(self, attention: Attention) -> None:
        self.attention = _checked_attention(attention)

    def forward(
        self, x: Array, lengths: npt.ArrayLike | None = None, reset: None = None
    ) -> tuple[Array, Callable[[Array], Array]]:
        """Read, and keep what backpropagation needs.

        Parameters
        ----------
        x : ndarray
            ``(T, B, F)``.
        lengths : array_like of int, optional
            ``(B,)``; nothing past a length is read.
        reset : None
            Attention reads across the borders of documents.

        Returns
        -------
        y : ndarray
            ``(T, B, F)``.
        backprop : callable
            ``dx = backprop(dy)``. Adds to `grads`.

        Raises
        ------
        TypeError
            If ``x`` is of another dtype, or lengths are not integers.
        ValueError
            If a shape does not fit, a length is out of range, a number is NaN or infinite, or there
            is a ``reset``.
        """
        refuse_reset(self, reset)
        (y, _), to_x = self.attention.forward(checked_sequences("x", x), x, lengths)

        def backprop(dy: Array) -> Array:
            dy = require_array("dy", dy, y.dtype, y.shape)
            check_finite("dy", dy)
            dquery, dmemory = to_x(dy)
            return dquery + dmemory

        return y, backprop


class AttentionPooling(Module):
    """One vector of each sequence: the mixture of its steps that a trained query reads.

    ::

        v = sum over s of weights<s> x<s>,  scored against the parameter query

    With an `AdditiveAttention` the pooling of Yang et al. (2016, section 2.2).

    Parameters
    ----------
    attention : DotAttention or AdditiveAttention
        What scores; ``memory_size`` is that of ``x``.
    seed : int or numpy.random.Generator, optional
        Draws ``query`` (query_size,) from U(-1/sqrt(query_size), 1/sqrt(query_size)).
    """

    batch_first = False

    def __init__(
        self, attention: Attention, *, seed: int | np.random.Generator | None = None
    ) -> None:
        self.attention = _checked_attention(attention)
        size = attention.query_size
        super().__init__({"query": (size,)}, attention.dtype.name)
        self._parameters["query"]._fill_uniform(make_generator("seed", seed), size**-0.5)

    def forward(
        self, x: Array, lengths: npt.ArrayLike | None = None, reset: None = None
    ) -> tuple[Array, Callable[[Array], Array]]:
        """Pool, and keep what backpropagation needs.

        Takes what `SelfAttention` takes and raises what it raises.

        Returns
        -------
        v : ndarray
            ``(B, F)``; zeros of a sequence of length 0.
        backprop : callable
            ``dx = backprop(dv)``. Adds to `grads`.
        """
        refuse_reset(self, reset)
        query = self._parameters["query"]
        batch = checked_sequences("x", x).shape[1]
        queries = np.tile(query.data, (1, batch, 1))
        (context, _), to_both = self.attention.forward(queries, x, lengths)
        v = context[0]

        def backprop(dv: Array) -> Array:
            dv = require_array("dy", dv, v.dtype, v.shape)
            check_finite("dy", dv)
            dqueries, dx = to_both(dv[np.newaxis])
            query._add_grad(dqueries[0].sum(axis=0))
            return dx

        return v, backprop


def _checked_attention(attention: Attention) -> Attention:
    if not isinstance(attention, Attention):
        kind = type(attention).__name__
        raise TypeError(f"attention: expected a DotAttention or AdditiveAttention, got {kind}")
    return attention
