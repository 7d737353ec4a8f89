"""Gradients by central differences in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

STEP = 1e-5


def assert_gradients(
    value: Callable[[], float],
    arguments: Mapping[str, Array],
    gradients: Mapping[str, Array],
    directions: int | None = None,
    tolerance: float = 1e-7,
) -> None:
    """Compare the gradients of ``value()`` with central differences.

    Each argument is moved in place, along every axis, or along so many random unit `directions`.
    The error is relative to the largest derivative (every axis) or to the length of the gradient
    (random directions) and must be below `tolerance`.
    """
    assert gradients.keys() == arguments.keys()
    rng = np.random.default_rng(0)
    for name, argument in arguments.items():
        gradient = gradients[name]
        assert gradient.shape == argument.shape, name
        if directions is None:
            moves = np.eye(argument.size)
            scale = np.abs(gradient).max(initial=0.0)
        else:
            moves = rng.normal(size=(directions, argument.size))
            moves /= np.linalg.norm(moves, axis=1, keepdims=True)
            scale = np.linalg.norm(gradient)
        start = argument.copy()
        for move in moves:
            delta = move.reshape(argument.shape)
            argument[...] = start + STEP * delta
            above = value()
            argument[...] = start - STEP * delta
            below = value()
            argument[...] = start
            numeric = (above - below) / (2.0 * STEP)
            error = abs(numeric - (gradient * delta).sum())
            assert error <= tolerance * max(scale, abs(numeric)), (name, error, scale)
