"""Layers of both directions that run parts of themselves again, against those that keep all."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from layer_cases import (
    DTYPES,
    TOLERANCE,
    Case,
    Inputs,
    assert_near,
    assert_same_bits,
    outputs,
    reference,
    run,
)
from network_cases import CELLS, pack
from rnnfast.nn.recurrent.parts import PartedPass
from test_recurrent_recompute import recomputed
from test_recurrent_threads import in_threads

F32 = np.float32


def both(cell: str, **options: Any) -> Case:
    return Case(cell, bidirectional=True, **options)


def ragged(case: Case) -> Inputs:
    """The case's inputs with lengths of which one is 0, one 1 and one T, and noise behind them."""
    lengths = np.arange(case.batch) % (case.steps + 1)
    lengths[-1] = case.steps
    x, dy = case.inputs.x.copy(), case.inputs.dy.copy()
    past = np.arange(case.steps)[:, np.newaxis] >= lengths
    x[past], dy[past] = -7 if case.indices else np.nan, np.nan
    return replace(case.inputs, x=x, dy=dy, options={**case.inputs.options, "lengths": lengths})


def assert_like_a_pass_that_keeps_all(layer: Any, inputs: Inputs) -> None:
    values, expected = recomputed(layer, inputs), run(layer, inputs)
    assert_near(values, expected, TOLERANCE[str(layer.dtype)])
    assert_same_bits(outputs(values), outputs(expected))


@pytest.mark.parametrize("steps", [1, 2, 3, 17, 50])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_the_same_as_a_pass_that_keeps_all(cell: str, layers: int, steps: int) -> None:
    case = both(cell, steps=steps, batch=5, num_layers=layers, resets=True)
    for dtype in DTYPES:
        assert_like_a_pass_that_keeps_all(case.layer(dtype), case.inputs)
        assert_like_a_pass_that_keeps_all(case.layer(dtype), ragged(case))


@pytest.mark.parametrize("size", [1, 3, 17, 33])
@pytest.mark.parametrize("cell", CELLS)
def test_sizes(cell: str, size: int) -> None:
    case = both(cell, input_size=size, hidden_size=size, batch=size, steps=10, num_layers=2)
    layer = case.layer("float64")
    assert_like_a_pass_that_keeps_all(layer, case.inputs)
    assert_like_a_pass_that_keeps_all(layer, ragged(case))


@pytest.mark.parametrize("cell", CELLS)
def test_the_same_as_the_reference(cell: str) -> None:
    case = both(cell, steps=7, num_layers=2, ragged=True, resets=True)
    assert_near(recomputed(case.layer("float64"), case.inputs), reference(case), 1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"states": False, "gradients": "y"},
        {"gradients": "state"},
        {"indices": True, "bias": False},
    ],
)
@pytest.mark.parametrize("cell", ["rnn relu", "gru reset before", "lstm projection"])
def test_what_is_left_out(cell: str, options: dict[str, Any]) -> None:
    case = both(cell, steps=11, num_layers=2, resets=True, ragged=True, **options)
    layer = case.layer("float64")
    expected = run(layer, case.inputs)
    assert_near(recomputed(layer, case.inputs), expected, 1e-12)
    expected.pop("dx", None)
    assert_near(recomputed(layer, case.inputs, need_dx=False), expected, 1e-12)


@pytest.mark.parametrize("batch", [0, 3])
@pytest.mark.parametrize("steps", [0, 5])
@pytest.mark.parametrize("cell", ["rnn tanh", "gru reset after", "lstm projection"])
def test_nothing(cell: str, steps: int, batch: int) -> None:
    case = both(cell, steps=steps, batch=batch, num_layers=2, resets=True)
    layer = case.layer("float64")
    assert_near(recomputed(layer, case.inputs), run(layer, case.inputs), 1e-12)
    whole = {**case.inputs.options, "lengths": np.full(batch, steps)}
    assert_like_a_pass_that_keeps_all(layer, replace(case.inputs, options=whole))


@pytest.mark.parametrize("indices", [False, True])
@pytest.mark.parametrize("cell", ["gru simplified", "lstm projection"])
def test_batch_first(cell: str, indices: bool) -> None:
    case = both(cell, steps=11, num_layers=2, ragged=True, resets=True, indices=indices)
    expected = recomputed(case.layer("float64"), case.inputs)
    reset = case.inputs.options["reset"].T
    first = replace(
        case.inputs,
        x=np.swapaxes(case.inputs.x, 0, 1),
        dy=np.swapaxes(case.inputs.dy, 0, 1),
        options={**case.inputs.options, "reset": reset},
    )
    values = recomputed(case.layer("float64", batch_first=True), first)
    for name in {"y", "dx"} & values.keys():
        assert values[name].flags.c_contiguous
        values[name] = np.swapaxes(values[name], 0, 1)
    assert_same_bits(values, expected)


@pytest.mark.parametrize("batch_first", [False, True])
def test_a_single_sequence(batch_first: bool) -> None:
    case = both("lstm", steps=11, batch=1, num_layers=2, resets=True)
    expected = run(case.layer("float64"), case.inputs)
    layer = case.layer("float64", batch_first=batch_first)
    x, dy, reset = case.inputs.x[:, 0], case.inputs.dy[:, 0], case.inputs.options["reset"][:, 0]
    h0, c0 = (s[:, 0] for s in case.inputs.states)
    dh, dc = (s[:, 0] for s in case.inputs.dstates)
    (y, (h, c)), backprop = layer.forward(x, (h0, c0), reset=reset, recompute=True)
    dx, (dh0, dc0) = backprop(dy, (dh, dc))
    values = {"y": y, "state 0": h, "state 1": c, "dx": dx, "dstate 0": dh0, "dstate 1": dc0}
    values = {name: np.expand_dims(value, 1) for name, value in values.items()}
    assert_near(values | layer.grads, expected, 1e-12)


@pytest.mark.parametrize("variational", [False, True])
@pytest.mark.parametrize("cell", ["rnn tanh", "gru reset after", "lstm projection"])
def test_dropout_is_that_of_a_pass_that_keeps_all(cell: str, variational: bool) -> None:
    case = both(cell, steps=10, num_layers=3, ragged=True)
    layers = [case.layer("float64", dropout=0.4, variational=variational, seed=1) for _ in range(2)]
    for _ in range(2):  # each pass draws anew
        values, expected = recomputed(layers[0], case.inputs), run(layers[1], case.inputs)
        assert_near(values, expected, 1e-12)
        assert_same_bits(outputs(values), outputs(expected))
    layers[0].eval()
    without = recomputed(layers[0], case.inputs)
    assert_near(without, run(case.layer("float64"), case.inputs), 1e-12)
    assert not np.array_equal(without["y"], values["y"])


@pytest.mark.parametrize("batch", [3, 40])
def test_threads(set_threads: Callable[[int], None], batch: int) -> None:
    case = both("lstm", input_size=20, hidden_size=72, batch=batch, steps=17, num_layers=2)
    found = []
    for threads in (1, 2):
        set_threads(threads)
        layer = case.layer("float64")
        found.append(recomputed(layer, case.inputs))
        assert_near(found[-1], run(layer, case.inputs), 1e-12)
    assert_same_bits(*found)


def test_threads_that_share_a_layer(set_threads: Callable[[int], None]) -> None:
    set_threads(1)
    rounds, case = 20, both("gru reset after", hidden_size=64, batch=8, steps=10, num_layers=2)
    layer, inputs = case.layer("float64"), case.inputs
    expected = run(layer, inputs)
    layer.zero_grad()

    def work(k: int) -> None:
        for _ in range(rounds):
            _, backprop = layer.forward(inputs.x, pack(inputs.states), recompute=k % 2 == 0)
            dx, _ = backprop(inputs.dy, pack(inputs.dstates))
            assert_near({"dx": dx}, {"dx": expected["dx"]}, 1e-12)

    in_threads(4, work)  # two that keep all among them
    total = {name: 4 * rounds * expected[name] for name in layer.grads}
    assert_near(dict(layer.grads), total, 1e-12)


def test_weights_that_change_between_passes() -> None:
    case = both("gru reset after", steps=9, num_layers=2)
    layer = case.layer("float64")
    for scale in (1.0, 0.5, 2.0):
        layer.load_state_dict({n: scale * p for n, p in case.inputs.parameters.items()})
        assert_like_a_pass_that_keeps_all(layer, case.inputs)


def raises(error: type[Exception], message: str) -> Any:
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def ones(*shape: int) -> Any:
    return np.ones(shape, F32)


BAD_STATES: list[tuple[Any, Any, type[Exception], str]] = [
    (ones(2, 2, 5), None, ValueError, "{}: expected shape (4, 2, 5), got (2, 2, 5)"),
    (
        ones(4, 2, 5).astype("f8"),
        None,
        TypeError,
        "{0}: expected dtype float32, got float64; use {0}.astype(np.float32), or a layer of "
        'dtype="float64"',
    ),
    (
        np.where(np.arange(4) == 3, F32(np.nan), F32(0))[:, None, None] * ones(4, 2, 5),
        None,
        ValueError,
        "{}: expected finite numbers, got NaN or infinity",
    ),
    (None, ones(4, 2, 6), ValueError, "{}: expected shape (4, 2, 5), got (4, 2, 6)"),
]


@pytest.mark.parametrize(("h", "c", "error", "message"), BAD_STATES)
def test_bad_states_are_refused_before_anything_changes(
    h: Any, c: Any, error: type[Exception], message: str
) -> None:
    layer = rf.LSTM(3, 5, 2, bidirectional=True, dropout=0.5, seed=0)
    before, x = layer._rng.bit_generator.state, ones(7, 2, 3)
    with raises(error, message.format("h0" if c is None else "c0")):
        layer.forward(x, (h, c), recompute=True)
    assert layer._rng.bit_generator.state == before
    (y, _), backprop = layer.forward(x, recompute=True)
    with raises(error, message.format("dh_n" if c is None else "dc_n")):
        backprop(np.ones_like(y), (h, c))
    with raises(ValueError, "dy: expected shape (7, 2, 10), got (7, 2, 5)"):
        backprop(ones(7, 2, 5))
    assert not any(gradient.any() for gradient in layer.grads.values())
    # The pass is still there, to be gone back through once.
    assert backprop(np.ones_like(y))[0].any()
    with raises(
        RuntimeError, "backprop: expected to be called once a forward pass, got a second call"
    ):
        backprop(np.ones_like(y))


# --- memory ---------------------------------------------------------------------------------------


class Tally:
    """Bytes of a pass: NumPy's arrays, and what the kernels keep for backpropagation."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, layer: Any, steps: int) -> None:
        caches: list[int] = []
        original = PartedPass._run

        def counted(self: PartedPass, k: int, keep: bool) -> Any:
            results = original(self, k, keep)
            if results[3] is not None:
                caches.append(results[3].nbytes)
            return results

        x = np.ones((steps, 4, layer.input_size), layer.dtype)
        dy = np.ones((steps, 4, 2 * layer.output_size), layer.dtype)
        with monkeypatch.context() as patch:
            patch.setattr(PartedPass, "_run", counted)
            tracemalloc.start()
            (y, _), backprop = layer.forward(x, recompute=True)
            self.kept = tracemalloc.get_traced_memory()[0] - y.nbytes  # between the passes
            tracemalloc.reset_peak()
            backprop(dy, need_dx=False)
            # At the most: both need not be highest at once.
            self.peak = tracemalloc.get_traced_memory()[1] - y.nbytes + max(caches)
            tracemalloc.stop()
        *_, cache = layer.native.forward(x, *[None] * 4, False, True, 0.0, 0, False)
        self.plain, self.output = cache.nbytes, y.nbytes


@pytest.mark.parametrize("cell", [rf.RNN, rf.GRU, rf.LSTM])
def test_one_layer_keeps_the_square_root_of_the_steps(
    monkeypatch: pytest.MonkeyPatch, cell: Any
) -> None:
    layer = cell(6, 64, bidirectional=True)
    Tally(monkeypatch, layer, 9)  # what is made once
    short, long = Tally(monkeypatch, layer, 100), Tally(monkeypatch, layer, 1600)
    assert long.plain > 12 * short.plain
    assert long.kept < 6 * short.kept  # 4, but for a few objects
    assert long.peak < 6 * short.peak
    assert long.peak < long.plain / 4


def test_further_layers_keep_their_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = rf.LSTM(6, 64, 3, bidirectional=True)
    Tally(monkeypatch, layer, 9)
    long = Tally(monkeypatch, layer, 1600)
    assert 2 * long.output < long.kept < 2.5 * long.output
    # The input of the layer that is undone, the gradients of its output and its input.
    assert long.peak < 4 * long.output
    assert long.peak < long.plain / 4
