"""A pass layer by layer, with the dropout between them drawn by a row's place in a whole batch.

The kernels draw it by the place in the batch that they are given, which is a part of the whole one
where several processes train a network together.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from rnnfast import _core
from rnnfast.nn.module import Array
from rnnfast.nn.placement import drop, rows_by_time, rows_of
from rnnfast.nn.recurrent.arguments import Call
from rnnfast.nn.recurrent.noise import Masks, Noise
from rnnfast.nn.recurrent.recompute import NativeBackprop


def layered_forward(
    levels: list[Any], noise: Noise, seed: int, call: Call
) -> tuple[Array, Array, Array, NativeBackprop]:
    """Run the networks of single layers one after the other.

    Parameters
    ----------
    levels : list of _core.Recurrent
        One for each layer, of all its directions.
    noise : Noise
        What a pass draws.
    seed : int
        What this one drew.
    call : Call
        The arguments, checked.

    Returns
    -------
    y, h_n, c_n : ndarray
        As the network of all layers gives them.
    backprop : callable
        As its ``backward`` with a cache.
    """
    spec, directions = noise.spec, noise.spec.num_directions
    steps, batch = call.x.shape[:2][::-1] if spec.batch_first else call.x.shape[:2]
    masks, between = noise.masks(seed, len(levels), directions, steps, batch, call.lengths)
    assert between is not None
    caches: list[_core.ForwardCache | None] = []
    finals: list[tuple[Array, Array]] = []
    y = call.x
    for k, network in enumerate(levels):
        rows = slice(k * directions, (k + 1) * directions)
        x = y if k == 0 else _dropped(noise, y, between, k - 1)
        y, h, c, cache = network.forward(
            x, _part(call.h0, rows), _part(call.c0, rows), call.lengths, call.reset,
            spec.batch_first, True, 0.0, 0, False, None, 0, _parts(masks, rows),
        )  # fmt: skip
        finals.append((h, c))
        caches.append(cache)
    h_n, c_n = (np.concatenate(parts) for parts in zip(*finals, strict=True))
    y.setflags(write=False)  # backpropagation reads it
    given = weakref.ref(y)

    def backprop(
        dy: Array | None, dh: Array | None, dc: Array | None, need_dx: bool
    ) -> tuple[Array | None, Array, Array]:
        initial: list[tuple[Array, Array]] = []
        for k in reversed(range(len(levels))):
            rows = slice(k * directions, (k + 1) * directions)
            dx, dh0, dc0 = levels[k].backward(
                caches[k], dy, _part(dh, rows), _part(dc, rows), k > 0 or need_dx
            )
            caches[k] = None
            initial.insert(0, (dh0, dc0))
            dy = dx if k == 0 else _dropped(noise, dx, between, k - 1)
        if (left := given()) is not None:
            left.setflags(write=True)
        dh_0, dc_0 = (np.concatenate(parts) for parts in zip(*initial, strict=True))
        return dy, dh_0, dc_0

    return y, h_n, c_n, backprop


def _dropped(noise: Noise, y: Array, seed: int, layer: int) -> Array:
    """Return what a layer gives, or its gradient, times the factors of dropout behind it."""
    first = noise.spec.batch_first
    by_time = np.swapaxes(y, 0, 1) if first else y
    if noise.variational:
        ones = np.ones(by_time.shape[1:], y.dtype)
        result = by_time * drop(ones, noise.dropout, seed, rows_of(ones.shape), layer)
    else:
        result = drop(by_time, noise.dropout, seed, rows_by_time(by_time.shape), layer)
    return np.ascontiguousarray(np.swapaxes(result, 0, 1) if first else result)


def _part(array: Array | None, rows: slice) -> Array | None:
    return None if array is None or not len(array) else array[rows]


def _parts(masks: Masks | None, rows: slice) -> Masks | None:
    if masks is None:
        return None
    keep_h, keep_c, dropped = (_part(mask, rows) for mask in masks)
    return keep_h, keep_c, dropped
