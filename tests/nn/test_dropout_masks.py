"""Dropout of whole sequences, of rows of a table, of recurrent weights; tied tables; penalties."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import rnnfast as rf
from gradcheck import assert_gradients
from rnnfast import _core

# --- one mask for all steps -------------------------------------------------------------------


@pytest.mark.parametrize("time_axis", [0, 1, -2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_variational_dropout(dtype: str, time_axis: int) -> None:
    x = np.random.default_rng(0).normal(size=(7, 30, 40)).astype(dtype)
    y, backprop = rf.VariationalDropout(0.25, time_axis=time_axis, seed=1).forward(x)
    factors = np.moveaxis(y / x, time_axis, 0)
    assert y.dtype == dtype
    np.testing.assert_allclose(factors, np.broadcast_to(factors[0], factors.shape), rtol=1e-6)
    kept = factors[0] != 0
    np.testing.assert_allclose(factors[0][kept], 4 / 3, rtol=1e-6)
    assert abs(kept.mean() - 0.75) < 0.06
    np.testing.assert_array_equal(backprop(x), y)


def test_dropout_that_drops_nothing() -> None:
    x = np.ones((2, 3, 4))
    layer = rf.VariationalDropout(0.5, seed=1)
    assert layer(x) is x
    layer.eval()
    assert layer.forward(x)[0] is x
    assert rf.VariationalDropout(0.0).forward(x)[0] is x
    assert rf.EmbeddingDropout(0.0).forward(x, np.zeros((2, 3), int))[0] is x
    assert not rf.VariationalDropout(1.0).forward(x)[0].any()


@pytest.mark.parametrize("recompute", [False, True])
def test_variational_dropout_between_layers(recompute: bool) -> None:
    """Three layers with the masks that were drawn, against one layer after the other."""
    rng = np.random.default_rng(0)
    deep = rf.LSTM(3, 4, 3, dropout=0.4, variational=True, dtype="float64", seed=5)
    x = rng.normal(size=(9, 2, 3))
    dy = rng.normal(size=(9, 2, 4))
    seed = int(np.random.default_rng(7).integers(2**63))
    deep._rng = np.random.default_rng(7)
    (y, _), backprop = deep.forward(x, recompute=recompute)
    dx, _ = backprop(dy)
    masks = [deep.native.dropout_mask(0.4, seed, k, 9, 2, True) for k in range(2)]
    assert any((mask == 0).any() for mask in masks)
    for mask in masks:
        np.testing.assert_array_equal(mask, np.broadcast_to(mask[0], mask.shape))
    h, chain = x, []
    for k in range(3):
        layer = rf.LSTM(3 if k == 0 else 4, 4, dtype="float64")
        layer.load_state_dict(
            {n[:-1] + "0": p for n, p in deep.state_dict().items() if n.endswith(f"l{k}")}
        )
        (h, _), back = layer.forward(h)
        chain.append((layer, back))
        if k < 2:
            h = h * masks[k]
    np.testing.assert_allclose(y, h, rtol=1e-12, atol=1e-14)
    gradient: Any = dy
    for k in (2, 1, 0):
        gradient, _ = chain[k][1](gradient if k == 2 else gradient * masks[k])
        for name, value in chain[k][0].grads.items():
            np.testing.assert_allclose(
                deep.grads[name[:-1] + str(k)], value, rtol=1e-10, atol=1e-13, err_msg=name
            )
    np.testing.assert_allclose(dx, gradient, rtol=1e-10, atol=1e-14)


# --- rows of a table --------------------------------------------------------------------------


def test_embedding_dropout() -> None:
    ids = np.random.default_rng(0).integers(500, size=(40, 30))
    x = np.ones((40, 30, 3), "float32")
    y, backprop = rf.EmbeddingDropout(0.3, seed=2).forward(x, ids)
    factors = {token: set(y[ids == token].ravel().tolist()) for token in np.unique(ids)}
    assert all(len(values) == 1 for values in factors.values())
    values = np.array([next(iter(v)) for v in factors.values()])
    np.testing.assert_allclose(values[values != 0], 1 / 0.7, rtol=1e-6)
    assert abs((values == 0).mean() - 0.3) < 0.07
    np.testing.assert_array_equal(backprop(x), y)


# --- recurrent weights ------------------------------------------------------------------------


def test_weight_drop_is_a_layer_with_other_weights() -> None:
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(5, 3, 4)), rng.normal(size=(5, 3, 12))
    layer = rf.LSTM(4, 6, 2, bidirectional=True, dtype="float64", seed=1)
    before = layer.state_dict()
    layer.grads["weight_hh_l0"][...] = 1.0  # of a pass before
    drop = rf.WeightDrop(layer, 0.5, seed=3)
    with drop:
        dropped = layer.state_dict()
        (y, _), backprop = layer.forward(x)
        backprop(dy)
    twin = rf.LSTM(4, 6, 2, bidirectional=True, dtype="float64")
    twin.load_state_dict(dropped)
    (expected, _), backprop = twin.forward(x)
    backprop(dy)
    np.testing.assert_array_equal(y, expected)
    for name, weight in layer.state_dict().items():
        np.testing.assert_array_equal(weight, before[name], err_msg=name)
        factor: Any = 1.0
        if name.startswith("weight_hh"):
            factor = np.where(dropped[name] == 0, 0.0, 2.0)
            np.testing.assert_array_equal(dropped[name], weight * factor)
            assert 0.3 < (factor == 0).mean() < 0.7
        else:
            np.testing.assert_array_equal(dropped[name], weight, err_msg=name)
        earlier = 1.0 if name == "weight_hh_l0" else 0.0
        np.testing.assert_allclose(
            layer.grads[name], earlier + factor * twin.grads[name], rtol=1e-14, err_msg=name
        )


def test_weight_drop_gradient() -> None:
    """Central differences through a fixed mask."""
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 2, 5))
    layer = rf.GRU(3, 5, dtype="float64", seed=1)
    with rf.WeightDrop(layer, 0.4, seed=8):
        (_, _), backprop = layer.forward(x)
        backprop(dy)
    weight = layer.state_dict()["weight_hh_l0"]

    def value() -> float:
        layer.load_state_dict({**layer.state_dict(), "weight_hh_l0": weight})
        with rf.WeightDrop(layer, 0.4, seed=8):
            return float((layer(x)[0] * dy).sum())

    assert_gradients(value, {"w": weight}, {"w": layer.grads["weight_hh_l0"].copy()})


def test_weight_drop_gives_weights_back_after_an_error() -> None:
    layer = rf.RNN(2, 3, seed=1)
    before = layer.state_dict()
    drop = rf.WeightDrop(layer, 0.5, seed=1)
    with pytest.raises(KeyError), drop:
        raise KeyError("x")
    np.testing.assert_array_equal(layer.state_dict()["weight_hh_l0"], before["weight_hh_l0"])
    with pytest.raises(RuntimeError, match="left before it is entered again"), drop, drop:
        pass
    drop.eval()
    with drop:
        np.testing.assert_array_equal(layer.state_dict()["weight_hh_l0"], before["weight_hh_l0"])


# --- one table for inputs and outputs ---------------------------------------------------------


def test_tied_table_and_its_gradient() -> None:
    rng = np.random.default_rng(0)
    layer = rf.TiedEmbedding(6, 3, padding_idx=5, out_features=5, dtype="float64", seed=1)
    weight, bias = layer.state_dict().values()
    assert not weight[5].any() and (np.abs(weight) <= 3**-0.5).all()
    ids, targets = np.array([[0, 5], [2, 2]]), rng.integers(5, size=(2, 2))
    np.testing.assert_allclose(
        layer.linear(np.tanh(layer(ids))), np.tanh(weight[ids]) @ weight[:5].T + bias, rtol=1e-13
    )

    def value() -> float:
        layer.load_state_dict({"weight": weight, "bias": bias})
        h = np.tanh(layer(ids))
        return rf.linear_cross_entropy(layer.linear, h, targets, backward=False)[0]

    value()
    x, backprop = layer.forward(ids)
    h = np.tanh(x)
    _, dh = rf.linear_cross_entropy(layer.linear, h, targets)
    backprop(dh * (1 - h * h))
    gradients = {name: layer.grads[name].copy() for name in ("weight", "bias")}
    assert not gradients["weight"][5].any()
    gradients["weight"] = gradients["weight"][:5]  # the padding stays as it is
    assert_gradients(value, {"weight": weight[:5], "bias": bias}, gradients)
    np.testing.assert_array_equal(layer.linear.parameters()["weight"].data, weight[:5])
    assert layer.linear.buffer is layer.buffer


# --- penalties --------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [None, [4, 0, 2]])
@pytest.mark.parametrize("penalty", [rf.nn.activation_penalty, rf.nn.temporal_activation_penalty])
def test_penalties(penalty: Any, lengths: list[int] | None) -> None:
    h = np.random.default_rng(0).normal(size=(4, 3, 5))
    value, dh = penalty(h, 0.7, lengths)
    total = 0.0
    for b in range(3):
        for t in range(4 if lengths is None else lengths[b]):
            if penalty is rf.nn.activation_penalty:
                total += (h[t, b] ** 2).mean()
            elif t:
                total += ((h[t, b] - h[t - 1, b]) ** 2).mean()
    assert value == pytest.approx(0.7 * total, rel=1e-13)
    assert_gradients(lambda: penalty(h, 0.7, lengths)[0], {"h": h}, {"h": dh})
    assert penalty(h.astype("float32"), 0.7, lengths)[1].dtype == np.float32


ONES = np.ones((2, 3, 4))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: rf.VariationalDropout(1.5), ValueError, "p: expected a probability .*, got 1.5"),
        (
            lambda: rf.VariationalDropout(time_axis=None),
            TypeError,
            "time_axis: expected an integer, got NoneType",
        ),
        (
            lambda: rf.VariationalDropout(time_axis=3).forward(ONES),
            ValueError,
            re.escape("x: expected an axis 3 for time, got shape (2, 3, 4)"),
        ),
        (
            lambda: rf.VariationalDropout().forward(ONES.astype(int)),
            TypeError,
            "x: expected dtype float32 or float64, got int64",
        ),
        (
            lambda: rf.VariationalDropout().forward(ONES)[1](ONES[:1]),
            ValueError,
            re.escape("dy: expected shape (2, 3, 4), got (1, 3, 4)"),
        ),
        (
            lambda: rf.EmbeddingDropout().forward(ONES, [[0, 1], [1, 0]]),
            ValueError,
            re.escape("indices: expected shape (2, 3), got (2, 2)"),
        ),
        (
            lambda: rf.EmbeddingDropout().forward([1.0], [0]),
            TypeError,
            "x: expected a NumPy array, got list",
        ),
        (
            lambda: rf.WeightDrop(rf.Linear(2, 3)),
            ValueError,
            "prefix: expected the beginning of one of weight, bias, got 'weight_hh'",
        ),
        (
            lambda: rf.TiedEmbedding(3, 2, out_features=4),
            ValueError,
            "out_features: expected at most num_embeddings 3, got 4",
        ),
        (
            lambda: rf.nn.activation_penalty(ONES, -1.0),
            ValueError,
            "weight: expected a finite number of at least 0.*, got -1.0",
        ),
        (
            lambda: rf.nn.temporal_activation_penalty(ONES[0], 1.0),
            ValueError,
            re.escape("h: expected shape (T, B, H), got (3, 4)"),
        ),
        (
            lambda: rf.nn.temporal_activation_penalty(ONES, 1.0, [1]),
            ValueError,
            re.escape("lengths: expected shape (3,), got (1,)"),
        ),
        (
            lambda: rf.nn.activation_penalty([1.0], 1.0),
            TypeError,
            "h: expected a NumPy array, got list",
        ),
        (
            lambda: rf.nn.activation_penalty(ONES.astype(np.float16), 1.0),
            TypeError,
            "h: expected dtype float32 or float64, got float16",
        ),
        (
            lambda: rf.nn.activation_penalty(ONES, 1.0, [1.0, 2.0, 2.0]),
            TypeError,
            "lengths: expected integers, got dtype float64",
        ),
        (
            lambda: rf.nn.temporal_activation_penalty(ONES, 1.0, [1, 2, 3]),
            ValueError,
            "lengths: expected numbers from 0 to 2, got 3",
        ),
        (lambda: rf.LSTM(2, 3, variational=1), TypeError, "variational: expected a bool, got int"),
    ],
)
def test_bad_arguments(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{message}$"):
        call()


def drawn(seed: int, positions: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The bits of SplitMix64's finalizer at places of its counter."""
    z = np.uint64(seed) + (positions + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, 3, 7, 17, 33, 65, 200_003])
def test_each_factor_is_drawn_by_its_position(
    dtype: str, size: int, set_threads: Callable[[int], None]
) -> None:
    """Whatever vectors and threads there are; a number that is dropped keeps its sign."""
    seed, p = 2**63 - 25, 0.3
    x = np.random.default_rng(size).normal(size=size).astype(dtype)
    with np.errstate(over="ignore"):
        own = drawn(seed, np.zeros(1, np.uint64))[0]
        draws = drawn(int(own), np.arange(size, dtype=np.uint64)) >> np.uint64(11)
    factors = np.where(draws < np.uint64(int(p * 2.0**53)), 0, 1 / (1 - p)).astype(dtype)
    for threads in (1, 2):
        set_threads(threads)
        found = _core.dropout(x, p, seed)
        np.testing.assert_array_equal(found, x * factors)
        np.testing.assert_array_equal(np.signbit(found), np.signbit(x * factors))
