"""The NumPy definition of the networks, which computes in float64: what one had before kernels.

NumPy's BLAS takes every core whatever the point says; threadpoolctl, where it is installed,
holds it to the point's threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from peers import Local
from point import Point, Problem
from rnnfast.reference import network_backward, network_forward
from timing import Answer


def candidates(point: Point, problem: Problem) -> Iterator[Local]:
    """Yield the reference's way to compute layers and their gradients."""
    if point.mode not in ("step", "infer", "grad"):
        return
    state: Any = None

    def forward() -> Any:
        return network_forward(point.spec, problem.weights, problem.x, lengths=point.lengths)

    def step() -> None:
        nonlocal state
        _, state, _ = network_forward(point.spec, problem.weights, problem.x[:1], state)

    def train() -> Any:
        y, state, cache = forward()
        return y, state, network_backward(cache, problem.dy)[2]

    def answer() -> Answer:
        grads = {}
        if point.trains:
            y, state, grads = train()
        else:
            y, state, _ = forward()
        if point.mode == "step":
            return {"y": y}
        states = {"h_n": state[0], "c_n": state[1]} if isinstance(state, tuple) else {"h_n": state}
        return {"y": np.asarray(y), **states, **grads}

    call = {"step": step, "infer": forward, "grad": train}[point.mode]
    yield Local("numpy reference", "numpy", call, answer, partial(_limits, point.threads))


def _limits(threads: int) -> list[Any]:
    """Return what holds BLAS to so many threads."""
    if find_spec("threadpoolctl") is None:
        return []
    return [import_module("threadpoolctl").threadpool_limits(threads, user_api="blas")]
