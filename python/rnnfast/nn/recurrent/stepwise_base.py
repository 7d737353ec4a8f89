"""What `LayerNormLSTM` and `LayerNormGRU` share: a stack of single layers under `Recurrent`."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from rnnfast._checks import check_bool, check_probability
from rnnfast._checks.arrays import require_array
from rnnfast._checks.messages import shown
from rnnfast.nn._copies import compiled
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.arguments import Call, checked_state
from rnnfast.nn.recurrent.base import Backprop, Recurrent, State
from rnnfast.nn.recurrent.stepwise_passes import (
    Noise,
    Order,
    Pass,
    SingleLayer,
    between_layers,
    require_finite,
    require_indices,
)
from rnnfast.nn.recurrent.stepwise_stream import StepwiseStream

_GAINS = ("gain_ih", "gain_hh", "gain_c")


class _Kept:
    """What a training pass of all layers leaves for backpropagation; used once."""

    def __init__(self) -> None:
        self.passes: list[tuple[SingleLayer, Pass]] = []
        self.dropouts: list[Any] = []
        self.used = False


class StepwiseRecurrent(Recurrent):
    """Base of `LayerNormLSTM` and `LayerNormGRU`: stacks single layers."""

    _lstm: bool

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        layer_norm: bool = True,
        zoneout: Any = 0.0,
        recurrent_dropout: float = 0.0,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        variational: bool = False,
        bidirectional: bool = False,
        dtype: str = "float32",
        seed: int | np.random.Generator | None = None,
    ) -> None:
        self.layer_norm = check_bool("layer_norm", layer_norm)
        self.zoneout = zoneout
        pair = zoneout if self._lstm and isinstance(zoneout, (tuple, list)) else (zoneout, zoneout)
        if len(pair) != 2:
            raise ValueError(f"zoneout: expected a number or a pair of them, got {shown(zoneout)}")
        self._noise = Noise(
            check_probability("zoneout", pair[0]),
            check_probability("zoneout", pair[1]),
            check_probability("recurrent_dropout", recurrent_dropout),
        )
        self.recurrent_dropout = self._noise.candidate
        super().__init__(
            "lstm" if self._lstm else "gru",
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            variational=variational,
            bidirectional=bidirectional,
            dtype=dtype,
            seed=seed,
        )

    def _layer_shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        shapes, rows = super()._layer_shapes(layer), len(self._cell.gates) * self.hidden_size
        if self.layer_norm:
            shapes |= {"gain_ih": (rows,), "gain_hh": (rows,)}
            if self._lstm:
                shapes |= {"gain_c": (self.hidden_size,), "bias_c": (self.hidden_size,)}
        return shapes

    def _initialise(self) -> None:
        super()._initialise()
        for name, parameter in self._parameters.items():
            if name.startswith(_GAINS):
                parameter.assign(np.ones(parameter.shape))
            elif name.startswith("bias_c"):
                parameter.assign(np.zeros(parameter.shape))

    @compiled
    def _native(self) -> Any:
        layers = []
        for _, suffix in self._suffixes():
            end = f"_{suffix}"
            own = {n.removesuffix(end): p for n, p in self._parameters.items() if n.endswith(end)}
            layers.append(SingleLayer(own, lstm=self._lstm, backward=suffix.endswith("_reverse")))
        return layers

    def _dropout_seed(self) -> int | None:
        """Draw the seed of one training pass's noise; None without noise."""
        drops = self.dropout > 0 and self.num_layers > 1
        if not self.training or not (drops or any(vars(self._noise).values())):
            return None
        return int(self._rng.integers(2**63))

    def _pass(
        self, call: Call, keep: bool, seed: int | None = None
    ) -> tuple[Array, Array, Array, Any]:
        x = np.swapaxes(call.x, 0, 1) if self.batch_first else call.x
        steps, batch = x.shape[:2]
        if x.dtype.kind in "iu":
            require_indices(x, self.input_size, call.lengths)
        else:
            require_finite("x", x, call.lengths)
        if call.reset is not None:
            raise ValueError(f"reset: expected None for a {type(self).__name__}, got an array")
        h0, c0 = (self._checked_state(n, s, batch) for n, s in (("h0", call.h0), ("c0", call.c0)))
        order = Order(call.lengths, steps, batch)
        rng = None if seed is None else np.random.default_rng(seed)
        kept = _Kept()
        finals: list[tuple[Array, Array | None]] = []
        directions = self.num_directions
        for k in range(self.num_layers):
            outputs = []
            for place in range(k * directions, (k + 1) * directions):
                layer: SingleLayer = self._native[place]
                done = layer.forward(
                    x,
                    None if h0 is None else h0[place],
                    None if c0 is None else c0[place],
                    order,
                    self._noise,
                    rng,
                )
                y, h_n, c_n = layer.outputs(done)
                outputs.append(y)
                finals.append((h_n, c_n))
                if keep:
                    kept.passes.append((layer, done))
            x = outputs[0] if directions == 1 else np.concatenate(outputs, axis=2)
            if rng is not None and k + 1 < self.num_layers:
                between = between_layers(self.dropout, self.variational, int(rng.integers(2**63)))
                x, undo = between.forward(x)
                kept.dropouts.append(undo)
            elif k + 1 < self.num_layers:
                kept.dropouts.append(lambda dy: dy)
        y = np.ascontiguousarray(np.swapaxes(x, 0, 1)) if self.batch_first else x
        c_all = [c for _, c in finals if c is not None]
        empty = np.empty((0, batch, self.hidden_size), self.dtype)
        return (
            y,
            np.stack([h for h, _ in finals]),
            np.stack(c_all) if c_all else empty,
            kept if keep else None,
        )

    def _backward(
        self,
        kept: _Kept,
        call: Call,
        dy: Array | None,
        dh: Array | None,
        dc: Array | None,
        need_dx: bool,
    ) -> tuple[Array | None, Array, Array]:
        if kept.used:
            raise RuntimeError(
                "backprop: expected to be called once a forward pass, got a second call"
            )
        batch = call.x.shape[0 if self.batch_first else 1]
        directions, width = self.num_directions, self.hidden_size
        if dy is not None:
            dy = require_array("dy", dy, self.dtype, (*call.x.shape[:2], directions * width))
            dy = np.swapaxes(dy, 0, 1) if self.batch_first else dy
            require_finite("dy", dy, call.lengths)
        dh = self._checked_state("dh_n", dh, batch)
        dc = self._checked_state("dc_n", dc, batch)
        kept.used = True
        initial: list[tuple[Array, Array | None]] = []
        gradient = dy
        for k in reversed(range(self.num_layers)):
            parts = []
            for d in range(directions):
                place = k * directions + d
                layer, done = kept.passes[place]
                dx, dh0, dc0 = layer.backward(
                    done,
                    None if gradient is None else gradient[..., d * width : (d + 1) * width],
                    None if dh is None else dh[place],
                    None if dc is None else dc[place],
                    need_dx or k > 0,
                )
                parts.append(dx)
                initial.insert(d, (dh0, dc0))
            gradient = parts[0]
            if directions == 2 and gradient is not None:
                assert parts[1] is not None
                gradient = gradient + parts[1]
            if k:
                assert gradient is not None
                gradient = kept.dropouts[k - 1](gradient)
        kept.passes.clear()
        if gradient is not None and self.batch_first:
            gradient = np.ascontiguousarray(np.swapaxes(gradient, 0, 1))
        c_all = [c for _, c in initial if c is not None]
        empty = np.empty((0, batch, width), self.dtype)
        return (
            gradient,
            np.stack([h for h, _ in initial]),
            np.stack(c_all) if c_all else empty,
        )

    def forward(
        self,
        x: Array,
        h0: State = None,
        lengths: Any = None,
        reset: Any = None,
        *,
        recompute: bool = False,
    ) -> tuple[tuple[Array, State], Backprop]:
        """Run the network over a batch and keep what backpropagation needs; see `RNN`.

        ``reset`` and ``recompute`` are not for these layers, and the parameters must not change
        before ``backprop`` has run.
        """
        if check_bool("recompute", recompute):
            raise ValueError(f"recompute: expected False for a {type(self).__name__}, got True")
        call = self._checked(x, h0, lengths, reset).copied()
        y, h_n, c_n, kept = self._pass(call, keep=True, seed=self._dropout_seed())
        native = functools.partial(self._backward, kept, call)
        return self._results(call, y, h_n, c_n), self._backprop(call, native)

    def _gates(self, x: Array, state: State = None) -> dict[str, Array]:
        """Return the gates and states of the first layer at each step, ``(T, B, H)``.

        Takes ``x`` time first, as inference does; see `rnnfast.diagnostics.gate_activations`.
        """
        self._require_one_layer()
        call = self._checked(x, state, None, None)
        if call.unbatched or self.batch_first:
            raise ValueError("x: expected time first and an axis for the batch, got another order")
        batch = x.shape[1]
        h0, c0 = (self._checked_state(n, s, batch) for n, s in (("h0", call.h0), ("c0", call.c0)))
        done = self._native[0].forward(call.x, *(_first(s) for s in (h0, c0)), *self._plain(call.x))
        gates = np.split(done.kept["gates"], len(self._cell.gates), axis=-1)
        result = {name: gate.copy() for name, gate in zip(self._cell.gates, gates, strict=True)}
        return result | {n: done.kept[n][1:] for n in ("c", "h") if n in done.kept}

    def _plain(self, x: Array) -> tuple[Order, Noise, None]:
        """Return the order and the noise of inference."""
        return Order(None, *x.shape[:2]), self._noise, None

    def stream(self, batch_size: int = 1) -> Any:
        """Return a runner that takes one step at a time and keeps the state inside.

        Raises
        ------
        ValueError
            If the network is bidirectional.
        """
        return StepwiseStream(self, batch_size)

    def _checked_state(self, name: str, state: Array | None, batch: int) -> Array | None:
        places = self.num_layers * self.num_directions
        return checked_state(name, state, self.dtype, (places, batch, self.hidden_size))


def _first(state: Array | None) -> Array | None:
    return None if state is None else state[0]
