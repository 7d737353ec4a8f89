"""Ways to fill parameters, and averages of weights."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.models.parts.shared import make_recurrent
from rnnfast.nn import init


def parameter(*shape: int, dtype: str = "float64") -> Any:
    return rf.nn.module.Module({"w": shape}, dtype).parameters()["w"]


@pytest.mark.parametrize(("rows", "columns"), [(5, 5), (12, 4), (4, 12), (1, 1)])
@pytest.mark.parametrize("blocks", [1, 3])
def test_orthogonal(rows: int, columns: int, blocks: int) -> None:
    w = parameter(blocks * rows, columns)
    init.orthogonal(w, gain=2.0, blocks=blocks, seed=1)
    for block in np.split(w.data, blocks):
        product = block @ block.T if rows <= columns else block.T @ block
        np.testing.assert_allclose(product, 4.0 * np.eye(min(rows, columns)), atol=1e-12)


def test_orthogonal_draws_are_uniform() -> None:
    """The mean of a uniform rotation is zero; without the signs of qr the diagonal is negative."""
    w, total = parameter(3, 3), np.zeros((3, 3))
    rng = np.random.default_rng(0)
    for _ in range(2000):
        init.orthogonal(w, seed=rng)
        total += w.data
    assert np.abs(total / 2000).max() < 0.06


def test_glorot() -> None:
    w = parameter(3 * 40, 60, dtype="float32")
    init.glorot_uniform(w, blocks=3, gain=2.0, seed=1)
    bound = 2 * np.sqrt(6 / 100)
    assert 0.98 * bound < np.abs(w.data).max() <= bound
    assert w.data.std() == pytest.approx(bound / np.sqrt(3), rel=0.02)


def test_plain_fills() -> None:
    w = parameter(50, 60)
    init.constant(w, -2.5)
    assert (w.data == -2.5).all()
    init.uniform(w, 1.0, 3.0, seed=1)
    assert w.data.min() >= 1 and w.data.max() < 3 and abs(w.data.mean() - 2) < 0.05
    init.normal(w, 0.5, mean=1.0, seed=1)
    assert abs(w.data.mean() - 1) < 0.05 and abs(w.data.std() - 0.5) < 0.02


@pytest.mark.parametrize(
    ("layer", "gate"),
    [
        (rf.LSTM(2, 3, 2, bidirectional=True), 1),
        (rf.GRU(2, 3, 2), 1),
        (rf.GRU(2, 3, reset_gate=False), 0),
        (rf.LSTM(2, 3, proj_size=2, peephole=True), 1),
    ],
    ids=str,
)
def test_forget_bias_keeps_the_state(layer: Any, gate: int) -> None:
    init.forget_bias(layer, 5.0)
    for name, p in layer.parameters().items():
        if name.startswith("bias"):
            rows = p.data.reshape(-1, 3)
            others = np.delete(rows, gate, axis=0)
            assert (rows[gate] == (5.0 if name.startswith("bias_ih") else 0.0)).all()
            assert (others != 0).all() and (np.abs(others) <= 3**-0.5).all()
    states = layer.state_dict()
    init.forget_bias(layer, 100.0)
    for name, p in layer.parameters().items():  # nothing but the gate's own bias acts on it
        if name.startswith("weight"):
            init.constant(p, 0.0)
    h = np.full((1 if layer.num_layers == 1 else 2, 1, layer.output_size), 0.5, "float32")
    if isinstance(layer, rf.GRU):
        _, after = layer(np.ones((30, 1, 2), "float32"), h)
        np.testing.assert_allclose(after, h, rtol=1e-5)
    assert states.keys() == layer.state_dict().keys()


def test_recurrent() -> None:
    layer = rf.LSTM(5, 4, 2, proj_size=3, peephole=True, bidirectional=True, dtype="float64")
    peephole = layer.state_dict()["weight_peephole_l0"]
    init.recurrent(layer, seed=1)
    state = layer.state_dict()
    for gate in np.split(state["weight_hh_l1_reverse"], 4):
        np.testing.assert_allclose(gate.T @ gate, np.eye(3), atol=1e-12)
    assert np.abs(state["weight_ih_l0"]).max() <= np.sqrt(6 / 9)
    assert not state["bias_ih_l0"].any() and not state["bias_hh_l1"].any()
    np.testing.assert_array_equal(state["weight_peephole_l0"], peephole)
    init.recurrent(layer, input="orthogonal", hidden="glorot", seed=1)
    for gate in np.split(layer.state_dict()["weight_ih_l0"], 4):
        np.testing.assert_allclose(gate @ gate.T, np.eye(4), atol=1e-12)
    twin = rf.LSTM(5, 4, 2, proj_size=3, peephole=True, bidirectional=True, dtype="float64")
    twin.load_state_dict({**layer.state_dict()})
    init.recurrent(twin, input="orthogonal", hidden="glorot", seed=1)
    np.testing.assert_array_equal(
        twin.state_dict()["weight_hr_l1"], layer.state_dict()["weight_hr_l1"]
    )


def test_models_take_it_as_cell_options() -> None:
    options = {"orthogonal": True, "forget_bias": 2.0}
    layer = make_recurrent("lstm", 3, 4, 1, options=options, dtype="float64")
    state = layer.state_dict()
    np.testing.assert_array_equal(state["bias_ih_l0"].reshape(4, 4)[:, 0], [0, 2, 0, 0])
    block = state["weight_hh_l0"][:4]
    np.testing.assert_allclose(block @ block.T, np.eye(4), atol=1e-12)
    with pytest.raises(TypeError, match=r"^orthogonal: expected a bool, got int$"):
        make_recurrent("gru", 3, 4, 1, options={"orthogonal": 1})
    with pytest.raises(ValueError, match=r"^layer: expected one with gates, got RNN"):
        make_recurrent("rnn", 3, 4, 1, options={"forget_bias": 1.0})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: init.orthogonal(np.ones((2, 2))), TypeError,
         "parameter: expected a Parameter, got ndarray"),
        (lambda: init.orthogonal(parameter(3)), ValueError,
         "parameter: expected 2 axes, got shape (3,)"),
        (lambda: init.glorot_uniform(parameter(4, 2), blocks=3), ValueError,
         "blocks: expected a divisor of 4 rows, got 3"),
        (lambda: init.constant(parameter(2), float("nan")), ValueError,
         "value: expected a finite number, got nan"),
        (lambda: init.uniform(parameter(2), 2.0, 1.0), ValueError,
         "high: expected a finite number of at least 2, got 1.0"),
        (lambda: init.normal(parameter(2), -1.0), ValueError,
         "std: expected a finite number of at least 0, got -1.0"),
        (lambda: init.recurrent(rf.Linear(2, 3)), TypeError,
         "layer: expected a recurrent layer, got Linear"),
        (lambda: init.recurrent(rf.RNN(2, 3), hidden="identity"), ValueError,
         "hidden: expected 'glorot' or 'orthogonal', got 'identity'"),
        (lambda: init.forget_bias(rf.GRU(2, 3, bias=False)), ValueError,
         "layer: expected one with a bias, got GRU(2, 3, bias=False)"),
        (lambda: rf.training.ExponentialAverage(rf.RNN(2, 3), 1.0), ValueError,
         "decay: expected a finite number of at least 0 and below 1, got 1.0"),
        (lambda: rf.training.MeanAverage(rf.RNN(2, 3), every=0), ValueError,
         "every: expected at least 1, got 0"),
    ],
)  # fmt: skip
def test_bad_arguments(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()


# --- averages ---------------------------------------------------------------------------------


def walk(average_of: Any, steps: int) -> tuple[Any, Any, list[np.ndarray]]:
    rng = np.random.default_rng(0)
    layer = rf.Linear(3, 2, seed=1)
    average = average_of({"a": layer})
    seen = []
    for _ in range(steps):
        layer.parameters()["weight"].assign(rng.normal(size=(2, 3)))
        average.update()
        seen.append(layer.state_dict()["weight"].astype(float))
    return layer, average, seen


def test_exponential_average() -> None:
    layer, average, seen = walk(lambda p: rf.training.ExponentialAverage(p, 0.8), 6)
    shares = 0.8 ** np.arange(5, -1, -1)
    expected = np.tensordot(shares / shares.sum(), seen, 1)
    with average.applied():
        np.testing.assert_allclose(layer.state_dict()["weight"], expected, rtol=1e-6)
        with pytest.raises(RuntimeError, match=r"^update: expected the weights in training"):
            average.update()
        with pytest.raises(RuntimeError, match=r"^apply: expected restore before"):
            average.apply()
    np.testing.assert_array_equal(layer.state_dict()["weight"], seen[-1].astype("float32"))


@pytest.mark.parametrize(
    ("start", "every", "used"), [(0, 1, range(7)), (2, 2, (3, 5)), (4, 3, (6,))]
)
def test_mean_average(start: int, every: int, used: Any) -> None:
    layer, average, seen = walk(lambda p: rf.training.MeanAverage(p, start=start, every=every), 7)
    assert average.count == len(used)
    average.apply()
    np.testing.assert_allclose(
        layer.state_dict()["weight"], np.mean([seen[i] for i in used], axis=0), rtol=1e-6
    )
    average.restore()
    average.restore()
    np.testing.assert_array_equal(layer.state_dict()["weight"], seen[-1].astype("float32"))


def test_average_of_nothing_changes_nothing() -> None:
    layer, average, seen = walk(lambda p: rf.training.MeanAverage(p, start=50), 3)
    with average.applied():
        np.testing.assert_array_equal(layer.state_dict()["weight"], seen[-1].astype("float32"))
    average.update()


def test_average_goes_on_from_its_state() -> None:
    _, average, _ = walk(lambda p: rf.training.ExponentialAverage(p, 0.5), 4)
    layer = rf.Linear(3, 2, seed=1)
    other = rf.training.ExponentialAverage(layer, 0.5)
    other.load_state_dict(average.state_dict())
    assert other.count == 4
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, average.state_dict()[name])
    with pytest.raises(ValueError, match=r"^state: expected the names step, .*; got step$"):
        other.load_state_dict({"step": 1})
    with pytest.raises(ValueError, match=r"^count: expected shape \(\), got \(2,\)$"):
        other.load_state_dict({**average.state_dict(), "count": [1, 2]})
