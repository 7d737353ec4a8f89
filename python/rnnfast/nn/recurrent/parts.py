"""A network over a sequence in parts of time: kept are the states between them, and no more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.noise import Noise


def part_begins(steps: int) -> range:
    """Return where parts of about sqrt(T) steps begin; one of no steps if there are none."""
    size = math.isqrt(max(steps - 1, 0)) + 1
    return range(0, max(steps, 1), size)


class Direction:
    """The order in which a network takes the steps of arrays ``(T, B, ...)``.

    Parameters
    ----------
    lengths : ndarray of int64, shape (B,), optional
        Of the sequences; None: all T.
    reverse : bool
        True: from each sequence's last step back to its first.
    """

    def __init__(self, lengths: npt.NDArray[np.int64] | None, reverse: bool) -> None:
        self._lengths = lengths
        self._reverse = reverse

    def lengths(self, part: range) -> npt.NDArray[np.int64] | None:
        """Return how many steps of a part each sequence has."""
        if self._lengths is None:
            return None
        return np.clip(self._lengths - part.start, 0, len(part))

    def take(self, array: Array, part: range) -> Array:
        """Return a part's steps: a view, or a copy if they stand at other places by sequence.

        What is returned for steps past a length is of no meaning.
        """
        places = self._places(part)
        if places is None:
            return self._turned(array)[part.start : part.stop]
        times, sequences = places
        return array[np.maximum(times, 0), sequences]

    def put(self, array: Array, part: range, values: Array, *, add: bool = False) -> None:
        """Write a part's steps to where they belong, or add them to what is there.

        Steps past a length are zero in ``values``, and stay in ``array`` as they are if it has
        other places for each sequence.
        """
        places = self._places(part)
        if places is None:
            target = self._turned(array)[part.start : part.stop]
            if add:
                target += values
            else:
                target[...] = values
            return
        times, sequences = places
        valid = times >= 0
        within = times[valid], sequences[valid]
        array[within] = array[within] + values[valid] if add else values[valid]

    def resets(self, reset: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.bool_] | None:
        """Return where this direction, in its own order, sets its state to zero."""
        if reset is None or not self._reverse:
            return reset
        # What keeps states from crossing between t-1 and t does so, from behind, before t-1.
        before = np.zeros_like(reset)
        before[:-1] = reset[1:]
        turned = self.take(before, range(len(reset)))
        turned[:1] = False  # nothing lies behind the last step but the initial state
        return turned

    def _turned(self, array: Array) -> Array:
        return array[::-1] if self._reverse else array

    def _places(self, part: range) -> tuple[Array, Array] | None:
        """Return time, negative past a length, and sequence, both (n, B); None: a slice does."""
        if self._lengths is None or not self._reverse:
            return None
        times = self._lengths - 1 - np.arange(part.start, part.stop)[:, np.newaxis]
        return times, np.broadcast_to(np.arange(len(self._lengths)), times.shape)


class PartedPass:
    """A pass of one compiled network, whose directions are one, and its backpropagation.

    Parameters
    ----------
    native : _core.Recurrent
        The network. In `backward` its parameters must be those that they were in `forward`.
    x : ndarray
        ``(T, B, I)``, or ``(T, B)`` of indices; read in both passes.
    h0, c0 : ndarray, optional
        Initial states of the network's own layers.
    direction : Direction
        The order of steps.
    reset : ndarray of bool, shape (T, B), optional
        As the layer has it.
    seeds : sequence of pair of int or None
        Of the dropout within the network in each part, and of the noise within its steps; None:
        there is none.
    noise : Noise
        What masks are drawn from.
    layers : int
        How many the network has.
    """

    def __init__(
        self,
        native: Any,
        x: Array,
        h0: Array | None,
        c0: Array | None,
        *,
        direction: Direction,
        reset: npt.NDArray[np.bool_] | None,
        seeds: Sequence[tuple[int | None, int | None]],
        noise: Noise,
        layers: int,
    ) -> None:
        self.native = native
        self._x = x
        self._states = [(h0, c0)]  # before each part
        self._direction = direction
        self._reset = direction.resets(reset)
        self._seeds = seeds
        self._noise = noise
        self._layers = layers
        begins = part_begins(len(x))
        self._parts = [range(b, min(b + begins.step, len(x))) for b in begins]

    def forward(self, y: Array) -> tuple[Array, Array]:
        """Write the outputs to ``y``, (T, B, P), which is zero; return the final states.

        Without an LSTM there are no rows in the second.
        """
        for k, part in enumerate(self._parts):
            # Dropout belongs to training passes only; what such a pass keeps is dropped at once.
            y_part, h, c, _ = self._run(k, keep=self._seeds[k][0] is not None)
            self._direction.put(y, part, y_part)
            self._states.append((h, c if len(c) else None))
        self._states.pop()
        return h, c

    def backward(
        self,
        dy: Array | None,
        dh: Array | None,
        dc: Array | None,
        dx: Array | None,
        *,
        add: bool,
    ) -> tuple[Array, Array]:
        """Add to the gradients of the parameters; return those of the initial states.

        The gradient of ``x`` is written to ``dx``, unless that is None, or added to it. Undoes
        `forward` once: what a part needed is let go with it.
        """
        while self._parts:
            part = self._parts[-1]
            *_, cache = self._run(len(self._parts) - 1, keep=True)
            dy_part = None if dy is None else self._direction.take(dy, part)
            dc_part = dc if dc is not None and len(dc) else None
            dx_part, dh, dc = self.native.backward(
                cache, dy_part, dh, dc_part, dx is not None, within=True
            )
            if dx is not None:
                self._direction.put(dx, part, dx_part, add=add)
            self._parts.pop()
            self._states.pop()
        assert dh is not None and dc is not None
        return dh, dc

    def _run(self, k: int, keep: bool) -> tuple[Array, Array, Array, _core.ForwardCache | None]:
        part, (seed, noise_seed), (h, c) = self._parts[k], self._seeds[k], self._states[k]
        take, noise = self._direction.take, self._noise
        masks, _ = noise.masks(noise_seed, self._layers, 1, len(part), self._x.shape[1])
        reset = None if self._reset is None else self._reset[part.start : part.stop]
        results: tuple[Array, Array, Array, _core.ForwardCache | None] = self.native.forward(
            take(self._x, part), h, c, self._direction.lengths(part), reset,
            False, keep, 0.0 if seed is None else noise.dropout, seed or 0, noise.variational,
            None, 0, masks,
        )  # fmt: skip
        return results
