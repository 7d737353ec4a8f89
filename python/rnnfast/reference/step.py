"""One step of whichever cell a spec names, behind one signature for all of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from .arrays import Array, Gradients, Parameters
from .conversion import gru_parameters, lstm_parameters, rnn_parameters
from .gru import (
    gru_step,
    gru_step_backward,
    reset_after_gru_step,
    reset_after_gru_step_backward,
    simplified_gru_step,
    simplified_gru_step_backward,
)
from .lstm import lstm_step, lstm_step_backward
from .rnn import rnn_step, rnn_step_backward
from .spec import NetworkSpec

# From the gradients of the states after a step to those of its x, of the states before it, and of
# the cell's parameters. The states of a cell are [h], or [h, c].
Backprop: TypeAlias = Callable[[list[Array]], tuple[Array, list[Array], Gradients]]


def cell_parameters(spec: NetworkSpec, weights: Parameters, suffix: str) -> Parameters:
    """Return the parameters of one layer and direction under the names of their cell."""
    if spec.cell == "rnn":
        return rnn_parameters(weights, suffix)
    if spec.cell == "lstm":
        return lstm_parameters(weights, suffix)
    return gru_parameters(weights, suffix, reset_after=spec.reset_after, reset_gate=spec.reset_gate)


def step(
    spec: NetworkSpec, x: Array, states: list[Array], cell: Parameters
) -> tuple[list[Array], Backprop]:
    """Take one step of the spec's cell; return the states after it, and its backward step."""
    if spec.cell == "lstm":
        a, c, lstm_cache = lstm_step(x, states[0], states[1], cell, spec.peephole)

        def lstm_backprop(dleft: list[Array]) -> tuple[Array, list[Array], Gradients]:
            dx, da_prev, dc_prev, grads = lstm_step_backward(dleft[0], dleft[1], lstm_cache)
            return dx, [da_prev, dc_prev], grads

        return [a, c], lstm_backprop

    step_backward: Callable[[Array], tuple[Array, Array, Gradients]]
    if spec.cell == "rnn":
        h, rnn_cache = rnn_step(x, states[0], cell, spec.nonlinearity)
        step_backward = partial(rnn_step_backward, cache=rnn_cache)
    elif not spec.reset_gate:
        h, simplified_cache = simplified_gru_step(x, states[0], cell)
        step_backward = partial(simplified_gru_step_backward, cache=simplified_cache)
    elif spec.reset_after:
        h, reset_after_cache = reset_after_gru_step(x, states[0], cell)
        step_backward = partial(reset_after_gru_step_backward, cache=reset_after_cache)
    else:
        h, gru_cache = gru_step(x, states[0], cell)
        step_backward = partial(gru_step_backward, cache=gru_cache)

    def backprop(dleft: list[Array]) -> tuple[Array, list[Array], Gradients]:
        dx, dh_prev, grads = step_backward(dleft[0])
        return dx, [dh_prev], grads

    return [h], backprop
