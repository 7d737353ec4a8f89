"""The next call and a stream's next step use the weights of now, a waiting pass its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rnnfast.reference as ref
from layer_cases import DTYPES, Case, Values, assert_same_bits, named, outputs, run, run_forward
from network_cases import CELLS, pack


def other_weights(case: Case, seed: int = 9) -> dict[str, Any]:
    return ref.random_parameters(case.spec, np.random.default_rng(seed), np.float32)


def load(layer: Any, weights: dict[str, Any], one_by_one: bool) -> None:
    if one_by_one:
        for name, values in weights.items():
            layer.parameters()[name].assign(values)
    else:
        layer.load_state_dict(weights)


@pytest.mark.parametrize("one_by_one", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_the_next_call_uses_new_weights(
    level: str, cell: str, dtype: str, one_by_one: bool
) -> None:
    case = Case(cell, hidden_size=9, num_layers=2)
    layer, fresh = case.layer(dtype), case.layer(dtype)
    old, new = case.inputs.parameters, other_weights(case)
    fresh.load_state_dict(new)
    expected = run(fresh, case.inputs)
    # Whatever was packed before: nothing, weights for calls, weights for both directions.
    for before in (
        lambda: None,
        lambda: run_forward(layer, case.inputs),
        lambda: run(layer, case.inputs),
    ):
        for after in (run_forward, run):
            load(layer, old, one_by_one)
            before()
            load(layer, new, one_by_one)
            found = after(layer, case.inputs)
            assert_same_bits(found, {name: expected[name] for name in found})


def test_one_number_of_one_parameter(level: str) -> None:
    case = Case("lstm peephole projection", num_layers=2, bidirectional=True)
    layer = case.layer("float64")
    before = run_forward(layer, case.inputs)["y"]
    for parameter in layer.parameters().values():
        values = parameter.data.copy()
        values.flat[0] += 0.5
        parameter.assign(values)
        after = run_forward(layer, case.inputs)["y"]
        assert not np.array_equal(after, before)
        before = after


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_an_open_stream_uses_new_weights(level: str, cell: str, dtype: str) -> None:
    case = Case(cell, hidden_size=9, num_layers=2)
    layer, inputs = case.layer(dtype), case.inputs.astype(dtype)
    stream = layer.stream(case.batch)
    stream.state = pack(inputs.states)
    first = [stream(x_t).copy() for x_t in inputs.x[:3]]
    expected, state = layer(inputs.x[:3], pack(inputs.states))
    np.testing.assert_array_equal(first, expected)
    layer.load_state_dict(other_weights(case))
    second = [stream(x_t).copy() for x_t in inputs.x[3:]]
    expected, state = layer(inputs.x[3:], state)
    np.testing.assert_array_equal(second, expected)
    assert_same_bits(named(None, stream.state), named(None, state))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_a_pass_goes_back_through_its_own_weights(level: str, cell: str, dtype: str) -> None:
    case = Case(cell, hidden_size=9, num_layers=2)
    layer, inputs = case.layer(dtype), case.inputs.astype(dtype)
    versions = [case.inputs.parameters, other_weights(case, 1), other_weights(case, 2)]
    expected, pending = [], []
    for weights in versions:
        layer.load_state_dict(weights)
        expected.append(run(layer, inputs))
        pending.append(layer.forward(inputs.x, pack(inputs.states)))
        layer.load_state_dict(other_weights(case, 3))
        run_forward(layer, inputs)  # packs these in the place of the others, if it could
    for k in (1, 2, 0):
        layer.zero_grad()
        (y, final), backprop = pending[k]
        values: Values = named(y, final)
        dx, initial = backprop(inputs.dy, pack(inputs.dstates))
        values |= named(dx, initial, "d") | layer.grads
        assert_same_bits(values, expected[k])


def test_gradients_may_be_changed_without_a_trace(level: str) -> None:
    case = Case("gru reset after")
    layer = case.layer("float32")
    before = run(layer, case.inputs)
    for gradient in layer.grads.values():
        gradient[...] = 5
    assert_same_bits(run_forward(layer, case.inputs), outputs(before))
    assert_same_bits(run(layer, case.inputs), before)
