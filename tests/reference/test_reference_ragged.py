"""The reference's networks over sequences of many lengths, and over documents in a row."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnfast.reference as ref
from network_cases import (
    CELLS,
    LENGTHS,
    RESET,
    B,
    I,
    Result,
    T,
    assert_close,
    make_dy,
    make_spec,
    make_states,
    pack,
)

# --- lengths --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
def test_lengths_are_rows_run_apart(name: str) -> None:
    spec = make_spec(name, num_layers=2, bidirectional=True)
    rng = np.random.default_rng(22)
    parameters = ref.random_parameters(spec, rng)
    x, states, dy = rng.normal(size=(T, B, I)), make_states(spec, rng), make_dy(spec, rng)
    dstates = make_states(spec, rng)
    whole = Result(spec, parameters, x, states, dy, dstates, lengths=LENGTHS, reset=RESET)
    total = {key: np.zeros_like(gradient) for key, gradient in whole.grads.items()}
    for b, length in enumerate(LENGTHS):
        row, cut = slice(b, b + 1), slice(0, length)
        alone = Result(
            spec,
            parameters,
            x[cut, row],
            [s[:, row] for s in states],
            dy[cut, row],
            [d[:, row] for d in dstates],
            reset=RESET[cut, row],
        )
        for actual, expected in (
            [(whole.y[cut, row], alone.y), (whole.dx[cut, row], alone.dx)]
            + [(s[:, row], t) for s, t in zip(whole.states, alone.states, strict=True)]
            + [(s[:, row], t) for s, t in zip(whole.dstates0, alone.dstates0, strict=True)]
        ):
            assert_close(actual, expected)
        assert not whole.y[length:, b].any()
        assert not whole.dx[length:, b].any()
        for key, gradient in alone.grads.items():
            total[key] += gradient
    for key, gradient in whole.grads.items():
        assert_close(gradient, total[key], key)


@pytest.mark.parametrize("name", CELLS)
def test_a_sequence_of_length_zero_keeps_its_state(name: str) -> None:
    spec = make_spec(name, num_layers=2, bidirectional=True)
    rng = np.random.default_rng(23)
    states, dstates = make_states(spec, rng), make_states(spec, rng)
    x, dy = rng.normal(size=(T, B, I)), make_dy(spec, rng)
    parameters = ref.random_parameters(spec, rng)
    result = Result(spec, parameters, x, states, dy, dstates, lengths=LENGTHS, reset=RESET)
    for k in range(len(states)):
        np.testing.assert_array_equal(result.states[k][:, 1], states[k][:, 1])
        np.testing.assert_array_equal(result.dstates0[k][:, 1], dstates[k][:, 1])


def test_padded_values_have_no_effect() -> None:
    spec = make_spec("lstm peephole", num_layers=2, bidirectional=True)
    rng = np.random.default_rng(24)
    parameters = ref.random_parameters(spec, rng)
    states, dstates = make_states(spec, rng), make_states(spec, rng)
    padded = np.arange(T)[:, np.newaxis] >= LENGTHS
    x, dy = rng.normal(size=(T, B, I)), make_dy(spec, rng)
    mask = rng.uniform(0.5, 1.5, size=dy.shape)
    clean = Result(spec, parameters, x, states, dy, dstates, lengths=LENGTHS, dropout_masks=[mask])
    x[padded], dy[padded], mask[padded] = np.nan, np.inf, np.nan
    spoilt = Result(
        spec,
        parameters,
        x,
        states,
        dy,
        dstates,
        lengths=LENGTHS,
        dropout_masks=[mask],
        reset=padded,
    )
    spoilt.assert_close(clean)


def test_full_lengths_and_no_resets_are_the_default() -> None:
    spec = make_spec("gru reset before", num_layers=2, bidirectional=True)
    rng = np.random.default_rng(25)
    parameters = ref.random_parameters(spec, rng)
    states, dstates = make_states(spec, rng), make_states(spec, rng)
    arguments = (spec, parameters, rng.normal(size=(T, B, I)), states, make_dy(spec, rng), dstates)
    full: dict[str, Any] = {"lengths": [T] * B, "reset": np.zeros((T, B), bool)}
    Result(*arguments, **full).assert_close(Result(*arguments))


# --- resets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
@given(seed=st.integers(0, 2**32 - 1), starts=st.lists(st.booleans(), min_size=T, max_size=T))
@settings(max_examples=8, deadline=None)
def test_resets_are_documents_run_apart(name: str, seed: int, starts: list[bool]) -> None:
    spec = make_spec(name, num_layers=2, bidirectional=True)
    rng = np.random.default_rng(seed)
    parameters = ref.random_parameters(spec, rng)
    x, dy = rng.normal(size=(T, 1, I)), make_dy(spec, rng, batch=1)
    states, dstates = make_states(spec, rng, 1), make_states(spec, rng, 1)
    reset = np.array(starts)[:, np.newaxis]
    whole = Result(spec, parameters, x, states, dy, dstates, reset=reset)

    # The state of the forward directions enters the first document and leaves the last one; that
    # of the reverse directions enters the last and leaves the first.
    forward = (np.arange(4) % 2 == 0)[:, np.newaxis, np.newaxis]
    edges = [0, *(t for t in range(1, T) if starts[t]), T]
    final, dinitial = [np.zeros_like(s) for s in states], [np.zeros_like(s) for s in states]
    grads = {key: np.zeros_like(gradient) for key, gradient in whole.grads.items()}
    for begin, end in pairwise(edges):
        enters = forward & (begin == 0 and not starts[0]) | ~forward & (end == T)
        leaves = forward & (end == T) | ~forward & (begin == 0)
        alone = Result(
            spec,
            parameters,
            x[begin:end],
            [s * enters for s in states],
            dy[begin:end],
            [d * leaves for d in dstates],
        )
        assert_close(whole.y[begin:end], alone.y)
        assert_close(whole.dx[begin:end], alone.dx)
        for k in range(len(states)):
            final[k] += alone.states[k] * leaves
            dinitial[k] += alone.dstates0[k] * enters
        for key, gradient in alone.grads.items():
            grads[key] += gradient
    for k in range(len(states)):
        assert_close(whole.states[k], final[k])
        assert_close(whole.dstates0[k], dinitial[k])
    for key, gradient in whole.grads.items():
        assert_close(gradient, grads[key], key)


def test_a_reset_behind_the_last_step_is_not_read() -> None:
    # The reverse direction starts at step 3 from its initial state, whatever stands at step 4.
    spec = make_spec("lstm", bidirectional=True)
    rng = np.random.default_rng(26)
    parameters, x = ref.random_parameters(spec, rng), rng.normal(size=(T, 1, I))
    states, lengths = make_states(spec, rng, 1), np.array([4])
    reset = np.arange(T)[:, np.newaxis] == 4
    with_reset, _, _ = ref.network_forward(spec, parameters, x, pack(states), lengths, reset)
    without, _, _ = ref.network_forward(spec, parameters, x, pack(states), lengths)
    assert_close(with_reset, without)
