"""LSTM and GRU with layer normalisation, zoneout and dropout of the candidate.

Their steps are simpler loops than those of `rf.LSTM` and `rf.GRU`, and so slower: the price of what
stands between the product and the gate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast._checks import check_array, check_bool, check_int, check_probability
from rnnfast.nn._stepwise_passes import (
    Noise,
    Order,
    Pass,
    SingleLayer,
    between_layers,
    require_finite,
    require_indices,
)
from rnnfast.nn.module import Array
from rnnfast.nn.recompute import Call
from rnnfast.nn.recurrent import RecurrentWithCell
from rnnfast.nn.recurrent_base import Backprop, Recurrent, State

_GAINS = ("gain_ih", "gain_hh", "gain_c")


class _Kept:
    """What a training pass of all layers leaves for backpropagation; used once."""

    def __init__(self) -> None:
        self.passes: list[tuple[SingleLayer, Pass]] = []
        self.dropouts: list[Any] = []
        self.used = False


class _StepwiseRecurrent(Recurrent):
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
            raise ValueError(f"zoneout: expected a number or a pair of them, got {zoneout!r}")
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

    def _shapes(self, peephole: bool) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        plain, rows = super()._shapes(peephole), self._gates * self.hidden_size
        for _, suffix in self._suffixes():
            shapes |= {name: s for name, s in plain.items() if name.endswith(f"_{suffix}")}
            if self.layer_norm:
                shapes |= {f"gain_ih_{suffix}": (rows,), f"gain_hh_{suffix}": (rows,)}
                if self._lstm:
                    size = (self.hidden_size,)
                    shapes |= {f"gain_c_{suffix}": size, f"bias_c_{suffix}": size}
        return shapes

    def _initialise(self) -> None:
        super()._initialise()
        for name, parameter in self._parameters.items():
            if name.startswith(_GAINS):
                parameter.assign(np.ones(parameter.shape))
            elif name.startswith("bias_c"):
                parameter.assign(np.zeros(parameter.shape))

    def _make_native(self, kernel: str) -> Any:
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
            self._require("dy", dy, (*call.x.shape[:2], directions * width))
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
        if recompute:
            raise ValueError(f"recompute: expected False for a {type(self).__name__}, got True")
        call = self._checked(x, h0, lengths, reset).copied()
        y, h_n, c_n, kept = self._pass(call, keep=True, seed=self._dropout_seed())

        def native(
            dy: Array | None, dh: Array | None, dc: Array | None, need_dx: bool
        ) -> tuple[Array | None, Array, Array]:
            return self._backward(kept, call, dy, dh, dc, need_dx)

        return self._results(call, y, h_n, c_n), self._backprop(call, native)

    def gates(self, x: Array, state: State = None) -> dict[str, Array]:
        """Return the gates and states of the first layer at each step, ``(T, B, H)``.

        Takes ``x`` time first, as inference does; see `rnnfast.diagnostics.gate_activations`.
        """
        h0, c0 = self._states(state)
        done = self._native[0].forward(x, *(_first(s) for s in (h0, c0)), *self._plain(x))
        names = "ifgo" if self._lstm else "rzn"
        gates = np.split(done.kept["gates"], len(names), axis=-1)
        result = {name: gate.copy() for name, gate in zip(names, gates, strict=True)}
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
        if state is None:
            return None
        places = self.num_layers * self.num_directions
        self._require(name, state, (places, batch, self.hidden_size))
        if not np.isfinite(state).all():
            raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
        return state

    def _require(self, name: str, array: Array, shape: tuple[int, ...]) -> None:
        if array.dtype != self.dtype:
            raise TypeError(f"{name}: expected dtype {self.dtype}, got {array.dtype}")
        if array.shape != shape:
            raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")


class LayerNormGRU(_StepwiseRecurrent):
    """GRU with layer normalisation, zoneout and dropout of the candidate.

    ::

        r, z = sigmoid(LN(W_i x) gain_i + b_i + LN(W_h h') gain_h + b_h)       both together
        n    = tanh(LN(W_in x) gain_in + b_in + r * (LN(W_hn h') gain_hn + b_hn))
        h    = (1 - z) * m_n * n + z * h'
        h    = m_h * h' + (1 - m_h) * h

    with ``LN(v) = (v - mean(v)) / sqrt(var(v) + 1e-5)`` over the units of a row (Ba, Kiros and
    Hinton 2016, equations 23 to 27 of the supplement, in the gates and the order of `rf.GRU`);
    ``m_n`` the mask of dropout of the candidate (Semeniuta, Severyn and Barth 2016, section 4),
    ``m_h`` that of zoneout (Krueger et al. 2017), both drawn anew at each step in `forward`. A
    plain call takes the masks' means.

    Parameters
    ----------
    input_size, hidden_size, num_layers
        See `RNN`.
    layer_norm : bool
        False: LN is the identity and there are no gains, which makes it a `GRU`.
    zoneout : float
        Probability with which a unit keeps its state at a step.
    recurrent_dropout : float
        Probability with which a unit's candidate n is dropped at a step; others are divided by
        ``1 - p``.
    bias, batch_first, dropout, variational, bidirectional, dtype, seed
        See `RNN`.

    Notes
    -----
    The parameters of a `GRU`, and ``gain_ih_l0`` and ``gain_hh_l0`` (3H,), which begin as 1.
    """

    _gates = 3
    _lstm = False
    reset_gate = True
    reset_after = True


class LayerNormLSTM(_StepwiseRecurrent, RecurrentWithCell):
    """LSTM with layer normalisation, zoneout and dropout of the candidate.

    ::

        i, f, g, o = LN(W_i x) gain_i + b_i + LN(W_h h') gain_h + b_h          all together
        k = sigmoid(f) * c' + sigmoid(i) * m_g * tanh(g)
        h = sigmoid(o) * tanh(LN(k) gain_c + b_c)
        c = m_c * c' + (1 - m_c) * k
        h = m_h * h' + (1 - m_h) * h

    with ``LN(v) = (v - mean(v)) / sqrt(var(v) + 1e-5)`` over the units of a row (Ba, Kiros and
    Hinton 2016, equations 20 to 22 of the supplement); ``m_g`` the mask of dropout of the candidate
    (Semeniuta, Severyn and Barth 2016, section 4: memory loss is avoided since c itself is never
    dropped), ``m_c`` and ``m_h`` those of zoneout (Krueger et al. 2017, section 3.2), all drawn
    anew at each step in `forward`. A plain call takes the masks' means.

    Parameters
    ----------
    input_size, hidden_size, num_layers
        See `RNN`.
    layer_norm : bool
        False: LN is the identity and there are no gains, which makes it an `LSTM`.
    zoneout : float or pair of float
        Probability with which a unit keeps its h and its c at a step; a pair: of h, of c.
    recurrent_dropout : float
        Probability with which a unit's candidate g is dropped at a step; others are divided by
        ``1 - p``.
    bias, batch_first, dropout, variational, bidirectional, dtype, seed
        See `RNN`.

    Notes
    -----
    The parameters of an `LSTM`, and the gains ``gain_ih_l0`` and ``gain_hh_l0`` (4H,) and
    ``gain_c_l0`` (H,), which begin as 1, and ``bias_c_l0`` (H,), which begins as 0.
    """

    _gates = 4
    _lstm = True

    def forward(
        self,
        x: Array,
        state: State = None,
        lengths: Any = None,
        reset: Any = None,
        *,
        recompute: bool = False,
    ) -> tuple[tuple[Array, State], Backprop]:
        """Run the network over a batch and keep what backpropagation needs; see `RNN`.

        ``reset`` and ``recompute`` are not for these layers.
        """
        return super().forward(x, state, lengths, reset, recompute=recompute)


def _first(state: Array | None) -> Array | None:
    return None if state is None else state[0]


class StepwiseStream:
    """Runs a `LayerNormLSTM` or `LayerNormGRU` step by step, as `Stream` does other layers.

    Attributes
    ----------
    state : ndarray or pair of ndarray
        The state, ``(L, B, H)`` or the pair (h, c); may be set.
    batch_size : int
        B.
    """

    def __init__(self, layer: _StepwiseRecurrent, batch_size: int = 1) -> None:
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
