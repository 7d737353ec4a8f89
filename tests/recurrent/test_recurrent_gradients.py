"""Gradients of the layers by central differences, and passes over nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck import assert_gradients
from layer_cases import DTYPES, Case, assert_same_bits, named, run, run_forward
from network_cases import CELLS, pack

FEATURES: dict[str, dict[str, Any]] = {
    "plain": {"bias": False},
    "all": {"num_layers": 2, "bidirectional": True, "ragged": True, "resets": True},
}


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("cell", CELLS)
def test_central_differences(level: str, cell: str, features: str) -> None:
    case = Case(cell, steps=5, batch=4, **FEATURES[features])
    layer, inputs = case.layer("float64"), case.inputs
    parameters = {name: values.astype(np.float64) for name, values in inputs.parameters.items()}

    def value() -> float:
        layer.load_state_dict(parameters)
        values = run_forward(layer, inputs)
        factors = [inputs.dy, *inputs.dstates]
        return float(sum((d * v).sum() for d, v in zip(factors, values.values(), strict=True)))

    result = run(layer, inputs)
    arguments = {"x": inputs.x, **parameters}
    gradients = {"x": result["dx"], **{name: result[name] for name in parameters}}
    for k, state in enumerate(inputs.states):
        arguments[f"state {k}"], gradients[f"state {k}"] = state, result[f"dstate {k}"]
    assert_gradients(value, arguments, gradients, directions=3)


@pytest.mark.parametrize("cell", ["rnn tanh", "gru reset before", "lstm peephole projection"])
def test_every_derivative(level: str, cell: str) -> None:
    case = Case(cell, input_size=2, hidden_size=3, steps=3, batch=2, bidirectional=True)
    layer, inputs = case.layer("float64"), case.inputs
    parameters = layer.parameters()
    arrays = {name: p.data.copy() for name, p in parameters.items()}

    def value() -> float:
        for name, array in arrays.items():
            parameters[name].assign(array)
        y, _ = layer(inputs.x, pack(inputs.states))
        return float((inputs.dy * y).sum())

    layer.zero_grad()
    _, backprop = layer.forward(inputs.x, pack(inputs.states))
    backprop(inputs.dy)
    assert_gradients(value, arrays, dict(layer.grads))


def test_the_gradient_of_each_step_alone(level: str) -> None:
    # A gradient at one step of one sequence reaches what went into it, and nothing else.
    case = Case("gru reset after", hidden_size=9, num_layers=2, ragged=True, resets=True)
    layer, inputs = case.layer("float64"), case.inputs
    for t in range(case.steps):
        for b in range(case.batch):
            _, backprop = layer.forward(inputs.x, pack(inputs.states), **inputs.options)
            dy = np.zeros_like(inputs.dy)
            dy[t, b] = inputs.dy[t, b]
            dx, _ = backprop(dy)
            starts = np.flatnonzero(inputs.options["reset"][: t + 1, b])
            reached = np.zeros(dx.shape[:2], bool)
            if t < inputs.options["lengths"][b]:
                reached[starts.max(initial=0) : t + 1, b] = True
            np.testing.assert_array_equal(dx.any(axis=2), reached)


# --- nothing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("steps", "batch"), [(0, 4), (6, 0), (0, 0)])
@pytest.mark.parametrize("cell", CELLS)
def test_no_steps_or_no_sequences(
    level: str, cell: str, steps: int, batch: int, dtype: str
) -> None:
    case = Case(cell, steps=steps, batch=batch, num_layers=2, bidirectional=True)
    layer, inputs = case.layer(dtype), case.inputs.astype(dtype)
    values = run(layer, inputs)
    assert values["y"].shape == inputs.dy.shape
    assert values["dx"].shape == inputs.x.shape
    for k in range(len(inputs.states)):
        np.testing.assert_array_equal(values[f"state {k}"], inputs.states[k])
        np.testing.assert_array_equal(values[f"dstate {k}"], inputs.dstates[k])
    assert not any(gradient.any() for gradient in layer.grads.values())
    y, state = layer(inputs.x)
    assert y.shape == inputs.dy.shape
    assert not any(s.any() for s in named(None, state).values())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_lengths_that_are_all_zero(level: str, cell: str, dtype: str) -> None:
    case = Case(cell, num_layers=2, bidirectional=True)
    layer, inputs = case.layer(dtype), case.inputs.astype(dtype)
    inputs.options["lengths"] = np.zeros(case.batch, int)
    values = run(layer, inputs)
    for k in range(len(inputs.states)):
        np.testing.assert_array_equal(values[f"state {k}"], inputs.states[k])
        np.testing.assert_array_equal(values[f"dstate {k}"], inputs.dstates[k])
    rest = {name for name in values if "state" not in name}
    assert not any(values[name].any() for name in rest)
    assert_same_bits(run_forward(layer, inputs), {n: values[n] for n in run_forward(layer, inputs)})


@pytest.mark.parametrize("lengths", [None, []])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_no_indices(level: str, shape: tuple[int, int], lengths: Any) -> None:
    layer = Case("lstm").layer("float32")
    given = lengths if shape[1] == 0 else None
    (y, (h, c)), backprop = layer.forward(np.zeros(shape, int), lengths=given)
    assert (y.shape, h.shape, c.shape) == ((*shape, 5), (1, shape[1], 5), (1, shape[1], 5))
    dx, _ = backprop(y)
    assert dx is None
