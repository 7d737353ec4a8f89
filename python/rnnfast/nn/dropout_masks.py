"""Dropout made for sequences: one mask for all steps, whole rows of a table, recurrent weights."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np

from rnnfast._checks import check_finite, check_indices, check_int
from rnnfast._checks.arrays import require_array, require_float
from rnnfast._checks.messages import shown
from rnnfast.nn.dropout import Dropout, RandomDrop
from rnnfast.nn.module import Array, Module
from rnnfast.nn.placement import placement, random_of_rows


class VariationalDropout(Dropout):
    """Dropout with one mask for all time steps of a sequence.

    ``y<t> = m * x<t>`` with the same m at every t: what a sequence does not see at one step, it
    does not see at any (Gal and Ghahramani 2016, section 4; "locked" dropout in Merity et al.
    2018). Each sequence of a batch has a mask of its own.

    Between the layers of a network, ``rf.LSTM(..., dropout=p, variational=True)`` does the same in
    the kernels.

    Parameters
    ----------
    p : float
        Probability of a zero, from 0 to 1; the other numbers are divided by ``1 - p``.
    time_axis : int
        The axis of ``x`` along which the mask is the same.
    seed : int or numpy.random.Generator, optional
        Draws the masks.
    """

    def __init__(
        self,
        p: float = 0.5,
        *,
        time_axis: int = 0,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        super().__init__(p, seed=seed)
        self.time_axis = check_int("time_axis", time_axis, -32, 31)

    def forward(self, x: Array) -> tuple[Array, Callable[[Array], Array]]:
        """Drop numbers of ``x``, an array of float32 or float64 with an axis of time.

        Returns
        -------
        y : ndarray
            ``x`` times 0 or ``1 / (1 - p)``; ``x`` itself if nothing can be dropped.
        backprop : callable
            ``dx = backprop(dy)``: the same factors on the gradient.

        Raises
        ------
        TypeError
            If ``x`` is of another dtype.
        ValueError
            If it has no such axis.
        """
        x = require_float("x", x)
        if not -x.ndim <= self.time_axis < x.ndim:
            raise ValueError(f"x: expected an axis {self.time_axis} for time, got shape {x.shape}")
        if self.p == 0.0 or not self.training:
            return x, lambda dy: dy
        shape = list(x.shape)
        shape[self.time_axis] = 1
        here = placement()
        axis = None if here is None else 0 if here.rows is not None else here.axis(x.shape)
        axis = None if axis == self.time_axis % x.ndim else axis
        return _multiplied(x, _mask(self._rng, shape, self.p, x.dtype, axis))


class EmbeddingDropout(RandomDrop):
    """Drops whole rows of a table: a token that is dropped is so at every place of the batch.

    The embeddings of a share ``p`` of the tokens, drawn anew for each batch, are set to zero, the
    others divided by ``1 - p`` (Gal and Ghahramani 2016, section 4.2; Merity et al. 2018,
    section 4.3).

    Parameters
    ----------
    p : float
        Probability with which a token is dropped, from 0 to 1.
    seed : int or numpy.random.Generator, optional
        Draws the tokens.
    """

    def forward(self, x: Array, indices: Any) -> tuple[Array, Callable[[Array], Array]]:
        """Drop rows.

        Parameters
        ----------
        x : ndarray
            Embeddings, ``(*indices.shape, E)``, float32 or float64.
        indices : array_like of int
            Which token each belongs to.

        Returns
        -------
        y : ndarray
            ``x`` times 0 or ``1 / (1 - p)`` by token; ``x`` itself if nothing can be dropped.
        backprop : callable
            ``dx = backprop(dy)``: the same factors on the gradient.

        Raises
        ------
        TypeError
            If a dtype is another one.
        ValueError
            If the shapes do not fit together.
        """
        x = require_float("x", x)
        ids = check_indices("indices", indices)
        if x.shape[:-1] != ids.shape:
            raise ValueError(f"indices: expected shape {x.shape[:-1]}, got {ids.shape}")
        if self.p == 0.0 or not self.training:
            return x, lambda dy: dy
        here = placement()
        tokens = np.unique(ids) if here is None else here.tokens(ids)
        factors = _mask(self._rng, [len(tokens)], self.p, x.dtype)
        return _multiplied(x, factors[np.searchsorted(tokens, ids)][..., np.newaxis])


class WeightDrop(RandomDrop):
    """Drops recurrent weights for one pass: DropConnect on ``weight_hh`` (Merity et al. 2018).

    A context: while it is entered, a share ``p`` of the weights is zero and the others are divided
    by ``1 - p``; when it is left, the weights are what they were, and the gradients that were added
    inside are those of the weights, masked and divided alike. Since the mask is that of a whole
    pass, all steps and sequences share it, and the kernels run as they always do (section 2 of the
    paper, after Wan et al. 2013).

    ::

        with drop:
            (y, state), backprop = lstm.forward(x)
            backprop(dy)

    Parameters
    ----------
    layer : Module
        A recurrent layer.
    p : float
        Probability of a zero, from 0 to 1.
    seed : int or numpy.random.Generator, optional
        Draws the masks.
    prefix : str
        Parameters whose names begin so are dropped.

    Raises
    ------
    ValueError
        If no parameter's name begins so, or gradients are kept by row, ``Embedding(sparse=True)``.
    """

    def __init__(
        self,
        layer: Module,
        p: float = 0.5,
        *,
        seed: int | np.random.Generator | None = None,
        prefix: str = "weight_hh",
    ) -> None:
        super().__init__(p, seed=seed)
        if not isinstance(layer, Module):
            raise TypeError(f"layer: expected a layer, got {type(layer).__name__}")
        if not isinstance(prefix, str):
            raise TypeError(f"prefix: expected a str, got {type(prefix).__name__}")
        self.layer, self.prefix = layer, prefix
        self._dropped = {
            name: parameter
            for name, parameter in layer.parameters().items()
            if name.startswith(prefix)
        }
        if not self._dropped:
            known = ", ".join(layer.parameters())
            raise ValueError(
                f"prefix: expected the beginning of one of {known}, got {shown(prefix)}"
            )
        if any(parameter.buffer.is_sparse for parameter in self._dropped.values()):
            raise ValueError(f"layer: expected one with dense gradients, got {shown(layer)}")
        self._kept: dict[str, tuple[Array, Array, Array]] = {}

    def children(self) -> dict[str, Module]:
        """Return none: the layer stands elsewhere in its network."""
        return {}

    def __enter__(self) -> WeightDrop:
        if self._kept:
            raise RuntimeError("WeightDrop: expected to be left before it is entered again")
        if self.p > 0.0 and self.training:
            self._kept = {}
            for name, parameter in self._dropped.items():
                weight, mask = parameter.data.copy(), self._draw(parameter.data)
                self._kept[name] = (weight, mask, parameter.grad.copy())
                parameter.assign(weight * mask)
                parameter.grad[...] = 0
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name, (weight, mask, before) in self._kept.items():
            parameter = self._dropped[name]
            parameter.assign(weight)
            parameter.grad[...] *= mask
            parameter.grad[...] += before
        self._kept = {}

    def __getstate__(self) -> dict[str, Any]:
        if self._kept:
            raise RuntimeError("WeightDrop: expected to be left before it is copied")
        return vars(self).copy()

    def _draw(self, weight: Array) -> Array:
        return _mask(self._rng, weight.shape, self.p, weight.dtype)


def _mask(
    rng: np.random.Generator, shape: Any, p: float, dtype: np.dtype[Any], axis: int | None = None
) -> Array:
    """Draw factors: 0 with probability ``p``, else ``1 / (1 - p)``; ``axis`` is that of rows."""
    kept = random_of_rows(rng, tuple(shape), axis) >= p
    factors: Array = kept.astype(dtype) * dtype.type(1 / (1 - p) if p < 1 else 0)
    return factors


def _multiplied(x: Array, factors: Array) -> tuple[Array, Callable[[Array], Array]]:
    check_finite("x", x)
    shape = x.shape
    y: Array = x * factors

    def backprop(dy: Array) -> Array:
        dy = require_array("dy", dy, y.dtype, shape)
        check_finite("dy", dy)
        dx: Array = dy * factors
        return dx

    return y, backprop
