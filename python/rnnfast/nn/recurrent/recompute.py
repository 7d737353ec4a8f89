"""Backpropagation in little memory: keep states at borders in time, run the rest again.

What is run so, part by part, has one direction: a stack of layers as a whole, or, if it is
bidirectional, each direction of each layer by itself, one level after the other. There the next
level needs both directions of a step, and they come to it in different parts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from rnnfast import _core
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.arguments import Call, checked_state
from rnnfast.nn.recurrent.noise import Noise
from rnnfast.nn.recurrent.parts import Direction, PartedPass, part_begins
from rnnfast.nn.recurrent.spec import RecurrentSpec

# (dy, dh_n, dc_n, need_dx) -> (dx, dh0, dc0), all with an axis for the batch.
NativeBackprop: TypeAlias = Callable[
    [Array | None, Array | None, Array | None, bool], tuple[Array | None, Array, Array]
]


def recomputed_forward(
    spec: RecurrentSpec,
    native: Any,
    levels: list[list[Any]],
    buffer: _core.ParameterBuffer,
    noise: Noise,
    call: Call,
) -> tuple[Array, Array, Array, NativeBackprop]:
    """Run forward in parts of about sqrt(T) steps and keep the states between them.

    Parameters
    ----------
    spec : RecurrentSpec
        What the network is.
    native : _core.Recurrent
        What runs all of it.
    levels : list of list of _core.Recurrent
        What is run one after the other: the network as a whole, or, if it is bidirectional, the
        directions of each of its layers.
    buffer : _core.ParameterBuffer
        Its parameters.
    noise : Noise
        What its passes draw.
    call : Call
        The arguments.
    """
    call = call.copied()  # what backpropagation reads again the caller may reuse, but for x
    indices = call.x.ndim == 2
    if indices:
        call = call._replace(x=call.x.copy())
    native.check_sequence("x", call.x, call.lengths, spec.batch_first)
    _check_states(spec, noise.dtype, call, "h0", call.h0, "c0", call.c0)
    version = buffer.version

    def fingerprint() -> int:
        if indices:
            return 0
        found: int = native.fingerprint(call.x, call.lengths, spec.batch_first)
        return found

    x_print = fingerprint()
    run = _Run(spec, native, levels, noise, call)
    y, h, c = run.forward()
    shape, lengths = y.shape, call.lengths
    done = False

    def backprop(
        dy: Array | None, dh: Array | None, dc: Array | None, need_dx: bool
    ) -> tuple[Array | None, Array, Array]:
        nonlocal done
        if done:
            raise RuntimeError(
                "backprop: expected to be called once a forward pass, got a second call"
            )
        if buffer.version != version:
            raise RuntimeError(
                "backprop: expected the parameters of the forward pass, which recompute runs "
                "again, but they were changed"
            )
        if fingerprint() != x_print:
            raise RuntimeError(
                "backprop: expected x as it was in the forward pass, but it was written to"
            )
        if dy is not None:
            if dy.shape != shape:
                raise ValueError(f"dy: expected shape {shape}, got {dy.shape}")
            native.check_sequence("dy", dy, lengths, spec.batch_first)
        _check_states(spec, noise.dtype, call, "dh_n", dh, "dc_n", dc)
        done = True
        return run.backward(dy, dh, dc, need_dx)

    return y, h, c, backprop


def _check_states(
    spec: RecurrentSpec,
    dtype: np.dtype[Any],
    call: Call,
    h_name: str,
    h: Array | None,
    c_name: str,
    c: Array | None,
) -> None:
    batch = call.x.shape[0 if spec.batch_first else 1]
    rows = spec.num_layers * spec.num_directions
    checked_state(h_name, h, dtype, (rows, batch, spec.output_size))
    checked_state(c_name, c, dtype, (rows, batch, spec.memory_size))


class _Run:
    """A checked pass of a layer and its backpropagation, of arrays with an axis for the batch.

    Kept are the input, that of each further level, and the states at the borders. `backward`, which
    lets them go from the last level to the first, runs once.
    """

    def __init__(
        self,
        spec: RecurrentSpec,
        native: Any,
        networks: list[list[Any]],
        noise: Noise,
        call: Call,
    ) -> None:
        self._spec = spec
        self._native = native
        self._networks = networks
        self._noise = noise
        self._call = call
        self._levels: list[list[PartedPass]] = []  # those that `backward` has not undone
        self._seed: int | None = None  # of dropout between levels

    def forward(self) -> tuple[Array, Array, Array]:
        spec, call = self._spec, self._call
        x, reset = self._by_time(call.x), call.reset
        reset = None if reset is None else self._by_time(reset)
        if spec.bidirectional:
            self._seed = self._noise.seed()
        directions = [Direction(call.lengths, d > 0) for d in range(spec.num_directions)]
        finals: list[tuple[Array, Array]] = []
        for k, networks in enumerate(self._networks):
            level: list[PartedPass] = []
            y = self._new(spec.width(k + 1))
            for network, direction in zip(networks, directions, strict=True):
                h0, c0 = (self._rows(s, len(finals)) for s in (call.h0, call.c0))
                one = PartedPass(
                    network,
                    x,
                    h0,
                    c0,
                    direction=direction,
                    reset=reset,
                    seeds=self._draw_seeds(len(part_begins(len(x)))),
                    noise=self._noise,
                    layers=1 if spec.bidirectional else spec.num_layers,
                )
                finals.append(one.forward(self._side(y, len(level))))
                level.append(one)
            self._levels.append(level)
            if k + 1 < len(self._networks):
                self._drop(y, k)
            x = y
        return self._by_time(y), *_stacked(finals)

    def backward(
        self, dy: Array | None, dh: Array | None, dc: Array | None, need_dx: bool
    ) -> tuple[Array | None, Array, Array]:
        wanted = need_dx and self._call.x.ndim == 3  # indices have no gradient
        gradient = None if dy is None else self._by_time(dy)
        initial: list[tuple[Array, Array]] = []
        while self._levels:
            level, k = self._levels.pop(), len(self._levels)
            dx = None
            if k > 0 or wanted:
                dx = self._new(self._spec.width(k))
            found = []
            for d in range(len(level)):
                dh_d, dc_d = (self._rows(s, k * len(level) + d) for s in (dh, dc))
                side = None if gradient is None else self._side(gradient, d)
                found.append(level[d].backward(side, dh_d, dc_d, dx, add=d > 0))
                del side  # a view, which would keep the gradient of this level
            initial[:0] = found
            if k > 0:
                assert dx is not None
                self._drop(dx, k - 1)
            gradient = dx
        return None if gradient is None else self._by_time(gradient), *_stacked(initial)

    def _draw_seeds(self, parts: int) -> list[tuple[int | None, int | None]]:
        """Draw the seeds of dropout within a network, and of its noise, part by part."""
        noise, draw = self._noise, self._noise.seed
        if self._spec.bidirectional:
            dropout: list[int | None] = [None] * parts
        elif noise.variational:  # one draw holds for all parts
            dropout = [draw()] * parts
        else:
            dropout = [draw() for _ in range(parts)]
        return [(seed, draw() if noise.within_steps else None) for seed in dropout]

    def _drop(self, y: Array, k: int) -> None:
        """Multiply what level k hands on, or its gradient, by its mask."""
        if self._seed is not None:
            y *= self._native.dropout_mask(
                self._noise.dropout, self._seed, k, *y.shape[:2], self._noise.variational
            )

    def _by_time(self, array: Array) -> Array:
        """Exchange the axes of time and batch where the layer has the batch first."""
        return np.swapaxes(array, 0, 1) if self._spec.batch_first else array

    def _new(self, width: int) -> Array:
        """Return zeros (T, B, width), contiguous in the layer's own order of axes."""
        return self._by_time(np.zeros((*self._call.x.shape[:2], width), self._noise.dtype))

    def _side(self, y: Array, direction: int) -> Array:
        """Return one direction's share of outputs."""
        width = self._spec.output_size
        return y[..., direction * width : (direction + 1) * width]

    def _rows(self, state: Array | None, network: int) -> Array | None:
        """Return the rows of a state that belong to a network, counted over all levels."""
        if state is None or not self._spec.bidirectional:
            return state
        return state[network : network + 1]


def _stacked(states: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    h, c = zip(*states, strict=True)
    return np.concatenate(h), np.concatenate(c)
