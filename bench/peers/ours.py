"""rnnfast itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import rnnfast as rf
from peers import Local
from point import LEARNING_RATE, MOST_NORM, Point, Problem
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
        call, answer = _step(layer, x)
    elif point.mode == "infer":
        call, answer = _infer(layer, x, point.lengths)
    elif point.mode == "sample":
        call, answer = _sample(layer, point, problem)
    elif point.mode == "model":
        call, answer = _model(layer, point, problem, recompute)
    else:
        call, answer = _train(layer, x, point, problem, recompute)
    return Local("rnnfast", "rnnfast", call, answer)


def _step(layer: Any, x: Any) -> tuple[Callable[[], object], Callable[[], Answer]]:
    stream = layer.stream(1)

    def answer() -> Answer:
        stream.reset()
        return {"y": np.stack([stream(x_t).copy() for x_t in x])}

    return partial(stream, x[0]), answer


def _state(state: Any) -> Answer:
    return {"h_n": state[0], "c_n": state[1]} if isinstance(state, tuple) else {"h_n": state}


def _infer(layer: Any, x: Any, lengths: Any) -> tuple[Callable[[], object], Callable[[], Answer]]:
    def answer() -> Answer:
        y, state = layer(x, lengths=lengths)
        return {"y": y, **_state(state)}

    return partial(layer, x, lengths=lengths), answer


def _train(
    layer: Any, x: Any, point: Point, problem: Problem, recompute: bool
) -> tuple[Callable[[], object], Callable[[], Answer]]:
    update = _update([layer]) if point.mode == "train" else _touch(layer)
    # Of the problem no more is held: `memory.py` would count its copy of the weights.
    dy = problem.dy

    def gradients() -> tuple[Any, Any]:
        layer.zero_grad()
        (y, state), backprop = layer.forward(x, lengths=point.lengths, recompute=recompute)
        backprop(dy, need_dx=False)
        return y, state

    def answer() -> Answer:
        y, state = gradients()
        return {"y": y, **_state(state), **_gradients("", layer)}

    def call() -> None:
        gradients()
        update()

    return call, answer


def _touch(layer: Any) -> Callable[[], None]:
    """Change nothing, but as a change, so that packed copies of the weights are made anew."""
    bias = layer.parameters()["bias_hh_l0"]
    return partial(bias.assign, bias.data.copy())


def _update(layers: list[Any]) -> Callable[[], None]:
    optimizer = rf.Adam(layers, lr=LEARNING_RATE)

    def update() -> None:
        rf.clip_grad_norm(layers, MOST_NORM)
        optimizer.step()

    return update


def _gradients(prefix: str, layer: Any) -> Answer:
    return {prefix + name: gradient.copy() for name, gradient in layer.grads.items()}


def _output(point: Point, problem: Problem) -> Any:
    linear = rf.Linear(problem.model["output"].shape[1], point.classes, dtype=point.dtype)
    linear.load_state_dict(
        {"weight": problem.model["output"], "bias": problem.model["output_bias"]}
    )
    return linear


def _model(
    layer: Any, point: Point, problem: Problem, recompute: bool
) -> tuple[Callable[[], object], Callable[[], Answer]]:
    linear = _output(point, problem)
    layers = [layer, linear]
    embedding: Any = None
    if "embedding" in problem.model:
        embedding = rf.Embedding(point.classes, point.I, dtype=point.dtype)
        embedding.load_state_dict({"weight": problem.model["embedding"]})
        layers.append(embedding)
    update = _update(layers)

    def gradients() -> Any:
        for one in layers:
            one.zero_grad()
        x: Any = problem.indices
        if embedding is not None:
            x, embedding_backprop = embedding.forward(x)
        (h, _), backprop = layer.forward(x, recompute=recompute)
        loss, dh = rf.linear_cross_entropy(linear, h, problem.targets)
        dx, _ = backprop(dh, need_dx=embedding is not None)
        if embedding is not None:
            embedding_backprop(dx)
        return loss

    def answer() -> Answer:
        found = {"loss": np.array(gradients())}
        for prefix, one in zip(("", "output.", "embedding."), layers, strict=False):
            found |= _gradients(prefix, one)
        return found

    def call() -> None:
        gradients()
        update()

    return call, answer


def _sample(
    layer: Any, point: Point, problem: Problem
) -> tuple[Callable[[], object], Callable[[], Answer]]:
    stream, linear = layer.stream(1), _output(point, problem)

    def draw(temperature: float) -> Any:
        stream.reset()
        return rf.sample(
            stream,
            linear,
            max_length=point.T,
            prefix=[0],
            temperature=temperature,
            zero_first=False,
            seed=1,
        )

    def answer() -> Answer:
        # The likeliest tokens: the same in every library, which draws have no reason to be.
        return {"tokens": np.asarray(draw(0.0)[0], dtype=np.float64)}

    return partial(draw, 1.0), answer
