"""Steps side by side: values, gradients, states, and a QRNN of wider filters behind them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from gradcheck import assert_gradients

LENGTHS = np.array([5, 0, 6, 1])
RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 4, 3))
RESET = RNG.random((6, 4)) < 0.3
RESET[0, 2] = True


def by_hand(x: Any, state: Any, size: int, lengths: Any, reset: Any) -> tuple[Any, Any]:
    """The definition, a sequence and a step at a time."""
    T, B, F = x.shape
    y, after = np.zeros((T, B, size * F)), np.zeros((size - 1, B, F))
    for b in range(B):
        seen = list(state[:, b])  # the newest first
        for t in range(lengths[b]):
            if reset[t, b]:
                seen = [np.zeros(F)] * (size - 1)
            y[t, b] = np.concatenate([x[t, b], *seen])
            seen = [x[t, b], *seen][: size - 1]
        after[:, b] = np.reshape(seen, (size - 1, F))
    return y, after


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_values(size: int, batch_first: bool) -> None:
    window = rf.Window(size, batch_first=batch_first)
    state = RNG.normal(size=(size - 1, 4, 3))
    expected = by_hand(X, state, size, LENGTHS, RESET)
    x, reset = (np.swapaxes(a, 0, 1) if batch_first else a for a in (X, RESET))
    x = x.copy()
    (x.swapaxes(0, 1) if batch_first else x)[np.arange(6)[:, np.newaxis] >= LENGTHS] = np.nan
    y, after = window(x, state, LENGTHS, reset)
    np.testing.assert_array_equal(np.swapaxes(y, 0, 1) if batch_first else y, expected[0])
    np.testing.assert_array_equal(after, expected[1])
    assert window(X.astype(np.float32) if not batch_first else x[:1, :2] * 0)[0].flags.c_contiguous


@pytest.mark.parametrize("size", [1, 2, 4])
def test_gradients(size: int) -> None:
    window, x, state = rf.Window(size), X.copy(), RNG.normal(size=(size - 1, 4, 3))
    (y, after), backprop = window.forward(x, state, LENGTHS, RESET)
    dy, dafter = RNG.normal(size=y.shape), RNG.normal(size=after.shape)

    def value() -> float:
        y, after = window(x, state, LENGTHS, RESET)
        return float((y * dy).sum() + (after * dafter).sum())

    dx, dstate = backprop(dy, dafter)
    assert_gradients(value, {"x": x, "state": state}, {"x": dx, "state": dstate})
    assert backprop(dy, need_dx=False)[0] is None
    np.testing.assert_array_equal(backprop(None)[0], 0 * X)


def test_a_sequence_in_parts_is_one_call() -> None:
    net = rf.chain(
        rf.Window(3), rf.QRNN(9, 5, dtype="float64", seed=1), rf.Window(2),
        rf.QRNN(10, 4, pooling="ifo", dtype="float64", seed=2),
    )  # fmt: skip
    whole, final = net(X, return_state=True)
    state: Any = None
    parts = []
    for part in np.split(X, [1, 2, 4]):
        y, state = net(part, state=state, return_state=True)
        parts.append(y)
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-13)
    for place, own in final.items():
        for one, other in zip(np.atleast_1d(own), np.atleast_1d(state[place]), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-13)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_no_step_leaves_the_state_as_it_was(size: int, batch_first: bool) -> None:
    window, state = rf.Window(size, batch_first=batch_first), RNG.normal(size=(size - 1, 4, 3))
    x = np.zeros((4, 0, 3) if batch_first else (0, 4, 3))
    (y, after), backprop = window.forward(x, state)
    assert y.shape == (*x.shape[:2], 3 * size)
    np.testing.assert_array_equal(after, state)
    dx, dstate = backprop(y, after)
    assert dx is not None and dx.shape == x.shape
    np.testing.assert_array_equal(dstate, after)


@pytest.mark.parametrize("pooling", ["f", "fo", "ifo"])
def test_filters_of_width_2_are_a_masked_convolution(pooling: Any) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch's convolution")
    layer = rf.QRNN(6, 5, pooling=pooling, dtype="float64", seed=1)
    net = rf.chain(rf.Window(2), layer)
    weight = layer.state_dict()["weight_ih_l0"].reshape(-1, 2, 3)[:, ::-1].transpose(0, 2, 1)
    x = torch.from_numpy(X.transpose(1, 2, 0).copy())  # (B, F, T)
    bias = torch.from_numpy(layer.state_dict()["bias_ih_l0"])
    padded = torch.nn.functional.pad(x, (1, 0))
    z = torch.nn.functional.conv1d(padded, torch.from_numpy(weight.copy()), bias)
    n, *gates = z.numpy().transpose(2, 0, 1).reshape(6, 4, -1, 5).transpose(2, 0, 1, 3)
    n, (f, *rest) = np.tanh(n), [1 / (1 + np.exp(-gate)) for gate in gates]
    i = rest[1] if len(rest) == 2 else 1 - f
    c, h = np.zeros((4, 5)), []
    for t in range(6):
        c = f[t] * c + i[t] * n[t]
        h.append(rest[0][t] * c if rest else c)
    np.testing.assert_allclose(net(X), h, rtol=1e-12)


def test_a_network_with_one_is_saved(tmp_path: Any) -> None:
    net = rf.chain(rf.Window(2), rf.bidirectional(rf.QRNN(6, 4, seed=1)), rf.Linear(8, 2, seed=2))
    rf.save(tmp_path / "net.safetensors", net)
    x = X.astype(np.float32)
    np.testing.assert_array_equal(rf.load(tmp_path / "net.safetensors")(x), net(x))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: rf.Window(0), ValueError, r"^size: expected .*, got 0"),
        (lambda: rf.Window("2"), TypeError, r"^size: expected .*, got"),  # type: ignore[arg-type]
        (lambda: rf.Window(10**12)(X), MemoryError, r"^size: a window of 10{12} steps needs "),
        (lambda: rf.Window(2)(X[0]), ValueError, r"^x: expected shape \(T, B, F\), got \(4, 3\)"),
        (lambda: rf.Window(2)(np.zeros((2, 2), int)), TypeError, r"^x: expected "),
        (lambda: rf.Window(2)(X * np.inf), ValueError, r"^x: expected finite"),
        (lambda: rf.Window(2)(X, X[:2]), ValueError, r"^state: expected shape \(1, 4, 3\), got"),
        (lambda: rf.Window(2)(X, None, [7, 1, 1, 1]), ValueError, r"^lengths: expected"),
        (lambda: rf.Window(2)(X, None, None, RESET[:2]), ValueError, r"^reset: expected shape"),
        (
            lambda: rf.Window(2)(X, None, None, RESET * 1),
            TypeError,
            r"^reset: expected bools, got dtype int64",
        ),
        (lambda: rf.Window(2).forward(X)[1](X), ValueError, r"^dy: expected shape \(6, 4, 6\)"),
    ],
)
def test_what_cannot_be(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("size", [1, 2, 4])
def test_no_steps_leave_the_state_as_it_is(size: int) -> None:
    state = np.random.default_rng(0).normal(size=(size - 1, 2, 3))
    (y, after), backprop = rf.Window(size).forward(np.zeros((0, 2, 3)), state)
    assert y.shape == (0, 2, size * 3)
    np.testing.assert_array_equal(after, state)
    dx, dstate = backprop(None, state)
    assert dx is not None and dx.shape == (0, 2, 3)
    np.testing.assert_array_equal(dstate, state)
