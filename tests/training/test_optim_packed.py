"""Optimizers make the packed copies of weights anew, and change what they should by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from layer_cases import DTYPES, Case, Values, assert_same_bits, run, run_forward
from network_cases import CELLS
from rnnfast._dispatch import available_levels, use_level

SIZES = [1, 3, 17, 33]


def plain(layer: Any, case: Case, dtype: str) -> Any:
    """A layer of the same weights that has not packed any."""
    other = case.layer(dtype)
    other.load_state_dict(layer.state_dict())
    assert not other.native.is_packed
    return other


def trained(layer: Any, optimizer: rf.training.Optimizer, gradients: Values) -> Values:
    """The weights after a step with these gradients."""
    for name, gradient in layer.grads.items():
        gradient[...] = gradients[name]
    optimizer.step()
    values: Values = layer.state_dict()
    return values


@pytest.mark.parametrize("hidden_size", SIZES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_weights_and_their_copies(
    level: str,
    set_threads: Callable[[int], None],
    cell: str,
    dtype: str,
    hidden_size: int,
) -> None:
    """As if the weights had been changed first and packed later, step by step."""
    case = Case(
        cell, input_size=hidden_size + 1, hidden_size=hidden_size, num_layers=2, bidirectional=True
    )
    for threads in (1, 2):
        set_threads(threads)
        layer = case.layer(dtype)
        optimizer = rf.Adam(layer, lr=0.1, weight_decay=0.1)
        shadow = case.layer(dtype)  # never packed when its optimizer steps
        follows = rf.Adam(shadow, lr=0.1, weight_decay=0.1)
        for _ in range(3):
            gradients = run(layer, case.inputs)
            assert layer.native.is_packed
            after = trained(layer, optimizer, gradients)
            assert layer.native.is_packed
            assert_same_bits(after, trained(shadow, follows, gradients))
            assert not shadow.native.is_packed
            assert_same_bits(run(layer, case.inputs), run(plain(layer, case, dtype), case.inputs))


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("SGD", {"lr": 0.1, "momentum": 0.9}),
        ("AdamW", {}),
        ("RMSprop", {"centered": True, "momentum": 0.5}),
        ("Adagrad", {}),
    ],
)
def test_every_optimizer(name: str, arguments: dict[str, Any]) -> None:
    case = Case("lstm peephole projection", input_size=70, hidden_size=50, num_layers=2)
    layer, shadow = case.layer("float32"), case.layer("float32")
    optimizer = getattr(rf, name)(layer, **arguments)
    follows = getattr(rf, name)(shadow, **arguments)
    for _ in range(2):
        gradients = run(layer, case.inputs)
        expected = trained(shadow, follows, gradients)
        assert_same_bits(trained(layer, optimizer, gradients), expected)
        assert layer.native.is_packed
        assert_same_bits(
            run_forward(layer, case.inputs),
            run_forward(plain(layer, case, "float32"), case.inputs),
        )


@pytest.mark.usefixtures("level")
def test_the_gradient_of_the_input_in_turns() -> None:
    """The copy that it needs is made when it is wanted, and again as long as it is."""
    case = Case("gru reset after", input_size=20, hidden_size=33)
    layer, inputs = case.layer("float64"), case.inputs.astype("float64")
    optimizer = rf.SGD(layer, lr=0.1)
    for need_dx in (False, True, True, False, False, True):
        _, backprop = layer.forward(inputs.x)
        dx, _ = backprop(inputs.dy, need_dx=need_dx)
        assert (dx is not None) == need_dx
        if need_dx:
            _, backprop = plain(layer, case, "float64").forward(inputs.x)
            np.testing.assert_array_equal(dx, backprop(inputs.dy)[0])
        optimizer.step()
        assert layer.native.is_packed


def test_calls_alone_leave_no_copies_for_backpropagation(level: str) -> None:
    case = Case("lstm", hidden_size=20)
    layer = case.layer("float32")
    run_forward(layer, case.inputs)
    for gradient in layer.grads.values():
        gradient[...] = 1
    rf.SGD(layer, lr=0.1).step()
    assert layer.native.is_packed
    assert_same_bits(run(layer, case.inputs), run(plain(layer, case, "float32"), case.inputs))


def test_some_parameters_alone(level: str) -> None:
    case = Case("lstm", hidden_size=20, num_layers=2)
    for names in (("weight_hh_l0",), ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0")):
        layer = case.layer("float32")
        before = layer.state_dict()
        optimizer = rf.SGD([layer.parameters()[name] for name in names], lr=0.1)
        run(layer, case.inputs)
        optimizer.step()
        assert not layer.native.is_packed
        changed = [n for n, values in layer.state_dict().items() if (values != before[n]).any()]
        assert changed == list(names)
        assert_same_bits(run(layer, case.inputs), run(plain(layer, case, "float32"), case.inputs))


def test_a_waiting_pass_keeps_its_weights(level: str) -> None:
    case = Case("lstm", hidden_size=20)
    layer, inputs = case.layer("float32"), case.inputs.astype("float32")
    gradients = run(layer, case.inputs)
    _, backprop = layer.forward(inputs.x)
    expected = case.layer("float32").forward(inputs.x)[1](inputs.dy)[0]
    stream = layer.stream()
    trained(layer, rf.SGD(layer, lr=0.1), gradients)
    assert not layer.native.is_packed  # others read the copies of before
    np.testing.assert_array_equal(backprop(inputs.dy)[0], expected)
    row = inputs.x[:1, :1]
    np.testing.assert_array_equal(stream(row[0]), layer(row)[0][0])
    assert_same_bits(
        run_forward(layer, case.inputs), run_forward(plain(layer, case, "float32"), case.inputs)
    )


def test_networks_on_the_same_weights(level: str) -> None:
    """Both directions at once, and each by itself where passes are run again."""
    case = Case("gru reset after", hidden_size=20, num_layers=2, bidirectional=True, steps=9)
    layer, inputs = case.layer("float64"), case.inputs.astype("float64")
    optimizer = rf.SGD(layer, lr=0.1)

    def dx(of: Any, recompute: bool) -> Any:
        return of.forward(inputs.x, recompute=recompute)[1](inputs.dy)[0]

    for recompute in (True, False, True, True, False, False):
        expected = dx(plain(layer, case, "float64"), recompute)
        layer.zero_grad()
        np.testing.assert_array_equal(dx(layer, recompute), expected)
        optimizer.step()


def test_copies_of_another_instruction_set() -> None:
    levels = available_levels()
    if len(levels) < 2:
        pytest.skip("needs two instruction sets")
    before = rf.cpu_info()["level"]
    case = Case("lstm", hidden_size=20)
    try:
        use_level(levels[0])
        layer = case.layer("float32")
        gradients = run(layer, case.inputs)
        use_level(levels[-1])
        expected = trained(case.layer("float32"), rf.SGD(case.layer("float32")), gradients)
        trained(layer, rf.SGD(layer), gradients)
        assert not layer.native.is_packed
        assert list(layer.state_dict()) == list(expected)
        use_level(levels[0])
        found = run(layer, case.inputs)
        assert_same_bits(found, run(plain(layer, case, "float32"), case.inputs))
    finally:
        use_level(before)


def test_after_a_layer_is_gone(level: str) -> None:
    """Its parameters may outlive it."""
    case = Case("lstm", hidden_size=20)
    layer, shadow = case.layer("float32"), case.layer("float32")
    gradients = run(layer, case.inputs)
    expected = trained(shadow, rf.SGD(shadow, lr=0.5), gradients)
    parameters = layer.parameters()
    optimizer = rf.SGD(parameters, lr=0.5)
    for name, parameter in parameters.items():
        parameter.grad[...] = gradients[name]
    del layer
    optimizer.step()
    assert_same_bits({name: p.data for name, p in parameters.items()}, expected)
