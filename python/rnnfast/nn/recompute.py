"""Backpropagation in little memory: keep states at borders in time, run the rest again."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from rnnfast.nn._calls import Call
from rnnfast.nn.module import Array

if TYPE_CHECKING:
    from rnnfast.nn.recurrent_base import Recurrent

# (dy, dh_n, dc_n, need_dx) -> (dx, dh0, dc0), all with an axis for the batch.
NativeBackprop: TypeAlias = Callable[
    [Array | None, Array | None, Array | None, bool], tuple[Array | None, Array, Array]
]


def recomputed_forward(layer: Recurrent, call: Call) -> tuple[Array, Array, Array, NativeBackprop]:
    """Run forward in parts of about sqrt(T) steps and keep the states between them.

    Raises
    ------
    ValueError
        If the layer is bidirectional: its directions cross each border both ways.
    """
    if layer.bidirectional:
        raise ValueError("recompute: expected a layer of one direction, got a bidirectional one")
    # What backpropagation reads again, the caller may reuse.
    call = call.copied()
    layer._native.check_sequence("x", call.x, call.lengths, layer.batch_first)
    version = layer.buffer.version
    time = 1 if layer.batch_first else 0
    steps = call.x.shape[time]
    size = max(1, math.isqrt(max(steps - 1, 0)) + 1)
    borders = list(range(0, steps, size)) or [0]
    parts: list[tuple[Call, int | None]] = []
    outputs: list[Array] = []
    h, c = call.h0, call.c0
    seed = layer._dropout_seed()
    for begin in borders:
        part = call.part(begin, min(begin + size, steps), time, h, c)
        if begin and not layer.variational:  # whose draw holds for all parts
            seed = layer._dropout_seed()
        # Dropout belongs to training passes only; what such a pass keeps is dropped at once.
        y, h, c, _ = layer._pass(part, keep=seed is not None, seed=seed)
        c = c if c.shape[0] else None  # there is none without an LSTM
        parts.append((part, seed))
        outputs.append(y)
    y = np.concatenate(outputs, axis=time)
    done = False

    def backprop(
        dy: Array | None, dh: Array | None, dc: Array | None, need_dx: bool
    ) -> tuple[Array | None, Array, Array]:
        nonlocal done
        if done:
            raise RuntimeError(
                "backprop: expected to be called once a forward pass, got a second call"
            )
        if layer.buffer.version != version:
            raise RuntimeError(
                "backprop: expected the parameters of the forward pass, which recompute runs "
                "again, but they were changed"
            )
        if dy is not None:
            if dy.shape != y.shape:
                raise ValueError(f"dy: expected shape {y.shape}, got {dy.shape}")
            layer._native.check_sequence("dy", dy, call.lengths, layer.batch_first)
        gradients: list[Array | None] = []
        while parts:
            part, seed = parts[-1]
            begin = borders[len(parts) - 1]
            along = (slice(None),) * time + (slice(begin, begin + part.x.shape[time]),)
            *_, cache = layer._pass(part, keep=True, seed=seed)
            dx, dh, dc = layer._native.backward(
                cache, None if dy is None else dy[along], dh, dc if dc is None or len(dc) else None,
                need_dx,
            )  # fmt: skip
            done = True  # the last thing that may be refused, the state's gradient, was not
            parts.pop()
            gradients.append(dx)
        whole = [g for g in reversed(gradients) if g is not None]
        assert dh is not None and dc is not None
        return np.concatenate(whole, axis=time) if whole else None, dh, dc

    last_c = c if c is not None else np.empty((0, *h.shape[1:]), layer.dtype)  # type: ignore[union-attr]
    assert h is not None
    return y, h, last_c, backprop
