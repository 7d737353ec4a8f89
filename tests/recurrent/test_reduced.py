"""Recurrent layers in smaller numbers, against their definition and against themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast import _core
from rnnfast._dispatch import reduced_levels, use_reduced_level
from rnnfast.reference import quantized

NUMBERS = ("int8", "int8-16", "bfloat16")
CELLS = (
    "rnn_tanh",
    "rnn_relu",
    "gru",
    "gru_simple",
    "gru_reset_before",
    "lstm",
    "lstm_peephole",
    "lstm_peephole_previous",
)
# Gates in the order of the parameters' blocks.
GATES = {"rnn": 1, "gru": 3, "gru_simple": 2, "gru_reset_before": 3, "lstm": 4}
SIZES = ((1, 1), (3, 17), (33, 5), (65, 33), (64, 64))


@pytest.fixture(params=reduced_levels())
def reduced(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each level of smaller numbers that this CPU runs."""
    before = _core.reduced_level()
    use_reduced_level(request.param)
    yield request.param
    use_reduced_level(before)


class Network:
    """A network of random parameters, with its kernels."""

    def __init__(
        self,
        cell: str,
        numbers: str,
        width: int,
        H: int,
        *,
        P: int = 0,
        L: int = 1,
        D: int = 1,
        bias: bool = True,
        seed: int = 0,
        parameters: list[dict[str, Any]] | None = None,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.cell, self.numbers, self.H, self.P, self.L, self.D = cell, numbers, H, P or H, L, D
        kinds = _core.cells()[cell].parameters(bias, P > 0)
        self.parameters = parameters or []
        for layer in range(L if parameters is None else 0):
            letters = {"I": width if layer == 0 else D * self.P, "H": H, "P": self.P}
            for _ in range(D):
                one = {}
                for name, factor, sizes in kinds:
                    shape = [letters[letter] for letter in sizes]
                    shape[0] *= factor
                    one[name] = rng.uniform(-1, 1, shape).astype(np.float32) / np.float32(H**0.5)
                self.parameters.append(one)
        size = sum(values.size for one in self.parameters for values in one.values())
        buffer = _core.ParameterBuffer(size, "float32")
        flat = np.concatenate([v.ravel() for one in self.parameters for v in one.values()])
        offsets, at = [], 0
        for one in self.parameters:
            offsets.append({})
            for name, values in one.items():
                offsets[-1][name] = at
                at += values.size
        buffer.assign(0, flat)
        self.native = _core.Recurrent(
            cell=cell,
            input_size=width,
            hidden_size=H,
            output_size=self.P,
            num_layers=L,
            num_directions=D,
            bias=bias,
            projection=P > 0,
            buffer=buffer,
            offsets=offsets,
            numbers=numbers,
        )
        self.has_memory = _core.cells()[cell].has_memory

    def forward(
        self,
        x: Any,
        h0: Any = None,
        c0: Any = None,
        lengths: Any = None,
        reset: Any = None,
        batch_first: bool = False,
        packed: bool = False,
    ) -> tuple[Any, Any, Any]:
        return self.native.forward(
            x, h0, c0, lengths, reset, batch_first, False, 0.0, 0, False, packed=packed
        )[:3]

    def states(self, B: int, seed: int = 1) -> tuple[Any, Any]:
        rng = np.random.default_rng(seed)
        h = rng.standard_normal((self.L * self.D, B, self.P)).astype(np.float32)
        c = rng.standard_normal((self.L * self.D, B, self.H)).astype(np.float32)
        return h, c if self.has_memory else None

    def expected_step(self, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
        """One step of one layer by the definition: x (B, I), h (B, P), c (B, H)."""
        p = self.parameters[0]

        def product(left: Any, weight: Any) -> Any:
            if self.numbers == "bfloat16" and _core.reduced_level() in ("v1", "v3", "vnni"):
                rounded = quantized.round_bfloat16(weight).astype(np.float64)
                return left.astype(np.float64) @ rounded.T
            return quantized.product(left, weight, self.numbers).astype(np.float64)

        rows = len(p["weight_ih"])
        b_ih, b_hh = (p.get(name, np.zeros(rows)) for name in ("bias_ih", "bias_hh"))
        xs = product(x, p["weight_ih"]) + b_ih
        xs = xs.reshape(len(x), rows // self.H, self.H)
        if self.cell == "gru_reset_before":
            two = 2 * self.H
            hs = (product(h, p["weight_hh"][:two]) + b_hh[:two]).reshape(len(x), 2, self.H)
            r, z = sigmoid(xs[:, 0] + hs[:, 0]), sigmoid(xs[:, 1] + hs[:, 1])
            inner = product((r * h).astype(np.float32), p["weight_hh"][two:]) + b_hh[two:]
            n = np.tanh(xs[:, 2] + inner)
            return n + z * (h - n), None
        hs = (product(h, p["weight_hh"]) + b_hh).reshape(xs.shape)
        a = xs + hs
        if self.cell == "rnn_tanh":
            return np.tanh(a[:, 0]), None
        if self.cell == "rnn_relu":
            return np.maximum(a[:, 0], 0), None
        if self.cell == "gru_simple":
            z, n = sigmoid(a[:, 0]), np.tanh(a[:, 1])
            return n + z * (h - n), None
        if self.cell == "gru":
            r, z = sigmoid(a[:, 0]), sigmoid(a[:, 1])
            n = np.tanh(xs[:, 2] + r * hs[:, 2])
            return n + z * (h - n), None
        peep = p.get("weight_peephole", np.zeros(3 * self.H)).reshape(3, self.H)
        i, f = sigmoid(a[:, 0] + peep[0] * c), sigmoid(a[:, 1] + peep[1] * c)
        after = f * c + i * np.tanh(a[:, 2])
        seen = c if self.cell == "lstm_peephole_previous" else after
        y = sigmoid(a[:, 3] + peep[2] * seen) * np.tanh(after)
        if "weight_hr" in p:
            y = product(y.astype(np.float32), p["weight_hr"])
        return y, after


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def some_x(*shape: int, seed: int = 2) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def same(one: Any, other: Any) -> None:
    for a, b in zip(one, other, strict=True):
        assert a.shape == b.shape
        assert a.tobytes() == b.tobytes()


def close(actual: Any, expected: Any, H: int, second: bool = False) -> None:
    # What is quantised again within a step may fall on the other side of a half.
    atol = (2e-2 if second else 3e-6) * max(1.0, float(np.abs(expected).max()))
    assert np.abs(actual - expected).max() <= atol + 1e-6 * H**0.5


@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("cell", CELLS)
def test_a_step_is_the_definition(reduced, cell, numbers):
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
def test_a_projection_is_the_definition(reduced, numbers):
    network = Network("lstm_peephole", numbers, 7, 33, P=5)
    h0, c0 = network.states(6)
    x = some_x(1, 6, 7)
    y, _, c = network.forward(x, h0, c0)
    expected_h, expected_c = network.expected_step(x[0], h0[0], c0[0])
    close(y[0], expected_h, 33, True)
    close(c[0], expected_c, 33)


@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("cell", CELLS)
def test_a_pass_is_its_steps(reduced, cell, numbers):
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
def test_layers_and_directions_are_those_of_one(reduced, numbers):
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
def test_bits_depend_on_neither_threads_nor_batch_nor_strides(reduced, cell, numbers, set_threads):
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
def test_a_stream_is_a_pass(reduced, cell, numbers):
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
def test_an_index_is_a_column(reduced, numbers):
    for cell, width, H in (("lstm", 9, 17), ("gru", 65, 5), ("rnn_tanh", 6, 70)):
        network = Network(cell, numbers, width, H)
        index = np.random.default_rng(0).integers(0, width, (3, 4))
        one_hot = np.eye(width, dtype=np.float32)[index]
        for actual, expected in zip(network.forward(index), network.forward(one_hot), strict=True):
            assert np.abs(actual - expected).max(initial=0) < 2e-2 if numbers == "int8" else 3e-3


@pytest.mark.parametrize("numbers", NUMBERS)
def test_packed_batches_are_padded_ones(reduced, numbers):
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


def test_rows_that_are_zero_or_huge(reduced):
    for numbers in NUMBERS:
        network = Network("rnn_tanh", numbers, 8, 20)
        x = some_x(1, 3, 8)
        x[0, 0] = 0
        x[0, 1] *= np.float32(1e30)
        y, _, _ = network.forward(x)
        expected, _ = network.expected_step(x[0], np.zeros((3, 20), np.float32), None)
        close(y[0], expected, 20)


def test_what_is_not_finite_is_refused_or_seen(reduced):
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


@pytest.mark.parametrize("numbers", NUMBERS)
def test_a_linear_layer_is_the_definition(reduced, numbers, set_threads):
    rng = np.random.default_rng(0)
    for R, width, outputs in ((1, 1, 1), (3, 17, 5), (40, 65, 70), (200, 64, 33)):
        values = rng.standard_normal(outputs * width + outputs).astype(np.float32)
        buffer = _core.ParameterBuffer(values.size, "float32")
        buffer.assign(0, values)
        layer = _core.Linear(width, outputs, buffer, 0, outputs * width, numbers=numbers)
        x = some_x(R, width)
        weight, bias = values[: outputs * width].reshape(outputs, width), values[outputs * width :]
        if numbers == "bfloat16" and reduced in ("v1", "v3", "vnni"):
            expected = x.astype(np.float64) @ quantized.round_bfloat16(weight).T
        else:
            expected = quantized.product(x, weight, numbers)
        set_threads(1)
        y = layer.forward(x)
        assert np.abs(y - (expected + bias)).max() < 3e-6 * width
        set_threads(2)
        same((y,), (layer.forward(x),))
        same((y[-1:],), (layer.forward(x[-1:]),))
    with pytest.raises(ValueError, match="numbers: expected float32 for backpropagation, got"):
        layer.backward(y, x, False)


def test_cpu_levels_are_known():
    assert _core.reduced_level() in reduced_levels()
    with pytest.raises(ValueError, match="level: expected one of "):
        use_reduced_level("v9")
    with pytest.raises(TypeError, match="capsule: expected a table of smaller numbers"):
        _core.use_reduced(rf._dispatch.importlib.import_module("rnnfast._kernels_v1").table)
