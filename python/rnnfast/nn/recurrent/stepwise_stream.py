"""One step at a time of the layers that have no step in the kernels."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnfast._checks import check_array
from rnnfast._checks.arrays import require_array, require_ndarray
from rnnfast._checks.memory import check_bytes
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.arguments import require_index_axes
from rnnfast.nn.recurrent.stream import Stream

if TYPE_CHECKING:
    from rnnfast.nn.recurrent.stepwise_base import StepwiseRecurrent


class StepwiseStream(Stream):
    """Runs a `LayerNormLSTM` or `LayerNormGRU` step by step, as `Stream` does other layers.

    Each step returns an array of its own.

    Attributes
    ----------
    state : ndarray or pair of ndarray
        A copy of the state, ``(L, B, H)`` or the pair (h, c); may be set.
    batch_size : int
        B.
    """

    _layer: StepwiseRecurrent
    _state: Any

    def __getstate__(self) -> dict[str, Any]:
        return vars(self).copy()  # a step makes a new state and leaves the one before as it is

    def _begin(self) -> None:
        layer = self._layer
        numbers = layer.num_layers * layer.hidden_size * self.batch_size
        check_bytes(
            f"batch_size: a stream of {self.batch_size} sequences",
            float(2 * numbers * layer.dtype.itemsize),
        )
        self.input_size = layer.input_size
        self._time = 1 if self._layer.batch_first else 0
        self.reset()

    def __call__(self, x: Any, out: Array | None = None) -> Array:
        """Take one step; see `Stream`."""
        given, single = self._checked(x)
        layer = self._layer
        if check_array("out", out) is not None:
            assert out is not None
            if out.dtype != layer.dtype:
                raise TypeError(f"out: expected dtype {layer.dtype}, got {out.dtype}")
            shape = (self.batch_size, layer.hidden_size)
            require_array("out", out, layer.dtype, shape[1:] if single else shape)
            if not (out.flags.c_contiguous and out.flags.behaved):
                raise ValueError("out: expected a writeable C-contiguous array, got another")
        y, self._state = layer(np.expand_dims(given, self._time), self._state)
        result: Array = np.take(y, 0, axis=self._time)
        result = result[0] if single else result
        if out is None:
            return result
        out[...] = result
        return out

    def _checked(self, x: Any) -> tuple[Array, bool]:
        """Return ``(B, I)`` numbers or ``(B,)`` indices, and whether they came without B."""
        batch, width = self.batch_size, self.input_size
        if not isinstance(x, np.ndarray):
            is_index = hasattr(x, "__index__") and not isinstance(x, (bool, np.bool_))
            if batch > 1 or width == 1 or not is_index:
                raise TypeError(
                    f"x: expected an array of {(batch, width)} numbers or of {(batch,)} indices, "
                    f"got {type(x).__name__}"
                )
            index = operator.index(x)
            if not 0 <= index < width:
                raise ValueError(f"x: expected indices from 0 to {width - 1}, got {index}")
            return np.array([index]), True
        x = require_ndarray("x", x)
        if x.dtype.kind in "iu" and width == 1:
            require_index_axes(x, (1,), width, self._layer.dtype)
        shape: tuple[int, ...] = (batch,) if x.dtype.kind in "iu" else (batch, width)
        single = batch == 1 and x.shape == shape[1:]
        given = x[np.newaxis] if single else x
        if x.dtype.kind not in "iu":
            given = require_array("x", given, self._layer.dtype, shape)
        elif given.shape != shape:
            raise ValueError(f"x: expected shape {shape}, got {given.shape}")
        return given, single

    @property
    def state(self) -> Any:
        """A copy of the state, ``(L, B, H)`` or the pair (h, c); may be set."""
        state = self._state
        return tuple(s.copy() for s in state) if isinstance(state, tuple) else state.copy()

    @state.setter
    def state(self, state: Any) -> None:
        h, c = self._layer._states(state)
        zeros = self._zeros()
        h, c = (
            self._layer._checked_state(name, check_array(name, part), self.batch_size)
            for name, part in (("h", h), ("c", c))
        )
        self._state = self._layer._pack_state(
            zeros if h is None else h.copy(), zeros if c is None else c.copy()
        )

    def reset(self) -> None:
        """Set the state to zero."""
        self._state = self._layer._pack_state(self._zeros(), self._zeros())

    def _zeros(self) -> Array:
        layer = self._layer
        return np.zeros((layer.num_layers, self.batch_size, layer.hidden_size), layer.dtype)
