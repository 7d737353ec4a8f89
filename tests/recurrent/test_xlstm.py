"""sLSTM and mLSTM beside their equations: values, gradients, states, streams and refusals."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
import rnnfast.reference as ref
from gradcheck import assert_gradients
from layer_cases import DTYPES, TOLERANCE, assert_near, assert_same_bits, single

FORGET = ["sigmoid", "exponential"]
LAYERS: dict[str, type[Any]] = {"slstm": rf.SLSTM, "mlstm": rf.MLSTM}
both = pytest.mark.parametrize("kind", LAYERS)
LETTERS = {"slstm": "hcnm", "mlstm": "Cnm"}


@dataclass(frozen=True)
class Case:
    """A layer, and what it is given; numbers are those of float32."""

    kind: str
    steps: int = 6
    batch: int = 3
    inputs: int = 3
    hidden: int = 6
    heads: int = 2
    forget: str = "sigmoid"
    bias: bool = True
    ragged: bool = False
    states: bool = True
    batch_first: bool = False
    largest: float = 1.0  # about how large pre-activations of gates are
    chunk: int = 0

    def layer(self, dtype: str) -> Any:
        layer = LAYERS[self.kind](
            self.inputs, self.hidden, num_heads=self.heads, forget_gate=self.forget,
            bias=self.bias, batch_first=self.batch_first, dtype=dtype, seed=1,
        )  # fmt: skip
        if self.bias:
            bias = layer.parameters()["bias_ih_l0"]
            rng = np.random.default_rng(2)
            bias.assign(single(self.largest * rng.normal(size=bias.shape)))
        if self.chunk:
            layer._chunk = lambda longest: self.chunk
        return layer

    def given(self) -> dict[str, Any]:
        rng = np.random.default_rng(0)
        x = single(rng.normal(size=(self.steps, self.batch, self.inputs)))
        dy = single(rng.normal(size=(self.steps, self.batch, self.hidden)))
        shapes = [(1, *shape) for shape in self.layer("float64")._state_shapes(self.batch)]
        state = [single(rng.normal(size=shape)) for shape in shapes]
        if self.kind == "slstm":
            state[2] = np.abs(state[2])
        lengths = None
        if self.ragged:
            lengths = rng.integers(0, self.steps + 1, self.batch)
            lengths[:2] = self.steps, 0
            rng.shuffle(lengths)
        dstate = [single(rng.normal(size=shape)) for shape in shapes]
        return {"x": x, "state": state if self.states else None, "lengths": lengths, "dy": dy,
                "dstate": dstate}  # fmt: skip


def parts(kind: str, state: Any, prefix: str) -> dict[str, Any]:
    return {f"{prefix}{letter}": part for letter, part in zip(LETTERS[kind], state, strict=True)}


def run(case: Case, layer: Any) -> dict[str, Any]:
    """Forward and back: all that the layer gives, by name."""
    given, dtype, first = case.given(), layer.dtype, case.batch_first
    turn = (lambda a: np.swapaxes(a, 0, 1)) if first else (lambda a: a)
    state = given["state"] and tuple(part.astype(dtype) for part in given["state"])
    layer.zero_grad()
    x = turn(given["x"].astype(dtype))
    (y, final), backprop = layer.forward(x, state, given["lengths"])
    plain, plain_final = layer(x, state, given["lengths"])
    if case.steps > 1:
        assert plain.tobytes() == y.tobytes()
        for part, other in zip(final, plain_final, strict=True):
            assert part.tobytes() == other.tobytes()
    dx, dstate = backprop(
        turn(given["dy"].astype(dtype)), tuple(part.astype(dtype) for part in given["dstate"])
    )
    values = {"y": turn(y), **parts(case.kind, final, ""), "dx": turn(dx)}
    values |= parts(case.kind, dstate, "dstate ")
    return values | {name: gradient.copy() for name, gradient in layer.grads.items()}


def reference(case: Case, parameters: dict[str, Any]) -> dict[str, Any]:
    given = case.given()
    options: dict[str, Any] = {"forget_gate": case.forget}
    forward: Any = ref.slstm_forward
    backward: Any = ref.slstm_backward
    if case.kind == "mlstm":
        options["num_heads"] = case.heads
        forward, backward = ref.mlstm_forward, ref.mlstm_backward
    parameters = {name: values.astype(np.float64) for name, values in parameters.items()}
    y, final, cache = forward(parameters, given["x"], given["state"], given["lengths"], **options)
    dx, initial, grads = backward(cache, given["dy"], given["dstate"])
    values = {"y": y, **parts(case.kind, final, ""), "dx": dx}
    return (
        values | parts(case.kind, initial, "dstate ") | {name: grads[name] for name in parameters}
    )


CONFIGS: dict[str, dict[str, Any]] = {
    "one unit": {"inputs": 1, "hidden": 1, "heads": 1, "steps": 1, "batch": 1},
    "one step": {"hidden": 34, "heads": 2, "steps": 1, "batch": 5},
    "heads of three": {"hidden": 9, "heads": 3, "ragged": True, "batch": 7},
    "batch first": {"hidden": 10, "ragged": True, "batch_first": True},
    "no bias": {"hidden": 17, "heads": 1, "bias": False, "states": False},
    "beyond registers": {"hidden": 33, "heads": 1, "steps": 40, "ragged": True},
    "whole registers": {"inputs": 17, "hidden": 64, "heads": 4, "batch": 2},
    "beyond a chunk": {"hidden": 66, "heads": 2, "steps": 70, "ragged": True, "largest": 3.0},
}


@both
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("forget", FORGET)
@pytest.mark.parametrize("config", CONFIGS)
def test_the_equations(level: str, config: str, forget: str, dtype: str, kind: str) -> None:
    case = Case(kind, forget=forget, **CONFIGS[config])
    layer = case.layer(dtype)
    # Norms of mLSTM that nearly vanish make the outputs of float32 as uncertain.
    tolerance = TOLERANCE[dtype] * (20 if dtype == "float32" else 1)
    assert_near(run(case, layer), reference(case, layer.state_dict()), tolerance)


@pytest.mark.parametrize("chunk", [1, 2, 7, 40, 64])
def test_any_chunk_gives_the_steps(level: str, chunk: int) -> None:
    case = Case("mlstm", steps=40, hidden=34, ragged=True, chunk=chunk, largest=2.0)
    layer, values = case.layer("float64"), {}
    if chunk == 1:  # whose plain call goes step by step
        given = case.given()
        y, final = layer(given["x"], tuple(given["state"]), given["lengths"])
        values = {"y": y, **parts("mlstm", final, "")}
        expected = reference(case, layer.state_dict())
        assert_near(values, {name: expected[name] for name in values}, 1e-12)
    else:
        assert_near(run(case, layer), reference(case, layer.state_dict()), 1e-12)


@both
@pytest.mark.parametrize("forget", FORGET)
@pytest.mark.parametrize("steps", [1, 9])
def test_gradients_are_those_of_differences(steps: int, forget: str, kind: str) -> None:
    case = Case(kind, steps=steps, batch=2, hidden=6, forget=forget, chunk=4)
    layer, given = case.layer("float64"), case.given()
    x, state, parameters = given["x"], given["state"], layer.state_dict()

    def value() -> float:
        layer.load_state_dict(parameters)
        y, final = layer(x, tuple(state))
        ends = zip(final, given["dstate"], strict=True)
        return float((y * given["dy"]).sum() + sum((part * d).sum() for part, d in ends))

    layer.zero_grad()
    _, backprop = layer.forward(x, tuple(state))
    dx, dstate = backprop(given["dy"], tuple(given["dstate"]))
    assert_gradients(
        value,
        {**parameters, "x": x, **parts(kind, state, "initial ")},
        {**layer.grads, "x": dx, **parts(kind, dstate, "initial ")},
        tolerance=1e-6,
    )


@both
@pytest.mark.parametrize(
    "sizes",
    [
        {"hidden": 96, "heads": 1, "steps": 40, "batch": 1},
        {"hidden": 96, "heads": 4, "steps": 40, "batch": 3, "ragged": True},
        {"hidden": 66, "heads": 2, "steps": 20, "batch": 9, "ragged": True},
    ],
    ids=["units", "heads", "rows"],
)
def test_a_team_gives_the_same_bits(
    level: str, set_threads: Callable[[int], None], sizes: dict[str, Any], kind: str
) -> None:
    case = Case(kind, inputs=64, **sizes)
    set_threads(1)
    values = run(case, case.layer("float32"))
    for count in (2, 3):
        set_threads(count)
        assert_same_bits(run(case, case.layer("float32")), values)


@both
def test_a_sequence_does_not_see_the_others(kind: str) -> None:
    case = Case(kind, steps=20, batch=5, ragged=True)
    layer, given = case.layer("float32"), case.given()
    x, lengths = given["x"].astype(np.float32), given["lengths"]
    y, final = layer(x, lengths=lengths)
    for b, length in enumerate(lengths):
        x[length:, b] = np.nan  # never read
        alone, last = layer(x[:length, b])
        assert alone.tobytes() == np.ascontiguousarray(y[:length, b]).tobytes()
        assert not y[length:, b].any()
        if length > 1:
            for part, own in zip(final, last, strict=True):
                np.testing.assert_array_equal(part[:, b], own)
    np.testing.assert_array_equal(layer(x, lengths=lengths)[0], y)


@both
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_stream_takes_the_same_steps(level: str, dtype: str, kind: str) -> None:
    case = Case(kind, batch=3, hidden=34, steps=12)
    layer, given = case.layer(dtype), case.given()
    x, state = given["x"].astype(dtype), tuple(part.astype(dtype) for part in given["state"])
    y, final = layer(x, state)
    stream = layer.stream(3)
    stream.state = state
    steps = np.stack([stream(x_t) for x_t in x])
    assert_near(
        {"y": steps, **parts(kind, stream.state, "")}, {"y": y, **parts(kind, final, "")},
        TOLERANCE[dtype],
    )  # fmt: skip
    if kind == "slstm":
        assert steps.tobytes() == y.tobytes()
    with pytest.raises(ValueError, match=r"^x: expected finite numbers"):
        stream(np.full((3, 3), np.nan, dtype))
    twins = [copy.copy(stream), copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))]
    expected = stream(x[0]).tobytes()
    assert all(twin(x[0]).tobytes() == expected for twin in twins)  # each from the same state
    stream.reset()
    assert_near({"y": stream(x[0])}, {"y": layer(x[:1])[0][0]}, TOLERANCE[dtype])
    stream.reset()
    assert_near({"y": stream.run(x)}, {"y": layer(x)[0]}, TOLERANCE[dtype])
    one = layer.stream()
    assert one(x[0, 0]).shape == (34,)


@both
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1e3, -1e3, 1e6])
def test_long_sequences_of_large_gates_stay_finite(size: float, dtype: str, kind: str) -> None:
    """Gates of exp(1000) and exp(-1000), forget gates that are open, shut, or grow."""
    for forget in FORGET:
        layer = LAYERS[kind](4, 8, num_heads=2, forget_gate=forget, dtype=dtype, seed=0)
        weight = layer.parameters()["weight_ih_l0"]
        bias = layer.parameters()["bias_ih_l0"]
        gates = slice(-4, None) if kind == "mlstm" else slice(0, 16)
        for parameter in (weight, bias):
            values = parameter.data.copy()
            values[gates] *= size
            parameter.assign(values)
        x = np.random.default_rng(0).normal(size=(2000, 2, 4)).astype(dtype)
        with np.errstate(all="raise"):
            (y, state), backprop = layer.forward(x)
            dx, dstate = backprop(np.ones_like(y), tuple(np.ones_like(part) for part in state))
        for array in (y, dx, *state, *dstate[1:], *layer.grads.values()):
            assert np.isfinite(array).all()
        if kind == "slstm":
            assert np.abs(y).max() <= 1 + 1e-5  # a mean of numbers up to 1


@both
def test_stabilised_steps_are_the_plain_equations(kind: str) -> None:
    rng = np.random.default_rng(0)
    x, H = rng.normal(size=(9, 1, 3)), 4
    layer = LAYERS[kind](3, H, dtype="float64", seed=0)
    p = layer.state_dict()
    y, _ = layer(x)
    memory, n, h = np.zeros((H, H)) if kind == "mlstm" else np.zeros(H), np.zeros(H), np.zeros(H)
    for t in range(len(x)):
        z = p["weight_ih_l0"] @ x[t, 0] + p["bias_ih_l0"]
        if kind == "slstm":
            i, f, value, o = np.split(z + p["weight_hh_l0"] @ h, 4)
            i, f, o = np.exp(i), 1 / (1 + np.exp(-f)), 1 / (1 + np.exp(-o))
            memory, n = f * memory + i * np.tanh(value), f * n + i
            h = o * memory / n
        else:
            q, k, v, o = np.split(z[:-2], 4)
            i, f, k = np.exp(z[-2]), 1 / (1 + np.exp(-z[-1])), k / np.sqrt(H)
            memory, n = f * memory + i * np.outer(v, k), f * n + i * k
            h = memory @ q / max(abs(n @ q), 1) / (1 + np.exp(-o))
        np.testing.assert_allclose(y[t, 0], h, rtol=1e-11)


@both
@pytest.mark.parametrize("dtype", DTYPES)
def test_products_that_overflow_are_refused(kind: str, dtype: str, level: str) -> None:
    """Finite inputs of any size give finite results or a refusal, of passes and of steps."""
    layer = LAYERS[kind](4, 8, num_heads=2, dtype=dtype, seed=0)
    message = f"^x: expected numbers whose products fit into {dtype}, got some that overflow$"
    calls: list[Callable[[Any], Any]] = [
        lambda x: layer(x)[0],
        lambda x: layer.forward(x)[0][0],
        lambda x: layer.stream(2)(x[0]),
    ]
    normal = np.random.default_rng(0).normal(size=(70, 2, 4)).astype(dtype)
    refused = 0
    for power in np.linspace(0.1, 0.97, 30):
        size = np.dtype(dtype).type(float(np.finfo(dtype).max) ** power)
        for x in (normal * size, normal[:1] * size):
            for call in calls:
                try:
                    y = call(x)
                except ValueError as error:
                    assert re.match(message, str(error)), error
                    refused += 1
                else:
                    assert np.isfinite(y).all()
    assert refused > 0 if kind == "mlstm" else refused == 0
    x = np.full((3, 2, 4), 0.9 * float(np.finfo(dtype).max), dtype)
    layer.load_state_dict({n: np.full(p.shape, 2.0) for n, p in layer.parameters().items()})
    stream = layer.stream(2)
    for call in (*calls[:2], lambda x: stream(x[0])):
        with pytest.raises(ValueError, match=message):
            call(x)
    stream.reset()
    assert np.isfinite(stream(normal[0])).all()


def test_a_norm_that_overflows_alone_is_no_zero() -> None:
    """Keys and queries that are large beside small values: 1 / infinity would be a silent 0."""
    layer = rf.MLSTM(1, 2, seed=0)
    weight = np.zeros((10, 1), np.float32)
    weight[0:4] = 1e20  # queries and keys
    weight[4:6] = 1e-20
    layer.load_state_dict({"weight_ih_l0": weight, "bias_ih_l0": np.zeros(10, np.float32)})
    x = np.ones((3, 1, 1), np.float32)
    for call in (lambda: layer(x), lambda: layer.stream()(x[0])):
        with pytest.raises(ValueError, match=r"^x: expected numbers whose products fit"):
            call()


@both
def test_divergence_is_told_as_that_of_others(kind: str) -> None:
    x = np.random.default_rng(0).normal(size=(5, 3, 4)).astype(np.float32)
    net = rf.chain(LAYERS[kind](4, 8, seed=0), rf.Linear(8, 1, seed=1))
    optimizer = rf.SGD(net.parameters(), 1e6)
    trainer = rf.Trainer(net, loss=rf.mse, optimizer=optimizer, verbose=0)
    with pytest.raises(FloatingPointError, match=r"step .*lower the learning rate"):
        trainer.fit([(x, np.zeros((5, 3, 1), np.float32))] * 8, epochs=6)
