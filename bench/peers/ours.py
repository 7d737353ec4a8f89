"""rnnfast itself."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import rnnfast as rf

from grid import Point, Problem
from peers import Local
from timing import Answer


def candidate(point: Point, problem: Problem, recompute: bool = False) -> Local:
    """Return rnnfast's way to compute a point; see `rf.LSTM.forward` for `recompute`."""
    rf.set_num_threads(point.threads)
    cell: Any = {"rnn": rf.RNN, "gru": rf.GRU, "lstm": rf.LSTM}[point.cell]
    layer = cell(
        point.I,
        point.H,
        num_layers=point.layers,
        bidirectional=point.bidirectional,
        dtype=point.dtype,
    )
    layer.load_state_dict(problem.weights)
    x = problem.x if problem.indices is None else problem.indices
    if point.mode == "step":
        return _step(layer, x)
    if point.mode == "infer":
        return _infer(layer, x, point.lengths)
    return _train(layer, x, point, problem, recompute)


def _step(layer: Any, x: Any) -> Local:
    stream = layer.stream(1)

    def answer() -> Answer:
        stream.reset()
        return {"y": np.stack([stream(x_t).copy() for x_t in x])}

    return Local("rnnfast", "rnnfast", partial(stream, x[0]), answer)


def _state(state: Any) -> Answer:
    return {"h_n": state[0], "c_n": state[1]} if isinstance(state, tuple) else {"h_n": state}


def _infer(layer: Any, x: Any, lengths: Any) -> Local:
    def answer() -> Answer:
        y, state = layer(x, lengths=lengths)
        return {"y": y, **_state(state)}

    return Local("rnnfast", "rnnfast", partial(layer, x, lengths=lengths), answer)


def _train(layer: Any, x: Any, point: Point, problem: Problem, recompute: bool) -> Local:
    bias = layer.parameters()["bias_hh_l0"]
    same_bias = bias.data.copy()

    def gradients() -> tuple[Any, Any]:
        layer.zero_grad()
        (y, state), backprop = layer.forward(x, lengths=point.lengths, recompute=recompute)
        backprop(problem.dy, need_dx=False)
        return y, state

    def answer() -> Answer:
        y, state = gradients()
        return {"y": y, **_state(state), **{k: g.copy() for k, g in layer.grads.items()}}

    def call() -> None:
        gradients()
        # Weights change between the steps of training, so that packed copies are made anew.
        bias.assign(same_bias)

    return Local("rnnfast", "rnnfast", call, answer)
