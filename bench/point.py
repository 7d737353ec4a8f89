"""A point of the grid: what is measured, its data, and what it costs at the least."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rnnfast.reference import NetworkSpec, random_parameters

Array = npt.NDArray[np.floating]
Indices = npt.NDArray[np.int64]
STEPS_COMPARED = 8  # of a stream
LEARNING_RATE = 1e-6  # so small that thousands of steps leave the weights where they were
MOST_NORM = 1.0


class Product(NamedTuple):
    """Rows of K numbers times a (K, N) matrix of weights."""

    K: int
    N: int
    every_step: bool  # made step by step, not over all steps at once
    is_input: bool  # of an input whose gradient is not wanted


@dataclass(frozen=True)
class Point:
    """One measurement.

    Parameters
    ----------
    cell : {"rnn", "gru", "lstm"}
    mode : {"step", "infer", "grad", "train", "model", "sample"}
        One step of a stream; a whole batch; forward and backpropagation through time for given
        gradients of the outputs; these with clipping by the global norm and one step of Adam; the
        same of a language model, with its softmax cross-entropy; drawing T tokens from one.
    T, B, I, H : int
        Steps, sequences, input features, hidden units. T is 1 for steps.
    layers, bidirectional
        As of the layers.
    ragged : bool
        Lengths uniform from 0.3 T to T, in no order, the longest T.
    indices : bool
        Inputs are one-hot vectors of width I: indices for a library that takes them.
    classes : int
        Tokens of a language model. Its inputs are one-hot vectors if `indices`, else embeddings of
        width I.
    dtype : {"float32", "float64"}
    threads : int
    """

    cell: str
    mode: str
    T: int
    B: int
    I: int  # noqa: E741
    H: int
    layers: int = 1
    bidirectional: bool = False
    ragged: bool = False
    indices: bool = False
    classes: int = 0
    dtype: str = "float32"
    threads: int = 1

    @property
    def spec(self) -> NetworkSpec:
        """The recurrent layers."""
        return NetworkSpec(
            self.cell,  # type: ignore[arg-type]
            self.I,
            self.H,
            num_layers=self.layers,
            bidirectional=self.bidirectional,
        )

    @property
    def directions(self) -> int:
        """1 or 2."""
        return 2 if self.bidirectional else 1

    @property
    def trains(self) -> bool:
        """Whether there is backpropagation."""
        return self.mode in ("grad", "train", "model")

    @property
    def label(self) -> str:
        """The point in one word, unique within a grid."""
        sizes = [f"T{self.T}", f"B{self.B}", f"I{self.I}", f"H{self.H}"]
        extras = [
            f"L{self.layers}" if self.layers > 1 else "",
            "bi" if self.bidirectional else "",
            "ragged" if self.ragged else "",
            "one-hot" if self.indices else "",
            f"V{self.classes}" if self.classes else "",
        ]
        kind = "f32" if self.dtype == "float32" else "f64"
        words = [self.cell, self.mode, *(sizes[2:] if self.mode == "step" else sizes), *extras]
        return "-".join([*filter(None, words), kind, f"x{self.threads}"])

    @cached_property
    def lengths(self) -> Indices | None:
        """(B,), or None if all sequences are full."""
        if not self.ragged:
            return None
        rng = np.random.default_rng(self.T * 1000 + self.B)
        lengths = rng.integers(-(-3 * self.T // 10), self.T + 1, self.B)
        lengths[rng.integers(self.B)] = self.T
        return lengths.astype(np.int64)

    @property
    def rows(self) -> int:
        """Steps of all sequences together."""
        return self.T * self.B if self.lengths is None else int(self.lengths.sum())

    def products(self) -> Iterator[Product]:
        """Yield the product with each matrix of weights."""
        N = self.spec.num_gates * self.H
        stepwise = self.mode in ("step", "sample")
        for layer in range(self.layers):
            K = self.I if layer == 0 else self.directions * self.H
            for _ in range(self.directions):
                if layer > 0 or not self.indices:
                    yield Product(K, N, stepwise, is_input=layer == 0 and not self.classes)
                yield Product(self.H, N, every_step=True, is_input=False)
        if self.classes:
            yield Product(self.directions * self.H, self.classes, stepwise, is_input=False)

    @property
    def flops(self) -> float:
        """Multiplications and additions of the matrix products, nothing else.

        Backpropagation is two products of the forward's size for every matrix, but one for the
        matrix of the network's input, whose gradient is not asked for.
        """
        return sum(2.0 * self.rows * p.K * p.N * self._passes(p) for p in self.products())

    def _passes(self, product: Product) -> int:
        return (2 if product.is_input else 3) if self.trains else 1

    @property
    def step_bytes(self) -> int:
        """Bytes of the weights that must be read anew at every step."""
        size = np.dtype(self.dtype).itemsize
        return sum(p.K * p.N * size for p in self.products() if p.every_step)

    def least_seconds(self, flops_per_second: float, bytes_per_second: float) -> tuple[float, str]:
        """Least time on a machine of these two limits, and which binds: ``"fma"`` or ``"read"``.

        A product over all steps at once is bound by arithmetic. One of a single step (the
        recurrent ones, forward and backward) is bound by arithmetic or by reading its weights.
        """
        size = np.dtype(self.dtype).itemsize
        total = reading = 0.0
        for p in self.products():
            work = 2.0 * self.rows * p.K * p.N / flops_per_second
            if p.every_step:
                read = self.T * p.K * p.N * size / bytes_per_second
                step = max(work, read) * (2 if self.trains else 1)
                reading += step if read > work else 0.0
                total += step + (work if self.trains else 0.0)
            else:
                total += work * self._passes(p)
        return total, "read" if reading > 0.5 * total else "fma"


@dataclass(frozen=True)
class Problem:
    """The data of a point: the same bits in every process that asks for them."""

    weights: dict[str, Array]  # of the recurrent layers
    model: dict[str, Array]  # of a language model: embedding (V, I) or none, output, output_bias
    x: Array  # (T, B, I) features; of one-hot points too; empty if there is an embedding
    indices: Indices | None  # (T, B)
    targets: Indices  # (T, B) of a language model
    dy: Array  # (T, B, D*H)


def make_problem(point: Point) -> Problem:
    """Draw the weights, inputs, targets and output gradients of a point."""
    rng = np.random.default_rng(1)
    T = STEPS_COMPARED if point.mode == "step" else point.T
    width = point.directions * point.H
    weights = random_parameters(point.spec, rng, point.dtype)
    tokens = point.classes or point.I
    indices = x = None
    if point.indices or point.classes:
        indices = rng.integers(tokens, size=(T, point.B))
    if point.indices:
        x = np.eye(point.I, dtype=point.dtype)[indices]
    elif point.classes:
        x = np.empty((0, point.B, point.I), point.dtype)
    else:
        x = rng.standard_normal((T, point.B, point.I)).astype(point.dtype)
    model = {}
    targets = np.empty((0, point.B), np.int64)
    if point.classes:
        # Large enough that no two tokens are nearly as likely.
        bound = 4.0 * width**-0.5
        model["output"] = rng.uniform(-bound, bound, (tokens, width)).astype(point.dtype)
        model["output_bias"] = rng.uniform(-bound, bound, tokens).astype(point.dtype)
        if not point.indices:
            model["embedding"] = rng.standard_normal((tokens, point.I)).astype(point.dtype)
        targets = rng.integers(tokens, size=(T, point.B))
    dy = rng.standard_normal((T, point.B, width)).astype(point.dtype)
    return Problem(weights, model, x, indices, targets, dy)
