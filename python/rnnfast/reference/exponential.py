"""What sLSTM and mLSTM share: exponential gates, their stabiliser, and whole sequences.

Both multiply and divide by numbers that grow as exp does (Beck et al. 2024). Their states are
therefore kept divided by exp(m), appendix A.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from .activations import sigmoid
from .arrays import Array, BoolArray, Gradients, as_array, as_float64, expect_shape

ForgetGate: TypeAlias = Literal["sigmoid", "exponential"]
States: TypeAlias = tuple[Array, ...]
# From the gradients of the states after a step, h first, to those of x, of the states before it,
# and of the parameters.
StepBack: TypeAlias = Callable[[list[Array]], tuple[Array, list[Array], Gradients]]
Step: TypeAlias = Callable[[Array, list[Array]], tuple[Array, list[Array], StepBack]]


class Stabilised(NamedTuple):
    """Gates divided by exp(m), and what the way back needs of them."""

    i: Array
    f: Array
    m: Array
    fresh: BoolArray  # whether m is that of the input gate
    slope: Array  # the derivative of log f


def stabilise(
    z_i: Array, z_f: Array, m_prev: Array, forget_gate: ForgetGate, empty: Any = False
) -> Stabilised:
    """Return the gates ``exp(z_i)`` and ``f`` of a state that is kept divided by exp(m).

    ::

        m<t> = max(log f<t> + m<t-1>, z_i<t>)
        i'<t> = exp(z_i<t> - m<t>)
        f'<t> = exp(log f<t> + m<t-1> - m<t>)

    Where `empty`, there is no state before, and m<t> = z_i<t>.
    """
    log_f = z_f if forget_gate == "exponential" else -np.logaddexp(0.0, -z_f)
    slope = np.ones_like(z_f) if forget_gate == "exponential" else sigmoid(-z_f)
    fresh = np.asarray((z_i >= log_f + m_prev) | empty)
    m = np.where(fresh, z_i, log_f + m_prev)
    f = np.exp(np.minimum(log_f + m_prev - m, 700.0))
    return Stabilised(np.exp(z_i - m), f, m, fresh, slope)


def stabilise_backward(
    di: Array, df: Array, dm: Array, gates: Stabilised
) -> tuple[Array, Array, Array]:
    """Undo `stabilise`: return the gradients of z_i, z_f and m<t-1>."""
    dz_i, dlog_f = di * gates.i, df * gates.f
    dm = dm - dz_i - dlog_f
    dm_prev = dlog_f + np.where(gates.fresh, 0.0, dm)
    dlog_f = dm_prev
    return dz_i + np.where(gates.fresh, dm, 0.0), dlog_f * gates.slope, dm_prev


class SequencesCache(NamedTuple):
    """What `forward` keeps for `backward`."""

    shape: tuple[int, ...]
    steps: list[list[StepBack]]


def forward(
    step: Step,
    x: npt.ArrayLike,
    state: Sequence[npt.ArrayLike] | None,
    shapes: Sequence[tuple[int, ...]],
    lengths: npt.ArrayLike | None,
) -> tuple[Array, States, SequencesCache]:
    """Take each sequence of x (T, B, n_x) through a cell, one by one.

    A state is (1, B, ...), its shape beyond that in `shapes`; past a length the output is 0.
    """
    x = as_float64("x", x)
    T, B, _ = x.shape
    ends = np.full(B, T) if lengths is None else as_array("lengths", lengths)
    full = [(1, B, *shape) for shape in shapes]
    final = [np.zeros(shape) for shape in full]
    if state is not None:
        if len(state) != len(shapes):
            raise ValueError(f"state: expected {len(shapes)} arrays, got {len(state)}")
        final = [as_float64("state", part).copy() for part in state]
        for part, shape in zip(final, full, strict=True):
            expect_shape("state", part, shape)
    outputs: list[list[Array]] = []
    steps: list[list[StepBack]] = []
    for b in range(B):
        own, ys, backs = [part[0, b, ..., np.newaxis].copy() for part in final], [], []
        for t in range(ends[b]):
            h, own, back = step(x[t, b, :, np.newaxis], own)
            ys.append(h[:, 0])
            backs.append(back)
        for part, value in zip(final, own, strict=True):
            part[0, b] = value[..., 0]
        outputs.append(ys)
        steps.append(backs)
    width = next((len(ys[0]) for ys in outputs if ys), 0)
    y = np.zeros((T, B, width))
    for b, ys in enumerate(outputs):
        if ys:
            y[: len(ys), b] = ys
    return y, tuple(final), SequencesCache(x.shape, steps)


def backward(
    cache: SequencesCache, dy: Array, dstate: Sequence[Array], add_h: bool
) -> tuple[Array, States, Gradients]:
    """Undo `forward`; `add_h` says that h is the first of the states too."""
    dx = np.zeros(cache.shape)
    initial = [part.copy() for part in dstate]
    grads: Gradients = {}
    for b, backs in enumerate(cache.steps):
        own = [part[0, b, ..., np.newaxis] for part in initial]
        for t in reversed(range(len(backs))):
            dh = dy[t, b, :, np.newaxis]
            given = [own[0] + dh, *own[1:]] if add_h else [dh, *own]
            dx_t, own, found = backs[t](given)
            dx[t, b] = dx_t[:, 0]
            for name, value in found.items():
                grads[name] = grads.get(name, 0.0) + value
        for part, value in zip(initial, own, strict=True):
            part[0, b] = value[..., 0]
    return dx, tuple(initial), grads


def split_rows(parameters: Mapping[str, Array], sizes: Mapping[str, int]) -> dict[str, Array]:
    """Return W and b of each gate, rows of ``weight_ih_l0`` and ``bias_ih_l0`` of so many."""
    weight = as_float64("weight_ih_l0", parameters["weight_ih_l0"])
    bias = as_float64("bias_ih_l0", parameters.get("bias_ih_l0", np.zeros(len(weight))))
    found: dict[str, Array] = {}
    begin = 0
    for gate, size in sizes.items():
        rows = slice(begin, begin + size)
        found |= {f"W_{gate}": weight[rows], f"b_{gate}": bias[rows, np.newaxis]}
        begin += size
    return found


def join_rows(grads: Gradients, gates: Sequence[str]) -> Gradients:
    """Undo `split_rows` of gradients."""
    return {
        "weight_ih_l0": np.concatenate([grads[f"W_{gate}"] for gate in gates]),
        "bias_ih_l0": np.concatenate([grads[f"b_{gate}"][:, 0] for gate in gates]),
    }
