"""Extremes: saturation, overflow, NaN in the weights, long and thin networks, memory."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from layer_cases import (
    DTYPES,
    TOLERANCE,
    Case,
    assert_near,
    make_layer,
    reference,
    run,
    run_forward,
)
from network_cases import CELLS, make_spec, pack, unpack
from test_package import run_python

GATED = [cell for cell in CELLS if cell.startswith(("gru", "lstm"))]


def filled(layer: Any, **values: Any) -> Any:
    """The layer with parameters that are zero but for the blocks named: gate, value of its bias."""
    hidden = layer.hidden_size
    for name, parameter in layer.parameters().items():
        array = np.zeros(parameter.shape)
        if name.startswith("bias_ih"):
            for block, value in values.items():
                gate = int(block.removeprefix("gate"))
                array[gate * hidden : (gate + 1) * hidden] = value
        parameter.assign(array)
    return layer


# --- saturation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [50.0, 1e4, 1e10, 1e30])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", [cell for cell in CELLS if CELLS[cell].bounded])
def test_saturated_networks_stay_finite(level: str, cell: str, dtype: str, scale: float) -> None:
    spec = make_spec(cell, num_layers=2, bidirectional=True)
    layer = make_layer(spec, dtype=dtype, seed=0)
    rng = np.random.default_rng(70)
    layer.load_state_dict(
        {n: rng.choice([-scale, scale], p.shape) for n, p in layer.parameters().items()}
    )
    if spec.proj_size:
        for name, parameter in layer.parameters().items():
            if "weight_hr" in name:
                parameter.assign(np.full(parameter.shape, 1 / spec.hidden_size))
    x = rng.choice([-1.0, 1.0], size=(7, 5, 3)).astype(dtype)
    (y, state), backprop = layer.forward(x)
    assert np.abs(y).max() <= 1
    assert all(np.isfinite(s).all() for s in unpack(state))
    if scale <= 1e4:  # beyond, the gradient of a unit that balances at 0 may well be infinite
        dx, _ = backprop(np.full_like(y, 1e-30))
        assert all(np.isfinite(d).all() for d in (dx, *layer.grads.values()))


@pytest.mark.parametrize("far", [1e4, 1e30])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", GATED)
def test_gates_close_and_open_entirely(level: str, cell: str, dtype: str, far: float) -> None:
    # sigmoid gives 0 and 1, tanh -1 and 1, exactly.
    spec = make_spec(cell)
    layer = make_layer(spec, dtype=dtype)
    rng = np.random.default_rng(71)
    x = rng.normal(size=(4, 3, 3)).astype(dtype)
    states = [rng.normal(size=shape).astype(dtype) for shape in spec.state_shapes(3)]
    if spec.cell == "lstm":
        c0 = states[1]
        _, (_, c) = filled(layer, gate0=-far, gate1=far)(x, pack(states))
        np.testing.assert_array_equal(c, c0)  # nothing in, nothing forgotten
        _, (_, c) = filled(layer, gate0=far, gate1=-far, gate2=far)(x, pack(states))
        np.testing.assert_array_equal(c, np.ones_like(c0))  # all in, all forgotten
        y, _ = filled(layer, gate3=-far)(x, pack(states))
        assert not y.any()  # nothing out
        return
    update = {"gate1": far} if spec.num_gates == 3 else {"gate0": far}
    _, h = filled(layer, **update)(x, states[0])
    np.testing.assert_array_equal(h, states[0])
    replace = {name: -value for name, value in update.items()}
    last = f"gate{spec.num_gates - 1}"
    for sign in (-1, 1):
        _, h = filled(layer, **replace, **{last: sign * far})(x, states[0])
        np.testing.assert_array_equal(h, np.full_like(h, sign))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_nan_in_a_weight_is_not_hidden(level: str, cell: str, dtype: str) -> None:
    case = Case(cell, hidden_size=21, input_size=2, batch=5)
    for name, parameter in case.layer(dtype).parameters().items():
        layer = case.layer(dtype)
        array = parameter.data.copy()
        array[(-1,) * array.ndim] = np.nan
        layer._replace(layer.state_dict() | {name: array}, finite=False)  # as one that has diverged
        y = run_forward(layer, case.inputs)["y"]
        seen = np.isnan(y)
        assert seen.any(), name
        assert seen[-1].all(axis=0).any(), "in every sequence"
        if name == "bias_ih_l0" and not layer.bidirectional and "projection" not in cell:
            assert seen[0, :, -1].all(), "in its own unit from the start"
            assert not seen[0, :, :-1].any() or cell == "gru reset before"


@pytest.mark.parametrize("dtype", DTYPES)
def test_overflow_is_infinite(level: str, dtype: str) -> None:
    layer = make_layer(make_spec("rnn relu"), dtype=dtype)
    layer.load_state_dict(
        {
            n: np.full(p.shape, 1e30 if dtype == "float32" else 1e300)
            for n, p in layer.parameters().items()
        }
    )
    y, _ = layer(np.full((3, 2, 3), np.finfo(dtype).max, dtype))
    np.testing.assert_array_equal(y, np.inf)


# --- sizes ----------------------------------------------------------------------------------------

SIZES: dict[str, dict[str, Any]] = {
    "long": {"cell": "gru reset after", "hidden_size": 2, "steps": 10_000, "batch": 1},
    "wide input": {"cell": "lstm", "input_size": 1027, "hidden_size": 3},
    "wide": {"cell": "gru reset before", "hidden_size": 301, "steps": 2, "batch": 3},
    "many sequences": {"cell": "lstm projection", "steps": 2, "batch": 1001, "ragged": True},
    "deep": {"cell": "rnn tanh", "num_layers": 20, "hidden_size": 3, "bidirectional": True},
    "many indices": {"cell": "lstm", "input_size": 5003, "hidden_size": 3, "indices": True},
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_sizes(level: str, size: str, dtype: str) -> None:
    case = Case(**SIZES[size])
    assert_near(run(case.layer(dtype), case.inputs), reference(case), TOLERANCE[dtype])


def test_a_long_gradient_neither_grows_nor_is_lost(level: str) -> None:
    # h<t> = h<t-1> + x<t> through an open GRU-like gate: the LSTM's memory carries dc unchanged.
    layer = filled(make_layer(make_spec("lstm"), dtype="float64"), gate0=-1e4, gate1=1e4)
    _, backprop = layer.forward(np.zeros((10_000, 1, 3)))
    dc = np.arange(1.0, 6.0).reshape(1, 1, 5)
    _, (_, dc0) = backprop(None, (None, dc))
    np.testing.assert_array_equal(dc0, dc)


# --- memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_a_pass_keeps_what_it_says(level: str, cell: str, dtype: str, ragged: bool) -> None:
    case = Case(
        cell,
        hidden_size=32,
        steps=40,
        batch=8,
        num_layers=2,
        bidirectional=True,
        ragged=ragged,
        states=False,
    )
    layer, inputs = case.layer(dtype), case.inputs.astype(dtype)
    cache = layer._pass(layer._checked(inputs.x, None, **inputs.options), keep=True)[3]
    lengths = inputs.options["lengths"]
    steps = case.steps * case.batch if lengths is None else int(lengths.sum())
    kept = CELLS[cell]
    numbers = 4 * steps * (kept.kept * 32 + kept.kept_rows)  # two layers, two directions
    numbers += (
        steps * 2 * case.spec.output_size
    )  # the outputs of the first layer; y is the caller's
    borders = 4 * (case.batch + kept.kept) * 32  # initial carries, and a row to spare
    assert 0 <= cache.nbytes / layer.dtype.itemsize - numbers <= borders


@pytest.mark.parametrize("cell", [rf.LayerNormLSTM, rf.LayerNormGRU])
def test_what_a_pass_keeps_counts_its_masks(level: str, cell: Any) -> None:
    x = np.zeros((9, 4, 3), np.float32)
    sizes = []
    for training in (False, True):
        layer = cell(3, 16, zoneout=0.1, recurrent_dropout=0.2, seed=0)
        layer.train(training)
        call = layer._checked(x, None, None, None)
        sizes.append(layer._pass(call, True, layer._noise())[3].nbytes)
    masks = 3 if cell is rf.LayerNormLSTM else 2
    assert sizes[1] - sizes[0] == masks * 9 * 4 * 16 * 4


def test_an_inference_keeps_nothing_and_a_used_pass_frees_all(level: str) -> None:
    case = Case("lstm")
    layer, inputs = case.layer("float64"), case.inputs
    call = layer._checked(inputs.x, None, None, None)
    assert layer._pass(call, keep=False)[3] is None
    cache = layer._pass(call, keep=True)[3]
    assert cache.nbytes > 0
    layer.native.backward(cache, None, None, None, True)
    assert cache.nbytes == 0


NO_MEMORY = """
import os, resource
import numpy as np
import rnnfast as rf

layer = rf.LSTM(1, 64, dtype="float64", seed=0)
x = np.ones((4000, 64, 1))
rf.set_num_threads(1)
expected, _ = layer(x[:9])
taken = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
hard = resource.getrlimit(resource.RLIMIT_AS)[1]
resource.setrlimit(resource.RLIMIT_AS, (taken + (400 << 20), hard))
try:
    layer.forward(x)  # outputs of 130 MB, and 650 MB to keep
except MemoryError:
    (y, _), backprop = layer.forward(x[:9])
    backprop(y)
    print(np.array_equal(y, expected))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process")
def test_no_memory_left() -> None:
    finished = run_python(NO_MEMORY)
    assert finished.stdout == "True\n", finished.stderr
