"""What derives from the cells' descriptors, and what is particular to single cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
import rnnfast.reference as ref
from layer_cases import DTYPES, Case, make_layer
from network_cases import CELLS, make_spec
from rnnfast import _core
from rnnfast.nn.recurrent.base import LAYERS

LINES = ["to be", "or not", "to be", "that is", "the question"] * 6


def sigma(z: float) -> float:
    return float(1 / (1 + np.exp(-z)))


def test_every_cell_has_a_case_and_a_reference() -> None:
    tried = {make_layer(make_spec(name)).spec.cell.name for name in CELLS}
    assert tried == {name for name, cell in _core.cells().items() if cell.trains}
    assert {case.spec["cell"] for case in CELLS.values()} == set(ref.CELLS)
    assert set(ref.CELLS) <= set(LAYERS)


@pytest.mark.parametrize("name", CELLS)
def test_descriptors_and_reference_agree(name: str) -> None:
    for bias in (False, True):
        spec = make_spec(name, num_layers=2, bidirectional=True, bias=bias)
        layer = make_layer(spec)
        shapes = {key: p.shape for key, p in layer.parameters().items()}
        assert list(shapes.items()) == list(spec.parameter_shapes())
        assert len(layer.spec.cell.gates) == spec.num_gates
        assert layer.spec.cell.has_memory == (len(spec.state_shapes(1)) == 2)


def test_a_cell_that_there_is_not() -> None:
    options: dict[str, Any] = {
        "input_size": 2,
        "hidden_size": 3,
        "output_size": 3,
        "num_layers": 1,
        "num_directions": 1,
        "bias": False,
        "projection": False,
        "buffer": _core.ParameterBuffer(100, "float32"),
        "offsets": [{"weight_ih": 0, "weight_hh": 32}],
    }
    with pytest.raises(ValueError, match=r"^cell: expected a known cell, got 'elman'$"):
        _core.Recurrent(cell="elman", **options)
    options |= {"projection": True, "output_size": 2}
    options["offsets"][0]["weight_hr"] = 64
    with pytest.raises(ValueError, match=r"^projection: expected False for the cell 'gru', got"):
        _core.Recurrent(cell="gru", **options)


def test_gates_are_those_of_a_pass_that_waits() -> None:
    case = Case("gru reset after", num_layers=2, bidirectional=True, ragged=True)
    layer, inputs = case.layer("float64"), case.inputs
    call = layer._checked(inputs.x, None, inputs.options["lengths"], None)
    cache = layer._pass(call, keep=True)[3]
    for k in range(2):
        for d in range(2):
            gates = layer.native.gates(cache, k, d)
            assert list(gates) == ["r", "z", "n"]
            for values in gates.values():
                assert values.shape == (case.steps, case.batch, case.hidden_size)
                valid = np.arange(case.steps)[:, np.newaxis] < inputs.options["lengths"]
                assert values[valid].all() and not values[~valid].any()
    with pytest.raises(ValueError, match=r"^layer, direction: expected"):
        layer.native.gates(cache, 2, 0)
    layer.native.backward(cache, None, None, None, True)
    with pytest.raises(RuntimeError, match=r"^gates: expected a pass that waits for backprop"):
        layer.native.gates(cache)


@pytest.mark.parametrize("name", LAYERS)
def test_models_take_every_layer_by_its_name(name: str, tmp_path: Path) -> None:
    model = rf.LanguageModel(lines=True, cell=name, hidden_size=8, seed=0)
    model.fit(LINES, epochs=2, verbose=0)
    assert isinstance(model.network_.recurrent, rf.nn.recurrent.base.Recurrent)
    model.save(tmp_path / "m.safetensors")
    loaded = rf.load(tmp_path / "m.safetensors")
    assert loaded.cell == name
    assert loaded.perplexity(LINES) == model.perplexity(LINES)
    assert loaded.sample(2, seed=3) == model.sample(2, seed=3)


# --- minimal cells ----------------------------------------------------------------------------


def test_min_gru_equation() -> None:
    p = {"W_z": 0.7, "b_z": -0.2, "W_h": 1.1, "b_h": 0.4}
    h, _ = ref.min_gru_step(*(np.array([[v]]) for v in (0.6, -0.9)), _columns(p))
    z, candidate = sigma(0.7 * 0.6 - 0.2), 1.1 * 0.6 + 0.4
    assert h.item() == pytest.approx((1 - z) * -0.9 + z * candidate, rel=1e-14)


def test_min_lstm_equation() -> None:
    p = {"W_f": 0.7, "b_f": -0.2, "W_i": -0.3, "b_i": 0.1, "W_h": 1.1, "b_h": 0.4}
    h, _ = ref.min_lstm_step(*(np.array([[v]]) for v in (0.6, -0.9)), _columns(p))
    f, i, candidate = sigma(0.7 * 0.6 - 0.2), sigma(-0.3 * 0.6 + 0.1), 1.1 * 0.6 + 0.4
    assert h.item() == pytest.approx((f * -0.9 + i * candidate) / (f + i), rel=1e-14)


def test_ind_rnn_equation() -> None:
    p = {"W_h": 0.7, "b_h": -0.2, "u": -0.4}
    for name, g in (("tanh", np.tanh), ("relu", lambda z: max(z, 0.0))):
        for x in (0.6, -0.9):
            h, _ = ref.ind_rnn_step(*(np.array([[v]]) for v in (x, 0.8)), _columns(p), name)
            assert h.item() == pytest.approx(g(0.7 * x - 0.4 * 0.8 - 0.2), rel=1e-14)


def _columns(values: dict[str, float]) -> Any:
    return {name: np.array([[value]]) for name, value in values.items()}


def with_bias(layer: Any, *gates: float) -> Any:
    """The layer with weights of zero and a bias of each gate."""
    for name, parameter in layer.parameters().items():
        values = (
            np.repeat(gates, layer.hidden_size) if "bias" in name else np.zeros(parameter.shape)
        )
        parameter.assign(values)
    return layer


@pytest.mark.parametrize("far", [50.0, 1e4, 1e30])
@pytest.mark.parametrize("dtype", DTYPES)
def test_minimal_gates_close_and_open_entirely(level: str, dtype: str, far: float) -> None:
    x = np.zeros((3, 2, 3), dtype)
    h0 = np.random.default_rng(0).normal(size=(1, 2, 5)).astype(dtype)
    gru = rf.MinGRU(3, 5, dtype=dtype)
    exact = far > 100
    for z, expected in ((-far, h0), (far, np.full_like(h0, 0.25))):
        h = with_bias(gru, z, 0.25)(x, h0)[1]
        np.testing.assert_allclose(h, expected, rtol=0 if exact else 1e-6)
    lstm = rf.MinLSTM(3, 5, dtype=dtype)
    for f, i, share in ((far, -far, 1.0), (-far, far, 0.0), (far, far, 0.5), (-far, -far, 0.5)):
        (_, h), backprop = with_bias(lstm, f, i, 0.25).forward(x[:1], h0)
        np.testing.assert_allclose(h, share * h0 + (1 - share) * 0.25, rtol=1e-6)
        _, dh = backprop(None, np.ones_like(h0))
        np.testing.assert_allclose(dh, np.full_like(h0, share), rtol=1e-6, atol=1e-20)
        assert all(np.isfinite(g).all() for g in lstm.grads.values())


@pytest.mark.parametrize("dtype", DTYPES)
def test_shares_of_gates_that_are_nearly_closed(level: str, dtype: str) -> None:
    # f and i are far below the least number of the dtype; f / (f + i) is not.
    least = float(np.log(np.finfo(dtype).smallest_normal)) * 3
    layer = with_bias(rf.MinLSTM(1, 4, dtype=dtype), least, least + 2.0, 0.0)
    _, h = layer(np.zeros((1, 1, 1), dtype), np.ones((1, 1, 4), dtype))
    rounding = abs(least) * np.finfo(dtype).eps  # of the biases, and of their difference
    np.testing.assert_allclose(h, sigma(-2.0), rtol=4 * rounding)


@pytest.mark.parametrize(("kind", "gate", "sign"), [(rf.MinGRU, 0, -1), (rf.MinLSTM, 0, 1)])
def test_a_forget_bias_keeps_the_state(kind: Any, gate: int, sign: int) -> None:
    layer = kind(3, 5, bidirectional=True, dtype="float64", seed=1)
    before = layer.state_dict()
    rf.nn.init.forget_bias(layer, 40.0)
    for name, values in layer.state_dict().items():
        if name.startswith("bias"):
            assert (values[gate * 5 : (gate + 1) * 5] == sign * 40.0).all()
            np.testing.assert_array_equal(values[5:], before[name][5:])
    h0 = np.random.default_rng(0).normal(size=(2, 1, 5))
    _, h = layer(np.zeros((4, 1, 3)), h0)
    if kind is rf.MinGRU:
        np.testing.assert_allclose(h, h0, rtol=1e-12)


@pytest.mark.parametrize("kind", [rf.MinGRU, rf.MinLSTM])
def test_gates_by_hand(kind: Any) -> None:
    layer = kind(3, 4, dtype="float64", seed=1)
    x = np.random.default_rng(0).normal(size=(6, 5, 3))
    (gates,) = rf.diagnostics.gate_activations(layer, x)
    assert list(gates) == [*layer.spec.cell.gates, "h"]
    y, _ = layer(x)
    np.testing.assert_array_equal(gates["h"], y)
    before = np.concatenate([np.zeros((1, 5, 4)), y[:-1]])
    if kind is rf.MinGRU:
        expected = (1 - gates["z"]) * before + gates["z"] * gates["n"]
    else:
        f, i = gates["f"], gates["i"]
        expected = (f * before + i * gates["g"]) / (f + i)
    np.testing.assert_allclose(y, expected, rtol=1e-12)


# --- independent units ------------------------------------------------------------------------


def test_units_of_an_ind_rnn_begin_with_weights_from_0_to_1() -> None:
    layer = rf.IndRNN(3, 400, 2, bidirectional=True, seed=1)
    for name, values in layer.state_dict().items():
        if name.startswith("weight_hh"):
            assert values.shape == (400,)
            assert 0 <= values.min() < 0.02 and 0.98 < values.max() < 1
        else:
            assert np.abs(values).max() <= 400**-0.5 and values.min() < 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_unit_of_weight_1_remembers(level: str, dtype: str) -> None:
    """Over thousands of steps, and its gradient comes back whole."""
    layer = rf.IndRNN(2, 9, dtype=dtype, seed=1)
    layer.parameters()["weight_hh_l0"].assign(np.ones(9))
    layer.parameters()["bias_ih_l0"].assign(np.zeros(9))
    h0 = np.linspace(0.5, 2, 27, dtype=dtype).reshape(1, 3, 9)
    (y, h), backprop = layer.forward(np.zeros((3000, 3, 2), dtype), h0)
    np.testing.assert_array_equal(h, h0)
    np.testing.assert_array_equal(y, np.broadcast_to(h0, y.shape))
    _, dh = backprop(None, h0)
    np.testing.assert_array_equal(dh, h0)


# --- starting weights -------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYERS)
def test_weights_are_filled_gate_by_gate(name: str) -> None:
    layer = LAYERS[name](7, 4, 2, bidirectional=True, dtype="float64", seed=1)
    before = layer.state_dict()
    rf.nn.init.recurrent(layer, input="orthogonal", hidden="orthogonal", seed=2)
    blocks = 0
    for key, values in layer.state_dict().items():
        if key.startswith("bias_ih") or key.startswith("bias_hh"):
            assert not values.any()
        elif values.ndim == 1:  # of one number a unit
            np.testing.assert_array_equal(values, before[key])
        else:
            for block in np.split(values, len(values) // 4):
                blocks += 1
                np.testing.assert_allclose(block @ block.T, np.eye(4), atol=1e-12)
    assert blocks >= 4 * (len(layer.spec.cell.gates) - layer.spec.cell.has_highway)
