"""One step at a time of the layers that have no step in the kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rnnfast._checks import check_array, check_int
from rnnfast.nn.module import Array

if TYPE_CHECKING:
    from rnnfast.nn._stepwise_base import StepwiseRecurrent


class StepwiseStream:
    """Runs a `LayerNormLSTM` or `LayerNormGRU` step by step, as `Stream` does other layers.

    Attributes
    ----------
    state : ndarray or pair of ndarray
        The state, ``(L, B, H)`` or the pair (h, c); may be set.
    batch_size : int
        B.
    """

    def __init__(self, layer: StepwiseRecurrent, batch_size: int = 1) -> None:
        if layer.bidirectional:
            raise ValueError(
                "stream: expected a network in one direction, got a bidirectional one, whose "
                "reverse direction begins at an end that a stream has not seen"
            )
        self.batch_size = check_int("batch_size", batch_size, 1)
        self._layer, self.input_size = layer, layer.input_size
        self._state: Any = None
        self._time = 1 if layer.batch_first else 0
        self.reset()

    def __call__(self, x: Any, out: Array | None = None) -> Array:
        """Take one step: ``(B, I)`` or ``(I,)``, or indices ``(B,)`` or one, to ``(B, H)``."""
        given = np.asarray(x)
        single = given.ndim == (0 if given.dtype.kind in "iu" else 1)
        if single and self.batch_size == 1:
            given = given[np.newaxis]
        if given.shape[:1] != (self.batch_size,):
            raise ValueError(f"x: expected {self.batch_size} rows, got shape {given.shape}")
        y, self._state = self._layer(np.expand_dims(given, self._time), self._state)
        result: Array = np.take(y, 0, axis=self._time)
        result = result[0] if single else result
        if out is None:
            return result
        out[...] = result
        return out

    @property
    def state(self) -> Any:
        state = self._state
        return tuple(s.copy() for s in state) if isinstance(state, tuple) else state.copy()

    @state.setter
    def state(self, state: Any) -> None:
        h, c = self._layer._states(state)
        zeros = self._zeros()
        for name, part in (("h", h), ("c", c)):
            self._layer._checked_state(name, check_array(name, part), self.batch_size)
        self._state = self._layer._pack_state(
            zeros if h is None else h.copy(), zeros if c is None else c.copy()
        )

    def reset(self) -> None:
        """Set the state to zero."""
        self._state = self._layer._pack_state(self._zeros(), self._zeros())

    def _zeros(self) -> Array:
        layer = self._layer
        return np.zeros((layer.num_layers, self.batch_size, layer.hidden_size), layer.dtype)
