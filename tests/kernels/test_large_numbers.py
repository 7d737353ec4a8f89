"""Sums of squares of numbers whose squares are out of range: the result is right all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast import _core
from rnnfast.nn.linear import Linear
from rnnfast.nn.penalties import activation_penalty, temporal_activation_penalty
from rnnfast.reference.layer_norm import layer_norm

RNG = np.random.default_rng(0)
# Numbers whose squares, or the sum of those, are out of the dtype's range.
SCALES = {"float32": [1.0, 1e10, 1e19, 1e25, 1e37], "float64": [1.0, 1e20, 1e154, 1e200, 1e305]}
CASES = [(dtype, scale) for dtype, scales in SCALES.items() for scale in scales]


def normalised(v: np.ndarray) -> np.ndarray:
    """(v - mean) / sqrt(variance + 1e-5) in long double, whose squares have room."""
    wide = v.astype(np.longdouble)
    centred = wide - wide.mean(axis=1, keepdims=True)
    variance = (centred**2).mean(axis=1, keepdims=True)
    return (centred / np.sqrt(variance + np.longdouble(1e-5))).astype(np.float64)


@pytest.mark.parametrize("scale", SCALES["float64"])
def test_reference(scale: float) -> None:
    v = RNG.normal(size=(3, 8)) * scale
    np.testing.assert_allclose(layer_norm(v), normalised(v), rtol=1e-12, atol=1e-14)
    assert (layer_norm(np.full((2, 4), scale)) == 0).all()


@pytest.mark.parametrize(("dtype", "scale"), CASES)
@pytest.mark.parametrize("cell", [rf.LayerNormLSTM, rf.LayerNormGRU])
def test_layer_norm_of_inputs(cell: Any, dtype: Any, scale: float, level: str) -> None:
    layer = cell(3, 6, bias=False, dtype=dtype, seed=1)
    weights = layer.state_dict()
    x = (RNG.normal(size=(1, 2, 3)) * scale).astype(dtype)
    y, _ = layer(x)
    # At the first step the state is zero, and so is its product: what remains is LN of W x.
    parts = [slice(0, 24)] if cell is rf.LayerNormLSTM else [slice(0, 12), slice(12, 18)]
    product = x[0].astype(np.float64) @ weights["weight_ih_l0"].astype(np.float64).T
    gates = np.concatenate([normalised(product[:, part]) for part in parts], axis=1)
    sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    if cell is rf.LayerNormLSTM:
        i, _, g, o = np.split(gates, 4, axis=1)
        expected = sigmoid(o) * np.tanh(normalised(sigmoid(i) * np.tanh(g)))
    else:
        _, z, n = np.split(gates, 3, axis=1)
        expected = (1 - sigmoid(z)) * np.tanh(n)
    tolerance = 3e-5 if dtype == "float32" else 1e-11
    np.testing.assert_allclose(y[0], expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "scale"), CASES)
def test_layer_norm_of_the_cell(dtype: Any, scale: float, level: str) -> None:
    """A cell beyond 1e19, as the state that the caller gives."""
    layer = rf.LayerNormLSTM(2, 5, dtype=dtype, seed=2)
    x = RNG.normal(size=(1, 3, 2)).astype(dtype)
    h = np.zeros((1, 3, 5), dtype)
    c = (RNG.normal(size=(1, 3, 5)) * scale).astype(dtype)
    y, (_, c_n) = layer(x, (h, c))
    assert np.isfinite(y).all() and np.isfinite(c_n).all()
    o = layer._gates(x, (h, c))["o"][0].astype(np.float64)
    expected = o * np.tanh(normalised(c_n[0].astype(np.float64)))
    tolerance = 3e-5 if dtype == "float32" else 1e-11
    np.testing.assert_allclose(y[0], expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "scale"), CASES)
def test_gradient_through_layer_norm(dtype: Any, scale: float, level: str) -> None:
    """LN does not change with its input's scale, so its gradient falls with it."""
    layer = rf.LayerNormGRU(3, 4, dtype="float64", seed=3)
    x = RNG.normal(size=(2, 2, 3)) * 100  # where 1e-5 beside the variance plays no part
    scale = min(scale, float(np.finfo(dtype).max) / 1e4)
    dy = RNG.normal(size=(2, 2, 4))
    layer.zero_grad()
    expected, _ = layer.forward(x)[1](dy)
    same = rf.LayerNormGRU(3, 4, dtype=dtype, seed=3)
    dx, _ = same.forward((x * scale).astype(dtype))[1](dy.astype(dtype))
    assert expected is not None and dx is not None
    smallest = float(np.finfo(dtype).tiny)  # below it numbers are zero in the kernels
    np.testing.assert_allclose(
        dx,
        expected / scale,
        rtol=1e-2 if dtype == "float32" else 1e-6,
        atol=max(smallest * 10, np.abs(expected).max() / scale * 1e-3),
    )


OPTIMIZERS = [
    (rf.Adam, {}),
    (rf.AdamW, {"weight_decay": 0.0}),
    (rf.RMSprop, {}),
    (rf.RMSprop, {"centered": True}),
    (rf.Adagrad, {}),
]


def trained(kind: Any, options: Any, dtype: Any, gradients: list[float]) -> np.ndarray:
    layer = Linear(4, 2, dtype=dtype, seed=0)
    before = layer.state_dict()["weight"].astype(np.float64)
    optimizer = kind(layer, lr=0.01, **options)
    for gradient in gradients:
        layer.grads["weight"][...] = gradient
        optimizer.step()
    return layer.state_dict()["weight"].astype(np.float64) - before


@pytest.mark.parametrize(("kind", "options"), OPTIMIZERS)
@pytest.mark.parametrize(("dtype", "scale"), CASES)
def test_optimizers(kind: Any, options: Any, dtype: Any, scale: float, level: str) -> None:
    """Their steps do not change with the gradients' scale, also where squares overflow."""
    shapes = [3.0, -1.0, 2.0, 0.5, 1.0]
    expected = trained(kind, options, "float64", [g * 1e6 for g in shapes[:1]])
    moved = trained(kind, options, dtype, [g * scale * 3 for g in shapes[:1]])
    np.testing.assert_allclose(moved, expected, rtol=2e-4)
    # A gradient once too large leaves a parameter that can still be trained.
    later = trained(kind, options, dtype, [scale * 3, *shapes])
    assert np.isfinite(later).all() and (later != 0).all()


@pytest.mark.parametrize(("kind", "options"), OPTIMIZERS)
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_optimizers_hide_nothing(kind: Any, options: Any, bad: float, level: str) -> None:
    assert np.isnan(trained(kind, options, "float32", [1.0, bad])).all()


@pytest.mark.parametrize(("dtype", "scale"), [*CASES, ("float64", 1e-170), ("float64", 1e-300)])
def test_clip_grad_norm(dtype: Any, scale: float) -> None:
    layer = Linear(3, 4, dtype=dtype)
    gradients = RNG.normal(size=(4, 3))
    layer.grads["weight"][...] = gradients * scale
    layer.grads["bias"][...] = 0
    norm = rf.clip_grad_norm(layer, 1.0)
    expected = np.linalg.norm(gradients)
    assert norm / scale == pytest.approx(expected, rel=1e-6)
    clipped = np.linalg.norm(layer.grads["weight"].astype(np.float64) / min(scale, 1.0))
    assert clipped == pytest.approx(expected if scale < 1 else 1.0, rel=1e-5)


def test_clip_grad_norm_of_what_is_not_finite() -> None:
    layer = Linear(3, 4)
    layer.grads["weight"][0, 0] = np.inf
    with pytest.raises(FloatingPointError, match=r"^gradient of weight: expected finite numbers$"):
        rf.clip_grad_norm(layer, 1.0)
    assert _core.squared_norm(layer.buffer, 0, layer.buffer.size) == np.inf


@pytest.mark.parametrize("scale", [1.0, 1e15, 1e25])
def test_penalties(scale: float) -> None:
    h = (RNG.normal(size=(5, 2, 3)) * scale).astype(np.float32)
    wide = h.astype(np.float64)
    penalty, _ = activation_penalty(h, 2.0)
    assert penalty == pytest.approx(2.0 / 3 * (wide**2).sum(), rel=1e-6)
    slowness, _ = temporal_activation_penalty(h, 2.0)
    assert slowness == pytest.approx(2.0 / 3 * (np.diff(wide, axis=0) ** 2).sum(), rel=1e-5)


@pytest.mark.parametrize("scale", [1.0, 1e25, 1e38])
def test_squared_error(scale: float) -> None:
    x, t = (RNG.normal(size=(2, 6)) * scale).clip(-3e38, 3e38).astype(np.float32)
    loss, _ = rf.mse(x, t)
    assert loss == pytest.approx(((x.astype(float) - t.astype(float)) ** 2).mean(), rel=1e-6)


FACTORS: dict[str, Callable[[float], Any]] = {
    "scale": lambda big: rf.mse(np.ones(3, np.float32), np.zeros(3, np.float32), scale=big),
    "weight": lambda big: rf.nn.activation_penalty(np.ones((2, 1, 3), np.float32), big),
    "lr": lambda big: rf.SGD(rf.Linear(2, 2).parameters(), lr=big),
    "momentum": lambda big: rf.SGD(rf.Linear(2, 2).parameters(), lr=0.1, momentum=big),
    "weight_decay": lambda big: rf.AdamW(rf.Linear(2, 2).parameters(), weight_decay=big),
    "eps": lambda big: rf.Adam(rf.Linear(2, 2).parameters(), eps=big),
    "factor": lambda big: rf.training.scale_grad(rf.Linear(2, 2), big),
    "learning_rate": lambda big: rf.SequenceClassifier(learning_rate=big).fit(["a", "b"], [0, 1]),
}  # fmt: skip


@pytest.mark.parametrize("name", FACTORS)
def test_factors_beyond_float32(name: str) -> None:
    # As float32 they are infinite, and 0 times that is NaN.
    with pytest.raises(
        ValueError, match=rf"^{name}: expected .*of at most 3.40282e\+38, got 1e\+39"
    ):
        FACTORS[name](1e39)


def test_weights_too_small_to_divide_by() -> None:
    ones, weights = np.ones(3, np.float32), np.full(3, 1e-45, np.float32)
    with pytest.raises(
        ValueError, match=r"^weights: expected a sum of at least 2.9.*, got 4.2.*-45$"
    ):
        rf.l1(ones, ones, weights=weights)
