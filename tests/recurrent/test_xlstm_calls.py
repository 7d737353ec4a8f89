"""sLSTM and mLSTM in networks, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

import rnnfast as rf
from test_xlstm import LAYERS, both


@both
def test_in_networks(kind: str) -> None:
    make = LAYERS[kind]
    net = rf.chain(make(3, 4, seed=1), make(4, 6, num_heads=2, seed=2), rf.Linear(6, 2, seed=3))
    x = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
    y, backprop = net.forward(x, lengths=[5, 3])
    np.testing.assert_array_equal(net(x, lengths=[5, 3]), y)
    assert backprop(np.ones_like(y)).shape == x.shape
    assert all(gradient.any() for gradient in net.grads.values())
    ways = rf.bidirectional(make(3, 4, seed=1), make(3, 4, seed=2))
    assert ways(x, [5, 3]).shape == (5, 2, 8)
    with pytest.raises(TypeError, match=r"^0: expected layers that have fewer bits, got [SM]LSTM"):
        rf.quantize(net)
    assert "(T, B, 6)" in str(net.summary())


@both
def test_a_step_with_new_weights(kind: str) -> None:
    """Packed copies of weights are those of now."""
    layer = LAYERS[kind](3, 4, seed=0)
    x = np.ones((2, 1, 3), np.float32)
    before = layer(x)[0]
    other = LAYERS[kind](3, 4, seed=1)
    layer.load_state_dict(other.state_dict())
    after = layer(x)[0]
    np.testing.assert_array_equal(after, other(x)[0])
    assert (after != before).any()


@both
def test_what_a_layer_is_not(kind: str) -> None:
    make = LAYERS[kind]
    for options, message in (
        ({"num_layers": 2}, r"num_layers: expected 1 with .*, got 2; rf.chain stacks layers"),
        ({"bidirectional": True}, r"bidirectional: expected False with .*, got True; rf.bidirec"),
        ({"num_heads": 3}, r"num_heads: expected a divisor of hidden_size 4, got 3"),
        ({"num_heads": 0}, r"num_heads: expected at least 1, got 0"),
        ({"forget_gate": "tanh"}, r"forget_gate: expected 'sigmoid' or 'exponential', got 'tanh'"),
    ):
        with pytest.raises(ValueError, match=f"^{message}"):
            make(3, 4, **options)


@both
def test_bad_arguments(kind: str) -> None:
    layer = LAYERS[kind](3, 4)
    x = np.ones((5, 2, 3), np.float32)
    y, state = layer(x)
    for error, message, arguments in (
        (TypeError, r"x: expected dtype float32, got float64", (x.astype(np.float64),)),
        (TypeError, r"x: expected dtype float32, got int64", (np.ones((5, 2), int),)),
        (ValueError, r"x: expected shape \(T, B, 3\), got \(5, 2, 4\)", (y,)),
        (ValueError, r"x: expected finite numbers, got NaN or infinity", (x * np.nan,)),
        (TypeError, r"state: expected a tuple \(.*m\), got ndarray", (x, x)),
        (ValueError, r"state: expected a tuple \(.*m\), got 1 values", (x, (x,))),
        (ValueError, r"m0: expected shape \(1, 2, .*\), got \(1,\)",
         (x, (*state[:-1], np.ones(1, "f4")))),
        (ValueError, r"m0: expected finite numbers", (x, (*state[:-1], state[-1] * np.inf))),
        (TypeError, r"m0: expected an array beside others, got None", (x, (*state[:-1], None))),
        (ValueError, r"lengths: expected", (x, None, [1, 2, 3])),
        (ValueError, r"reset: expected None with .*, which has no resets", (x, None, None, x)),
    ):  # fmt: skip
        for call in (layer, layer.forward):
            with pytest.raises(error, match=f"^{message}"):
                call(*arguments)
    (y, _), backprop = layer.forward(x)
    with pytest.raises(ValueError, match=r"^dy: expected shape \(5, 2, 4\), got \(5, 2, 3\)"):
        backprop(x)
    with pytest.raises(ValueError, match=r"^dy: expected finite numbers"):
        backprop(y * np.nan)
    with pytest.raises(ValueError, match=r"^dstate: expected a tuple"):
        backprop(y, (y,))
    assert not any(gradient.any() for gradient in layer.grads.values())
    dx, _ = backprop(y, need_dx=False)
    assert dx is None
    with pytest.raises(RuntimeError, match=r"^backprop: expected one call for each forward pass"):
        backprop(y)
    with pytest.raises(ValueError, match=r"^x: expected shape \(2, 3\), got \(3, 3\)"):
        layer.stream(2)(x[:3, 0])


def test_a_normaliser_below_zero() -> None:
    layer = rf.SLSTM(3, 4)
    h, c, n, m = np.ones((4, 1, 2, 4), np.float32)
    with pytest.raises(ValueError, match=r"^n0: expected numbers from 0 on, got -1.0"):
        layer(np.ones((5, 2, 3), np.float32), (h, c, -n, m))


@both
@pytest.mark.parametrize("shape", [(0, 2, 3), (4, 0, 3)])
def test_no_steps(kind: str, shape: tuple[int, ...]) -> None:
    layer = LAYERS[kind](3, 4, num_heads=2, seed=0)
    x = np.zeros(shape, np.float32)
    state = tuple(np.ones((1, *s), np.float32) for s in layer._state_shapes(shape[1]))
    (y, final), backprop = layer.forward(x, state)
    assert y.shape == (*shape[:2], 4)
    dx, dstate = backprop(y, state)
    assert dx.shape == shape
    for given, after, back in zip(state, final, dstate, strict=True):
        np.testing.assert_array_equal(after, given)
        np.testing.assert_array_equal(back, given)


@both
def test_a_single_sequence(kind: str) -> None:
    layer = LAYERS[kind](3, 4, num_heads=2, seed=0)
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    (y, final), backprop = layer.forward(x)
    whole, states = layer(x[:, np.newaxis])
    np.testing.assert_array_equal(y, whole[:, 0])
    for part, other in zip(final, states, strict=True):
        np.testing.assert_array_equal(part, other[:, 0])
    dx, dstate = backprop(y, final)
    assert dx.shape == x.shape
    assert [part.shape for part in dstate] == [part.shape for part in final]
    np.testing.assert_array_equal(layer(x, final)[0].shape, y.shape)


@pytest.mark.parametrize("forget", [20.0, 60.0, 80.0, 90.0])
@pytest.mark.parametrize("steps", [1, 2])
def test_a_forget_gate_that_multiplies_nothing(steps: int, forget: float) -> None:
    """Without a state before, exp(forget) times zero pushes nothing out of range."""
    layer = rf.MLSTM(1, 1, forget_gate="exponential")
    layer.load_state_dict(
        {
            "weight_ih_l0": np.zeros((6, 1), np.float32),
            # q, k, v, o, i, f: only the second step, if there is one, is multiplied.
            "bias_ih_l0": np.array([1e3, 1e3, 1e3, 0, -20, forget], np.float32),
        }
    )
    (y, _), backprop = layer.forward(np.ones((steps, 1, 1), np.float32))
    backprop(np.ones_like(y))
    # h = o v (n q) / max(|n q|, 1) with n q = exp(-20) 1e6 at first, and more afterwards.
    first = 0.5 * 1e3 * min(1.0, np.exp(-20) * 1e6)
    np.testing.assert_allclose(y[0, 0, 0], first, rtol=1e-4)
    assert all(np.isfinite(gradient).all() for gradient in layer.grads.values())
    assert layer.grads["bias_ih_l0"][3] != 0
    step = layer.stream()
    one = [step(np.ones(1, np.float32)).copy() for _ in range(steps)]
    np.testing.assert_allclose(np.ravel(one), np.ravel(y), rtol=1e-5)


@both
def test_what_is_written_to_afterwards_changes_no_gradient(kind: str) -> None:
    layer = LAYERS[kind](3, 4, seed=0, batch_first=True)
    x = np.random.default_rng(0).normal(size=(1, 6, 3)).astype(np.float32)
    (y, _), backprop = layer.forward(x)
    backprop(np.ones_like(y))
    expected = {name: gradient.copy() for name, gradient in layer.grads.items()}
    layer.zero_grad()
    (y, _), backprop = layer.forward(x)
    x[:] = 0
    backprop(np.ones_like(y))
    for name, gradient in layer.grads.items():
        np.testing.assert_array_equal(gradient, expected[name])


@both
def test_more_than_there_is(kind: str) -> None:
    layer = LAYERS[kind](3, 4)
    with pytest.raises(MemoryError, match=rf"^{kind.upper()}: the states of 1000000000000000 sequ"):
        layer.stream(10**15)
    with pytest.raises(TypeError, match=r"^batch_first: expected a bool, got str"):
        layer.batch_first = "no"
    assert layer.batch_first is False
    with pytest.raises(
        ValueError, match=r"^chain\[0\] \([SM]LSTM\): expected a recurrent layer but SL"
    ):
        rf.chain(layer, rf.Linear(4, 2)).stream()


def test_a_single_step_has_the_bits_of_one_beside_longer_sequences() -> None:
    layer = rf.MLSTM(3, 24, num_heads=3, seed=0)
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    lengths = [2, 1, 2, 1, 2]
    y, _ = layer(x, lengths=lengths)
    np.testing.assert_array_equal(layer(x[:1, 1:2])[0], y[:1, 1:2])
    np.testing.assert_array_equal(layer.forward(x[:1])[0][0], layer(x[:1])[0])
