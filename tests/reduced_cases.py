"""Networks in smaller numbers for tests, and what a step of them is by the definition."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast import _core
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
SIZES = ((1, 1), (3, 17), (33, 5), (65, 33), (64, 64))


WIDENED = ("v1", "v3", "vnni")  # levels whose activations beside bfloat16 stay float32


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
        offsets: list[dict[str, int]] = []
        at = 0
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
            if self.numbers == "bfloat16" and _core.reduced_level() in WIDENED:
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
