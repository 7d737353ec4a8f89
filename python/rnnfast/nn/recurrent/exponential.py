"""What `SLSTM` and `MLSTM` share: one layer in one direction, on the products of its input."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from math import prod
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast._checks import among, check_bool, check_finite, check_int, make_generator
from rnnfast._checks.arrays import dtype_error, require_array, require_ndarray
from rnnfast._checks.likeness import call_like
from rnnfast._checks.memory import check_bytes
from rnnfast._checks.messages import shown
from rnnfast.nn._copies import compiled
from rnnfast.nn.module import Array, Module
from rnnfast.nn.recurrent.arguments import checked_state
from rnnfast.nn.recurrent.exponential_stream import ExponentialStream, States
from rnnfast.nn.recurrent.rows import SequenceRows

# From dy (N, H) and the gradients of the final states to those of the gates and initial states.
RowsBack: TypeAlias = Callable[[Array, States | None], tuple[Array, States]]


class ExponentialRecurrent(Module):
    """Base of `SLSTM` and `MLSTM`, which differ in their memory."""

    has_state = True
    # The parts of a state.
    _letters: ClassVar[str]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        *,
        num_heads: int,
        forget_gate: str,
        bias: bool,
        batch_first: bool,
        bidirectional: bool,
        dtype: str,
        seed: int | np.random.Generator | None,
    ) -> None:
        kind = type(self).__name__
        self.input_size = check_int("input_size", input_size, 1)
        self.hidden_size = check_int("hidden_size", hidden_size, 1)
        self.num_layers = check_int("num_layers", num_layers, 1)
        if self.num_layers > 1:
            raise ValueError(
                f"num_layers: expected 1 with {kind}, got {num_layers}; rf.chain stacks layers"
            )
        self.num_heads = check_int("num_heads", num_heads, 1)
        if self.hidden_size % self.num_heads:
            raise ValueError(
                f"num_heads: expected a divisor of hidden_size {hidden_size}, got {num_heads}"
            )
        if not among(forget_gate, ("sigmoid", "exponential")):
            raise ValueError(
                f"forget_gate: expected 'sigmoid' or 'exponential', got {shown(forget_gate)}"
            )
        self.forget_gate = forget_gate
        self.bias = check_bool("bias", bias)
        self._batch_first = check_bool("batch_first", batch_first)
        self.bidirectional = check_bool("bidirectional", bidirectional)
        if self.bidirectional:
            raise ValueError(
                f"bidirectional: expected False with {kind}, got True; rf.bidirectional runs two "
                "layers in both directions"
            )
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih_l0": (self._gate_rows(), self.input_size), **self._own_shapes()
        }  # fmt: skip
        if self.bias:
            shapes["bias_ih_l0"] = (self._gate_rows(),)
        sizes = {"input_size": self.input_size, "hidden_size": self.hidden_size}
        super().__init__(shapes, dtype, sizes=sizes)
        self._rng = make_generator("seed", seed)
        self._initialise()

    def _initialise(self) -> None:
        for name, parameter in self._parameters.items():
            parameter._fill_uniform(self._rng, self.hidden_size**-0.5)
            if name == "bias_ih_l0" and self.forget_gate == "sigmoid":
                begun = parameter.data.copy()
                self._open(begun)
                parameter.assign(begun)

    # What the cells are.

    @abstractmethod
    def _gate_rows(self) -> int:
        """How many rows the input's weight has."""

    def _own_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of further parameters."""
        return {}

    @abstractmethod
    def _open(self, bias: Array) -> None:
        """Set the bias of the forget gate so that much is remembered at first."""

    @property
    def batch_first(self) -> bool:
        """Whether sequences come as ``(B, T, I)``; may be set."""
        return self._batch_first

    @batch_first.setter
    def batch_first(self, value: bool) -> None:
        self._batch_first = check_bool("batch_first", value)

    @abstractmethod
    def _state_shapes(self, batch: int) -> list[tuple[int, ...]]:
        """Return the shapes of the state's parts, without the axis of layers."""

    def _check_memory(self, batch: int) -> None:
        """Raise MemoryError unless the states before and after may be had."""
        numbers = sum(prod(shape) for shape in self._state_shapes(batch))
        what = f"{type(self).__name__}: the states of {batch} sequences, {self.hidden_size} units"
        check_bytes(what, 2.0 * numbers * self.dtype.itemsize)

    def _check_state(self, parts: States) -> None:
        """Raise ValueError for a state that no step leaves."""

    @abstractmethod
    def _run(
        self, gates: Array, begins: Array, longest: int, state: States | None, *,
        keep: bool = False, in_place: bool = False,
    ) -> tuple[Array, States, RowsBack | None]:  # fmt: skip
        """Take sequences of rows of gates through time."""

    @compiled
    def _native(self) -> _core.Linear:
        """The products of the input."""
        weight, bias = self._parameters["weight_ih_l0"], self._parameters.get("bias_ih_l0")
        rows, columns = weight.shape
        offset = -1 if bias is None else bias.offset
        return _core.Linear(columns, rows, self.buffer, weight.offset, offset)

    # A call

    def _input(self, x: Any) -> tuple[Array, bool]:
        """Return x with an axis for the batch, and whether it came without."""
        array: Array = require_ndarray("x", x)
        if array.dtype != self.dtype:
            raise dtype_error("x", self.dtype, array.dtype)
        if array.ndim not in (2, 3):
            raise ValueError(f"x: expected 2 or 3 axes, got shape {array.shape}")
        if array.shape[-1] != self.input_size:
            axes = ("B, T" if self.batch_first else "T, B") if array.ndim == 3 else "T"
            raise ValueError(f"x: expected shape ({axes}, {self.input_size}), got {array.shape}")
        unbatched = array.ndim == 2
        return (np.expand_dims(array, 0 if self.batch_first else 1) if unbatched else array), (
            unbatched
        )

    def _state(
        self, name: str, state: Any, suffix: str, batch: int, unbatched: bool
    ) -> States | None:
        """Return the parts of a state, or of its gradient, without the axis of layers."""
        if state is None:
            return None
        expected = f"({', '.join(self._letters)})"
        if not isinstance(state, (tuple, list)):
            raise TypeError(f"{name}: expected a tuple {expected}, got {type(state).__name__}")
        if len(state) != len(self._letters):
            raise ValueError(f"{name}: expected a tuple {expected}, got {len(state)} values")
        parts = []
        for letter, part, shape in zip(
            self._letters, state, self._state_shapes(batch), strict=True
        ):
            full = (1, *shape[1:]) if unbatched else (1, *shape)
            label = letter + suffix if suffix else f"d{letter}"
            found = checked_state(label, part, self.dtype, full)
            if found is None:
                raise TypeError(f"{label}: expected an array beside others, got None")
            parts.append(found.reshape(shape).copy())
        return tuple(parts)

    def _given(self, parts: States, unbatched: bool) -> States:
        """Return a state as callers have it."""
        return tuple(part if unbatched else part[np.newaxis] for part in parts)

    def _pass(
        self, x: Any, state: Any, lengths: Any, reset: Any, *, keep: bool
    ) -> tuple[Array, States, Callable[..., tuple[Array | None, States]]]:
        if reset is not None:
            kind = type(self).__name__
            raise ValueError(f"reset: expected None with {kind}, which has no resets, got an array")
        array, unbatched = self._input(x)
        if unbatched and lengths is not None:
            raise ValueError("lengths: expected None for a single sequence, got an array")
        rows = SequenceRows(array, lengths, self.batch_first)
        self._check_memory(rows.batch)
        initial = self._state("state", state, "0", rows.batch, unbatched)
        if initial is not None:
            self._check_state(initial)
        inputs = rows.pack(array)
        if keep and np.may_share_memory(inputs, array):
            inputs = inputs.copy()  # of which the way back makes the weights' gradients
        require_same = self._as_now()
        gates = self._native.forward(inputs)
        by_rows, final, back = self._run(gates, rows.begins, rows.longest, initial, keep=keep)
        y, axis = rows.unpack(by_rows), 0 if self.batch_first else 1
        if keep and np.may_share_memory(y, by_rows):
            y = y.copy()  # which the caller may write to, while backpropagation reads the rows
        shape = y.shape

        def backprop(
            dy: Array | None, dstate: Any = None, *, need_dx: bool = True
        ) -> tuple[Array | None, States]:
            nonlocal back
            if back is None:
                raise RuntimeError("backprop: expected one call for each forward pass, got another")
            require_same()
            check_bool("need_dx", need_dx)
            dfinal = self._state("dstate", dstate, "", rows.batch, unbatched)
            if dy is None:
                dy = np.zeros(shape, self.dtype)
            else:
                given = np.squeeze(np.empty(shape, bool), axis).shape if unbatched else shape
                dy = require_array("dy", dy, self.dtype, given).reshape(shape)
            packed = rows.pack(dy)
            check_finite("dy", packed)
            dgates, dinitial = back(packed, dfinal)
            dx = self._native.backward(dgates, inputs, need_dx)
            back = None
            if dx is not None:
                dx = rows.unpack(dx)
                dx = np.squeeze(dx, axis) if unbatched else dx
            return dx, self._given(dinitial, unbatched)

        return np.squeeze(y, axis) if unbatched else y, self._given(final, unbatched), backprop

    def __call__(
        self,
        x: Array,
        state: States | None = None,
        lengths: npt.ArrayLike | None = None,
        reset: None = None,
        *,
        like: bool = False,
    ) -> tuple[Array, States]:
        """Run the layer over a batch and keep nothing: inference.

        Parameters
        ----------
        x : ndarray
            Input, ``(T, B, I)``, or ``(B, T, I)`` with ``batch_first``, or ``(T, I)`` for a single
            sequence, of the layer's dtype.
        state : tuple of ndarray, optional
            Initial state, as the class has it, without B for a single sequence; zero if None.
        lengths : array_like of int, optional
            ``(B,)``, each from 0 to T. Outputs past a length are 0, the final state is that of the
            last valid step; what lies past a length is never read.
        reset : None
            There are no resets within a sequence.
        like : bool
            True: what is returned is of the library that ``x`` is of, such as a tensor.

        Returns
        -------
        y : ndarray
            ``(T, B, H)`` in the axes of ``x``.
        state : tuple of ndarray
            Final state.

        Raises
        ------
        TypeError
            If an array has another dtype; nothing is cast.
        ValueError
            If a shape does not fit, a length is out of range, a number is NaN or infinite, products
            of numbers overflow (in `MLSTM` those of three, from 1e12 on), or there is a ``reset``.
        """
        if like is not False:
            return call_like(like, self, x, state, lengths, reset)
        y, final, _ = self._pass(x, state, lengths, reset, keep=False)
        return y, final

    def forward(
        self,
        x: Array,
        state: States | None = None,
        lengths: npt.ArrayLike | None = None,
        reset: None = None,
    ) -> tuple[tuple[Array, States], Callable[..., tuple[Array | None, States]]]:
        """Run the layer over a batch and keep what backpropagation needs.

        Takes what a call takes. The parameters must not be changed before ``backprop`` has run: a
        RuntimeError.

        Returns
        -------
        (y, state) : tuple
            As a call.
        backprop : callable
            ``dx, dstate = backprop(dy, dstate=None, need_dx=True)``, once: from the gradients of
            ``y`` and of the final state (None: zero) to those of ``x`` and of the initial state.
            Adds to `grads`.
        """
        y, final, backprop = self._pass(x, state, lengths, reset, keep=True)
        return (y, final), backprop

    def stream(self, batch_size: int = 1) -> ExponentialStream:
        """Return a runner that takes one step at a time and keeps the state inside.

        Parameters
        ----------
        batch_size : int
            Sequences that run side by side.
        """
        return ExponentialStream(self, batch_size)
