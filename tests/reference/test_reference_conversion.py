"""The notes' parameters as the library's: round trips, and networks that give the notes' values."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import rnnfast.reference as ref
from notes_parameters import (
    N_A,
    N_P,
    N_X,
    M,
    gru_random,
    head_random,
    lstm_random,
    rnn_random,
)

Array = npt.NDArray[np.float64]


def test_rnn_conversion_and_back() -> None:
    parameters = rnn_random(np.random.default_rng(10))
    state = ref.rnn_state_dict(parameters, "l1_reverse")
    assert_shapes(state, ref.NetworkSpec("rnn", N_X, N_A), "l1_reverse")
    assert_same(ref.rnn_parameters(state, "l1_reverse"), parameters)


@pytest.mark.parametrize("form", ["simplified", "reset before", "reset after"])
def test_gru_conversion_and_back(form: str) -> None:
    parameters = gru_random(np.random.default_rng(11), form)
    after, gate = form == "reset after", form != "simplified"
    state = ref.gru_state_dict(parameters)
    assert_shapes(state, ref.NetworkSpec("gru", N_X, N_A, reset_after=after, reset_gate=gate))
    assert_same(ref.gru_parameters(state, reset_after=after, reset_gate=gate), parameters)
    # The library's z keeps the old state: its block is the update gate's, negated.
    z = slice(N_A, 2 * N_A) if gate else slice(0, N_A)
    np.testing.assert_array_equal(state["weight_hh_l0"][z], -parameters["W_u"][:, :N_A])
    np.testing.assert_array_equal(state["weight_ih_l0"][z], -parameters["W_u"][:, N_A:])
    np.testing.assert_array_equal(state["bias_ih_l0"][z], -parameters["b_u"][:, 0])


@pytest.mark.parametrize("projection", [False, True])
@pytest.mark.parametrize("peephole", [False, True])
def test_lstm_conversion_and_back(peephole: bool, projection: bool) -> None:
    parameters = lstm_random(np.random.default_rng(12), peephole, projection)
    state = ref.lstm_state_dict(parameters)
    proj_size = N_P if projection else 0
    spec = ref.NetworkSpec("lstm", N_X, N_A, peephole=peephole, proj_size=proj_size)
    assert_shapes(state, spec)
    assert_same(ref.lstm_parameters(state), parameters)
    assert not state["bias_hh_l0"].any()
    for block, gate in enumerate("ufco"):
        rows = slice(block * N_A, (block + 1) * N_A)
        stacked = np.hstack([state["weight_hh_l0"][rows], state["weight_ih_l0"][rows]])
        np.testing.assert_array_equal(stacked, parameters[f"W_{gate}"])
    if peephole:
        for block, gate in enumerate("ufo"):
            rows = slice(block * N_A, (block + 1) * N_A)
            values = state["weight_peephole_l0"][rows]
            np.testing.assert_array_equal(values, parameters[f"p_{gate}"][:, 0])


@pytest.mark.parametrize("g", ["tanh", "relu"])
def test_rnn_of_the_notes_is_the_network(g: Any) -> None:
    rng = np.random.default_rng(13)
    parameters = rnn_random(rng) | head_random(rng, N_A)
    x, a0 = rng.normal(size=(N_X, M, 7)), rng.normal(size=(N_A, M))
    a, y = ref.rnn_forward(x, a0, parameters, g)
    spec = ref.NetworkSpec("rnn", N_X, N_A, nonlinearity=g)
    assert_network_gives(spec, ref.rnn_state_dict(parameters), x, a0, a)
    np.testing.assert_allclose(y[:, :, 6], ref.head_step(a[:, :, 6], parameters)[0], rtol=1e-15)


@pytest.mark.parametrize("form", ["simplified", "reset before"])
def test_gru_of_the_notes_is_the_network(form: str) -> None:
    rng = np.random.default_rng(14)
    parameters = gru_random(rng, form) | head_random(rng, N_A)
    x, c0 = rng.normal(size=(N_X, M, 7)), rng.normal(size=(N_A, M))
    c, y = ref.gru_forward(x, c0, parameters)
    spec = ref.NetworkSpec("gru", N_X, N_A, reset_after=False, reset_gate=form != "simplified")
    assert_network_gives(spec, ref.gru_state_dict(parameters), x, c0, c)
    np.testing.assert_allclose(y[:, :, 6], ref.head_step(c[:, :, 6], parameters)[0], rtol=1e-15)


@pytest.mark.parametrize("peephole", [False, True, "previous"])
def test_lstm_of_the_notes_is_the_network(peephole: Any) -> None:
    rng = np.random.default_rng(15)
    parameters = lstm_random(rng, bool(peephole), projection=True) | head_random(rng, N_P)
    x = rng.normal(size=(N_X, M, 7))
    a0, c0 = rng.normal(size=(N_P, M)), rng.normal(size=(N_A, M))
    a, _, c = ref.lstm_forward(x, a0, parameters, c0, peephole)
    spec = ref.NetworkSpec("lstm", N_X, N_A, peephole=peephole, proj_size=N_P)
    state = (a0.T[np.newaxis], c0.T[np.newaxis])
    h, final, _ = ref.network_forward(
        spec, ref.lstm_state_dict(parameters), x.transpose(2, 1, 0), state
    )
    np.testing.assert_allclose(h.transpose(2, 1, 0), a, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(final[1][0].T, c[:, :, 6], rtol=1e-13, atol=1e-15)


def assert_network_gives(
    spec: ref.NetworkSpec, state: dict[str, Array], x: Array, a0: Array, a: Array
) -> None:
    h, final, _ = ref.network_forward(spec, state, x.transpose(2, 1, 0), a0.T[np.newaxis])
    np.testing.assert_allclose(h.transpose(2, 1, 0), a, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(final[0], a[:, :, -1].T, rtol=1e-12, atol=1e-15)


def assert_shapes(state: dict[str, Array], spec: ref.NetworkSpec, suffix: str = "l0") -> None:
    expected = {name.replace("l0", suffix): shape for name, shape in spec.parameter_shapes()}
    assert {name: values.shape for name, values in state.items()} == expected


def assert_same(actual: dict[str, Array], expected: dict[str, Array]) -> None:
    assert actual.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(actual[name], values, err_msg=name)
