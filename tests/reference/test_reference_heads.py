"""The heads, activations and losses of the reference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import rnnfast.reference as ref
from gradcheck import assert_gradients
from notes_parameters import N_A, N_Y, M, head_random

Array = npt.NDArray[np.float64]


@pytest.mark.parametrize("g", ["softmax", "sigmoid", "tanh", "relu", "identity"])
def test_head_gradients(g: Any) -> None:
    rng = np.random.default_rng(4)
    parameters = head_random(rng, N_A)
    a, dy = rng.normal(size=(N_A, M)), rng.normal(size=(N_Y, M))

    def value() -> float:
        return float((dy * ref.head_step(a, parameters, g)[0]).sum())

    da, grads = ref.head_step_backward(dy, ref.head_step(a, parameters, g)[1])
    assert_gradients(value, {"a": a, **parameters}, {"a": da, **grads})


def test_bidirectional_head() -> None:
    rng = np.random.default_rng(5)
    parameters = head_random(rng, 2 * N_A)
    a_fwd, a_bwd = rng.normal(size=(N_A, M)), rng.normal(size=(N_A, M))
    dy = rng.normal(size=(N_Y, M))
    y, cache = ref.bidirectional_head_step(a_fwd, a_bwd, parameters, "sigmoid")
    W_fwd, W_bwd = parameters["W_y"][:, :N_A], parameters["W_y"][:, N_A:]
    expected = ref.sigmoid(W_fwd @ a_fwd + W_bwd @ a_bwd + parameters["b_y"])
    np.testing.assert_allclose(y, expected, rtol=1e-13)

    def value() -> float:
        return float(
            (dy * ref.bidirectional_head_step(a_fwd, a_bwd, parameters, "sigmoid")[0]).sum()
        )

    da_fwd, da_bwd, grads = ref.bidirectional_head_step_backward(dy, cache)
    arguments = {"a_fwd": a_fwd, "a_bwd": a_bwd, **parameters}
    assert_gradients(value, arguments, {"a_fwd": da_fwd, "a_bwd": da_bwd, **grads})


def test_activate_refuses_an_unknown_name() -> None:
    wrong: Any = "step"
    message = "g: expected identity, tanh, relu, sigmoid or softmax, got 'step'"
    with pytest.raises(ValueError, match=message):
        ref.activate(wrong, np.zeros((2, 2)))
    with pytest.raises(ValueError, match=message):
        ref.activate_backward(wrong, np.zeros((2, 2)), np.zeros((2, 2)))


def test_activations_stay_finite() -> None:
    z = np.array([[-1e4, -40.0, 0.0, 40.0, 1e4]])
    np.testing.assert_allclose(
        ref.sigmoid(z), [[0.0, math.exp(-40.0), 0.5, 1.0, 1.0]], rtol=1e-14, atol=0
    )
    np.testing.assert_array_equal(ref.softmax(z.T), np.eye(5)[:, 4:])
    np.testing.assert_array_equal(ref.log_softmax(z.T), z.T - 1e4)


@pytest.mark.parametrize("weighted", [False, True])
def test_softmax_cross_entropy(weighted: bool) -> None:
    rng = np.random.default_rng(6)
    z, target = rng.normal(size=(N_Y, M)), np.array([0, 4, 2, 2, 1, 3])
    weight = np.array([1.0, 0.0, 1.0, 0.5, 1.0, 0.0]) if weighted else None
    loss, cache = ref.softmax_cross_entropy(z, target, weight)
    yhat = np.exp(z) / np.exp(z).sum(axis=0)
    factors = np.ones(M) if weight is None else weight
    terms = [-factors[k] * math.log(yhat[target[k], k]) for k in range(M)]
    assert loss == pytest.approx(math.fsum(terms), rel=1e-14)
    # The same targets as probabilities.
    y = np.eye(N_Y)[:, target]
    assert ref.softmax_cross_entropy(z, y, weight)[0] == loss

    def value() -> float:
        return 3.0 * ref.softmax_cross_entropy(z, target, weight)[0]

    assert_gradients(value, {"z": z}, {"z": ref.cross_entropy_backward(3.0, cache)})


def test_softmax_cross_entropy_of_any_target() -> None:
    rng = np.random.default_rng(7)
    z, y = rng.normal(size=(N_Y, M)), rng.uniform(size=(N_Y, M))
    _, cache = ref.softmax_cross_entropy(z, y)
    gradients = {"z": ref.cross_entropy_backward(1.0, cache)}
    assert_gradients(lambda: ref.softmax_cross_entropy(z, y)[0], {"z": z}, gradients)


def test_softmax_cross_entropy_is_the_head_and_the_log() -> None:
    rng = np.random.default_rng(8)
    parameters = head_random(rng, N_A)
    a, target = rng.normal(size=(N_A, M)), np.arange(M) % N_Y
    yhat, head = ref.head_step(a, parameters, "softmax")
    dy = -np.eye(N_Y)[:, target] / yhat
    _, grads = ref.head_step_backward(dy, head)
    z = parameters["W_y"] @ a + parameters["b_y"]
    dz = ref.cross_entropy_backward(1.0, ref.softmax_cross_entropy(z, target)[1])
    np.testing.assert_allclose(grads["W_y"], dz @ a.T, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("weighted", [False, True])
def test_sigmoid_cross_entropy(weighted: bool) -> None:
    rng = np.random.default_rng(9)
    z, y = rng.normal(size=(N_Y, M)), rng.uniform(size=(N_Y, M))
    weight = np.array([1.0, 0.0, 1.0, 0.5, 1.0, 0.0]) if weighted else None
    loss, cache = ref.sigmoid_cross_entropy(z, y, weight)
    yhat = 1.0 / (1.0 + np.exp(-z))
    terms = -(y * np.log(yhat) + (1.0 - y) * np.log(1.0 - yhat))
    assert loss == pytest.approx(float((terms if weight is None else weight * terms).sum()), 1e-13)
    gradients = {"z": ref.cross_entropy_backward(1.0, cache)}
    assert_gradients(lambda: ref.sigmoid_cross_entropy(z, y, weight)[0], {"z": z}, gradients)


def test_losses_refuse_what_does_not_fit() -> None:
    z = np.zeros((N_Y, M))
    with pytest.raises(ValueError, match=r"^target: expected shape \(6,\), got \(5,\)$"):
        ref.softmax_cross_entropy(z, np.zeros(5, dtype=int))
    with pytest.raises(ValueError, match=r"^target: expected shape \(5, 6\), got \(6,\)$"):
        ref.softmax_cross_entropy(z, np.zeros(6))
    with pytest.raises(ValueError, match=r"^target: expected every index from 0 to 4, got 5$"):
        ref.softmax_cross_entropy(z, np.full(6, 5))
    with pytest.raises(ValueError, match=r"^weight: expected shape \(6,\), got \(1,\)$"):
        ref.softmax_cross_entropy(z, np.zeros(6, dtype=int), np.ones(1))
    with pytest.raises(ValueError, match=r"^target: expected shape \(5, 6\), got \(6,\)$"):
        ref.sigmoid_cross_entropy(z, np.zeros(6))
