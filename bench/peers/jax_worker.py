"""The process in which JAX runs: ``python jax_worker.py THREADS``, requests on standard input."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from point import LEARNING_RATE, MOST_NORM, Point, Problem, make_problem
from timing import Answer, time_blocks

# This must come before the import, when XLA counts the CPUs that it may use.
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[1])])

jax: Any = import_module("jax")
jnp: Any = import_module("jax.numpy")
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_enable_x64", True)

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
# What the other libraries call the parameters of a language model.
OUTPUTS = {
    "output": "output.weight",
    "output_bias": "output.bias",
    "embedding": "embedding.weight",
}


def _cell(cell: str, state: tuple[Any, ...], gx: Any, w: Any, b_hh: Any) -> tuple[Any, ...]:
    """One step, with the input's part of the gates given."""
    gh = state[0] @ w
    if cell == "rnn":
        return (jnp.tanh(gx + gh),)
    if cell == "gru":
        xr, xz, xn = jnp.split(gx, 3, axis=-1)
        hr, hz, hn = jnp.split(gh + b_hh, 3, axis=-1)
        z = jax.nn.sigmoid(xz + hz)
        n = jnp.tanh(xn + jax.nn.sigmoid(xr + hr) * hn)
        return ((1 - z) * n + z * state[0],)
    i, f, g, o = jnp.split(gx + gh, 4, axis=-1)
    c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def network(
    point: Point, unroll: int, weights: Any, x: Any, valid: Any, state: Any
) -> tuple[Any, Any]:
    """The layers: x (T, B, I) or indices (T, B); the input's products are made for all steps."""
    finals = []
    suffixes = list(point.spec.suffixes())
    for layer in range(point.layers):
        outputs = []
        for direction in range(point.directions):
            k = layer * point.directions + direction
            initial = tuple(values[k] for values in state)
            final, y = _scan(
                point.cell, weights, suffixes[k], x, valid, initial, direction == 1, unroll
            )
            finals.append(final)
            outputs.append(y)
        x = jnp.concatenate(outputs, axis=-1)
    return x, tuple(jnp.stack(values) for values in zip(*finals, strict=True))


def _scan(
    cell: str,
    weights: Any,
    suffix: str,
    x: Any,
    valid: Any,
    initial: Any,
    reverse: bool,
    unroll: int,
) -> tuple[Any, Any]:
    """One direction of a layer: the final state and the outputs."""
    w_ih, w_hh = weights[f"weight_ih_{suffix}"].T, weights[f"weight_hh_{suffix}"].T
    b_hh = weights[f"bias_hh_{suffix}"]
    gx = (w_ih[x] if x.ndim == 2 else x @ w_ih) + weights[f"bias_ih_{suffix}"]
    if cell != "gru":
        gx = gx + b_hh

    def step(carry: Any, given: Any) -> tuple[Any, Any]:
        gx_t, valid_t = given
        after = _cell(cell, carry, gx_t, w_hh, b_hh)
        if valid_t is None:
            return after, after[0]
        after = tuple(jnp.where(valid_t, n, o) for n, o in zip(after, carry, strict=True))
        return after, jnp.where(valid_t, after[0], 0)

    found: tuple[Any, Any] = jax.lax.scan(
        step, initial, (gx, valid), reverse=reverse, unroll=min(unroll, len(gx))
    )
    return found


def _adam(weights: Any, grads: Any, moments: Any) -> tuple[Any, Any]:
    """Clip the gradients by their global norm, then one step of Adam."""
    square = sum(jnp.vdot(g, g) for g in grads.values())
    scale = jnp.minimum(1.0, MOST_NORM / (jnp.sqrt(square) + 1e-6)).astype(square.dtype)
    first, second, count = moments
    count = count + 1
    grads = {k: g * scale for k, g in grads.items()}
    first = {k: BETA1 * first[k] + (1 - BETA1) * g for k, g in grads.items()}
    second = {k: BETA2 * second[k] + (1 - BETA2) * g * g for k, g in grads.items()}
    c1, c2 = 1 - BETA1**count, 1 - BETA2**count
    steps = {k: first[k] / c1 / (jnp.sqrt(second[k] / c2) + EPSILON) for k in weights}
    weights = {k: w - (LEARNING_RATE * steps[k]).astype(w.dtype) for k, w in weights.items()}
    return weights, (first, second, count)


def prepare(point: Point, unroll: int) -> tuple[Callable[[], object], Callable[[], Answer]]:
    """Compile a point; return what is timed and what gives the answer."""
    problem = make_problem(point)
    weights = {k: jnp.asarray(v) for k, v in problem.weights.items()}
    x = jnp.asarray(problem.x if problem.indices is None else problem.indices)
    lengths = point.lengths
    valid = None
    if lengths is not None:
        valid = jnp.asarray(np.arange(point.T)[:, None, None] < lengths[:, None])
    count = 2 if point.cell == "lstm" else 1
    zero = tuple(
        jnp.zeros((point.layers * point.directions, point.B, point.H), point.dtype)
        for _ in range(count)
    )
    if point.mode == "step":
        return _step(point, weights, x, zero)
    if point.mode == "sample":
        return _sample(point, problem, weights, zero)

    def forward(weights: Any, x: Any) -> tuple[Any, Any]:
        return network(point, unroll, weights, x, valid, zero)

    if point.mode == "infer":
        compiled = jax.jit(forward)

        def infer_answer() -> Answer:
            y, state = compiled(weights, x)
            names = ("h_n", "c_n")[:count]
            return {"y": np.asarray(y), **dict(zip(names, map(np.asarray, state), strict=True))}

        return lambda: jax.block_until_ready(compiled(weights, x)), infer_answer
    return _train(point, problem, weights, x, forward)


def _step(point: Point, weights: Any, x: Any, zero: Any) -> tuple[Any, Any]:
    compiled = jax.jit(lambda w, x_t, state: network(point, 1, w, x_t, None, state))
    inputs, state = [x[t : t + 1] for t in range(len(x))], zero

    def call() -> None:
        nonlocal state
        y, state = compiled(weights, inputs[0], state)
        y.block_until_ready()

    def answer() -> Answer:
        state, outputs = zero, []
        for x_t in inputs:
            y, state = compiled(weights, x_t, state)
            outputs.append(np.asarray(y[0]))
        return {"y": np.stack(outputs)}

    return call, answer


def _train(point: Point, problem: Problem, weights: Any, x: Any, forward: Any) -> tuple[Any, Any]:
    """Gradients of what stands for a loss, or of a language model's; then clipping and Adam."""
    targets = jnp.asarray(problem.dy if point.mode != "model" else problem.targets)
    weights = {**weights, **{k: jnp.asarray(v) for k, v in problem.model.items()}}

    def loss(weights: Any, x: Any, targets: Any) -> tuple[Any, Any]:
        if point.mode != "model":
            y, _ = forward(weights, x)
            return jnp.vdot(y, targets), y
        y, _ = forward(weights, weights["embedding"][x] if "embedding" in weights else x)
        scores = jax.nn.log_softmax(y @ weights["output"].T + weights["output_bias"])
        mean = -jnp.take_along_axis(scores, targets[..., None], axis=-1).mean()
        return mean, mean

    grads_of = jax.value_and_grad(loss, has_aux=True)

    def answer() -> Answer:
        (_, y), grads = jax.jit(grads_of)(weights, x, targets)
        found = {("loss" if point.mode == "model" else "y"): np.asarray(y)}
        return found | {OUTPUTS.get(k, k): np.asarray(g) for k, g in grads.items()}

    if point.mode == "grad":
        compiled = jax.jit(grads_of)
        return lambda: jax.block_until_ready(compiled(weights, x, targets)), answer

    def update(weights: Any, moments: Any, x: Any, targets: Any) -> tuple[Any, Any, Any]:
        (value, _), grads = grads_of(weights, x, targets)
        return *_adam(weights, grads, moments), value

    compiled = jax.jit(update, donate_argnums=(0, 1))
    # Copies, because the arrays that are given away cannot be used again.
    held = {k: v.copy() for k, v in weights.items()}
    moments = (
        {k: jnp.zeros_like(v) for k, v in weights.items()},
        {k: jnp.zeros_like(v) for k, v in weights.items()},
        jnp.zeros((), np.int32),
    )

    def call() -> None:
        nonlocal held, moments
        held, moments, value = compiled(held, moments, x, targets)
        jax.block_until_ready((held, value))

    return call, answer


def _sample(point: Point, problem: Problem, weights: Any, zero: Any) -> tuple[Any, Any]:
    """The whole loop compiled: a scan whose carry is the last token and the state."""
    output, bias = (jnp.asarray(problem.model[k]) for k in ("output", "output_bias"))

    def draw(weights: Any, key: Any, temperature: Any) -> Any:
        def step(carry: Any, key: Any) -> tuple[Any, Any]:
            token, state = carry
            y, state = network(point, 1, weights, token[None, None], None, state)
            scores = output @ y[0, 0] + bias
            drawn = jax.random.categorical(key, scores / jnp.maximum(temperature, 1e-6))
            token = jnp.where(temperature > 0, drawn, jnp.argmax(scores))
            return (token, state), token

        keys = jax.random.split(key, point.T)
        return jax.lax.scan(step, (jnp.zeros((), np.int64), zero), keys)[1]

    compiled, key = jax.jit(draw), jax.random.key(1)

    def answer() -> Answer:
        return {"tokens": np.asarray(compiled(weights, key, 0.0)).astype(np.float64)}

    return lambda: compiled(weights, key, 1.0).block_until_ready(), answer


def main() -> None:
    """Answer requests until the input ends."""
    # Whatever a library prints must not get among the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    prepared: dict[str, tuple[Callable[[], object], Callable[[], Answer]]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        name, reply = request["name"], None
        if request["do"] == "prepare":
            prepared[name] = prepare(Point(**request["point"]), request["unroll"])
        elif request["do"] == "answer":
            found: dict[str, Any] = dict(prepared[name][1]())
            np.savez(request["path"], **found)
            prepared[name][0]()
        elif request["do"] == "time":
            reply = time_blocks(
                prepared[name][0], request["calls"], request["blocks"], request["clock"]
            )
        else:
            del prepared[name]
            if not prepared:
                jax.clear_caches()
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
