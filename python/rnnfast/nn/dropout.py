"""Dropout: numbers set to zero at random while training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnnfast._checks import check_finite, check_probability, make_generator
from rnnfast._checks.arrays import require_array, require_float, require_ndarray
from rnnfast._checks.likeness import call_like
from rnnfast.nn._describe import describe
from rnnfast.nn.module import Array, Module
from rnnfast.nn.placement import drop, rows_of


class RandomDrop(Module):
    """Base of all that drops numbers while training: a probability and a generator.

    Parameters
    ----------
    p : float
        The probability, from 0 to 1.
    seed : int or numpy.random.Generator, optional
        Of what is dropped.
    """

    def __init__(self, p: float = 0.5, *, seed: int | np.random.Generator | None = None) -> None:
        self.p = check_probability("p", p)
        self._rng = make_generator("seed", seed)

    def __repr__(self) -> str:
        return describe(self)


class Dropout(RandomDrop):
    """Sets each number to zero with probability ``p`` and divides the others by ``1 - p``.

    The mask is drawn by position from a seed, so that no mask is kept: backpropagation draws the
    same one again.

    Parameters
    ----------
    p : float
        The probability, from 0 to 1.
    seed : int or numpy.random.Generator, optional
        Gives each forward pass its seed.
    """

    def __call__(self, x: Array, *, like: bool = False) -> Array:
        """Return ``x`` itself: inference drops nothing.

        With ``like`` of the library that it is of, such as a tensor.
        """
        if like is not False:
            return call_like(like, self, x)
        return require_ndarray("x", x)

    def forward(self, x: Array) -> tuple[Array, Callable[[Array], Array]]:
        """Drop numbers of ``x``, an array of float32 or float64 of any shape.

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
            If a number that may be dropped is NaN or infinite.
        """
        x = require_float("x", x)
        if self.p == 0.0 or not self.training:
            return x, lambda dy: dy
        seed = int(self._rng.integers(2**63))

        def backprop(dy: Array) -> Array:
            dy = require_array("dy", dy, dtype, shape)
            check_finite("dy", dy)
            return drop(dy, self.p, seed, rows)

        check_finite("x", x)
        shape, dtype, rows = x.shape, x.dtype, rows_of(x.shape)
        return drop(x, self.p, seed, rows), backprop
