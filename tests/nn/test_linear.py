"""`rf.Linear` against NumPy and PyTorch, on every instruction set, with one thread and two."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

import rnnfast as rf
from gradcheck import assert_gradients

Array = npt.NDArray[np.floating]

TOLERANCE = {"float32": 2e-6, "float64": 4e-15}
# Rows, inputs, outputs: odd ones, and more than one block of the sums.
SIZES = [
    (1, 1, 1), (3, 17, 33), (17, 3, 65), (33, 65, 17), (65, 33, 3), (1, 650, 129),
    (300, 300, 40), (520, 64, 70), (7, 600, 515), (2, 16, 1100),
    # A single output, of rows that end within a vector, with one, or before the first is full.
    (11, 3, 1), (8, 16, 1), (17, 17, 1), (33, 31, 1), (5000, 65, 1), (3, 1000, 1),
]  # fmt: skip


def random(rng: np.random.Generator, dtype: str, *shape: int) -> Array:
    return rng.normal(size=shape).astype(dtype)


def assert_close(got: Array, expected: Array, dtype: str, terms: int) -> None:
    """Both rounded: the error of a sum grows as the root of its number of terms."""
    bound = TOLERANCE[dtype] * np.sqrt(terms) * max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(got, expected, rtol=0.0, atol=bound)


@pytest.mark.parametrize(("rows", "inputs", "outputs"), SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", [True, False])
def test_against_numpy(
    level: str,
    set_threads: Callable[[int], None],
    rows: int,
    inputs: int,
    outputs: int,
    dtype: str,
    bias: bool,
) -> None:
    rng = np.random.default_rng(rows)
    layer = rf.Linear(inputs, outputs, bias, dtype=dtype, seed=1)
    x, dy = random(rng, dtype, rows, inputs), random(rng, dtype, rows, outputs)
    old = random(rng, dtype, outputs, inputs)
    state = {name: array.astype("float64") for name, array in layer.state_dict().items()}
    results = []
    for threads in (1, 2, 5):
        set_threads(threads)
        layer.zero_grad()
        layer.grads["weight"][...] = old
        y, backprop = layer.forward(x)
        dx = backprop(dy)
        results.append([y, dx, *(gradient.copy() for gradient in layer.grads.values())])
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(first, second)
    y, dx, dweight = results[0][:3]
    x64, dy64 = x.astype("float64"), dy.astype("float64")
    assert y.dtype == dx.dtype == dtype
    assert_close(y, x64 @ state["weight"].T + state.get("bias", 0.0), dtype, inputs)
    assert_close(dx, dy64 @ state["weight"], dtype, outputs)
    assert_close(dweight, old + dy64.T @ x64, dtype, rows)
    if bias:
        assert_close(results[0][3], dy64.sum(axis=0), dtype, rows)


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_single_output_takes_each_number_once(dtype: str) -> None:
    """Numbers that two vectors of a row share are in its sum once."""
    layer = rf.Linear(37, 1, bias=False, dtype=dtype)
    layer.load_state_dict({"weight": np.ones((1, 37), dtype)})
    for place in range(37):
        x = np.zeros((9, 37), dtype)
        x[4, place] = 1.0
        np.testing.assert_array_equal(layer(x)[:, 0], np.arange(9) == 4)


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("outputs", [70, 1])
def test_rows_do_not_depend_on_each_other(dtype: str, outputs: int) -> None:
    """A row's bits are the same alone, in a batch, and with strides."""
    rng = np.random.default_rng(0)
    layer = rf.Linear(300, outputs, dtype=dtype, seed=1)
    x = random(rng, dtype, 29, 300)
    y = layer(x)
    for row in (0, 5, 28):
        np.testing.assert_array_equal(layer(x[row]), y[row])
    np.testing.assert_array_equal(layer(x[::2]), y[::2])
    np.testing.assert_array_equal(layer(x[::-1]), y[::-1])
    wide = random(rng, dtype, 29, 350)
    wide[:, 7:307] = x
    np.testing.assert_array_equal(layer(wide[:, 7:307]), y)
    np.testing.assert_array_equal(layer(np.asfortranarray(x)), y)


def test_gradients() -> None:
    rng = np.random.default_rng(0)
    layer = rf.Linear(5, 4, dtype="float64", seed=1)
    x, weight = rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 3, 4))
    values = layer.state_dict()

    def value() -> float:
        layer.load_state_dict(values)
        return float((layer(x) * weight).sum())

    _, backprop = layer.forward(x)
    dx = backprop(weight)
    assert dx is not None
    gradients = {"x": dx, **{name: gradient.copy() for name, gradient in layer.grads.items()}}
    assert_gradients(value, {"x": x, **values}, gradients)


def test_gradients_add_up() -> None:
    rng = np.random.default_rng(0)
    layer = rf.Linear(3, 2, dtype="float64", seed=1)
    x, dy = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
    _, backprop = layer.forward(x)
    backprop(dy)
    once = layer.grads["weight"].copy()
    assert backprop(dy, need_dx=False) is None
    np.testing.assert_allclose(layer.grads["weight"], 2 * once, rtol=1e-15)
    layer.zero_grad()
    assert not layer.grads["weight"].any()


def test_changed_weights_are_used() -> None:
    """The packed copy follows every way in which the weights can change."""
    layer = rf.Linear(3, 2, dtype="float64", seed=1)
    x = np.ones((1, 3))
    before = layer(x)
    layer.parameters()["weight"].assign(2 * layer.parameters()["weight"].data)
    layer.parameters()["bias"].assign(2 * layer.parameters()["bias"].data)
    np.testing.assert_array_equal(layer(x), 2 * before)
    layer.grads["weight"][...] = 1.0
    rf.SGD(layer, lr=0.5).step()
    np.testing.assert_allclose(layer(x), 2 * before - 1.5, rtol=1e-15)
    with pytest.raises(ValueError, match="read-only"):
        layer.parameters()["weight"].data[0, 0] = 1.0


def test_shapes() -> None:
    layer = rf.Linear(3, 2, seed=1)
    assert layer(np.zeros(3, "float32")).shape == (2,)
    assert layer(np.zeros((4, 5, 6, 3), "float32")).shape == (4, 5, 6, 2)
    assert layer(np.zeros((0, 3), "float32")).shape == (0, 2)
    y, backprop = layer.forward(np.zeros((0, 3), "float32"))
    dx = backprop(y)
    assert dx is not None
    assert dx.shape == (0, 3)


def test_initial_parameters() -> None:
    one, two = (rf.Linear(400, 50, seed=7).state_dict() for _ in range(2))
    for name, array in one.items():
        np.testing.assert_array_equal(array, two[name])
        assert 0.045 < np.abs(array).max() <= 0.05
    assert list(rf.Linear(2, 2, bias=False).state_dict()) == ["weight"]


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((2, 4), "float32"), ValueError, r"x: expected shape \(\.\.\., 3\), got \(2, 4\)"),
        (np.zeros((), "float32"), ValueError, r"x: expected shape \(\.\.\., 3\), got \(\)"),
        (np.zeros((2, 3)), TypeError, "x: expected dtype float32, got float64"),
        ([[1.0, 2.0, 3.0]], TypeError, "x: expected a NumPy array, got list"),
        (np.full((2, 3), np.nan, "float32"), ValueError, "x: expected finite numbers"),
        (np.full((2, 3), -np.inf, "float32"), ValueError, "x: expected finite numbers"),
    ],
)
def test_bad_input(x: Array, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        rf.Linear(3, 2, seed=1)(x)


def test_bad_gradient() -> None:
    layer = rf.Linear(3, 2, seed=1)
    _, backprop = layer.forward(np.zeros((4, 3), "float32"))
    with pytest.raises(ValueError, match=r"dy: expected shape \(4, 2\), got \(2, 4\)"):
        backprop(np.zeros((2, 4), "float32"))
    with pytest.raises(TypeError, match="dy: expected dtype float32, got float64"):
        backprop(np.zeros((4, 2)))
    with pytest.raises(ValueError, match="in_features: expected at least 1, got 0"):
        rf.Linear(0, 2)


def test_against_torch() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    ours = rf.Linear(37, 21, dtype="float64")
    theirs = torch.nn.Linear(37, 21, dtype=torch.float64)
    ours.load_state_dict(theirs.state_dict())
    x = rng.normal(size=(6, 5, 37))
    x_torch = torch.from_numpy(x).requires_grad_()
    y, backprop = ours.forward(x)
    y_torch = theirs(x_torch)
    np.testing.assert_allclose(y, y_torch.detach().numpy(), rtol=1e-12, atol=1e-14)
    dy = rng.normal(size=y.shape)
    y_torch.backward(torch.from_numpy(dy))
    np.testing.assert_allclose(backprop(dy), x_torch.grad.numpy(), rtol=1e-12, atol=1e-14)
    for name, parameter in theirs.named_parameters():
        np.testing.assert_allclose(ours.grads[name], parameter.grad, rtol=1e-12, atol=1e-13)
