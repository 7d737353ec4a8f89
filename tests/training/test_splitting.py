"""How the batches of `rnnfast.Trainer` are divided among processes, without any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.training.splitting import BatchSplit

X, Y = np.zeros((6, 5, 3), np.float32), np.zeros((6, 5, 4), np.float32)


class Own(rf.Module):
    """A network of somebody's own, which need not say what comes first."""

    def __init__(self, within: bool, **said: bool) -> None:
        self.layer = rf.GRU(3, 4, batch_first=within, seed=0)
        vars(self).update(said)

    def forward(self, x: Any) -> tuple[Any, Callable[[Any], Any]]:
        (y, _), backprop = self.layer.forward(x)
        return y, lambda dy: backprop(dy)[0]


@pytest.mark.parametrize(
    ("net", "axis"),
    [
        (rf.GRU(3, 4, seed=0), 1),
        (rf.GRU(3, 4, batch_first=True, seed=0), 0),
        (rf.chain(rf.GRU(3, 4, batch_first=True, seed=0), rf.Linear(4, 4)), 0),
        (Own(False), 1),
        (Own(True, batch_first=True), 0),
        (Own(True, batch_first=False), 1),  # it swaps them itself
        (rf.chain(Own(True, batch_first=True), rf.Linear(4, 4)), 0),
    ],
)
def test_sequences_are_what_a_network_says(net: rf.Module, axis: int) -> None:
    for rank in range(2):
        x, y = BatchSplit(net)((X, Y), rank, 2).batch
        rows = np.array_split(np.arange(X.shape[axis]), 2)[rank]
        assert x.shape == np.take(X, rows, axis).shape
        assert y.shape == np.take(Y, rows, axis).shape


@pytest.mark.parametrize("net", [Own(True), rf.chain(Own(True), rf.Linear(4, 4))])
def test_a_network_that_does_not_say_is_not_cut_by_time(net: rf.Module) -> None:
    split = BatchSplit(net)  # as one process makes it too
    expected = "net: expected a network with an attribute batch_first, as it has a GRU with "
    with pytest.raises(ValueError, match=f"^{expected}"):
        split((X, Y), 0, 2)
