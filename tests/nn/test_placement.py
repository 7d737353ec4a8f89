"""What is drawn for some rows of a batch is what is drawn for them in the whole of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast import _core
from rnnfast.nn.placement import Placement, drop, numbered, placed, rows_of

T, B, F = 5, 7, 6
X = np.random.default_rng(0).normal(size=(T, B, F))
LENGTHS = np.array([3, 5, 1, 4, 4, 0, 5])
PARTS = [(0, 3), (3, 4), (4, 7)]
NOISY = {"zoneout": 0.3, "recurrent_dropout": 0.4}
DOUBLE = {"dtype": "float64", "seed": 1}

LAYERS: dict[str, Callable[[], Any]] = {
    "two layers": lambda: rf.LSTM(F, 4, 2, dropout=0.4, **DOUBLE),
    "three, both ways": lambda: rf.GRU(F, 4, 3, dropout=0.4, bidirectional=True, **DOUBLE),
    "variational": lambda: rf.LSTM(F, 4, 3, dropout=0.4, variational=True, **DOUBLE),
    "a projection": lambda: rf.LSTM(F, 4, 2, dropout=0.4, proj_size=2, **DOUBLE),
    "noisy": lambda: rf.LayerNormLSTM(F, 4, **NOISY, **DOUBLE),
    "noisy, both ways": lambda: rf.LayerNormGRU(
        F, 4, 2, dropout=0.2, bidirectional=True, **NOISY, **DOUBLE
    ),
}


def passed(layer: Any, x: Any, lengths: Any) -> Any:
    """Return what a training pass gives, and its gradients for a gradient of ones."""
    (y, state), backprop = layer.forward(x, lengths=lengths)
    dx, dstate = backprop(np.ones_like(y))
    parts = [*state, *dstate] if isinstance(state, tuple) else [state, dstate]
    return y, dx, parts, {name: g.copy() for name, g in layer.grads.items()}


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["all steps", "lengths"])
@pytest.mark.parametrize("name", LAYERS)
def test_parts_of_a_batch_have_the_noise_of_the_whole(name: str, lengths: Any) -> None:
    y, dx, states, gradients = passed(LAYERS[name](), X, lengths)
    sums = {key: np.zeros_like(g) for key, g in gradients.items()}
    for begin, end in PARTS:
        rows = slice(begin, end)
        own = None if lengths is None else lengths[rows]
        with placed(Placement(begin, end, B, lengths=lengths)):
            found = passed(LAYERS[name](), np.ascontiguousarray(X[:, rows]), own)
        np.testing.assert_array_equal(found[0], y[:, rows])
        np.testing.assert_array_equal(found[1], dx[:, rows])
        for part, whole in zip(found[2], states, strict=True):
            np.testing.assert_array_equal(part, whole[:, rows])
        for key, gradient in found[3].items():
            sums[key] += gradient
    for key, gradient in gradients.items():
        np.testing.assert_allclose(sums[key], gradient, rtol=1e-12, atol=1e-13)


def test_batches_first_have_it_too() -> None:
    x = np.ascontiguousarray(X.swapaxes(0, 1))

    def layer() -> Any:
        return rf.GRU(F, 4, 2, dropout=0.4, batch_first=True, **DOUBLE)

    whole = passed(layer(), x, LENGTHS)
    for begin, end in PARTS:
        with placed(Placement(begin, end, B, batch_axis=0, lengths=LENGTHS)):
            part = passed(layer(), x[begin:end].copy(), LENGTHS[begin:end])
        np.testing.assert_array_equal(part[0], whole[0][begin:end])
        np.testing.assert_array_equal(part[1], whole[1][begin:end])


@pytest.mark.parametrize(
    ("make", "x"),
    [
        (lambda: rf.Dropout(0.3, seed=2), X),
        (lambda: rf.Dropout(0.3, seed=2), X[0]),
        (lambda: rf.VariationalDropout(0.3, seed=2), X),
    ],
    ids=["steps", "vectors", "variational"],
)
def test_dropout_is_that_of_the_whole(make: Any, x: Any) -> None:
    axis = x.ndim - 2
    y, backprop = make().forward(x)
    dx = backprop(np.ones_like(y))
    for begin, end in PARTS:
        rows = (slice(None),) * axis + (slice(begin, end),)
        with placed(Placement(begin, end, B)):
            part, back = make().forward(x[rows])
        np.testing.assert_array_equal(part, y[rows])
        np.testing.assert_array_equal(back(np.ones_like(part)), dx[rows])


def test_rows_of_any_numbers_are_dropped_as_in_the_whole() -> None:
    x, numbers = np.ones((40, 3)), np.array([0, 1, 2, 7, 9, 10, 39])
    for seed in (0, 12345, 2**63 - 1):
        with placed(Placement(0, 1, 2)), numbered(numbers):
            found = drop(x[numbers], 0.5, seed, rows_of((7, 3)))
        np.testing.assert_array_equal(found, _core.dropout(x, 0.5, seed)[numbers])


def test_tokens_are_dropped_as_in_the_whole() -> None:
    ids = np.random.default_rng(3).integers(0, 9, (T, B))
    vectors = np.ones((T, B, 2))
    y, _ = rf.EmbeddingDropout(0.5, seed=4).forward(vectors, ids)
    with placed(Placement(2, 4, B, ids=ids)):
        part, _ = rf.EmbeddingDropout(0.5, seed=4).forward(vectors[:, 2:4], ids[:, 2:4])
    np.testing.assert_array_equal(part, y[:, 2:4])


def test_what_has_other_rows_is_refused() -> None:
    here = Placement(0, 3, B, ids=np.arange(3), lengths=LENGTHS)
    with placed(here):
        with pytest.raises(ValueError, match="comm: expected numbers for the 3 sequences of this"):
            rf.Dropout(0.5).forward(np.ones((3, 4, 2)))
        with pytest.raises(ValueError, match="comm: expected an EmbeddingDropout of the ids that"):
            rf.EmbeddingDropout(0.5).forward(np.ones((1, 3, 2)), np.array([[0, 1, 5]]))
        with pytest.raises(ValueError, match="comm: expected a layer with noise in its steps to"):
            LAYERS["noisy"]().forward(X[:, :3])
        with pytest.raises(ValueError, match="comm: expected recompute=False with dropout, got Tr"):
            LAYERS["two layers"]().forward(X[:, :3], recompute=True)
