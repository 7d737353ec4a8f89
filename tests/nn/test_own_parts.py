"""Modules of one's own that do not keep to the contract: named where they stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf

X = np.ones((2, 3, 4), np.float32)  # of two steps: an array that comes apart in two


class Own(rf.Module):
    """A part that returns what a function makes of a right output and backprop."""

    def __init__(self, returned: Callable[[Any, Any], Any]) -> None:
        self.linear = rf.Linear(4, 4, seed=0)
        self.returned = returned

    def forward(self, x: Any) -> Any:
        return self.returned(*self.linear.forward(x))


class OwnState(rf.Module):
    has_state = True

    def __init__(self, returned: Callable[[Any, Any, Any], Any]) -> None:
        self.gru = rf.GRU(4, 4, seed=0)
        self.returned = returned

    def forward(self, x: Any, state: Any = None) -> Any:
        (y, state), backprop = self.gru.forward(x, state)
        return self.returned(y, state, backprop)


def back(change: Callable[[Any], Any]) -> Any:
    return lambda y, backprop: (y, lambda dy: change(backprop(dy)))


WRONG_FORWARD = {
    "ndarray": lambda y, b: y,
    "NoneType": lambda y, b: None,
    r"\(ndarray, int\)": lambda y, b: (y, 3),
    r"\(ndarray, function, int\)": lambda y, b: (y, b, 3),
}
WRONG_OUTPUT = {"NoneType": lambda y, b: (None, b), "list": lambda y, b: (y.tolist(), b)}
WRONG_BACKPROP = [
    (back(lambda dx: (dx,)), "dx: expected a NumPy array, got tuple"),
    (back(lambda dx: 1.0), "dx: expected a NumPy array, got float"),
    (back(lambda dx: dx[:1]), r"dx: expected shape \(2, 3, 4\), got \(1, 3, 4\)"),
    (back(lambda dx: dx.astype(np.float64)), "dx: expected dtype float32, got float64"),
]
KEPT = back(lambda dx: None)


def places(part: Any) -> list[tuple[Any, str]]:
    return [
        (rf.chain(rf.Linear(4, 4), part, rf.Linear(4, 4)), r"chain\[1\] \(Own\): "),
        (rf.chain(part, rf.Linear(4, 4)), r"chain\[0\] \(Own\): "),
        (rf.residual(part), r"residual \(Own\): "),
        (rf.concatenate(rf.Linear(4, 4), part), r"concatenate\[1\] \(Own\): "),
        (rf.bidirectional(rf.GRU(4, 4), part), r"bidirectional.reverse_layer \(Own\): "),
    ]


@pytest.mark.parametrize("got", WRONG_FORWARD)
def test_a_forward_that_returns_no_pair(got: str) -> None:
    message = f"forward: expected to return a pair \\(y, backprop\\), got {got}$"
    with pytest.raises(TypeError, match=f"^{message}"):
        Own(WRONG_FORWARD[got])(X)
    for net, place in places(Own(WRONG_FORWARD[got])):
        for call in (net, net.forward):
            with pytest.raises(TypeError, match=f"^{place}{message}"):
                call(X)


@pytest.mark.parametrize("got", WRONG_OUTPUT)
def test_an_output_that_is_no_array(got: str) -> None:
    for net, place in places(Own(WRONG_OUTPUT[got])):
        for call in (net, net.forward):
            with pytest.raises(
                TypeError, match=f"^{place}forward: expected to return an array y, "
            ):
                call(X)


@pytest.mark.parametrize(("returned", "message"), WRONG_BACKPROP)
def test_a_backprop_that_returns_no_gradient(returned: Any, message: str) -> None:
    for net, place in places(Own(returned)):
        y, backprop = net.forward(X)
        with pytest.raises((TypeError, ValueError), match=f"^{place}{message}"):
            backprop(np.ones_like(y))


def test_a_gradient_that_parts_before_would_have_needed() -> None:
    nets = places(Own(KEPT))
    del nets[1]  # where it stands first
    nets.append((rf.chain(rf.GRU(4, 4), rf.chain(Own(KEPT))), r"chain\[1\] \(Chain\): "))
    for net, place in nets:
        y, backprop = net.forward(X)
        expected = f"^{place}backprop: expected to return the gradient of x, got None$"
        with pytest.raises(TypeError, match=expected):
            backprop(np.ones_like(y))


def test_a_first_part_may_keep_its_gradient() -> None:
    net = rf.chain(Own(KEPT), rf.Linear(4, 4, seed=0))
    y, backprop = net.forward(X)
    assert backprop(np.ones_like(y)) is None
    assert np.any(net.grads["0.linear.weight"]) and np.any(net.grads["1.weight"])
    alone = Own(KEPT)
    trainer = rf.Trainer(alone, rf.mse, rf.SGD(alone, 0.1), verbose=0)
    assert trainer.fit([(X, X)], epochs=2).stopped == "finished"


def test_parts_with_a_state() -> None:
    def right(y: Any, state: Any, backprop: Any) -> Any:
        return (y, state), backprop

    net = rf.chain(rf.Linear(4, 4), OwnState(right))
    y, backprop = net.forward(X)
    assert backprop(np.ones_like(y)).shape == X.shape
    for wrong, message in [
        (lambda y, s, b: (y, b), r"forward: expected to return a pair \(\(y, state\), backprop\)"),
        (lambda y, s, b: ((y, s, 3), b), r".*backprop\), got 3 values$"),
    ]:
        with pytest.raises(TypeError, match=f"OwnState.: {message}"):
            rf.chain(rf.Linear(4, 4), OwnState(wrong)).forward(X)
    with pytest.raises(TypeError, match=r"call: expected to return a pair \(y, state\), got ndarr"):
        rf.chain(OwnState(lambda y, s, b: (y, b)))(X)
    y, backprop = rf.chain(
        OwnState(lambda y, s, b: ((y, s), lambda dy, ds=None, need_dx=True: b(dy)[0]))
    ).forward(X)
    with pytest.raises(TypeError, match=r"backprop: expected to return a pair \(dx, dstate\), got"):
        backprop(np.ones_like(y))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parameters_stay_finite(number: float, dtype: str) -> None:
    for layer in (rf.LSTM(3, 4, dtype=dtype), rf.Linear(3, 4, dtype=dtype), rf.CRF(4, dtype=dtype)):
        before = layer.state_dict()
        name = list(before)[-1]
        values = before[name].copy()
        values.flat[1] = number
        place = tuple(map(int, np.unravel_index(1, values.shape)))
        wrong = rf"expected finite numbers, got {number} at {place}".replace("(", r"\(")
        wrong = wrong.replace(")", r"\)") + "$"
        with pytest.raises(ValueError, match=f"^{name}: {wrong}"):
            layer.load_state_dict(before | {name: values})
        with pytest.raises(ValueError, match=f"^value: {wrong}"):
            layer.parameters()[name].assign(values)
        with pytest.raises(ValueError, match=r"read-only"):
            layer.parameters()[name].data.flat[1] = number
        after = layer.state_dict()
        assert all(np.array_equal(before[key], after[key]) for key in before)
