"""One step at a time: the state lives inside, nothing is allocated."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnfast import _core
from rnnfast._checks import check_array, check_int
from rnnfast._checks.arrays import require_ndarray
from rnnfast._checks.exporters import read_exporter
from rnnfast._checks.likeness import steps_like
from rnnfast.nn._copies import compiled, state_without_compiled
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.arguments import require_index_axes

if TYPE_CHECKING:
    from rnnfast.nn.linear import Linear
    from rnnfast.nn.recurrent.base import Recurrent


def step_input(x: Any) -> Any:
    """Return what a step takes of what is no plain array, numbers and tensors of one too."""
    array = None if isinstance(x, np.ndarray) else read_exporter("x", x)
    if array is None:
        return x
    return array[()] if array.ndim == 0 else array


def given_rows(rows: Any) -> Any:
    """Return an array of another library as NumPy's, and anything else as it is."""
    if isinstance(rows, (np.ndarray, list, tuple, range)):
        return rows
    array = read_exporter("rows", rows)
    return rows if array is None else array


class Stream:
    """Runs a network step by step; made by ``layer.stream(batch_size)``.

    A step is a call, ``y_t = step(x_t)``, with ``x_t`` of shape ``(B, I)`` or, for one sequence,
    ``(I,)``; or integers, ``(B,)`` or a single one, in place of one-hot vectors. It returns
    ``(B, H)`` or ``(H,)``.

    The array that a step returns belongs to the stream: the next step writes into it. Keep a copy
    of what is needed for longer, or give a step an array of your own, ``step(x_t, out=y_t)``.

    A step may be one of some sequences alone, ``step(x_t, rows=[3, 7])``, with as many rows in
    ``x_t``; the others stay as they are. So thousands of streams share one layer, and whatever has
    come in for some of them is one call.

    The layer's parameters may change between steps: each step uses them as they are.

    Attributes
    ----------
    state : ndarray or pair of ndarray
        A copy of the state, ``(L, B, H)`` or the pair (h, c); may be set.
    batch_size : int
        B.
    head : Linear or None
        What each output goes through within the step; O features stand for H then.

    Notes
    -----
    A stream belongs to one thread at a time. In a process that was forked while another thread ran
    it, it must be `reset`, or be given a state, first.
    """

    def __init__(self, layer: Recurrent, batch_size: int = 1, head: Linear | None = None) -> None:
        if layer.bidirectional:
            raise ValueError(
                "stream: expected a network in one direction, got a bidirectional one, whose "
                "reverse direction begins at an end that a stream has not seen"
            )
        self.batch_size = check_int("batch_size", batch_size, 1)
        self._layer = layer
        self.head = head
        self._begin()

    def _begin(self) -> None:
        """Set the state to zero, in what takes the steps."""
        self._restored: tuple[Array, Array | None] | None = None
        _ = self._step  # made at once, so that an error belongs to the constructor

    @compiled
    def native(self) -> _core.Stream:
        head = None if self.head is None else self.head.native
        native = _core.Stream(self._layer.native, self.batch_size, head)
        if self._restored is not None:
            native.set_state(*self._restored)
            self._restored = None
        return native

    @compiled
    def _step(self) -> Callable[[Any, Array | None], Array]:
        return self.native.step

    def __getstate__(self) -> dict[str, Any]:
        """Return the layer and a copy of the state: a copy of a stream goes on by itself."""
        h, c = self.native.state()
        return {**state_without_compiled(self), "_restored": (h, c if len(c) else None)}

    @_core.quick_step
    def __call__(
        self, x: Any, out: Array | None = None, rows: Any = None, *, like: bool = False
    ) -> Array:
        """Take one step.

        Parameters
        ----------
        x : ndarray or int
            ``(B, I)`` of the layer's dtype, or indices ``(B,)`` of any integer dtype; without B for
            a single sequence. Integers are always indices: numbers, such as samples of sound in
            int16, need the layer's dtype.
        out : ndarray, optional
            What to write to, ``(B, H)``, or ``(H,)`` where ``x`` came without B; C-contiguous.
        rows : array_like of int, optional
            The sequences that take the step, ``(n,)``, none of them twice; n stands for B above.
            None: all.
        like : bool
            True: what is returned is of the library that ``x`` is of, such as a tensor, and in
            memory of its own.

        Returns
        -------
        ndarray
            ``out``, or an array that the next step writes into.

        Raises
        ------
        TypeError
            If ``x`` or ``out`` is no array or of another dtype, or rows are no integers; nothing is
            cast.
        ValueError
            If a shape does not fit, a number is not finite, or an index or a row is out of range.
        """
        if like is not False:
            return steps_like(like, self, functools.partial(self, rows=rows), x, out)
        if rows is not None:
            return self.native.step_rows(step_input(x), given_rows(rows), out)
        try:  # a step is short: what it takes at once is not looked at here
            return self._step(x, out)
        except TypeError:
            given = step_input(x)
            if given is x:
                raise
        return self._step(given, out)

    @_core.quick_run
    def run(self, x: Array, out: Array | None = None, *, like: bool = False) -> Array:
        """Take the steps of ``x``, ``(T, B, I)`` or indices ``(T, B)``, and return all outputs.

        The same bits as T single steps, in one call of the kernels.

        Parameters
        ----------
        x : ndarray
            As above.
        out : ndarray, optional
            What to write to, ``(T, B, H)``; C-contiguous.
        like : bool
            True: what is returned is of the library that ``x`` is of, such as a tensor.

        Returns
        -------
        ndarray
            ``(T, B, H)``: ``out``, or an array of its own.

        Raises
        ------
        TypeError, ValueError
            As a step. The state has not changed then.
        """
        if like is not False:
            return steps_like(like, self, self.run, x, out)
        layer = self._layer
        x = require_ndarray("x", x)
        integers = x.dtype.kind in "iu"
        if integers and (x.ndim == 3 or layer.input_size == 1):  # numbers, by their shape
            require_index_axes(x, (2,), layer.input_size, layer.dtype)
        width = () if integers else (layer.input_size,)
        if x.shape[1:] != (self.batch_size, *width):
            expected = ", ".join(map(str, ("T", self.batch_size, *width)))
            raise ValueError(f"x: expected shape ({expected}), got {x.shape}")
        if out is not None:
            shape = (len(x), self.batch_size, self.output_size)
            _core.require_output(out, shape, self.is_double)
        if layer.batch_first:
            x = np.swapaxes(x, 0, 1)
        y, state = layer(x, self.state)
        if self.head is not None:
            y = self.head(y)
        self.state = state
        if layer.batch_first:
            y = np.swapaxes(y, 0, 1)
        if out is None:
            return y
        out[...] = y
        return out

    @property
    def is_double(self) -> bool:
        """Whether numbers are float64."""
        return bool(self._layer.dtype == np.float64)

    @property
    def output_size(self) -> int:
        """Features of an output."""
        return self._layer.output_size if self.head is None else self.head.out_features

    @property
    def state(self) -> Any:
        """A copy of the state, ``(L, B, H)`` or the pair (h, c); may be set."""
        h, c = self.native.state()
        return self._layer.spec.pack_state(h, c)

    @state.setter
    def state(self, state: Any) -> None:
        h, c = self._layer.spec.split_state(state)
        self.native.set_state(check_array("h", h), check_array("c", c))

    def reset(self, rows: Any = None) -> None:
        """Set the state to zero.

        Parameters
        ----------
        rows : array_like of int, optional
            Of which sequences, ``(n,)``; None: of all.

        Raises
        ------
        TypeError, ValueError
            If rows are no integers, out of range, or one is there twice.
        """
        if rows is None:
            self.native.set_state(None, None)
        else:
            self.native.reset_rows(given_rows(rows))
