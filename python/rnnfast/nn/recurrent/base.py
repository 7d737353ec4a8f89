"""What recurrent layers share: parameters, checks, and the call of the kernels."""

from __future__ import annotations

import dataclasses
import math
import weakref
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast._checks import (
    check_array,
    check_bool,
    check_int,
    check_probability,
    make_generator,
)
from rnnfast._checks.adjustments import warn_caller
from rnnfast._checks.likeness import call_like
from rnnfast._checks.memory import check_memory
from rnnfast.nn._copies import compiled
from rnnfast.nn.module import Array, Module, Parameter
from rnnfast.nn.placement import placement
from rnnfast.nn.recurrent.arguments import Call, add_batch, read_call
from rnnfast.nn.recurrent.layered import layered_forward
from rnnfast.nn.recurrent.networks import layer_networks, one_way_networks, whole_network
from rnnfast.nn.recurrent.noise import Noise, Rates
from rnnfast.nn.recurrent.recompute import NativeBackprop, recomputed_forward
from rnnfast.nn.recurrent.spec import RecurrentSpec
from rnnfast.nn.recurrent.stream import Stream

State: TypeAlias = Any  # (L*D, B, H), or a pair of those for an LSTM
Backprop: TypeAlias = Callable[..., tuple[Array | None, State]]


def _no_backprop(*_: Any, **__: Any) -> NoReturn:
    raise AssertionError("backprop of a plain call")


# The layers by the names under which models take them.
LAYERS: dict[str, type[Any]] = {}


class Recurrent(Module):
    """Base of `RNN`, `GRU`, `LSTM` and others, which differ in their cells and options."""

    has_state = True

    _name: str

    def __init_subclass__(cls, *, name: str | None = None) -> None:
        super().__init_subclass__()
        if name is not None:
            cls._name = name
            LAYERS[name] = cls

    def __init__(
        self,
        kernel: str,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        *,
        bias: bool,
        batch_first: bool,
        dropout: float,
        variational: bool,
        bidirectional: bool,
        dtype: str,
        seed: int | np.random.Generator | None,
        proj_size: int = 0,
        rates: Rates = (0.0, 0.0, 0.0),
        highway_scale: float = 1.0,
        window: int = 1,
    ) -> None:
        self.input_size = check_int("input_size", input_size, 1)
        self.hidden_size = check_int("hidden_size", hidden_size, 1)
        self.num_layers = check_int("num_layers", num_layers, 1)
        self.bias = check_bool("bias", bias)
        batch_first = check_bool("batch_first", batch_first)
        self.bidirectional = check_bool("bidirectional", bidirectional)
        self.proj_size = check_int("proj_size", proj_size, 0)
        if self.proj_size >= self.hidden_size:
            raise ValueError(
                f"proj_size: expected less than hidden_size {hidden_size}, got {proj_size}"
            )
        self._spec = RecurrentSpec(
            kernel, self.input_size, self.hidden_size, self.num_layers, self.bias, batch_first,
            self.bidirectional, self.proj_size, rates[:2], highway_scale, window,
        )  # fmt: skip
        self._rates = rates
        self.dropout = check_probability("dropout", dropout)
        self.variational = check_bool("variational", variational)
        if self.dropout and self.num_layers == 1:
            warn_caller(
                f"dropout: expected 0 with num_layers=1, as it acts between layers, got {dropout}; "
                "it has no effect; rf.Dropout behind the layer drops its outputs"
            )
        self._rng = make_generator("seed", seed)
        self._check_memory(dtype)
        super().__init__(self._spec.shapes(), dtype)
        self._initialise()

    @property
    def spec(self) -> RecurrentSpec:
        """What the network is, beside its weights."""
        return self._spec

    @compiled
    def native(self) -> Any:
        """What runs the passes."""
        return whole_network(self._spec, self.buffer, self.parameters())

    @compiled
    def _short_call(self) -> Callable[[Any, Any, bool, bool], Any]:
        """What answers plain calls of microseconds, and says None of all that need a look."""
        short_call: Callable[[Any, Any, bool, bool], Any] = self.native.short_call
        return short_call

    @compiled
    def _levels(self) -> list[list[Any]]:
        """What `recompute` runs, one after the other."""
        if not self._spec.bidirectional:
            return [[self.native]]
        return one_way_networks(self._spec, self.buffer, self.parameters())

    @compiled
    def _layers(self) -> list[Any]:
        """What runs the layers one by one."""
        return layer_networks(self._spec, self.buffer, self.parameters())

    @property
    def batch_first(self) -> bool:
        """Whether arrays are ``(B, T, ...)``; may be set."""
        return self._spec.batch_first

    @batch_first.setter
    def batch_first(self, value: bool) -> None:
        self._spec = dataclasses.replace(self._spec, batch_first=check_bool("batch_first", value))

    @property
    def num_directions(self) -> int:
        """2 if bidirectional, else 1."""
        return self._spec.num_directions

    @property
    def output_size(self) -> int:
        """Units of one direction's output: ``proj_size`` if that is not 0, else ``hidden_size``."""
        return self._spec.output_size

    def _check_memory(self, dtype: str) -> None:
        """Raise unless there is memory for all layers, which need not be gone through for that."""
        first, other = (self._spec.layer_shapes(layer).values() for layer in (0, 1))
        numbers, others = (sum(map(math.prod, shapes)) for shapes in (first, other))
        sizes = {name: getattr(self, name) for name in ("input_size", "hidden_size", "num_layers")}
        if self._spec.window > 1:
            sizes["width"] = self._spec.window
        check_memory(
            sizes,
            self.num_directions * (numbers + (self.num_layers - 1) * others),
            8 if isinstance(dtype, str) and dtype == "float64" else 4,
            self.num_directions * self.num_layers * len(first),
        )

    def _initialise(self) -> None:
        for name, parameter in self._parameters.items():
            self._draw(name, parameter)

    def _draw(self, name: str, parameter: Parameter) -> None:
        """Draw a parameter from U(-1/sqrt(H), 1/sqrt(H)), as PyTorch does."""
        parameter._fill_uniform(self._rng, self.hidden_size**-0.5)

    # A call

    def _checked(self, x: Any, state: State, lengths: Any, reset: Any) -> Call:
        return read_call(self._spec, self.dtype, x, state, lengths, reset)

    def _noise(self) -> Noise:
        """Return where the noise of passes comes from, as the layer is now."""
        return Noise(
            self._spec, self.dtype, self._rng, self.training, self.dropout, self.variational,
            self._rates,
        )  # fmt: skip

    def _pass(
        self, call: Call, keep: bool, noise: Noise | None = None
    ) -> tuple[Array, Array, Array, _core.ForwardCache | None]:
        """Run the kernels forward over a checked call."""
        spec, seed, masks = self._spec, None, None
        if noise is not None and (seed := noise.seed()) is not None:
            steps, batch = call.x.shape[:2][::-1] if spec.batch_first else call.x.shape[:2]
            masks, seed = noise.masks(
                seed, spec.num_layers, spec.num_directions, steps, batch, call.lengths
            )
        dropout = 0.0 if seed is None else self.dropout
        results: tuple[Array, Array, Array, _core.ForwardCache | None] = self.native.forward(
            call.x, call.h0, call.c0, call.lengths, call.reset,
            spec.batch_first, keep, dropout, seed or 0, self.variational, None, 0, masks,
        )  # fmt: skip  # by position: pybind11 looks every name up at each call
        return results

    def _results(self, call: Call, y: Array, h_n: Array, c_n: Array) -> tuple[Array, State]:
        if call.unbatched:
            y, h_n, c_n = np.squeeze(y, 0 if self.batch_first else 1), h_n[:, 0], c_n[:, 0]
        return y, self._spec.pack_state(h_n, c_n)

    def _native_backprop(self, y: Array, cache: _core.ForwardCache | None) -> NativeBackprop:
        """Make ``y``, which backpropagation reads, read-only until that has run."""
        y.setflags(write=False)
        given, backward = weakref.ref(y), self.native.backward

        def backprop(
            dy: Array | None, dh: Array | None, dc: Array | None, need_dx: bool
        ) -> tuple[Array | None, Array, Array]:
            results: tuple[Array | None, Array, Array] = backward(cache, dy, dh, dc, need_dx)
            if (left := given()) is not None:
                left.setflags(write=True)
            return results

        return backprop

    def _backprop(self, unbatched: bool, native: NativeBackprop) -> Backprop:
        """Wrap backpropagation of arrays with an axis for the batch."""
        axis = 0 if self.batch_first else 1

        def backprop(
            dy: Array | None, dstate: State = None, *, need_dx: bool = True
        ) -> tuple[Array | None, State]:
            dh, dc = self._spec.split_state(dstate)
            dy, dh, dc = check_array("dy", dy), check_array("dstate", dh), check_array("dstate", dc)
            if unbatched:
                dy = add_batch("dy", dy, axis)
                dh, dc = add_batch("dstate", dh), add_batch("dstate", dc)
            dx, dh0, dc0 = native(dy, dh, dc, check_bool("need_dx", need_dx))
            if unbatched:
                dx = None if dx is None else np.squeeze(dx, axis)
                dh0, dc0 = dh0[:, 0], dc0[:, 0]
            return dx, self._spec.pack_state(dh0, dc0)

        return backprop

    def __call__(
        self,
        x: Array,
        h0: State = None,
        lengths: npt.ArrayLike | None = None,
        reset: npt.ArrayLike | None = None,
        *,
        like: bool = False,
    ) -> tuple[Array, State]:
        """Run the network over a batch and keep nothing: inference.

        Parameters
        ----------
        x : ndarray
            Input, ``(T, B, I)``, or ``(B, T, I)`` with ``batch_first``, or ``(T, I)`` for a single
            sequence, of the layer's dtype. An integer array of one axis less holds indices: the
            same result as one-hot vectors of width I, which are never built.
        h0 : ndarray or pair of ndarray, optional
            Initial state, ``(L*D, B, H)``, without B for a single sequence; zero if None. For an
            LSTM the pair ``(h0, c0)``, the first ``(L*D, B, proj_size)`` with a projection.
        lengths : array_like of int, optional
            ``(B,)``, each from 0 to T, in any order. Outputs past a length are 0, the final state
            is that of the last valid step, the reverse direction starts there; a sequence of
            length 0 keeps its initial state. What lies past a length is never read.
        reset : array_like of bool, optional
            ``(T, B)``, or ``(B, T)`` with ``batch_first``. True where a new document begins: no
            state crosses from the step before, in either direction.
        like : bool
            True: what is returned is of the library that ``x`` is of, such as a tensor.

        Returns
        -------
        y : ndarray
            Output of the last layer, ``(T, B, D*H)`` in the axes of ``x``.
        state : ndarray or pair of ndarray
            Final state, as ``h0``.

        Raises
        ------
        TypeError
            If an array has another dtype; nothing is cast.
        ValueError
            If a shape does not fit, an index or a length is out of range, or a number is NaN or
            infinite.
        MemoryError
            If there is not as much as the call needs.
        """
        if like is not False:
            return call_like(like, self, x, h0, lengths, reset)
        if lengths is None and reset is None:
            short: tuple[Array, State] | None = self._short_call(
                x, h0, self._spec.batch_first, False
            )
            if short is not None:
                return short
        call = self._checked(x, h0, lengths, reset)
        y, h_n, c_n, _ = self._pass(call, keep=False)
        return self._results(call, y, h_n, c_n)

    def forward(
        self,
        x: Array,
        h0: State = None,
        lengths: npt.ArrayLike | None = None,
        reset: npt.ArrayLike | None = None,
        *,
        recompute: bool = False,
    ) -> tuple[tuple[Array, State], Backprop]:
        """Run the network over a batch and keep what backpropagation needs.

        Takes what a call of the layer takes. ``backprop`` reads ``x`` again, and without
        ``recompute`` ``y``: until it has run, ``x`` must not be written to within the lengths,
        which it finds out (RuntimeError), and ``y`` is read-only. Indices, states, lengths and
        resets may be reused.

        Parameters
        ----------
        recompute : bool
            True: keep the states at about sqrt(T) borders in time only and run the pass between
            them again in ``backprop``: memory of the order of sqrt(T) for a third more work
            (Chen et al. 2016). In both directions each layer is gone through by itself, so that
            the inputs of all layers are kept too. The parameters must not change before
            ``backprop`` has run, which finds it out; without ``recompute`` it keeps to those of
            this pass. An interrupt such as Ctrl-C meanwhile leaves `grads` with the parts that are
            done. Sums over steps are cut at the borders, so that gradients round otherwise in
            their last bits. With dropout the masks may be others than without ``recompute``, for
            the same seed: a stack in one direction draws them for each part anew, unless it is
            ``variational``; one in both directions draws the same. Those of zoneout and of the
            candidate are others always.

        Returns
        -------
        (y, state) : tuple
            As a call of the layer.
        backprop : callable
            ``dx, dstate = backprop(dy, dstate=None, need_dx=True)``: from the gradients of ``y``
            and of the final state (None: zero) to those of ``x`` and of the initial state. Adds to
            `grads`. May be called once. ``dx`` is None for indices, and with ``need_dx=False``.
            It raises RuntimeError, and changes nothing, where ``x`` is not what it was, nor with
            ``recompute`` the parameters.

        Notes
        -----
        A pass keeps, per step, sequence and hidden unit of a layer, in numbers of the dtype: 5 for
        an LSTM and a GRU (4 for one that resets before the product, 3 for the simplified one), 1
        for an RNN, one for each gate and one for the state of a cell without a recurrent product,
        beside the layer's output; a projection or a reset before the product 1 more. A
        layer-normalised LSTM keeps 10 and a GRU 7, and 3 and 4 per step and sequence; each mask of
        zoneout or of the candidate 1 more. With ``recompute`` it keeps none of these; if
        bidirectional, the output of each layer but the last, and ``backprop`` needs, for one layer
        at a time, the gradients of its output and input, and the factors of its dropout.
        """
        if self._frozen:
            self._require_trainable("forward")
            return self(x, h0, lengths, reset), _no_backprop  # within a plain call
        noisy = self.dropout or any(self._rates)
        if lengths is None and reset is None and recompute is False and not noisy:
            kept = self._short_call(x, h0, self._spec.batch_first, True)
            if kept is not None:
                y, state, cache = kept
                return (y, state), self._backprop(False, self._native_backprop(y, cache))
        call = self._checked(x, h0, lengths, reset)
        placed = placement() is not None and self.training
        if check_bool("recompute", recompute) and call.x.size:
            if placed and noisy:
                raise ValueError("comm: expected recompute=False with dropout, got True")
            y, h_n, c_n, native = recomputed_forward(
                self._spec, self.native, self._levels, self.buffer, self._noise(), call
            )
            return self._results(call, y, h_n, c_n), self._backprop(call.unbatched, native)
        noise = self._noise() if noisy else None
        if placed and self.dropout and self.num_layers > 1 and noise is not None:
            seed = noise.seed()
            assert seed is not None
            y, h_n, c_n, layered = layered_forward(self._layers, noise, seed, call)
            return self._results(call, y, h_n, c_n), self._backprop(call.unbatched, layered)
        y, h_n, c_n, cache = self._pass(call, keep=True, noise=noise)
        results = self._results(call, y, h_n, c_n)
        return results, self._backprop(call.unbatched, self._native_backprop(results[0], cache))

    def _gates(self, x: Array, state: State = None) -> dict[str, Array]:
        """Return the gates and states of the first layer at each step, ``(T, B, H)``.

        Takes ``x`` as inference does, with an axis for the batch; for a network of one layer in
        one direction. See `rnnfast.diagnostics.gate_activations`.

        Raises
        ------
        ValueError
            If there are more.
        """
        self._require_one_layer()
        y, _, _, cache = self._pass(self._checked(x, state, None, None), keep=True)
        return {**self.native.gates(cache), "h": np.swapaxes(y, 0, 1) if self.batch_first else y}

    def _require_one_layer(self) -> None:
        if self.num_layers > 1 or self.bidirectional:
            raise ValueError(
                f"gates: expected a network of one layer in one direction, got {self.num_layers} "
                f"in {self.num_directions}"
            )

    def stream(self, batch_size: int = 1) -> Stream:
        """Return a runner that takes one step at a time and keeps the state inside.

        Parameters
        ----------
        batch_size : int
            Sequences that run side by side.

        Raises
        ------
        ValueError
            If the network is bidirectional: its reverse direction begins at the end of a sequence,
            which a stream has not seen yet.
        """
        return Stream(self, batch_size)
