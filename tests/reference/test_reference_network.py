"""The reference's networks: gradients, indices, layers, directions, time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rnnfast.reference as ref
from gradcheck import assert_gradients
from network_cases import (
    CELLS,
    LENGTHS,
    RESET,
    B,
    H,
    I,
    Result,
    T,
    assert_close,
    layer_states,
    make_dy,
    make_spec,
    make_states,
    pack,
    unpack,
)
from rnnfast.reference import NetworkSpec

# --- gradients ------------------------------------------------------------------------------------


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_gradients(name: str, bias: bool, bidirectional: bool) -> None:
    spec = make_spec(name, num_layers=2, bias=bias, bidirectional=bidirectional)
    rng = np.random.default_rng(20)
    parameters: Any = ref.random_parameters(spec, rng)
    x, states, dy = rng.normal(size=(T, B, I)), make_states(spec, rng), make_dy(spec, rng)
    dstates = make_states(spec, rng)
    masks = [rng.integers(0, 2, size=dy.shape) / 0.5]
    options: dict[str, Any] = {"lengths": LENGTHS, "reset": RESET, "dropout_masks": masks}

    def value() -> float:
        y, final, _ = ref.network_forward(spec, parameters, x, pack(states), **options)
        products = [dy * y] + [d * s for d, s in zip(dstates, unpack(final), strict=True)]
        return float(sum(product.sum() for product in products))

    result = Result(spec, parameters, x, states, dy, dstates, **options)
    arguments = {"x": x, **parameters} | {f"state {k}": s for k, s in enumerate(states)}
    gradients = {"x": result.dx, **result.grads}
    gradients |= {f"state {k}": d for k, d in enumerate(result.dstates0)}
    assert_gradients(value, arguments, gradients, directions=3)


def test_every_derivative_of_a_small_network() -> None:
    spec = NetworkSpec("lstm", 2, 3, num_layers=2, bidirectional=True, peephole=True, proj_size=2)
    rng = np.random.default_rng(21)
    parameters: Any = ref.random_parameters(spec, rng)
    x, dy = rng.normal(size=(3, 2, 2)), rng.normal(size=(3, 2, 4))

    def value() -> float:
        return float((dy * ref.network_forward(spec, parameters, x, lengths=[2, 3])[0]).sum())

    _, _, cache = ref.network_forward(spec, parameters, x, lengths=[2, 3])
    dx, _, grads = ref.network_backward(cache, dy)
    assert dx is not None
    assert_gradients(value, {"x": x, **parameters}, {"x": dx, **grads})


# --- indices, layers, directions, time ------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
@pytest.mark.parametrize("name", CELLS)
def test_indices_are_one_hot_vectors(name: str, dtype: Any) -> None:
    spec = make_spec(name, num_layers=2, bidirectional=True)
    rng = np.random.default_rng(27)
    parameters = ref.random_parameters(spec, rng)
    indices = rng.integers(0, I, size=(T, B)).astype(dtype)
    vectors = np.eye(I)[indices]
    padded = np.arange(T)[:, np.newaxis] >= LENGTHS
    indices[padded] = 255 if dtype is np.uint8 else -7
    rest = (make_states(spec, rng), make_dy(spec, rng), make_states(spec, rng))
    options: dict[str, Any] = {"lengths": LENGTHS, "reset": RESET}
    by_index = Result(spec, parameters, indices, *rest, **options)
    assert by_index.dx is None
    by_index.assert_close(Result(spec, parameters, vectors, *rest, **options))


@pytest.mark.parametrize("name", CELLS)
def test_layers_are_networks_in_a_row(name: str) -> None:
    deep = make_spec(name, num_layers=2, bidirectional=True)
    rng = np.random.default_rng(28)
    parameters = ref.random_parameters(deep, rng)
    x, mask = rng.normal(size=(T, B, I)), rng.uniform(0.5, 1.5, size=make_dy(deep, rng).shape)
    states = make_states(deep, rng)
    y, _, _ = ref.network_forward(
        deep, parameters, x, pack(states), LENGTHS, RESET, dropout_masks=[mask]
    )
    low = make_spec(name, bidirectional=True)
    high = NetworkSpec(
        input_size=2 * low.output_size, hidden_size=H, bidirectional=True, **CELLS[name].spec
    )
    below: dict[str, Any] = {}
    above: dict[str, Any] = {}
    for key, values in parameters.items():
        (below if "_l0" in key else above)[key.replace("_l1", "_l0")] = values
    first, second = (layer_states(deep, states, layer) for layer in range(2))
    h, _, _ = ref.network_forward(low, below, x, pack(first), LENGTHS, RESET)
    expected, _, _ = ref.network_forward(high, above, h * mask, pack(second), LENGTHS, RESET)
    assert_close(y, expected)


@pytest.mark.parametrize("name", CELLS)
def test_the_reverse_direction_runs_on_the_mirrored_sequence(name: str) -> None:
    both, one = make_spec(name, bidirectional=True), make_spec(name)
    rng = np.random.default_rng(29)
    parameters, x = ref.random_parameters(both, rng), rng.normal(size=(T, B, I))
    states = make_states(both, rng)
    y, final, _ = ref.network_forward(both, parameters, x, pack(states))
    for k, (suffix, stride) in enumerate([("_l0", 1), ("_l0_reverse", -1)]):
        own: dict[str, Any] = {
            key: parameters[key.replace("_l0", suffix)] for key, _ in one.parameter_shapes()
        }
        h, state, _ = ref.network_forward(
            one, own, x[::stride], pack([s[k : k + 1] for s in states])
        )
        assert_close(np.split(y, 2, axis=2)[k], h[::stride])
        for whole, part in zip(unpack(final), unpack(state), strict=True):
            assert_close(whole[k : k + 1], part)


@pytest.mark.parametrize("name", CELLS)
def test_a_sequence_can_be_cut_and_its_state_carried(name: str) -> None:
    spec = make_spec(name, num_layers=2)
    rng = np.random.default_rng(30)
    parameters, x = ref.random_parameters(spec, rng), rng.normal(size=(T, B, I))
    states = make_states(spec, rng)
    y, final, _ = ref.network_forward(spec, parameters, x, pack(states), reset=RESET)
    head, middle, _ = ref.network_forward(spec, parameters, x[:2], pack(states), reset=RESET[:2])
    tail, end, _ = ref.network_forward(spec, parameters, x[2:], middle, reset=RESET[2:])
    assert_close(y, np.concatenate([head, tail]))
    for whole, part in zip(unpack(final), unpack(end), strict=True):
        assert_close(whole, part)


@pytest.mark.parametrize("name", CELLS)
def test_no_state_is_a_state_of_zeros(name: str) -> None:
    spec = make_spec(name, bidirectional=True)
    rng = np.random.default_rng(31)
    parameters, x = ref.random_parameters(spec, rng), rng.normal(size=(T, B, I))
    zeros = [np.zeros(shape) for shape in spec.state_shapes(B)]
    y, _, cache = ref.network_forward(spec, parameters, x)
    expected, _, _ = ref.network_forward(spec, parameters, x, pack(zeros))
    assert_close(y, expected)
    dy = make_dy(spec, rng)
    dx, _, _ = ref.network_backward(cache, dy)
    expected_dx, _, _ = ref.network_backward(cache, dy, pack(zeros))
    assert_close(np.asarray(dx), np.asarray(expected_dx))


@pytest.mark.parametrize(("steps", "batch"), [(0, B), (T, 0), (0, 0)])
@pytest.mark.parametrize("name", CELLS)
def test_nothing_in_nothing_out(name: str, steps: int, batch: int) -> None:
    spec = make_spec(name, num_layers=2, bidirectional=True)
    rng = np.random.default_rng(32)
    states, dstates = make_states(spec, rng, batch), make_states(spec, rng, batch)
    dy = make_dy(spec, rng, steps, batch)
    result = Result(
        spec, ref.random_parameters(spec, rng), np.zeros((steps, batch, I)), states, dy, dstates
    )
    assert result.y.shape == dy.shape
    assert result.dx.shape == (steps, batch, I)
    for k in range(len(states)):
        np.testing.assert_array_equal(result.states[k], states[k])
        np.testing.assert_array_equal(result.dstates0[k], dstates[k])
    shapes = [(key, gradient.shape) for key, gradient in result.grads.items()]
    assert shapes == list(spec.parameter_shapes())
    assert not any(gradient.any() for gradient in result.grads.values())


def test_float32_is_computed_in_float64_and_arguments_stay() -> None:
    spec = make_spec("lstm projection", bidirectional=True)
    rng = np.random.default_rng(33)
    parameters = ref.random_parameters(spec, rng, np.float32)
    x = rng.normal(size=(T, B, I)).astype(np.float32)
    arguments = [x, *parameters.values()]
    before = [values.copy() for values in arguments]
    y, _, cache = ref.network_forward(spec, parameters, x, lengths=LENGTHS)
    dx, _, _ = ref.network_backward(cache, np.ones_like(y, dtype=np.float32))
    assert y.dtype == np.asarray(dx).dtype == np.float64
    wide = {name: values.astype(np.float64) for name, values in parameters.items()}
    expected, _, _ = ref.network_forward(spec, wide, x.astype(np.float64), lengths=LENGTHS)
    assert_close(y, expected)
    for values, copy in zip(arguments, before, strict=True):
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, copy)


def test_random_parameters_fill_their_interval() -> None:
    spec = NetworkSpec("gru", 50, 16)
    drawn = ref.random_parameters(spec, np.random.default_rng(34), np.float32)
    again = ref.random_parameters(spec, np.random.default_rng(34), np.float32)
    assert [(name, v.shape) for name, v in drawn.items()] == list(spec.parameter_shapes())
    for name, values in drawn.items():
        assert values.dtype == np.float32
        assert 0.2 < np.abs(values).max() <= 0.25
        np.testing.assert_array_equal(values, again[name])
