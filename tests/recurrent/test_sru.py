"""SRU: layers on the highway, its equation, and its authors' code."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
import rnnfast.reference as ref
from gradcheck import assert_gradients
from layer_cases import (
    DTYPES,
    TOLERANCE,
    Case,
    assert_near,
    assert_same_bits,
    big,
    named,
    outputs,
    reference,
    run,
    run_forward,
)
from network_cases import pack, unpack
from test_recurrent_recompute import recomputed

# Layers whose input is as wide as their output: below, at and beyond whole registers, so that the
# halves of the input do not begin where a register does.
HIGHWAYS: dict[str, dict[str, Any]] = {
    "one unit": {"input_size": 1, "hidden_size": 1, "steps": 2, "batch": 1},
    "one way": {"input_size": 17, "hidden_size": 17, "batch": 3, "resets": True},
    "whole registers": {"input_size": 32, "hidden_size": 32, "batch": 5, "num_layers": 3},
    "both ways": {"input_size": 34, "hidden_size": 17, "bidirectional": True, "ragged": True},
    "both ways, whole": {"input_size": 64, "hidden_size": 32, "bidirectional": True},
    "all": {
        "input_size": 10, "hidden_size": 5, "num_layers": 3, "bidirectional": True,
        "ragged": True, "resets": True, "bias": False,
    },
    "indices": {
        "input_size": 18, "hidden_size": 9, "num_layers": 2, "bidirectional": True,
        "ragged": True, "indices": True,
    },
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", ["sru", "sru plain"])
@pytest.mark.parametrize("config", HIGHWAYS)
def test_on_the_highway(level: str, config: str, cell: str, dtype: str) -> None:
    case = Case(cell, **HIGHWAYS[config])
    layer = case.layer(dtype)
    assert layer.parameters()["weight_ih_l0"].shape[0] == 3 * case.hidden_size
    values = run(layer, case.inputs)
    assert_near(values, reference(case), TOLERANCE[dtype])
    assert_same_bits(run_forward(layer, case.inputs), outputs(values))
    again = recomputed(layer, case.inputs)
    assert_near(again, reference(case), TOLERANCE[dtype])
    if not case.bidirectional:
        stream, inputs = layer.stream(case.batch), case.inputs.astype(dtype)
        stream.state = pack(inputs.states)
        whole = named(*layer(inputs.x, pack(inputs.states)))
        y = np.stack([stream(x_t).copy() for x_t in inputs.x])
        assert_same_bits(named(y, stream.state), whole)


@pytest.mark.parametrize(
    "sizes",
    [
        {"input_size": 72, "hidden_size": 72, "batch": 13, "num_layers": 2},
        {"input_size": 66, "hidden_size": 33, "batch": 27, "bidirectional": True, "ragged": True},
        {"input_size": 33, "hidden_size": 33, "batch": 2, "num_layers": 4},
    ],
    ids=["units", "directions", "layers"],
)
def test_a_team_gives_the_same_bits(
    level: str, set_threads: Callable[[int], None], sizes: dict[str, Any]
) -> None:
    case = big("sru", **sizes)
    layer = case.layer("float32")
    set_threads(1)
    values = run(layer, case.inputs)
    assert_near(values, reference(case), TOLERANCE["float32"])
    for count in (2, 3):
        set_threads(count)
        assert_same_bits(run(layer, case.inputs), values)


@pytest.mark.parametrize("input_size", [3, 4, 8])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_gradients_are_those_of_differences(input_size: int, bidirectional: bool) -> None:
    case = Case("sru", input_size, 4, 5, 2, num_layers=2, bidirectional=bidirectional)
    layer, inputs = case.layer("float64"), case.inputs
    x, states = inputs.x.copy(), [s.copy() for s in inputs.states]
    parameters = layer.state_dict()

    def value() -> float:
        layer.load_state_dict(parameters)
        y, final = layer(x, pack(states))
        ends = zip(unpack(final), inputs.dstates, strict=True)
        return float((y * inputs.dy).sum() + sum((s * d).sum() for s, d in ends))

    found = run(layer, inputs)
    gradients = {name: found[name] for name in (*parameters, "dx", "dstate 0", "dstate 1")}
    arguments = {**parameters, "dx": x, "dstate 0": states[0], "dstate 1": states[1]}
    assert_gradients(value, arguments, gradients)


def test_the_equation() -> None:
    p = {"W_f": 0.7, "b_f": -0.2, "v_f": 0.4, "W_r": -0.3, "b_r": 0.1, "v_r": -0.8, "W": 1.1}
    columns = {name: np.array([[v]]) for name, v in {**p, "W_s": 1.7}.items()}
    (h, c), _ = ref.sru_step(np.array([[0.6]]), np.array([[-0.9]]), columns)
    f = 1 / (1 + math.exp(-(0.7 * 0.6 - 0.4 * 0.9 - 0.2)))
    r = 1 / (1 + math.exp(-(-0.3 * 0.6 + 0.8 * 0.9 + 0.1)))
    memory = f * -0.9 + (1 - f) * 1.1 * 0.6
    assert c.item() == pytest.approx(memory, rel=1e-14)
    assert h.item() == pytest.approx(r * memory + (1 - r) * 1.7 * 0.6, rel=1e-14)


def test_an_open_highway_lets_the_input_through() -> None:
    layer = rf.SRU(8, 4, bidirectional=True, highway_bias=-2.0, dtype="float64")
    for name, parameter in layer.parameters().items():
        if name.startswith("bias"):
            parameter.assign(np.repeat([0.0, -1e30], 4))
    x = np.random.default_rng(0).normal(size=(3, 2, 8))
    np.testing.assert_allclose(layer(x)[0], math.sqrt(1 + 2 * math.exp(-2)) * x, rtol=1e-15)


def test_where_parameters_begin() -> None:
    layer = rf.SRU(3, 1000, 2, highway_bias=-2.0, seed=1)
    begun = layer.state_dict()
    assert {name: values.shape for name, values in begun.items()} == {
        "weight_ih_l0": (4000, 3), "bias_ih_l0": (2000,), "weight_c_l0": (2000,),
        "weight_ih_l1": (3000, 1000), "bias_ih_l1": (2000,), "weight_c_l1": (2000,),
    }  # fmt: skip
    alpha = math.sqrt(1 + 2 * math.exp(-2))
    for block, variance in enumerate((0.5, 0.5, 1, alpha**2)):
        rows = begun["weight_ih_l0"][block * 1000 : (block + 1) * 1000]
        assert rows.var() == pytest.approx(variance / 3, rel=0.05)
        assert np.abs(rows).max() == pytest.approx(math.sqrt(variance), rel=0.01)
    np.testing.assert_array_equal(begun["bias_ih_l1"], np.repeat([0, -2], 1000))
    assert begun["weight_c_l0"].var() == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize("value", [math.nan, 21, -20.5, "0", None, True])
def test_a_bias_that_cannot_be(value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^highway_bias: expected .*, got "):
        rf.SRU(3, 4, highway_bias=value)
    with pytest.raises(TypeError, match=r"^rescale: expected a bool, got int"):
        rf.SRU(3, 4, rescale=1)  # type: ignore[arg-type]


def test_models_take_its_options(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(8, 5, 4))
    model = rf.SequenceClassifier(
        cell="sru", cell_options={"highway_bias": -3.0}, hidden_size=4, num_layers=2, epochs=2
    )
    model.fit(x, [0, 1] * 4, verbose=0)
    model.save(tmp_path / "m.safetensors")
    loaded = rf.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(x), model.predict_proba(x))
    assert loaded.cell_options == {"highway_bias": -3.0}


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("inputs", [3, 5, 10])
def test_the_numbers_of_its_authors(inputs: int, both: bool) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch code")
    sru = pytest.importorskip("sru", reason="compares with the code of SRU's authors")
    rng = np.random.default_rng(0)
    theirs = sru.SRU(inputs, 5, num_layers=2, bidirectional=both, highway_bias=-1.0, rescale=True)
    ours = rf.SRU(inputs, 5, 2, bidirectional=both, highway_bias=-1.0)
    directions = ("", "_reverse")[: 1 + both]
    for k, cell in enumerate(theirs.rnn_lst):
        weight = cell.weight.detach().numpy()  # (I, D * H * blocks): of each unit n, f, r, s
        blocks = weight.reshape(len(weight), 1 + both, 5, -1)
        order = [1, 2, 0, 3][: blocks.shape[-1]]
        for d, reverse in enumerate(directions):
            rows = blocks[:, d][..., order].transpose(2, 1, 0).reshape(-1, len(weight))
            values = {"weight_ih": rows}
            for name, parameter in (("bias_ih", cell.bias), ("weight_c", cell.weight_c)):
                values[name] = parameter.detach().numpy().reshape(2, 1 + both, 5)[:, d].ravel()
            for name, own in values.items():
                ours.parameters()[f"{name}_l{k}{reverse}"].assign(own)
    x = rng.standard_normal((7, 3, inputs)).astype(np.float32)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        y, _ = theirs.eval()(torch.from_numpy(x))
    np.testing.assert_allclose(ours(x)[0], y.numpy(), rtol=1e-4, atol=1e-5)
