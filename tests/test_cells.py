"""What derives from the cells' descriptors, and what is particular to single cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
import rnnfast.reference as ref
from layer_cases import Case, make_layer
from network_cases import CELLS, make_spec
from rnnfast import _core
from rnnfast.nn.recurrent_base import LAYERS

LINES = ["to be", "or not", "to be", "that is", "the question"] * 6


def test_every_cell_has_a_case_and_a_reference() -> None:
    tried = {make_layer(make_spec(name))._cell.name for name in CELLS}
    assert tried == set(_core.cells())
    assert {case.spec["cell"] for case in CELLS.values()} == set(ref.CELLS)
    assert set(ref.CELLS) <= set(LAYERS)


@pytest.mark.parametrize("name", CELLS)
def test_descriptors_and_reference_agree(name: str) -> None:
    for bias in (False, True):
        spec = make_spec(name, num_layers=2, bidirectional=True, bias=bias)
        layer = make_layer(spec)
        shapes = {key: p.shape for key, p in layer.parameters().items()}
        assert list(shapes.items()) == list(spec.parameter_shapes())
        assert len(layer._cell.gates) == spec.num_gates
        assert layer._cell.has_memory == (len(spec.state_shapes(1)) == 2)


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
            gates = layer._native.gates(cache, k, d)
            assert list(gates) == ["r", "z", "n"]
            for values in gates.values():
                assert values.shape == (case.steps, case.batch, case.hidden_size)
                valid = np.arange(case.steps)[:, np.newaxis] < inputs.options["lengths"]
                assert values[valid].all() and not values[~valid].any()
    with pytest.raises(ValueError, match=r"^layer, direction: expected"):
        layer._native.gates(cache, 2, 0)
    layer._native.backward(cache, None, None, None, True)
    with pytest.raises(RuntimeError, match=r"^gates: expected a pass that waits for backprop"):
        layer._native.gates(cache)


@pytest.mark.parametrize("name", LAYERS)
def test_models_take_every_layer_by_its_name(name: str, tmp_path: Path) -> None:
    model = rf.LanguageModel(lines=True, cell=name, hidden_size=8, seed=0)
    model.fit(LINES, epochs=2, verbose=0)
    assert isinstance(model.network_.recurrent, rf.nn.recurrent_base.Recurrent)
    model.save(tmp_path / "m.safetensors")
    loaded = rf.load(tmp_path / "m.safetensors")
    assert loaded.cell == name
    assert loaded.perplexity(LINES) == model.perplexity(LINES)
    assert loaded.sample(2, seed=3) == model.sample(2, seed=3)


# --- starting weights -------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYERS)
def test_weights_are_filled_gate_by_gate(name: str) -> None:
    layer = LAYERS[name](7, 4, 2, bidirectional=True, dtype="float64", seed=1)
    before = layer.state_dict()
    rf.init.recurrent(layer, input="orthogonal", hidden="orthogonal", seed=2)
    blocks = 0
    for key, values in layer.state_dict().items():
        if key.startswith("bias_ih") or key.startswith("bias_hh"):
            assert not values.any()
        elif values.ndim == 1:  # of one number a unit
            np.testing.assert_array_equal(values, before[key])
        else:
            for block in np.split(values, len(layer._cell.gates)):
                blocks += 1
                np.testing.assert_allclose(block @ block.T, np.eye(4), atol=1e-12)
    assert blocks >= 4 * len(layer._cell.gates)
