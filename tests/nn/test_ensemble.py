"""Networks of one shape in one call: the bits of each by itself."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from exporters import CONTAINERS
from rnnfast.nn.recurrent.base import LAYERS

KINDS = list(LAYERS.values())
N, T, B, F, H = 3, 6, 2, 5, 4
RNG = np.random.default_rng(0)


def ensemble_of(kind: Any, **options: Any) -> rf.Ensemble:
    return rf.Ensemble(kind(F, H, seed=seed, **options) for seed in range(N))


def parts_of(state: Any) -> tuple[Any, ...]:
    return state if isinstance(state, tuple) else (state,)


def part(state: Any, n: int) -> Any:
    return tuple(s[n] for s in state) if isinstance(state, tuple) else state[n]


def numbers(*shape: int, dtype: str = "float32") -> Any:
    return RNG.normal(size=shape).astype(dtype)


def assert_each_alone(ensemble: rf.Ensemble, x: Any, each: bool, **call: Any) -> None:
    state = call.pop("h0", None)
    y, final = ensemble(x, state, **call)
    for n, layer in enumerate(ensemble.layers):
        alone, own = layer(x[n] if each else x, None if state is None else part(state, n), **call)
        np.testing.assert_array_equal(y[n], alone)
        for a, b in zip(parts_of(final), parts_of(own), strict=True):
            np.testing.assert_array_equal(a[n], b)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("each", [False, True])
def test_every_network_as_by_itself(kind: Any, dtype: str, bidirectional: bool, each: bool) -> None:
    ensemble = ensemble_of(kind, num_layers=2, bidirectional=bidirectional, dtype=dtype)
    x = numbers(*(N,) * each, T, B, F, dtype=dtype)
    assert_each_alone(ensemble, x, each)
    states = numbers(N, 4 if bidirectional else 2, B, H, dtype=dtype)
    state = (states, states[::-1]) if ensemble.layers[0].spec.cell.has_memory else states
    reset = np.zeros((T, B), bool)
    reset[3, 1] = True
    assert_each_alone(ensemble, x, each, h0=state, lengths=[4, 0], reset=reset)


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("dtype", [np.int32, np.uint64])
def test_indices(each: bool, dtype: Any) -> None:
    x = RNG.integers(0, F, size=(*(N,) * each, T, B)).astype(dtype)
    assert_each_alone(ensemble_of(rf.LSTM), x, each)


@pytest.mark.parametrize("x", [numbers(1, T, B, F), RNG.integers(0, F, (1, T, B), np.int8)])
def test_one_network(x: Any) -> None:
    assert_each_alone(rf.Ensemble([rf.LSTM(F, H)]), x, True)
    assert_each_alone(rf.Ensemble([rf.LSTM(F, H)]), x[0], False)


@pytest.mark.parametrize("each", [False, True])
def test_batch_first_and_strides(each: bool) -> None:
    ensemble = ensemble_of(rf.LSTM, batch_first=True, bidirectional=True, proj_size=2)
    x = numbers(F, *(N,) * each, B, T).transpose(*range(1, 3 + each), 0)
    assert_each_alone(ensemble, x, each, lengths=[3, 6])


@pytest.mark.parametrize("batch_first", [False, True])
def test_a_single_sequence(batch_first: bool) -> None:
    ensemble = ensemble_of(rf.LSTM, batch_first=batch_first)
    state = numbers(N, 1, H), numbers(N, 1, H)
    assert_each_alone(ensemble, numbers(T, F), False, h0=state)
    assert_each_alone(ensemble, RNG.integers(0, F, size=T), False)


@pytest.mark.parametrize("threads", [1, 2])
def test_networks_that_threads_share(threads: int) -> None:
    before = rf.get_num_threads()
    rf.set_num_threads(threads)
    try:
        ensemble = rf.Ensemble(rf.LSTM(64, 160, seed=seed) for seed in range(2))
        assert_each_alone(ensemble, numbers(9, 8, 64), False)
    finally:
        rf.set_num_threads(before)


def test_weights_that_change_are_used() -> None:
    ensemble = ensemble_of(rf.GRU)
    x = numbers(T, B, F)
    first, _ = ensemble(x)
    ensemble.layers[1].load_state_dict(ensemble.layers[0].state_dict())
    y, _ = ensemble(x)
    np.testing.assert_array_equal(y[1], first[0])
    np.testing.assert_array_equal(y[2], first[2])


def test_no_steps_and_no_sequences() -> None:
    ensemble = ensemble_of(rf.GRU)
    y, h = ensemble(np.zeros((0, B, F), np.float32))
    assert (y.shape, h.shape) == ((N, 0, B, H), (N, 1, B, H))
    y, h = ensemble(np.zeros((T, 0, F), np.float32))
    assert (y.shape, h.shape) == ((N, T, 0, H), (N, 1, 0, H))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize("each", [False, True])
def test_steps(kind: Any, batch_size: int, each: bool) -> None:
    ensemble = ensemble_of(kind, num_layers=2)
    step = ensemble.stream(batch_size)
    alone = [layer.stream(batch_size) for layer in ensemble.layers]
    for _ in range(3):
        x = numbers(*(N,) * each, batch_size, F)
        y = step(x)
        expected = [one(x[n] if each else x) for n, one in enumerate(alone)]
        np.testing.assert_array_equal(y, expected)
    for own, theirs in zip(
        parts_of(step.state), zip(*(parts_of(one.state) for one in alone), strict=True), strict=True
    ):
        np.testing.assert_array_equal(own, theirs)


def test_steps_of_one_sequence_and_of_indices() -> None:
    ensemble = ensemble_of(rf.LSTM)
    step, alone = ensemble.stream(), [layer.stream() for layer in ensemble.layers]
    for x in (numbers(F), 3, np.int64(2), np.array([1])):
        y = step(x)
        np.testing.assert_array_equal(y, [one(x) for one in alone])
    x = np.array([[0], [4], [2]])
    np.testing.assert_array_equal(step(x), [one(i) for one, i in zip(alone, x, strict=True)])
    out = np.empty((N, H), np.float32)
    assert step(0, out=out) is out


@pytest.mark.parametrize("container", CONTAINERS)
def test_steps_of_every_container(container: str) -> None:
    of = CONTAINERS[container]
    one, other = (ensemble_of(rf.GRU).stream(B) for _ in range(2))
    for x in (numbers(B, F), RNG.integers(0, F, B)):
        np.testing.assert_array_equal(one(of(x)), other(x))
    with pytest.raises(TypeError, match=r"^x: expected an array .*, got list$"):
        one([[0.0] * F] * B)
    np.testing.assert_array_equal(one.state, other.state)


def test_states_are_set_and_reset() -> None:
    step = ensemble_of(rf.LSTM).stream(B)
    x = numbers(B, F)
    first = step(x).copy()
    state = step.state
    second = step(x).copy()
    step.state = state
    np.testing.assert_array_equal(step(x), second)
    step.reset()
    np.testing.assert_array_equal(step(x), first)
    step.reset([1])
    for own in step.state:
        assert not own[:, :, 1].any() and own[:, :, 0].any()
    with pytest.raises(ValueError, match=r"^rows: expected "):
        step.reset([B])
    wrong = state[0].copy()
    wrong[2, 0, 0, 0] = np.nan
    before = step.state
    with pytest.raises(ValueError, match="h: expected finite numbers"):
        step.state = wrong, state[1]
    for own, kept in zip(step.state, before, strict=True):
        np.testing.assert_array_equal(own, kept)


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_copies_go_on_by_themselves(copied: Any) -> None:
    step, x = ensemble_of(rf.GRU).stream(), numbers(F)
    step(x)
    other, before = copied(step), step.state
    expected = step(x).copy()
    np.testing.assert_array_equal(other.state, before)
    np.testing.assert_array_equal(other(x), expected)
    step(x)
    assert (other.state != step.state).any()
    step.reset()
    assert (other.state != 0).any()


def test_a_refused_step_is_taken_by_none() -> None:
    step = ensemble_of(rf.GRU).stream()
    x = numbers(N, 1, F)
    step(x)
    before = step.state
    x[2, 0, 3] = np.nan
    with pytest.raises(ValueError, match="x: expected finite numbers"):
        step(x)
    with pytest.raises(ValueError, match="x: expected indices from 0 to 4, got 5"):
        step(np.array([[1], [2], [5]]))
    np.testing.assert_array_equal(step.state, before)


def test_what_does_not_fit_is_told() -> None:
    gru = rf.GRU(F, H)
    for layers, message in (
        (3, "layers: expected a list of recurrent layers, got int"),
        (gru, "layers: expected a list of recurrent layers, got GRU"),
        ([gru, rf.Linear(2, 3)], r"layers\[1\]: expected a recurrent layer, got Linear"),
        ([gru, rf.GRU], r"layers\[1\]: expected a recurrent layer, got the class GRU; GRU.*"),
        ([], "layers: expected at least one, got none"),
        ([gru, 3], r"layers\[1\]: expected a recurrent layer, got int"),
        (
            [gru, rf.GRU(F, H + 1)],
            r"layers\[1\]: expected a layer like GRU\(5, 4\), got GRU\(5, 5\)",
        ),
    ):
        with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
            rf.Ensemble(layers)  # type: ignore[arg-type]
    ensemble = ensemble_of(rf.LSTM)
    for call, message in (
        ((numbers(2, T, B, F),), r"x: expected 3 on the first axis.* got shape \(2, 6, 2, 5\)"),
        ((numbers(T, B, F + 1),), r"x: expected shape \(T, B, 5\), got \(6, 2, 6\)"),
        ((numbers(T, B, F), (numbers(1, B, H), None)), "h0: expected 3 on the first axis"),
        ((numbers(T, B, F), (None, numbers(N, 2, B, H))), r"c0: expected shape \(1, 2, 4\)"),
        ((numbers(T, B, F), numbers(N, 1, B, H)), "state: expected a pair"),
        ((np.full((N, T, B), 7),), "x: expected indices from 0 to 4, got 7"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            ensemble(*call)
    x = numbers(N, T, B, F)
    x[2, 5, 1, 0] = np.inf
    with pytest.raises(ValueError, match=r"x: expected finite numbers.*at time 5 of sequence 1"):
        ensemble(x)
    with pytest.raises(ValueError, match="stream: expected a network in one direction"):
        ensemble_of(rf.LSTM, bidirectional=True).stream()
    with pytest.raises(ValueError, match="x: expected 3 on the first axis"):
        ensemble.stream()(numbers(2, 1, F))
    ensemble.layers[0].batch_first = True
    with pytest.raises(ValueError, match=r"layers\[1\]: expected a layer like"):
        ensemble(numbers(T, B, F))
