"""NaN in a batch is told by its array and place: the learning rate is not to blame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rnnfast as rf

X = np.zeros((5, 2, 4), np.float32)
FINE = {"x": X, "y": X}


def spoiled(array: Any, *place: int, number: float = np.nan) -> Any:
    other = array.copy()
    other[place] = number
    return other


class Doubled(rf.Module):
    """A part of one's own that looks at no number."""

    def __init__(self) -> None:
        self.linear = rf.Linear(4, 4, seed=0)

    def forward(self, x: Any) -> Any:
        return 2 * x, lambda dy: 2 * dy


class Summed(rf.Module):
    """A network with a loss of its own."""

    def __init__(self) -> None:
        self.linear = rf.Linear(4, 4, seed=0)

    def add_gradients(self, batch: Any) -> tuple[float, int]:
        return float(np.sum(batch["x"])), 1

    def loss(self, batch: Any) -> tuple[float, int]:
        return self.add_gradients(batch)


def net() -> Any:
    return rf.chain(rf.GRU(4, 4, seed=0), rf.Linear(4, 4, seed=0))


def trainer(layers: Any, loss: Any = rf.mse) -> rf.Trainer:
    return rf.Trainer(layers, loss, rf.SGD(layers, 0.1), verbose=0)


BATCHES = [
    ({"x": spoiled(X, 2, 1, 3)}, "x: expected finite numbers, got nan at time 2, sequence 1, fea"),
    ({"y": spoiled(X, 1, 0, 2, number=np.inf)}, "y: expected finite numbers, got inf at time 1, s"),
    (
        {"x": X, "weights": spoiled(np.ones((5, 2), np.float32), 3, 1)},
        "weights: expected finite numbers, got nan at 3, 1",
    ),
]


@pytest.mark.parametrize(("batch", "message"), BATCHES)
def test_the_batch_is_named(batch: Any, message: str) -> None:
    layers = net()
    before = layers.state_dict()
    with pytest.raises(ValueError, match=f"^epoch 1, batch 1: {message}"):
        trainer(layers).fit([FINE | batch, FINE], epochs=2)
    assert all(np.array_equal(before[name], now) for name, now in layers.state_dict().items())
    with pytest.raises(ValueError, match=f"^epoch 1, batch 3: {message}"):
        trainer(layers).fit([FINE, FINE, FINE | batch], epochs=2)


@pytest.mark.parametrize(("batch", "message"), BATCHES)
def test_the_batch_of_validation_is_named(batch: Any, message: str) -> None:
    one = trainer(net())
    with pytest.raises(ValueError, match=rf"^valid\[1\]: {message}"):
        one.fit([FINE], epochs=1, valid=[FINE, FINE | batch])
    with pytest.raises(ValueError, match=rf"^batches\[1\]: {message}"):
        one.evaluate([FINE, FINE | batch])


@pytest.mark.parametrize("form", [tuple, list, dict])
def test_tuples_are_named_too(form: Any) -> None:
    parts = {"x": X, "y": spoiled(X, 0, 0, 0)}
    batch = parts if form is dict else form(parts.values())
    with pytest.raises(ValueError, match=r"^epoch 1, batch 1: y: expected finite numbers, got nan"):
        trainer(net()).fit([batch], epochs=1)


def test_parts_that_look_at_no_number() -> None:
    def loss(y: Any, target: Any) -> Any:
        return float(((y - target) ** 2).mean()), 2 * (y - target) / y.size

    with pytest.raises(ValueError, match=r"^epoch 1, batch 1: x: expected finite numbers, got nan"):
        trainer(Doubled(), loss).fit([(spoiled(X, 0, 0, 0), X)], epochs=1)
    with pytest.raises(ValueError, match=r"^epoch 1, batch 1: x: expected finite numbers, got nan"):
        trainer(Summed(), None).fit([{"x": spoiled(X, 0, 0, 0)}], epochs=1)
    with pytest.raises(ValueError, match=r"^valid\[0\]: x: expected finite numbers, got nan"):
        trainer(Summed(), None).fit([FINE], epochs=1, valid=[{"x": spoiled(X, 0, 0, 0)}])


def test_what_stands_past_a_length_is_not_to_blame() -> None:
    batch = {"x": spoiled(X, 4, 1, 0), "y": spoiled(X, 1, 0, 2), "lengths": [5, 3]}
    with pytest.raises(ValueError, match=r"^epoch 1, batch 1: y: expected finite numbers, got nan"):
        trainer(net()).fit([batch], epochs=1)


def test_batch_first_is_told_as_it_is() -> None:
    layers = rf.chain(rf.GRU(4, 4, batch_first=True, seed=0), rf.Linear(4, 4, seed=0))
    x = np.zeros((2, 5, 4), np.float32)
    batch = {"x": spoiled(x, 1, 2, 3), "y": x, "lengths": np.array([5, 3])}
    with pytest.raises(ValueError, match=r"got nan at sequence 1, time 2, feature 3$"):
        trainer(layers).fit([batch], epochs=1)


def test_a_learning_rate_is_still_to_blame_for_itself() -> None:
    layers = net()
    high = rf.Trainer(layers, rf.mse, rf.SGD(layers, 1e30), verbose=0)
    with pytest.raises(FloatingPointError, match=r"lower the learning rate, 1e\+30 now"):
        high.fit([(X + 1, X + 3)] * 5, epochs=3)
