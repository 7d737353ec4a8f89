"""Optimizers and clipping against PyTorch and NumPy, on every instruction set."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import rnnfast as rf
from rnnfast.training import (
    ChainLR,
    CosineLR,
    ExponentialAverage,
    ExponentialLR,
    MeanAverage,
    Optimizer,
    ReduceOnPlateau,
    StepLR,
    WarmupLR,
    scale_grad,
)

Array = npt.NDArray[Any]

TOLERANCE = {"float32": 1e-6, "float64": 1e-12}

# Name of the class and its arguments, ours and PyTorch's alike.
CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("Adam", {"lr": 0.05}),
    ("Adam", {"lr": 0.05, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.05}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3}),
    ("RMSprop", {"lr": 0.05}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.9, "weight_decay": 0.1, "momentum": 0.7}),
    ("RMSprop", {"lr": 0.05, "centered": True, "eps": 1e-2}),
    ("RMSprop", {"lr": 0.05, "centered": True, "momentum": 0.5}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.1,
                 "initial_accumulator_value": 0.5}),
]  # fmt: skip


def fill_gradients(module: rf.Linear, rng: np.random.Generator) -> None:
    for gradient in module.grads.values():
        gradient[...] = rng.normal(size=gradient.shape)


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize(("name", "arguments"), CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_against_torch(name: str, arguments: dict[str, Any], dtype: str) -> None:
    torch = pytest.importorskip("torch")
    layer = rf.Linear(33, 17, dtype=dtype, seed=1)
    ours = getattr(rf, name)(layer, **arguments)
    parameters = {
        key: torch.from_numpy(array).double().requires_grad_()
        for key, array in layer.state_dict().items()
    }
    theirs = getattr(torch.optim, name)(parameters.values(), **arguments)
    rng = np.random.default_rng(0)
    for _ in range(8):
        fill_gradients(layer, rng)
        for key, parameter in parameters.items():
            parameter.grad = torch.from_numpy(layer.grads[key]).double()
        ours.step()
        theirs.step()
    for key, parameter in parameters.items():
        np.testing.assert_allclose(
            layer.state_dict()[key],
            parameter.detach().numpy(),
            rtol=TOLERANCE[dtype],
            atol=TOLERANCE[dtype],
        )


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize(("name", "arguments"), CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits(
    set_threads: Callable[[int], None], name: str, arguments: dict[str, Any], dtype: str
) -> None:
    """Any number of threads, and training parameters one by one, gives the same bits."""
    states = []
    for threads, one_by_one in ((1, False), (2, False), (3, False), (1, True)):
        set_threads(threads)
        layer = rf.Linear(301, 333, dtype=dtype, seed=1)
        parts: list[Any] = list(layer.parameters().values()) if one_by_one else [layer]
        optimizers = [getattr(rf, name)(part, **arguments) for part in parts]
        rng = np.random.default_rng(0)
        for _ in range(3):
            fill_gradients(layer, rng)
            for optimizer in optimizers:
                optimizer.step()
        states.append(layer.state_dict())
    for state in states[1:]:
        for key, array in state.items():
            np.testing.assert_array_equal(array, states[0][key])


def adam_by_hand(p: Array, gradients: list[Array]) -> Array:
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(gradients, 1):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        p = p - 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return p


def test_adam_by_hand() -> None:
    rng = np.random.default_rng(0)
    layer = rf.Linear(5, 3, bias=False, dtype="float64", seed=1)
    gradients = [rng.normal(size=(3, 5)) for _ in range(4)]
    want = adam_by_hand(layer.state_dict()["weight"], gradients)
    optimizer = rf.Adam(layer, lr=0.01)
    for gradient in gradients:
        layer.grads["weight"][...] = gradient
        optimizer.step()
    np.testing.assert_allclose(layer.state_dict()["weight"], want, rtol=1e-13)


def test_rmsprop_centered_stays_a_number() -> None:
    """Equal gradients leave no variance, which rounding may make negative."""
    layer = rf.Linear(65, 3, seed=1)
    optimizer = rf.RMSprop(layer, lr=1e-6, alpha=0.5, centered=True)
    for gradient in layer.grads.values():
        gradient[...] = np.linspace(-3.3, 7.7, gradient.size).reshape(gradient.shape)
    for _ in range(100):
        optimizer.step()
    assert np.isfinite(layer.state_dict()["weight"]).all()


def test_what_is_trained() -> None:
    """Layers, some parameters, a mapping, a list; twice is once."""
    for select in (
        lambda layer: layer,
        lambda layer: [layer, layer],
        lambda layer: layer.parameters(),
        lambda layer: {"output": layer},
        lambda layer: iter(layer.parameters().values()),
    ):
        layer = rf.Linear(3, 2, dtype="float64", seed=1)
        before = layer.state_dict()
        for gradient in layer.grads.values():
            gradient[...] = 1.0
        rf.SGD(select(layer), lr=1.0).step()
        for key, array in layer.state_dict().items():
            np.testing.assert_allclose(array, before[key] - 1.0, rtol=1e-15)
    layer = rf.Linear(3, 2, dtype="float64", seed=1)
    before = layer.state_dict()
    for gradient in layer.grads.values():
        gradient[...] = 1.0
    optimizer = rf.SGD(layer.parameters()["bias"], lr=1.0)
    optimizer.step()
    np.testing.assert_array_equal(layer.state_dict()["weight"], before["weight"])
    np.testing.assert_allclose(layer.state_dict()["bias"], before["bias"] - 1.0, rtol=1e-15)
    optimizer.zero_grad()
    assert layer.grads["weight"].all()
    assert not layer.grads["bias"].any()


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_state_dict(name: str, arguments: dict[str, Any]) -> None:
    """A run that goes on from a checkpoint gives the bits of one that never stopped."""
    rng = np.random.default_rng(0)
    layers = [rf.Linear(9, 7, seed=1), rf.LSTM(3, 4, dtype="float64", seed=2)]
    optimizer = getattr(rf, name)(layers, **arguments)
    gradients = [
        [rng.normal(size=layer.buffer.size).astype(layer.dtype) for layer in layers]
        for _ in range(4)
    ]

    def step(optimizer: Optimizer, modules: list[Any], chosen: list[Array]) -> None:
        for layer, gradient in zip(modules, chosen, strict=True):
            layer.buffer.grads[...] = gradient
        optimizer.step()

    for chosen in gradients[:2]:
        step(optimizer, layers, chosen)
    optimizer.lr = 0.03
    saved = optimizer.state_dict()
    assert all(isinstance(array, np.ndarray) for array in saved.values())
    copies = [rf.Linear(9, 7, seed=5), rf.LSTM(3, 4, dtype="float64", seed=6)]
    for layer, copy in zip(layers, copies, strict=True):
        copy.load_state_dict(layer.state_dict())
    resumed = getattr(rf, name)(copies, **arguments)
    resumed.load_state_dict(saved)
    assert (resumed.lr, resumed.steps) == (0.03, 2)
    for chosen in gradients[2:]:
        step(optimizer, layers, chosen)
        step(resumed, copies, chosen)
    for layer, copy in zip(layers, copies, strict=True):
        for key, array in layer.state_dict().items():
            np.testing.assert_array_equal(copy.state_dict()[key], array)


def test_bad_state() -> None:
    optimizer = rf.Adam(rf.Linear(3, 2, seed=1))
    optimizer.step()
    good = optimizer.state_dict()
    for change, message in (
        ({"exp_avg.0": None}, "state: expected the names step, lr, exp_avg.0, exp_avg_sq.0; got"),
        ({"exp_avg.0": np.zeros(3, "float32")}, r"exp_avg.0: expected shape \(18,\), got \(3,\)"),
        ({"exp_avg.0": np.zeros(18)}, "exp_avg.0: expected dtype float32, got float64"),
        ({"step": np.array(-1)}, "step: expected at least 0, got -1"),
        ({"step": np.array(1.5)}, "step: expected dtype int64, got float64"),
        ({"lr": np.array(-1.0)}, "lr: expected a finite number of at least 0.*, got -1.0"),
    ):
        state = {k: v for k, v in (good | change).items() if v is not None}
        with pytest.raises(ValueError, match=message):
            optimizer.load_state_dict(state)
        for key, array in optimizer.state_dict().items():
            np.testing.assert_array_equal(array, good[key])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: rf.Adam(m, lr=-1.0), ValueError, "lr: expected a finite number of at least 0"),
        (lambda m: rf.Adam(m, lr="1"), TypeError, "lr: expected a number, got str"),
        (lambda m: rf.Adam(m, betas=(1.0, 0.9)), ValueError,
         "betas: expected a finite number of at least 0 and below 1, got 1.0"),
        (lambda m: rf.SGD(m, nesterov=True), ValueError, "nesterov: expected a momentum"),
        (lambda m: rf.SGD([]), ValueError, "parameters: expected at least one parameter"),
        (lambda m: rf.SGD(5), TypeError, "parameters: expected layers or parameters, got int"),
        (lambda m: rf.SGD([m, 5]), TypeError, "parameters: expected layers or parameters, got int"),
        (lambda m: rf.RMSprop(m, alpha=np.nan), ValueError, "alpha: expected a finite number"),
        (lambda m: setattr(rf.SGD(m), "lr", np.inf), ValueError, "lr: expected a finite number"),
        (lambda m: rf.clip_grad_norm(m, -1.0), ValueError, "max_norm: expected a finite number"),
        (lambda m: rf.clip_grad_value(m, -1.0), ValueError, "clip_value: expected a finite number"),
        (lambda m: scale_grad(m, np.nan), ValueError, "factor: expected a finite number"),
    ],
)  # fmt: skip
def test_bad_input(call: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(rf.Linear(3, 2, seed=1))


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (17, 3), (400, 333)])
def test_clip_grad_norm(
    set_threads: Callable[[int], None], dtype: str, inputs: int, outputs: int
) -> None:
    layers = [rf.Linear(inputs, outputs, dtype=dtype, seed=1), rf.Linear(3, 2, seed=2)]
    for layer in layers:
        fill_gradients(layer, np.random.default_rng(0))
    gradients = [gradient for layer in layers for gradient in layer.grads.values()]
    want = math.sqrt(sum(float((g.astype("float64") ** 2).sum()) for g in gradients))
    norms = []
    for threads in (1, 2, 3):
        set_threads(threads)
        norms.append(rf.clip_grad_norm(layers, math.inf))
    assert norms[0] == norms[1] == norms[2]
    np.testing.assert_allclose(norms[0], want, rtol=1e-14)
    before = layers[0].grads["weight"].copy()
    assert rf.clip_grad_norm(layers, 2 * want) == norms[0]
    np.testing.assert_array_equal(layers[0].grads["weight"], before)
    assert rf.clip_grad_norm(layers, want / 4) == norms[0]
    factor = want / 4 / (want + 1e-6)
    np.testing.assert_allclose(
        layers[0].grads["weight"], before * factor, rtol=2 * np.finfo(dtype).eps
    )
    np.testing.assert_allclose(rf.clip_grad_norm(layers, math.inf), want / 4, rtol=1e-5)


def test_norm_of_large_gradients() -> None:
    """The squares of float32 gradients may be beyond float32."""
    layer = rf.Linear(3, 2, bias=False, seed=1)
    layer.grads["weight"][...] = 1e30
    assert rf.clip_grad_norm(layer, 1.0) == pytest.approx(math.sqrt(6.0) * 1e30, rel=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_broken_gradients_are_named(bad: float) -> None:
    layers = {"a": rf.Linear(3, 2, seed=1), "b": rf.Linear(3, 2, seed=1)}
    layers["a"].grads["weight"][...] = 1.0
    layers["b"].grads["bias"][1] = bad
    with pytest.raises(FloatingPointError, match=r"gradient of b\.bias: expected finite numbers"):
        rf.clip_grad_norm(layers, 0.1)
    assert (layers["a"].grads["weight"] == 1.0).all()


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clip_and_scale_by_value(dtype: str) -> None:
    layer = rf.Linear(65, 3, dtype=dtype, seed=1)
    fill_gradients(layer, np.random.default_rng(0))
    layer.grads["weight"][0, :3] = [np.inf, -np.inf, np.nan]
    before = layer.grads["weight"].copy()
    rf.clip_grad_value(layer, 0.5)
    np.testing.assert_array_equal(layer.grads["weight"], np.clip(before, -0.5, 0.5))
    scale_grad(layer, 0.25)
    np.testing.assert_array_equal(layer.grads["weight"], np.clip(before, -0.5, 0.5) * 0.25)


def test_training_works() -> None:
    """Each optimizer brings a small problem's loss down."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 5))
    targets = (x @ rng.normal(size=(5, 3))).argmax(axis=1)
    for name, arguments in CASES:
        layer = rf.Linear(5, 3, dtype="float64", seed=1)
        optimizer = getattr(rf, name)(layer, **arguments)
        losses = []
        for _ in range(60):
            optimizer.zero_grad()
            losses.append(rf.linear_cross_entropy(layer, x, targets)[0])
            optimizer.step()
        assert losses[-1] < 0.8 * losses[0], (name, arguments)


@pytest.mark.parametrize("state", [{}, {"step": 1}, {"x" * 5000: 1}])
def test_states_that_are_others(state: dict[str, Any]) -> None:
    """Of whatever has a state: what came is told, also if it is nothing, and not too much of it."""
    layer = rf.Linear(2, 2, seed=0)
    made: list[Any] = [
        kind(layer, 0.1) for kind in (rf.SGD, rf.Adam, rf.AdamW, rf.RMSprop, rf.Adagrad)
    ]
    made += [ExponentialAverage(layer), MeanAverage(layer)]
    made += [
        StepLR(made[0], 2),
        ExponentialLR(made[0], 0.5),
        CosineLR(made[0], 9),
    ]
    made += [
        WarmupLR(made[0], 9),
        ChainLR([WarmupLR(made[0], 2)]),
    ]
    made += [ReduceOnPlateau(made[0])]
    got = re.escape(", ".join(state)[:100]) if state else "none$"
    for one in made:
        before = one.state_dict()
        with pytest.raises(ValueError, match=rf"^state: expected the names .*; got {got}") as error:
            one.load_state_dict(state)
        assert len(str(error.value)) < 700
        np.testing.assert_equal(one.state_dict(), before)
