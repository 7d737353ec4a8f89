"""Passes in little memory, which run parts of themselves again, against those that keep all."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from layer_cases import DTYPES, TOLERANCE, Case, Values, assert_near, assert_same_bits, named, run
from network_cases import CELLS, pack


def recomputed(layer: Any, inputs: Any, **options: Any) -> Values:
    """What `run` gives, with `recompute`."""
    inputs = inputs.astype(layer.dtype)
    layer.zero_grad()
    state = None if inputs.states is None else pack(inputs.states)
    (y, final), backprop = layer.forward(inputs.x, state, **inputs.options, recompute=True)
    values = named(y, final)
    dstates = None if inputs.dstates is None else pack(inputs.dstates)
    dx, initial = backprop(inputs.dy, dstates, **options)
    values |= named(dx, initial, "d")
    return values | {name: gradient.copy() for name, gradient in layer.grads.items()}


@pytest.mark.parametrize("steps", [1, 2, 9, 10, 17])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_the_same_as_a_pass_that_keeps_all(cell: str, dtype: str, steps: int) -> None:
    case = Case(cell, steps=steps, batch=6, num_layers=2, ragged=True, resets=True)
    layer = case.layer(dtype)
    values, expected = recomputed(layer, case.inputs), run(layer, case.inputs)
    assert_near(values, expected, TOLERANCE[dtype])
    forward = {"y", "state 0", "state 1"} & values.keys()
    assert_same_bits({n: values[n] for n in forward}, {n: expected[n] for n in forward})


@pytest.mark.parametrize("options", [{"states": False, "gradients": "y"}, {"gradients": "state"}])
@pytest.mark.parametrize("cell", ["rnn relu", "gru reset before", "lstm projection"])
def test_what_is_left_out(cell: str, options: dict[str, Any]) -> None:
    case = Case(cell, steps=11, **options)
    layer = case.layer("float64")
    expected = run(layer, case.inputs)
    assert_near(recomputed(layer, case.inputs), expected, 1e-12)
    del expected["dx"]
    assert_near(recomputed(layer, case.inputs, need_dx=False), expected, 1e-12)


@pytest.mark.parametrize("indices", [False, True])
def test_batch_first_and_single_sequences(indices: bool) -> None:
    case = Case("lstm", steps=11, batch=1, indices=indices, states=False, gradients="y")
    x, dy = case.inputs.x, case.inputs.dy
    expected = run(case.layer("float64"), case.inputs)
    first = case.layer("float64", batch_first=True)
    for layer, axis in ((first, 0), (case.layer("float64"), 1)):
        (y, _), backprop = layer.forward(x[:, 0], recompute=True)
        dx, _ = backprop(dy[:, 0])
        np.testing.assert_array_equal(np.expand_dims(y, 1), expected["y"])
        if not indices:
            assert_near({"dx": np.expand_dims(dx, 1)}, {"dx": expected["dx"]}, 1e-12)
        (y, _), _ = layer.forward(np.moveaxis(x, 1, axis), recompute=True)
        np.testing.assert_array_equal(np.moveaxis(y, axis, 1), expected["y"])


@pytest.mark.parametrize("batch", [0, 3])
@pytest.mark.parametrize("steps", [0, 5])
@pytest.mark.parametrize("cell", CELLS)
def test_nothing(cell: str, steps: int, batch: int) -> None:
    case = Case(cell, steps=steps, batch=batch, num_layers=2)
    layer = case.layer("float64")
    assert_near(recomputed(layer, case.inputs), run(layer, case.inputs), 1e-12)


def test_dropout_is_drawn_once_and_used_twice() -> None:
    case = Case("gru reset after", steps=9, num_layers=3)
    inputs = case.inputs
    values = recomputed(case.layer("float64", dropout=0.4, seed=1), inputs)
    # By hand: parts of three steps, each of which draws masks of its own, in order.
    layer = case.layer("float64", dropout=0.4, seed=1)
    outputs, backprops, gradients = [], [], []  # type: list[Any], list[Any], list[Any]
    state = pack(inputs.states)
    for begin in (0, 3, 6):
        (y, state), backprop = layer.forward(inputs.x[begin : begin + 3], state)
        outputs.append(y)
        backprops.append(backprop)
    dstate = pack(inputs.dstates)
    for k in (2, 1, 0):
        dx, dstate = backprops[k](inputs.dy[3 * k : 3 * k + 3], dstate)
        gradients.insert(0, dx)
    expected = named(np.concatenate(outputs), state)
    expected |= named(np.concatenate(gradients), dstate, "d") | layer.grads
    assert_same_bits(values, expected)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_states_and_masks_may_be_reused(bidirectional: bool) -> None:
    case = Case("lstm", steps=9, ragged=True, resets=True, bidirectional=bidirectional)
    layer, inputs = case.layer("float64"), case.inputs
    expected = run(layer, inputs)
    layer.zero_grad()
    states = [s.copy() for s in inputs.states]
    options = {name: value.copy() for name, value in inputs.options.items()}
    _, backprop = layer.forward(inputs.x, pack(states), **options, recompute=True)
    for array in (*states, *options.values()):
        array[...] = 1
    dx, initial = backprop(inputs.dy, pack(inputs.dstates))
    values = named(dx, initial, "d") | layer.grads
    assert_near(values, {name: expected[name] for name in values}, 1e-12)


def raises(error: type[Exception], message: str) -> Any:
    return pytest.raises(error, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize("bidirectional", [False, True])
def test_weights_must_stay(bidirectional: bool) -> None:
    case = Case("gru reset after", steps=9, bidirectional=bidirectional)
    layer = case.layer("float32")
    _, backprop = layer.forward(case.inputs.astype("f4").x, recompute=True)
    layer.load_state_dict(layer.state_dict())
    message = (
        "backprop: expected the parameters of the forward pass, which recompute runs again, but "
        "they were changed"
    )
    with raises(RuntimeError, message):
        backprop(case.inputs.astype("f4").dy)
    assert not any(gradient.any() for gradient in layer.grads.values())


@pytest.mark.parametrize("time", [1, 8])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_number_that_is_not_finite_is_named_by_its_own_step(
    bidirectional: bool, time: int
) -> None:
    layer = rf.GRU(3, 5, bidirectional=bidirectional)
    x = np.ones((9, 2, 3), np.float32)
    (y, _), backprop = layer.forward(x, recompute=True)
    at = f"expected finite numbers, got NaN or infinity at time {time} of sequence 1"
    dy = np.ones_like(y)
    dy[time, 1, 0] = np.nan
    with raises(ValueError, f"dy: {at}"):
        backprop(dy)
    assert not any(gradient.any() for gradient in layer.grads.values())
    x[time, 1, 2] = np.inf
    with raises(ValueError, f"x: {at}"):
        layer.forward(x, recompute=True)
    with raises(ValueError, f"x: expected indices from 0 to 2, got 3 at time {time} of sequence 0"):
        layer.forward(np.where(np.arange(9) == time, 3, 0)[:, np.newaxis], recompute=True)
    with raises(ValueError, "reset: expected shape (9, 2), got (10, 2)"):
        layer.forward(np.ones((9, 2, 3), np.float32), reset=np.zeros((10, 2), bool), recompute=True)


@pytest.mark.parametrize("both", [False, True])
def test_gradients_that_overflow_on_the_way(both: bool) -> None:
    """As without: infinite gradients go on, and are not refused when some were added already."""
    for recompute in (False, True):
        layer = rf.GRU(3, 5, num_layers=3, bidirectional=both, seed=0)
        for parameter in layer.parameters().values():
            parameter.assign(parameter.data * np.float32(1e3))
        x = np.zeros((9, 2, 3), np.float32)
        (y, _), backprop = layer.forward(x, recompute=recompute)
        with np.errstate(all="ignore"):
            dx, _ = backprop(np.full_like(y, 3e38))
        assert not all(np.isfinite(g).all() for g in (dx, *layer.grads.values()))
