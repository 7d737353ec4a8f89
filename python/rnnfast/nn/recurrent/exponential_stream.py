"""sLSTM and mLSTM one step at a time: the state lives inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from rnnfast._checks import check_int
from rnnfast._checks.arrays import dtype_error, require_ndarray
from rnnfast.nn.module import Array

if TYPE_CHECKING:
    from rnnfast.nn.recurrent.exponential import ExponentialRecurrent

States: TypeAlias = tuple[Array, ...]


class ExponentialStream:
    """Runs an `SLSTM` or `MLSTM` step by step; made by ``layer.stream(batch_size)``.

    A step is a call, ``y_t = step(x_t)``, with ``x_t`` of shape ``(B, I)`` or, for one sequence,
    ``(I,)``. The layer's parameters may change between steps. A stream belongs to one thread at a
    time.

    Attributes
    ----------
    state : tuple of ndarray
        A copy of the state, as the layer has it; may be set.
    batch_size : int
        B.
    """

    def __init__(self, layer: ExponentialRecurrent, batch_size: int = 1) -> None:
        self.batch_size = check_int("batch_size", batch_size, 1)
        self._layer = layer
        layer._check_memory(self.batch_size)
        self._begins = np.arange(self.batch_size + 1)
        self.reset()

    def __getstate__(self) -> dict[str, Any]:
        """Return the layer and a copy of the state: a copy of a stream goes on by itself."""
        return {**vars(self), "_parts": tuple(part.copy() for part in self._parts)}

    def __call__(self, x: Array) -> Array:
        """Take one step.

        Parameters
        ----------
        x : ndarray
            ``(B, I)`` of the layer's dtype, or ``(I,)`` for a single sequence.

        Returns
        -------
        ndarray
            ``(B, H)``, or ``(H,)``.

        Raises
        ------
        TypeError
            If ``x`` is no array or of another dtype; nothing is cast.
        ValueError
            If a shape does not fit, or a number is NaN or infinite. The state has not changed then.
            If products of numbers overflow: then it is of no use until it is set or reset.
        """
        layer = self._layer
        array = require_ndarray("x", x)
        if array.dtype != layer.dtype:
            raise dtype_error("x", layer.dtype, array.dtype)
        single = array.ndim == 1 and self.batch_size == 1
        shape = (self.batch_size, layer.input_size)
        if array.shape != (shape[1:] if single else shape):
            raise ValueError(f"x: expected shape {shape}, got {array.shape}")
        gates = layer._native.forward(array.reshape(shape))
        y, _, _ = layer._run(gates, self._begins, 1, self._parts, in_place=True)
        return y[0] if single else y

    def run(self, x: Array) -> Array:
        """Take the steps of ``x``, ``(T, B, I)`` in the layer's axes; return all outputs.

        Raises
        ------
        TypeError, ValueError
            As a call of the layer. The state has not changed then.
        """
        array = require_ndarray("x", x)
        if array.ndim != 3:
            raise ValueError(f"x: expected 3 axes, got shape {array.shape}")
        y, self.state = self._layer(array, self.state)
        return y

    @property
    def state(self) -> States:
        """A copy of the state; may be set."""
        return tuple(part[np.newaxis].copy() for part in self._parts)

    @state.setter
    def state(self, state: States) -> None:
        parts = self._layer._state("state", state, "0", self.batch_size, False)
        if parts is None:
            return self.reset()
        self._layer._check_state(parts)
        self._parts = tuple(part.copy() for part in parts)
        return None

    def reset(self) -> None:
        """Set the state to zero."""
        shapes, dtype = self._layer._state_shapes(self.batch_size), self._layer.dtype
        self._parts = tuple(np.zeros(shape, dtype) for shape in shapes)
