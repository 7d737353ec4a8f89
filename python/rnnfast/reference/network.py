"""What the library's layers compute: deep, in both directions, ragged, with resets.

In the notes' words, layer l of a deep network is::

    a[l]<t> = g(W_a[l] [a[l]<t-1>, a[l-1]<t>] + b_a[l]),    a[0]<t> = x<t>

and in a bidirectional one a second cell with its own parameters does the same from the last step
to the first; both outputs, side by side, are the output of the layer. `rnn`, `gru`, `lstm` and
others define the step. Sequences here have the library's layout: x is (T, B, I), states are
(L*D, B, H).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .arrays import Array, BoolArray, Gradients, Parameters
from .cell import CELLS, Backprop
from .checks import (
    StateLike,
    checked_dy,
    checked_input,
    checked_masks,
    checked_parameters,
    checked_reset,
    checked_states,
)
from .spec import NetworkSpec

State: TypeAlias = Array | tuple[Array, Array]


@dataclass(frozen=True)
class _Run:
    """How one direction of one layer was run forward."""

    order: Sequence[int]  # the steps as they were taken: 0 to T-1, or T-1 to 0
    cleared: BoolArray  # (T, B): whether the state was set to zero before the step
    backprops: Mapping[int, Backprop]  # by step


@dataclass(frozen=True)
class NetworkCache:
    """What `network_forward` keeps for `network_backward`; its fields are not for other use."""

    spec: NetworkSpec
    valid: BoolArray  # (T, B): False past a length
    indices: bool  # whether x held indices
    masks: Sequence[Array]  # factors on the inputs of all layers but the first
    runs: Sequence[_Run]  # in the order of the states' first axis


def network_forward(
    spec: NetworkSpec,
    parameters: Mapping[str, npt.ArrayLike],
    x: npt.ArrayLike,
    state: StateLike = None,
    lengths: npt.ArrayLike | None = None,
    reset: npt.ArrayLike | None = None,
    dropout_masks: Sequence[npt.ArrayLike] | None = None,
) -> tuple[Array, State, NetworkCache]:
    """Run a network over a batch of sequences.

    Everything is computed and returned in float64, whatever the precision of the arguments. What
    stands at padded steps, in `x`, `reset` and `dropout_masks`, has no effect.

    Parameters
    ----------
    spec : NetworkSpec
        The network.
    parameters : mapping of str to array
        All that ``spec.parameter_shapes()`` names, and nothing else.
    x : (T, B, I) floating point array, or (T, B) integer array
        Inputs, or indices, which stand for one-hot vectors of width I.
    state : (L*D, B, H) array, or for an LSTM a tuple of (L*D, B, P or H) and (L*D, B, H), optional
        h, or h and c, before the first step; zeros by default.
    lengths : (B,) integer array, optional
        Steps of each sequence, from 0 to T in any order; T by default. Outputs past a length are 0,
        the final state is that after the last of these steps, and the reverse direction starts
        there. A sequence of length 0 keeps its initial state.
    reset : (T, B) bool array, optional
        Where ``reset[t, b]`` is True, no state crosses from step t-1 to step t, nor back: the
        forward direction starts from zero at t, the reverse direction starts from zero at t-1. At
        t = 0 the forward direction's initial state is set to zero.
    dropout_masks : sequence of L-1 (T, B, D*Hout) arrays, optional
        Factors, already scaled, on what each layer hands to the next.

    Returns
    -------
    y : (T, B, D*Hout) array
        h of the last layer at every step, forward direction first. Hout is P if the spec has a
        projection, otherwise H.
    state : (L*D, B, H) array, or for an LSTM a tuple
        h, or h and c, after the last step; shapes as those of the argument.
    cache : NetworkCache
        For `network_backward`.

    Raises
    ------
    TypeError
        If a dtype is of the wrong kind.
    ValueError
        If a name, a shape, a length or an index does not fit.
    """
    weights = checked_parameters(spec, parameters)
    y, valid, indices = checked_input(spec, x, lengths)
    before = checked_states("state", spec, state, valid.shape[1])
    begins = checked_reset(reset, valid)
    masks = checked_masks(spec, dropout_masks, valid)
    # The reverse direction comes from t+1 to t, so it is cleared before t where t+1 begins anew.
    begins_next = np.concatenate([begins[1:], np.zeros_like(begins[:1])])
    forward = range(len(valid))
    directions = [(forward, begins), (forward[::-1], begins_next)][: spec.num_directions]

    suffixes = iter(spec.suffixes())
    after = [np.empty_like(values) for values in before]
    runs: list[_Run] = []
    for layer in range(spec.num_layers):
        if layer > 0:
            y = y * masks[layer - 1]
        outputs = []
        for order, cleared in directions:
            k = len(runs)
            cell = CELLS[spec.cell].parameters(spec, weights, next(suffixes))
            states = [values[k] for values in before]
            h, states, run = _run_forward(spec, cell, y, states, valid, order, cleared)
            for values, final in zip(after, states, strict=True):
                values[k] = final
            outputs.append(h)
            runs.append(run)
        y = np.concatenate(outputs, axis=2)
    return y, _as_state(after), NetworkCache(spec, valid, indices, masks, runs)


def network_backward(
    cache: NetworkCache, dy: npt.ArrayLike, dstate: StateLike = None
) -> tuple[Array | None, State, Gradients]:
    """Undo `network_forward`: backpropagation through time.

    Parameters
    ----------
    cache : NetworkCache
        From `network_forward`.
    dy : (T, B, D*Hout) array
        Gradient of the outputs. What stands at padded steps has no effect.
    dstate : as the state of `network_forward`, optional
        Gradient of the final state; zeros by default.

    Returns
    -------
    dx : (T, B, I) array or None
        Gradient of the inputs, 0 at padded steps; None if x held indices.
    dstate0 : as the state of `network_forward`
        Gradient of the initial state.
    grads : dict of str to array
        Gradient of every parameter, summed over steps and batch, in the order of
        ``spec.parameter_shapes()``.

    Raises
    ------
    TypeError
        If a dtype is of the wrong kind.
    ValueError
        If a shape does not fit.
    """
    spec, valid = cache.spec, cache.valid
    dy = checked_dy(spec, dy, valid)
    dafter = checked_states("dstate", spec, dstate, valid.shape[1])
    dbefore = [np.empty_like(values) for values in dafter]
    grads = {name: np.zeros(shape) for name, shape in spec.parameter_shapes()}
    suffixes = list(spec.suffixes())

    dx = dy
    for layer in reversed(range(spec.num_layers)):
        first = layer * spec.num_directions
        width = grads[f"weight_ih_{suffixes[first]}"].shape[1] // spec.width
        dh = np.split(dx, spec.num_directions, axis=2)
        dx = np.zeros((*valid.shape, width))
        for direction in range(spec.num_directions):
            k = first + direction
            dstates = [values[k] for values in dafter]
            dx_k, dstates, cell_grads = _run_backward(
                cache.runs[k], dh[direction], dstates, valid, width
            )
            dx += dx_k
            for values, initial in zip(dbefore, dstates, strict=True):
                values[k] = initial
            if cell_grads:  # there are none if T = 0
                found = CELLS[spec.cell].gradients(cell_grads, suffixes[k])
                # Without bias the network does not have all of them.
                grads.update({name: found[name] for name in found.keys() & grads.keys()})
        if layer > 0:
            dx = dx * cache.masks[layer - 1]
    return None if cache.indices else dx, _as_state(dbefore), grads


def _run_forward(
    spec: NetworkSpec,
    cell: Parameters,
    x: Array,
    states: list[Array],
    valid: BoolArray,
    order: Sequence[int],
    cleared: BoolArray,
) -> tuple[Array, list[Array], _Run]:
    """Run one direction of one layer: x (T, B, I) and states (B, H) to h (T, B, Hout) and states.

    The library's rows are the notes' columns, hence the transposes.
    """
    h = np.zeros((*valid.shape, spec.output_size))
    states = [values.T for values in states]
    backprops: dict[int, Backprop] = {}
    for t in order:
        entering = [np.where(cleared[t], 0.0, values) for values in states]
        left, backprops[t] = CELLS[spec.cell].step(spec, x[t].T, entering, cell)
        # A padded step leaves the state as it was, and its output is 0.
        states = [np.where(valid[t], *pair) for pair in zip(left, states, strict=True)]
        h[t] = np.where(valid[t], left[0], 0.0).T
    return h, [values.T for values in states], _Run(order, cleared, backprops)


def _run_backward(
    run: _Run, dh: Array, dstates: list[Array], valid: BoolArray, width: int
) -> tuple[Array, list[Array], Gradients]:
    """Undo `_run_forward`: gradients of x, of the states, and of the cell's own parameters."""
    dx = np.zeros((*valid.shape, width))
    dstates = [values.T for values in dstates]
    grads: Gradients = {}
    for t in reversed(run.order):
        # h[t] = left[0], states = left; where padded neither depends on left
        dleft = [np.where(valid[t], values, 0.0) for values in dstates]
        dleft[0] = dleft[0] + np.where(valid[t], dh[t].T, 0.0)
        # left = step(x[t], entering)
        dx_t, dentering, step_grads = run.backprops[t](dleft)
        dx[t] = dx_t.T
        for name, gradient in step_grads.items():
            grads[name] = grads.get(name, 0.0) + gradient
        # entering = states, or 0 where cleared; where padded the states pass by unchanged
        dentering = [np.where(run.cleared[t], 0.0, values) for values in dentering]
        dstates = [np.where(valid[t], *pair) for pair in zip(dentering, dstates, strict=True)]
    return dx, [values.T for values in dstates], grads


def _as_state(states: list[Array]) -> State:
    """h, or for an LSTM the tuple of h and c."""
    return (states[0], states[1]) if len(states) == 2 else states[0]
