"""Cases of sLSTM and mLSTM."""

from __future__ import annotations

from typing import Any

import numpy as np

import rnnfast as rf
import rnnfast.reference as ref

from .checks import Case, near, require
from .draws import DTYPES
from .layers import sizes

# Norms of mLSTM that nearly vanish make its numbers less certain.
TOLERANCE = {"float32": 1e-3, "float64": 1e-9}


def make_layer(case: Case) -> Any:
    """Make a layer with random options."""
    draw = case.draw
    heads = draw.choice((1, 1, 2, 3))
    options = draw.some(
        bias=lambda: draw.chance(0.5),
        batch_first=lambda: draw.chance(0.5),
        forget_gate=lambda: draw.choice(("sigmoid", "exponential")),
        dtype=lambda: draw.choice(DTYPES),
    )
    return case.call(
        draw.choice((rf.SLSTM, rf.MLSTM)), draw.size(), heads * draw.size(), num_heads=heads,
        seed=draw.integer(0, 9), **options,
    )  # fmt: skip


def make_state(case: Case, layer: Any, batch: int, *, gradient: bool = False) -> Any:
    """Draw a state, or the gradient of one, or None."""
    draw = case.draw
    if draw.chance(0.4):
        return None
    shapes = layer._state_shapes(batch)
    state = [draw.numbers(1, *shape, dtype=layer.dtype) for shape in shapes]
    if isinstance(layer, rf.SLSTM) and not gradient:
        state[2] = np.abs(state[2]) + layer.dtype.type(0.5)
    return tuple(state)


def a_pass(case: Case) -> None:
    """A layer forward and back, beside the reference."""
    draw = case.draw
    layer = make_layer(case)
    steps, batch = sizes(draw)
    shape = (batch, steps) if layer.batch_first else (steps, batch)
    arguments: dict[str, Any] = {"x": draw.numbers(*shape, layer.input_size, dtype=layer.dtype)}
    if (lengths := draw.lengths(batch, steps)) is not None:
        arguments["lengths"] = lengths
    state = make_state(case, layer, batch)
    y, final = case.call(layer, **arguments, state=state, pure=True)
    if case.spoiled:
        return
    (again, _), backprop = case.call(layer.forward, **arguments, state=state)
    if case.spoiled:
        return
    # A single step of mLSTM has a way of its own in inference.
    require(steps <= 1 or again.tobytes() == y.tobytes(), "forward gave other bits than a call")
    dy, dstate = draw.numbers(*y.shape, dtype=layer.dtype), make_state(
        case, layer, batch, gradient=True
    )  # fmt: skip
    dx, d0 = case.call(backprop, dy, dstate)
    if case.spoiled or y.size >= 500:
        return
    swap = (lambda a: np.swapaxes(a, 0, 1)) if layer.batch_first else (lambda a: a)
    options: dict[str, Any] = {"forget_gate": layer.forget_gate}
    forward, backward = ref.slstm_forward, ref.slstm_backward
    if isinstance(layer, rf.MLSTM):
        options["num_heads"] = layer.num_heads
        forward, backward = ref.mlstm_forward, ref.mlstm_backward  # type: ignore[assignment]
    wanted, after, cache = forward(
        layer.state_dict(), swap(arguments["x"]), state, arguments.get("lengths"), **options
    )
    none = [np.zeros((1, *each)) for each in layer._state_shapes(batch)]
    gradients = none if dstate is None else [np.asarray(part, np.float64) for part in dstate]
    dx_wanted, d0_wanted, _ = backward(cache, np.asarray(swap(dy), np.float64), gradients)
    tolerance = TOLERANCE[layer.dtype.name]
    near(swap(y), wanted, tolerance, "y beside the reference")
    near(swap(dx), dx_wanted, 20 * tolerance, "dx beside the reference")
    for one, other in zip((*final, *d0), (*after, *d0_wanted), strict=True):
        near(one, other, 20 * tolerance, "a state beside the reference")


def stream(case: Case) -> None:
    """Steps of a stream beside a call."""
    draw = case.draw
    layer = make_layer(case)
    batch, steps = draw.integer(1, 3), draw.integer(1, 5)
    x = draw.numbers(steps, batch, layer.input_size, dtype=layer.dtype)
    step = case.call(layer.stream, batch)
    found = np.stack([case.call(step, x_t).copy() for x_t in x])
    y, _ = layer(np.swapaxes(x, 0, 1) if layer.batch_first else x)
    if not case.spoiled:
        near(np.swapaxes(found, 0, 1) if layer.batch_first else found, y,
             TOLERANCE[layer.dtype.name], "steps beside a call")  # fmt: skip


CASES = [(2, a_pass), (1, stream)]
