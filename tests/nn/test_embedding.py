"""`rf.Embedding` and `rf.Dropout`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import rnnfast as rf


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("rows", "width"), [(1, 1), (3, 17), (65, 33), (700, 130)])
def test_look_up_and_scatter(
    set_threads: Callable[[int], None], dtype: str, rows: int, width: int
) -> None:
    rng = np.random.default_rng(0)
    layer = rf.Embedding(11, width, dtype=dtype, seed=1)
    table = layer.parameters()["weight"].data
    indices = rng.integers(11, size=(rows, 2))
    dy = rng.normal(size=(rows, 2, width)).astype(dtype)
    expected = np.zeros((11, width), dtype)
    np.add.at(expected, indices, dy)  # one by one, in the order of the rows
    for threads in (1, 2, 3):
        set_threads(threads)
        layer.zero_grad()
        y, backprop = layer.forward(indices)
        np.testing.assert_array_equal(y, table[indices])
        np.testing.assert_array_equal(layer(indices.astype(np.uint8)), y)
        assert backprop(dy) is None
        np.testing.assert_array_equal(layer.grads["weight"], expected)


def test_indices_are_kept() -> None:
    """What backpropagation uses does not change with the caller's array."""
    layer = rf.Embedding(4, 2, dtype="float64", seed=1)
    indices = np.array([1, 2])
    _, backprop = layer.forward(indices)
    indices[:] = 0
    backprop(np.ones((2, 2)))
    np.testing.assert_array_equal(layer.grads["weight"].sum(axis=1), [0, 2, 2, 0])


def test_padding() -> None:
    layer = rf.Embedding(4, 3, padding_idx=2, dtype="float64", seed=1)
    y, backprop = layer.forward([[2, 1], [2, 0]])
    np.testing.assert_array_equal(y[:, 0], 0.0)
    backprop(np.ones_like(y))
    np.testing.assert_array_equal(layer.grads["weight"][:, 0], [1, 1, 0, 0])


def test_initial_table() -> None:
    table = rf.Embedding(300, 100, seed=3).parameters()["weight"].data
    drawn = np.random.default_rng(3).normal(size=(300, 100)).astype("float32")
    np.testing.assert_array_equal(table, drawn)
    large = rf.Embedding(2100, 1000, padding_idx=7, dtype="float64", seed=3)  # drawn in parts
    drawn = np.random.default_rng(3).normal(size=(2100, 1000))
    drawn[7] = 0.0
    np.testing.assert_array_equal(large.parameters()["weight"].data, drawn)
    np.testing.assert_array_equal(table, rf.Embedding(300, 100, seed=3).state_dict()["weight"])
    assert abs(table.mean()) < 0.02
    assert abs(table.std() - 1.0) < 0.02


def test_shapes() -> None:
    layer = rf.Embedding(5, 3, seed=1)
    assert layer(2).shape == (3,)
    assert layer(np.zeros((0, 4), int)).shape == (0, 4, 3)
    assert layer([]).shape == (0, 3)
    assert layer(np.zeros((2, 3, 4), np.int32)).shape == (2, 3, 4, 3)


def test_bad_input() -> None:
    layer = rf.Embedding(5, 3, seed=1)
    with pytest.raises(ValueError, match="indices: expected numbers from 0 to 4, got 5"):
        layer([1, 5])
    with pytest.raises(ValueError, match="indices: expected no negative number, got -1"):
        layer([1, -1])
    with pytest.raises(TypeError, match="indices: expected integers, got dtype float64"):
        layer([1.0])
    _, backprop = layer.forward([1, 2])
    with pytest.raises(ValueError, match=r"dy: expected shape \(2, 3\), got \(3, 2\)"):
        backprop(np.zeros((3, 2), "float32"))
    with pytest.raises(TypeError, match="dy: expected dtype float32, got float64"):
        backprop(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="padding_idx: expected less than num_embeddings 5, got 5"):
        rf.Embedding(5, 3, padding_idx=5)


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dropout(set_threads: Callable[[int], None], dtype: str) -> None:
    x = np.random.default_rng(0).normal(size=(97, 501)).astype(dtype)
    results = []
    for threads in (1, 2):
        set_threads(threads)
        y, backprop = rf.Dropout(0.25, seed=3).forward(x)
        results.append((y, backprop(np.ones_like(x))))
    (y, mask), (y_two, mask_two) = results
    np.testing.assert_array_equal(y, y_two)
    np.testing.assert_array_equal(mask, mask_two)
    np.testing.assert_array_equal(y, x * mask)
    np.testing.assert_array_equal(np.unique(mask), np.array([0.0, 1 / 0.75], dtype))
    # 0.25 within five standard deviations, in the whole and along both axes.
    dropped = mask == 0
    assert abs(dropped.mean() - 0.25) < 5 * np.sqrt(0.1875 / x.size)
    for axis in (0, 1):
        bound = 6 * np.sqrt(0.1875 / x.shape[axis])
        assert np.abs(dropped.mean(axis=axis) - 0.25).max() < bound


def test_dropout_passes() -> None:
    x = np.ones((50, 50))
    layer = rf.Dropout(0.5, seed=1)
    assert layer(x) is x
    first, second = layer.forward(x)[0], layer.forward(x)[0]
    assert (first != second).any()
    layer.eval()
    y, backprop = layer.forward(x)
    assert y is x
    assert backprop(x) is x
    np.testing.assert_array_equal(rf.Dropout(1.0).forward(x)[0], 0.0)
    assert rf.Dropout(0.0).forward(x)[0] is x


def test_dropout_bad_input() -> None:
    with pytest.raises(ValueError, match=r"p: expected a probability from 0 to 1, got 1\.5"):
        rf.Dropout(1.5)
    _, backprop = rf.Dropout(0.5).forward(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"dy: expected shape \(2, 3\), got \(3, 2\)"):
        backprop(np.ones((3, 2)))
    with pytest.raises(TypeError, match="x: expected dtype float32 or float64, got int64"):
        rf.Dropout(0.5).forward(np.ones((2, 3), np.int64))
