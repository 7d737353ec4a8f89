"""Recurrent layers in smaller numbers, against their definition and against themselves."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from reduced_cases import CELLS, NUMBERS, SIZES, Network, close, same, some_x
from rnnfast import _core
from rnnfast._dispatch import reduced_levels, use_reduced_level


@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("cell", CELLS)
def test_a_step_is_the_definition(reduced_level, cell, numbers):
    for width, H in SIZES:
        for bias in (True, False):
            network = Network(cell, numbers, width, H, bias=bias, seed=H)
            h0, c0 = network.states(19)
            x = some_x(1, 19, width)
            y, h, c = network.forward(x, h0, c0)
            expected_h, expected_c = network.expected_step(
                x[0], h0[0], c0[0] if c0 is not None else None
            )
            close(y[0], expected_h, H, cell == "gru_reset_before")
            assert h[0].tobytes() == y[0].tobytes()
            if c0 is not None:
                close(c[0], expected_c, H)


@pytest.mark.parametrize("numbers", NUMBERS)
def test_a_projection_is_the_definition(reduced_level, numbers):
    network = Network("lstm_peephole", numbers, 7, 33, P=5)
    h0, c0 = network.states(6)
    x = some_x(1, 6, 7)
    y, _, c = network.forward(x, h0, c0)
    expected_h, expected_c = network.expected_step(x[0], h0[0], c0[0])
    close(y[0], expected_h, 33, True)
    close(c[0], expected_c, 33)


@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("cell", CELLS)
def test_a_pass_is_its_steps(reduced_level, cell, numbers):
    P = 9 if cell.startswith("lstm") else 0
    network = Network(cell, numbers, 7, 17, P=P)
    T, B = 6, 5
    lengths = np.array([6, 0, 3, 6, 1])
    reset = np.random.default_rng(3).random((T, B)) < 0.3
    h0, c0 = network.states(B)
    x = some_x(T, B, 7)
    y, h_n, c_n = network.forward(x, h0, c0, lengths, reset)
    h, c = h0.copy(), None if c0 is None else c0.copy()
    for t in range(T):
        for state in (h, c):
            if state is not None:
                state[:, reset[t] & (t < lengths)] = 0
        rows, h_next, c_next = network.forward(x[t : t + 1], h, c)
        live = t < lengths
        h[:, live] = h_next[:, live]
        if c is not None:
            c[:, live] = c_next[:, live]
        assert y[t, live].tobytes() == rows[0, live].tobytes()
        assert not y[t, ~live].any()
    same((h_n,), (h,))
    if c is not None:
        same((c_n,), (c,))


@pytest.mark.parametrize("numbers", NUMBERS)
def test_layers_and_directions_are_those_of_one(reduced_level, numbers):
    both = Network("lstm", numbers, 5, 18, L=2, D=2)
    T, B = 7, 3
    lengths = np.array([4, 7, 2])
    x = some_x(T, B, 5)
    h0, c0 = both.states(B)
    y, h_n, c_n = both.forward(x, h0, c0, lengths)
    backwards = x.copy()
    below: Any = x
    for layer in range(2):
        outputs = []
        for d in range(2):
            k = 2 * layer + d
            width = below.shape[2]
            one = Network("lstm", numbers, width, 18, parameters=[both.parameters[k]])
            backwards = below.copy()
            if d == 1:
                for b, n in enumerate(lengths):
                    backwards[:n, b] = below[:n, b][::-1]
            out, h, c = one.forward(backwards, h0[k : k + 1], c0[k : k + 1], lengths)
            same((h_n[k], c_n[k]), (h[0], c[0]))
            if d == 1:
                for b, n in enumerate(lengths):
                    out[:n, b] = out[:n, b][::-1].copy()
            outputs.append(out)
        below = np.concatenate(outputs, axis=2)
    same((y,), (below,))


@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("cell", ["rnn_tanh", "gru", "gru_reset_before", "lstm"])
def test_bits_depend_on_neither_threads_nor_batch_nor_strides(
    reduced_level, cell, numbers, set_threads
):
    for D in (1, 2):
        network = Network(cell, numbers, 40, 65, D=D, L=2)
        x = some_x(40, 21, 40)
        h0, c0 = network.states(21)
        set_threads(1)
        whole = network.forward(x, h0, c0)
        set_threads(2)
        same(whole, network.forward(x, h0, c0))
        set_threads(3)
        same(whole, network.forward(x, h0, c0))
        one = [None if s is None else s[:, 4:5].copy() for s in (h0, c0)]
        same([part[:, 4:5] for part in whole], network.forward(x[:, 4:5], *one))
        turned = network.forward(np.ascontiguousarray(x.swapaxes(0, 1)), h0, c0, batch_first=True)
        same((whole[0],), (turned[0].swapaxes(0, 1),))


@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("cell", CELLS)
def test_threads_whose_sequences_have_ended(reduced_level, cell, numbers, set_threads):
    """Threads share the sequences of a ragged batch, in the order of their lengths."""
    rng = np.random.default_rng(0)
    ragged = (
        (1, 0, rng.integers(0, 21, 48)),
        (2, 0, rng.integers(0, 21, 64)),
        (1, 0, np.array([63] + [20] * 63)),
        (1, 9, np.arange(40) % 9),
    )
    for D, P, lengths in ragged:
        if P and "lstm" not in cell:
            continue
        network = Network(cell, numbers, 5, 100, D=D, P=P)
        x = some_x(int(lengths.max()), len(lengths), 5)
        set_threads(1)
        whole = network.forward(x, lengths=lengths)
        for b in (0, len(lengths) // 2):
            one = slice(b, b + 1)
            alone = network.forward(x[:, one].copy(), lengths=lengths[one])
            same([part[:, one] for part in whole], alone)
        for threads in (2, 3, 4, 7):
            set_threads(threads)
            same(whole, network.forward(x, lengths=lengths))


@pytest.mark.parametrize("numbers", NUMBERS)
def test_threads_share_panels_of_a_large_layer(numbers, set_threads):
    for cell in ("lstm", "gru_reset_before"):
        network = Network(cell, numbers, 300, 500)
        x = some_x(6, 2, 300)
        set_threads(1)
        whole = network.forward(x)
        set_threads(2)
        same(whole, network.forward(x))
        set_threads(3)
        same(whole, network.forward(x))


@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("cell", CELLS)
def test_a_stream_is_a_pass(reduced_level, cell, numbers):
    network = Network(cell, numbers, 5, 19, L=2)
    for B in (1, 3):
        x = some_x(4, B, 5)
        y, h_n, c_n = network.forward(x)
        stream = _core.Stream(network.native, B)
        for t in range(4):
            same((stream.step(x[t]),), (y[t],))
        h, c = stream.state()
        same((h, c), (h_n, c_n))
        stream.reset_rows(np.array([0]))
        assert stream.step_rows(x[0, :1], np.array([0])).tobytes() == y[0, :1].tobytes()


@pytest.mark.parametrize("numbers", NUMBERS)
def test_an_index_is_a_column(reduced_level, numbers):
    for cell, width, H in (("lstm", 9, 17), ("gru", 65, 5), ("rnn_tanh", 6, 70)):
        network = Network(cell, numbers, width, H)
        index = np.random.default_rng(0).integers(0, width, (3, 4))
        one_hot = np.eye(width, dtype=np.float32)[index]
        for actual, expected in zip(network.forward(index), network.forward(one_hot), strict=True):
            assert np.abs(actual - expected).max(initial=0) < 2e-2 if numbers == "int8" else 3e-3


@pytest.mark.parametrize("numbers", NUMBERS)
def test_packed_batches_are_padded_ones(reduced_level, numbers):
    network = Network("gru", numbers, 6, 20)
    lengths = np.array([4, 3, 1])
    x = some_x(4, 3, 6)
    y, h_n, _ = network.forward(x, lengths=lengths)
    steps = [(t, b) for t in range(4) for b in range(3) if t < lengths[b]]
    rows = np.stack([x[step] for step in steps])[None]
    packed, h, _ = network.forward(rows, lengths=lengths, packed=True)
    same((packed[0], h), (np.stack([y[step] for step in steps]), h_n))


def test_levels_agree_on_integers():
    results = []
    before = _core.reduced_level()
    for level in [level for level in reduced_levels() if level not in ("v1", "v3")]:
        use_reduced_level(level)
        network = Network("lstm", "int8", 33, 65)
        results.append(network.forward(some_x(5, 20, 33)))
    use_reduced_level(before)
    for result in results[1:]:
        same(results[0], result)


def test_errors_stay_small():
    # Random weights of scale 1/sqrt(H), as the documentation has them.
    H = 128
    exact = Network("lstm", "float32", H, H)
    x = some_x(30, 8, H)
    expected = exact.forward(x)[0]
    for numbers, bound in (("int8", 3e-2), ("int8-16", 2.2e-2), ("bfloat16", 1e-2)):
        network = Network("lstm", numbers, H, H)
        assert 0 < np.abs(network.forward(x)[0] - expected).max() < bound


def test_rows_that_are_zero_or_huge(reduced_level):
    for numbers in NUMBERS:
        network = Network("rnn_tanh", numbers, 8, 20)
        x = some_x(1, 3, 8)
        x[0, 0] = 0
        x[0, 1] *= np.float32(1e30)
        y, _, _ = network.forward(x)
        expected, _ = network.expected_step(x[0], np.zeros((3, 20), np.float32), None)
        close(y[0], expected, 20)


def test_what_is_not_finite_is_refused_or_seen(reduced_level):
    for numbers in NUMBERS:
        network = Network("rnn_relu", numbers, 3, 8)
        x = some_x(2, 1, 3)
        bad = x.copy()
        bad[1, 0, 2] = np.nan
        with pytest.raises(ValueError, match="x: expected finite numbers"):
            network.forward(bad)
        # A state that overflows is NaN from there on, not a number that looks right.
        ones = {name: np.full_like(values, 3) for name, values in network.parameters[0].items()}
        network = Network("rnn_relu", numbers, 3, 8, parameters=[ones])
        y, _, _ = network.forward(np.abs(x), np.full((1, 1, 8), 3e38, np.float32))
        assert np.isposinf(y[0]).all()
        assert np.isnan(y[1]).all() or (numbers == "bfloat16" and np.isposinf(y[1]).all())


def test_weights_that_are_not_finite_are_seen(reduced_level):
    for numbers in NUMBERS:
        for bad in (np.nan, np.inf):
            network = Network("rnn_relu", numbers, 3, 8)
            parameters = [{name: v.copy() for name, v in network.parameters[0].items()}]
            parameters[0]["weight_hh"][5, 2] = bad
            network = Network("rnn_relu", numbers, 3, 8, parameters=parameters)
            y, _, _ = network.forward(some_x(1, 1, 3), np.full((1, 1, 8), 0.5, np.float32))
            assert not np.isfinite(y[0, 0, 5])
            assert np.isfinite(np.delete(y[0, 0], 5)).all()


def test_what_smaller_numbers_do_not_do():
    network = Network("lstm", "int8", 3, 4)
    assert network.native.numbers == "int8"
    with pytest.raises(ValueError, match="numbers: expected float32 for backpropagation, got int8"):
        network.native.forward(some_x(1, 1, 3), None, None, None, None, False, True, 0.0, 0, False)
    with pytest.raises(ValueError, match="numbers: expected one of float32, int8, int8-16, bfloa"):
        Network("lstm", "int4", 3, 4)
    with pytest.raises(ValueError, match="numbers: expected a cell that has kernels of int8"):
        Network("min_gru", "int8", 3, 4)
    with pytest.raises(ValueError, match="input_size: expected at most 65536 numbers in a row"):
        Network("rnn_tanh", "int8", 65537, 1)
    buffer = _core.ParameterBuffer(2, "float64")
    with pytest.raises(ValueError, match="numbers: expected float32 for parameters of float64"):
        _core.Linear(1, 1, buffer, 0, 1, numbers="int8")


def test_the_level_of_the_kernels_bounds_that_of_smaller_numbers(level):
    known = {"v1": {"v1"}, "v3": {"v1", "v3"}, "v4": {"v1", "v3", "vnni", "bf16", "amx"}}
    assert _core.reduced_level() in known[level]


def test_cpu_levels_are_known():
    assert _core.reduced_level() in reduced_levels()
    with pytest.raises(ValueError, match="level: expected one of "):
        use_reduced_level("v9")
    with pytest.raises(TypeError, match="capsule: expected a table of smaller numbers"):
        _core.use_reduced(importlib.import_module(f"rnnfast._kernels_{_core.kernel_level()}").table)


def test_kernels_are_loaded_when_they_are_wanted():
    """The system is asked for tiles of numbers then: they make every signal's frame larger."""
    code = (
        "import sys, numpy as np, rnnfast as rf\n"
        "loaded = lambda: sum(name.startswith('rnnfast._reduced_') for name in sys.modules)\n"
        "layer, x = rf.GRU(3, 4), np.ones((2, 1, 3), 'f4'); layer(x); print(loaded())\n"
        "rf.quantize(layer, 'int8')(x); print(loaded())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "1"]


@pytest.mark.parametrize("numbers", NUMBERS)
def test_tokens_are_drawn_from_its_steps(reduced_level, numbers):
    network = Network("gru", numbers, 11, 24)
    values = some_x(11 * 25)
    buffer = _core.ParameterBuffer(values.size, "float32")
    buffer.assign(0, values)
    plain = _core.Linear(24, 11, buffer, 0, 11 * 24)
    stream = _core.Stream(network.native, 1)
    expected, token = [], 3
    for _ in range(8):
        h = stream.step(np.array([token]))
        token = int(plain.forward(h)[0].argmax())
        expected.append(token)
    fresh = _core.Stream(network.native, 1)
    options = _core.DrawOptions(temperature=0.0, top_k=0, top_p=1.0, forbidden=None, seed=0)
    linear = _core.Linear(24, 11, buffer, 0, 11 * 24, numbers=numbers)
    tokens, _ = _core.decode(fresh, linear, None, False, [3], options, None, 8)
    assert tokens[0].tolist() == expected
