"""The cells of the reference: published values, the equations, gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import rnnfast.reference as ref
from gradcheck import assert_gradients
from notes_parameters import N_A, N_P, N_X, M, gru_random, lstm_random, rnn_random

Array = npt.NDArray[np.float64]


# --- published values -----------------------------------------------------------------------------


def published_lstm() -> tuple[Array, Array, dict[str, Array]]:
    random = np.random.RandomState(1)
    x, a0 = random.randn(3, 10, 7), random.randn(5, 10)
    parameters = {}
    for gate in "fuoc":
        parameters[f"W_{gate}"] = random.randn(5, 8)
        parameters[f"b_{gate}"] = random.randn(5, 1)
    parameters["W_y"], parameters["b_y"] = random.randn(2, 5), random.randn(2, 1)
    return x, a0, parameters


def test_lstm_published_values() -> None:
    x, a0, parameters = published_lstm()
    a, y, c = ref.lstm_forward(x, a0, parameters)
    assert a.shape == (5, 10, 7)
    assert y.shape == (2, 10, 7)
    assert c.shape == (5, 10, 7)
    assert a[4, 3, 6] == pytest.approx(0.172117767533, abs=1e-12)
    assert y[1, 4, 3] == pytest.approx(0.95087346185, abs=1e-11)
    assert c[1, 2, 1] == pytest.approx(-0.855544916718, abs=1e-12)


def test_lstm_published_values_through_the_conversion() -> None:
    x, a0, parameters = published_lstm()
    spec = ref.NetworkSpec("lstm", 3, 5)
    state = (a0.T[np.newaxis], np.zeros((1, 10, 5)))
    weights = ref.lstm_state_dict(parameters)
    y, _, _ = ref.network_forward(spec, weights, x.transpose(2, 1, 0), state)
    assert y[6, 3, 4] == pytest.approx(0.172117767533, abs=1e-12)
    # The memory cell after step 1 is the final one of a sequence of two steps.
    _, final, _ = ref.network_forward(spec, weights, x.transpose(2, 1, 0)[:2], state)
    assert final[1][0, 2, 1] == pytest.approx(-0.855544916718, abs=1e-12)


def test_rnn_published_values() -> None:
    # From the same assignment: the values printed for its plain recurrent network.
    random = np.random.RandomState(1)
    x, a0 = random.randn(3, 10, 4), random.randn(5, 10)
    names = {"W_aa": (5, 5), "W_ax": (5, 3), "W_y": (2, 5), "b_a": (5, 1), "b_y": (2, 1)}
    parameters = {name: random.randn(*shape) for name, shape in names.items()}
    a, y = ref.rnn_forward(x, a0, parameters)
    expected_a = [-0.99999375, 0.77911235, -0.99861469, -0.99833267]
    expected_y = [0.79560373, 0.86224861, 0.11118257, 0.81515947]
    np.testing.assert_allclose(a[4, 1], expected_a, rtol=0, atol=5e-9)
    np.testing.assert_allclose(y[1, 3], expected_y, rtol=0, atol=5e-9)


# --- the equations, written out with numbers in place of arrays -----------------------------------


def sigma(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-z))


X, A, C = 0.7, -0.4, 0.9  # x<t>, a<t-1>, c<t-1>


def scalars(**values: tuple[float, ...] | float) -> dict[str, Array]:
    return {name: np.atleast_2d(np.asarray(value, dtype=float)) for name, value in values.items()}


def column(value: float) -> Array:
    return np.array([[value]])


@pytest.mark.parametrize("g", ["tanh", "relu"])
def test_rnn_equation(g: Any) -> None:
    parameters = scalars(W_aa=0.3, W_ax=1.1, b_a=-0.2)
    a, _ = ref.rnn_step(column(X), column(A), parameters, g)
    z = 0.3 * A + 1.1 * X - 0.2
    assert a.item() == pytest.approx(math.tanh(z) if g == "tanh" else max(z, 0.0), rel=1e-15)


def test_simplified_gru_equation() -> None:
    parameters = scalars(W_c=(0.3, 1.1), b_c=-0.2, W_u=(-0.6, 0.5), b_u=0.1)
    c, _ = ref.simplified_gru_step(column(X), column(C), parameters)
    candidate = math.tanh(0.3 * C + 1.1 * X - 0.2)
    update = sigma(-0.6 * C + 0.5 * X + 0.1)
    assert c.item() == pytest.approx(update * candidate + (1 - update) * C, rel=1e-14)


@pytest.mark.parametrize("reset_after", [False, True])
def test_gru_equation(reset_after: bool) -> None:
    parameters = scalars(W_c=(0.3, 1.1), b_c=-0.2, W_u=(-0.6, 0.5), b_u=0.1, W_r=(0.8, -1.3))
    parameters |= scalars(b_r=0.4, b_cc=0.25)
    update = sigma(-0.6 * C + 0.5 * X + 0.1)
    relevance = sigma(0.8 * C - 1.3 * X + 0.4)
    if reset_after:
        c, _ = ref.reset_after_gru_step(column(X), column(C), parameters)
        candidate = math.tanh(1.1 * X - 0.2 + relevance * (0.3 * C + 0.25))
    else:
        c, _ = ref.gru_step(column(X), column(C), parameters)
        candidate = math.tanh(0.3 * relevance * C + 1.1 * X - 0.2)
    assert c.item() == pytest.approx(update * candidate + (1 - update) * C, rel=1e-14)


@pytest.mark.parametrize("projection", [False, True])
@pytest.mark.parametrize("peephole", [False, True, "previous"])
def test_lstm_equation(peephole: Any, projection: bool) -> None:
    parameters = scalars(W_u=(0.3, 1.1), b_u=-0.2, W_f=(-0.6, 0.5), b_f=0.1)
    parameters |= scalars(W_o=(0.8, -1.3), b_o=0.4, W_c=(0.2, 0.9), b_c=-0.7)
    parameters |= scalars(p_u=0.35, p_f=-0.45, p_o=0.55)
    if projection:
        parameters |= scalars(W_p=1.7)
    a, c, _ = ref.lstm_step(column(X), column(A), column(C), parameters, peephole)
    p_u, p_f, p_o = (0.35, -0.45, 0.55) if peephole else (0.0, 0.0, 0.0)
    candidate = math.tanh(0.2 * A + 0.9 * X - 0.7)
    update = sigma(0.3 * A + 1.1 * X - 0.2 + p_u * C)
    forget = sigma(-0.6 * A + 0.5 * X + 0.1 + p_f * C)
    cell = update * candidate + forget * C
    output = sigma(0.8 * A - 1.3 * X + 0.4 + p_o * (cell if peephole is True else C))
    assert c.item() == pytest.approx(cell, rel=1e-14)
    expected = output * math.tanh(cell) * (1.7 if projection else 1.0)
    assert a.item() == pytest.approx(expected, rel=1e-14)


def test_lstm_step_refuses_an_unknown_peephole() -> None:
    parameters = lstm_random(np.random.default_rng(0), peephole=True)
    wrong: Any = "new"
    with pytest.raises(ValueError, match="peephole: expected False, True or 'previous', got 'new'"):
        ref.lstm_step(np.zeros((N_X, M)), np.zeros((N_A, M)), np.zeros((N_A, M)), parameters, wrong)


# --- gradients of the steps -----------------------------------------------------------------------


@pytest.mark.parametrize("g", ["tanh", "relu"])
def test_rnn_step_gradients(g: Any) -> None:
    rng = np.random.default_rng(1)
    parameters = rnn_random(rng)
    x, a_prev, da = rng.normal(size=(N_X, M)), rng.normal(size=(N_A, M)), rng.normal(size=(N_A, M))

    def value() -> float:
        return float((da * ref.rnn_step(x, a_prev, parameters, g)[0]).sum())

    _, cache = ref.rnn_step(x, a_prev, parameters, g)
    dx, da_prev, grads = ref.rnn_step_backward(da, cache)
    arguments = {"x": x, "a_prev": a_prev, **parameters}
    assert_gradients(value, arguments, {"x": dx, "a_prev": da_prev, **grads})


GRU_STEPS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "simplified": (ref.simplified_gru_step, ref.simplified_gru_step_backward),
    "reset before": (ref.gru_step, ref.gru_step_backward),
    "reset after": (ref.reset_after_gru_step, ref.reset_after_gru_step_backward),
}


@pytest.mark.parametrize("form", GRU_STEPS)
def test_gru_step_gradients(form: str) -> None:
    step, step_backward = GRU_STEPS[form]
    rng = np.random.default_rng(2)
    parameters = gru_random(rng, form)
    x, c_prev, dc = rng.normal(size=(N_X, M)), rng.normal(size=(N_A, M)), rng.normal(size=(N_A, M))

    def value() -> float:
        return float((dc * step(x, c_prev, parameters)[0]).sum())

    dx, dc_prev, grads = step_backward(dc, step(x, c_prev, parameters)[1])
    arguments = {"x": x, "c_prev": c_prev, **parameters}
    assert_gradients(value, arguments, {"x": dx, "c_prev": dc_prev, **grads})


@pytest.mark.parametrize("projection", [False, True])
@pytest.mark.parametrize("peephole", [False, True, "previous"])
def test_lstm_step_gradients(peephole: Any, projection: bool) -> None:
    rng = np.random.default_rng(3)
    parameters = lstm_random(rng, bool(peephole), projection)
    n_out = N_P if projection else N_A
    x, a_prev = rng.normal(size=(N_X, M)), rng.normal(size=(n_out, M))
    c_prev, dc = rng.normal(size=(N_A, M)), rng.normal(size=(N_A, M))
    da = rng.normal(size=(n_out, M))

    def value() -> float:
        a, c, _ = ref.lstm_step(x, a_prev, c_prev, parameters, peephole)
        return float((da * a).sum() + (dc * c).sum())

    _, _, cache = ref.lstm_step(x, a_prev, c_prev, parameters, peephole)
    dx, da_prev, dc_prev, grads = ref.lstm_step_backward(da, dc, cache)
    arguments = {"x": x, "a_prev": a_prev, "c_prev": c_prev, **parameters}
    gradients = {"x": dx, "a_prev": da_prev, "c_prev": dc_prev, **grads}
    assert_gradients(value, arguments, gradients)
