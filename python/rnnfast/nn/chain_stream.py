"""Chains one step at a time."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from rnnfast import _core
from rnnfast._checks import check_int
from rnnfast._checks.arrays import require_ndarray
from rnnfast._checks.likeness import steps_like
from rnnfast.nn._copies import compiled, state_without_compiled
from rnnfast.nn.activation import Activation
from rnnfast.nn.compose import Chain
from rnnfast.nn.container import States, checked_states
from rnnfast.nn.dropout import Dropout
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.module import Array, Module
from rnnfast.nn.recurrent.base import Recurrent
from rnnfast.nn.recurrent.stream import Stream, given_rows, step_input


class _Part(NamedTuple):
    """A layer of a chain."""

    place: str  # of its state
    name: str  # in messages
    layer: Module
    sizes: tuple[int, int] | None  # features that it takes and gives; None: as many as come


def _parts(chain: Chain, above: str = "", start: str = "") -> Iterator[_Part]:
    """Yield the layers of a chain, of chains within too; ValueError for what takes no steps."""
    for number, layer in chain.children().items():
        place, name = start + number, above + chain._place(number)
        if isinstance(layer, Chain):
            yield from _parts(layer, f"{name}.", f"{place}.")
            continue
        name += f" ({type(layer).__name__})"
        if isinstance(layer, Dropout):  # which drops nothing here
            continue
        if isinstance(layer, Recurrent):
            if layer.bidirectional:
                raise ValueError(f"{name}: expected one direction for a stream, got both")
            yield _Part(place, name, layer, (layer.input_size, layer.output_size))
        elif isinstance(layer, Linear):
            yield _Part(place, name, layer, (layer.in_features, layer.out_features))
        elif isinstance(layer, Embedding):
            yield _Part(place, name, layer, (0, layer.embedding_dim))
        elif isinstance(layer, Activation):
            yield _Part(place, name, layer, None)
        else:
            raise ValueError(
                f"{name}: expected a recurrent layer but SLSTM and MLSTM, or Linear, Embedding, "
                f"Activation, Dropout or a chain of such for a stream, got {type(layer).__name__}"
            )


def _require_fitting(parts: list[_Part]) -> None:
    """Raise unless each part takes what the one before gives."""
    first: _Part | None = None
    for part in parts:
        if part.sizes is None:
            continue
        if first is not None and first.sizes is not None:
            if part.sizes[0] != first.sizes[1]:
                raise ValueError(
                    f"{part.name}: expected to take {first.sizes[1]} features as {first.name} "
                    f"gives them, got {part.sizes[0] or 'indices'}"
                )
            if part.layer.dtype != first.layer.dtype:
                raise ValueError(
                    f"{part.name}: expected dtype {first.layer.dtype} as {first.name} has it, got "
                    f"{part.layer.dtype}"
                )
        first = part


class ChainStream:
    """Runs a chain step by step; made by ``chain.stream(batch_size)``.

    A step is a call, ``y_t = step(x_t)``, with ``x_t`` of shape ``(B, I)``, ``(I,)`` or indices as
    `Stream` takes it, or what an `Embedding` takes if that is the first part. It returns
    ``(B, O)``, or ``(O,)`` where ``x_t`` came without B, which the next step may write into.

    A recurrent layer and a `Linear` behind it are one call of the kernels.

    Attributes
    ----------
    state : dict of str
        A copy of the states by the places of the recurrent layers, as a call of the chain gives
        them with ``return_state``; may be set, and what is not in it becomes zero.
    batch_size : int
        B.

    Notes
    -----
    A stream belongs to one thread at a time, as `Stream` does.
    """

    def __init__(self, chain: Chain, batch_size: int = 1) -> None:
        self.batch_size = check_int("batch_size", batch_size, 1)
        self._chain = chain
        parts = list(_parts(chain))
        _require_fitting(parts)
        self._streams: dict[str, Stream] = {}
        self._pieces: list[Stream | Module] = []
        for part, behind in zip(parts, [*parts[1:], None], strict=True):
            if isinstance(part.layer, Recurrent):
                head = behind.layer if behind is not None else None
                stream = Stream(
                    part.layer, self.batch_size, head if isinstance(head, Linear) else None
                )
                self._streams[part.place] = stream
                self._pieces.append(stream)
            elif not (isinstance(part.layer, Linear) and self._ends_in(part.layer)):
                self._pieces.append(part.layer)
        if not self._streams:
            raise ValueError("stream: expected a chain with a recurrent layer, got one without")
        sizes = [part.sizes for part in parts if part.sizes is not None]
        self._output_size = sizes[-1][1]
        self._is_double = next(iter(self._streams.values())).is_double

    def _ends_in(self, head: Linear) -> bool:
        """Whether the last piece is a stream that applies this layer too."""
        last = self._pieces[-1] if self._pieces else None
        return isinstance(last, Stream) and last.head is head

    @property
    def _only(self) -> Stream | None:
        """The stream that is all of it."""
        piece = self._pieces[0]
        return piece if len(self._pieces) == 1 and isinstance(piece, Stream) else None

    @compiled
    def native(self) -> _core.Stream | None:
        """What takes whole steps, if there is one."""
        return None if self._only is None else self._only.native

    def __getstate__(self) -> dict[str, Any]:
        """Return the chain, and copies of the streams, which go on by themselves."""
        state = state_without_compiled(self)
        copies = {id(stream): copy.copy(stream) for stream in self._streams.values()}
        state["_streams"] = {place: copies[id(one)] for place, one in self._streams.items()}
        state["_pieces"] = [copies.get(id(piece), piece) for piece in self._pieces]
        return state

    @_core.quick_step
    def __call__(
        self, x: Any, out: Array | None = None, rows: Any = None, *, like: bool = False
    ) -> Array:
        """Take one step.

        Parameters
        ----------
        x : ndarray or int
            ``(B, I)`` of the chain's dtype, or indices ``(B,)``; without B for a single sequence.
        out : ndarray, optional
            What to write to, ``(B, O)``, or ``(O,)`` where ``x`` came without B; C-contiguous.
        rows : array_like of int, optional
            The sequences that take the step, ``(n,)``, none of them twice; n stands for B above.
            None: all.
        like : bool
            True: what is returned is of the library that ``x`` is of, such as a tensor, and in
            memory of its own.

        Returns
        -------
        ndarray
            ``out``, or an array that the next step may write into.

        Raises
        ------
        TypeError, ValueError
            As a step of a `Stream`.
        """
        if like is not False:
            return steps_like(like, self, functools.partial(self, rows=rows), x, out)
        if self._only is not None:
            return self._only(x, out, rows)
        y = step_input(x)
        if out is not None:
            array = np.asarray(y)
            flat = array.ndim == (0 if array.dtype.kind in "iu" else 1)
            count = self.batch_size
            if rows is not None:
                count = len(_core.read_rows(given_rows(rows), self.batch_size))
            shape = (self._output_size,) if flat else (count, self._output_size)
            _core.require_output(out, shape, self._is_double)
        for piece in self._pieces:
            y = piece(y, rows=rows) if isinstance(piece, Stream) else piece(y)
        return y if out is None else _filled(out, y)

    @_core.quick_run
    def run(self, x: Array, out: Array | None = None, *, like: bool = False) -> Array:
        """Take the steps of ``x``, ``(T, B, I)`` or indices ``(T, B)``, and return all outputs.

        The same bits as T single steps. Time comes first, whatever ``batch_first`` says.

        Parameters
        ----------
        x : ndarray
            As above.
        out : ndarray, optional
            What to write to, ``(T, B, O)``; C-contiguous.
        like : bool
            True: what is returned is of the library that ``x`` is of, such as a tensor.

        Returns
        -------
        ndarray
            ``(T, B, O)``: ``out``, or an array of its own.

        Raises
        ------
        TypeError, ValueError
            As a step.
        """
        if like is not False:
            return steps_like(like, self, self.run, x, out)
        if self._only is not None:
            return self._only.run(x, out)
        y = require_ndarray("x", x)
        if out is not None:
            shape = (*y.shape[:1], self.batch_size, self._output_size)
            _core.require_output(out, shape, self._is_double)
        for piece in self._pieces:
            y = piece.run(y) if isinstance(piece, Stream) else piece(y)
        return y if out is None else _filled(out, y)

    @property
    def state(self) -> States:
        """A copy of the states by place; may be set."""
        return {place: stream.state for place, stream in self._streams.items()}

    @state.setter
    def state(self, states: Mapping[str, Any] | None) -> None:
        given, before = checked_states("state", states, self._chain), self.state
        try:
            self._set(given)
        except (TypeError, ValueError):
            self._set(before)
            raise

    def _set(self, states: Mapping[str, Any]) -> None:
        for place, stream in self._streams.items():
            stream.state = states.get(place)

    def reset(self, rows: Any = None) -> None:
        """Set the states to zero.

        Parameters
        ----------
        rows : array_like of int, optional
            Of which sequences, ``(n,)``; None: of all.

        Raises
        ------
        TypeError, ValueError
            If rows are no integers, out of range, or one is there twice.
        """
        for stream in self._streams.values():
            stream.reset(rows)


def _filled(out: Array, y: Array) -> Array:
    out[...] = y
    return out
