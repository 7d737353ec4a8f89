"""What is measured: a point of the grid, its data, and what it costs at the least."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rnnfast.reference import NetworkSpec, random_parameters

Array = npt.NDArray[np.floating]
CELLS = ("rnn", "gru", "lstm")
MODES = ("step", "infer", "grad", "train")
STEPS_COMPARED = 8


class Product(NamedTuple):
    """Rows of K numbers times a (K, N) matrix of weights."""

    K: int
    N: int
    every_step: bool  # made step by step, not over all steps at once
    is_input: bool  # of the network's own input


@dataclass(frozen=True)
class Point:
    """One measurement.

    Parameters
    ----------
    cell : {"rnn", "gru", "lstm"}
    mode : {"step", "infer", "grad", "train"}
        One step of a stream; a whole sequence; forward and backpropagation through time; these
        with clipping by the global norm and one step of Adam.
    T, B, I, H : int
        Steps, sequences, input features, hidden units. T is 1 for steps.
    layers, bidirectional
        As of the layers.
    ragged : bool
        Lengths uniform from 0.3 T to T, in no order, the longest T.
    indices : bool
        Inputs are one-hot vectors of width I: indices for a library that takes them.
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
    dtype: str = "float32"
    threads: int = 1

    @property
    def spec(self) -> NetworkSpec:
        """The network."""
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
    def label(self) -> str:
        """The point in one word, unique within a grid."""
        extras = [
            f"L{self.layers}" if self.layers > 1 else "",
            "bi" if self.bidirectional else "",
            "ragged" if self.ragged else "",
            "one-hot" if self.indices else "",
        ]
        sizes = [f"T{self.T}", f"B{self.B}", f"I{self.I}", f"H{self.H}"]
        if self.mode == "step":
            sizes = sizes[2:]
        kind = "f32" if self.dtype == "float32" else "f64"
        return "-".join([self.cell, self.mode, *sizes, *filter(None, extras), kind]) + (
            f"-x{self.threads}"
        )

    @cached_property
    def lengths(self) -> npt.NDArray[np.int64] | None:
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
        for layer in range(self.layers):
            K = self.I if layer == 0 else self.directions * self.H
            for _ in range(self.directions):
                if layer > 0 or not self.indices:
                    yield Product(K, N, every_step=self.mode == "step", is_input=layer == 0)
                yield Product(self.H, N, every_step=True, is_input=False)

    @property
    def trains(self) -> bool:
        """Whether there is backpropagation."""
        return self.mode in ("grad", "train")

    @property
    def flops(self) -> float:
        """Multiplications and additions of the matrix products, nothing else.

        Backpropagation is two products of the forward's size for every matrix, but one for the
        matrix of the network's input, whose gradient is not asked for.
        """
        return sum(
            2.0 * self.rows * p.K * p.N * ((2 if p.is_input else 3) if self.trains else 1)
            for p in self.products()
        )

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
                total += work * ((2 if p.is_input else 3) if self.trains else 1)
        return total, "read" if reading > 0.5 * total else "fma"


@dataclass(frozen=True)
class Problem:
    """The data of a point: the same bits in every process that asks for them."""

    weights: dict[str, Array]
    x: Array  # (T, B, I) features; of one-hot points too
    indices: npt.NDArray[np.int64] | None  # (T, B)
    dy: Array  # (T, B, D*H)


def make_problem(point: Point) -> Problem:
    """Draw the weights, inputs and output gradients of a point."""
    rng = np.random.default_rng(1)
    T = STEPS_COMPARED if point.mode == "step" else point.T
    weights = random_parameters(point.spec, rng, point.dtype)
    indices = None
    if point.indices:
        indices = rng.integers(point.I, size=(T, point.B))
        x = np.eye(point.I, dtype=point.dtype)[indices]
    else:
        x = rng.standard_normal((T, point.B, point.I)).astype(point.dtype)
    dy = rng.standard_normal((T, point.B, point.directions * point.H)).astype(point.dtype)
    return Problem(weights, x, indices, dy)


def _shapes(mode: str, quick: bool) -> Iterator[Point]:
    """Points of one mode for an LSTM in float32 and one thread."""
    base = Point("lstm", mode, 1, 1, 1, 1)
    if mode == "step":
        for H in (32, 64, 128, 256, 512) if quick else (16, 32, 64, 128, 256, 512, 1024):
            yield replace(base, I=H, H=H)
            if not quick:
                yield replace(base, I=1, H=H)
        return
    training = mode != "infer"
    if quick:
        for T, B, H in (
            (100, 1, 64),
            (100, 1, 256),
            (50, 16, 128),
            (50, 32, 256),
            (50, 64, 128),
            (50, 64, 512),
        ):
            yield replace(base, T=T, B=B, I=H, H=H)
        yield replace(base, T=50, B=32, I=128, H=128, ragged=True)
        yield replace(base, T=50, B=16, I=128, H=128, layers=2)
        yield replace(base, T=50, B=16, I=128, H=128, bidirectional=True)
        return
    for T, B in ((100, 1), (100, 4), (50, 16), (50, 32), (50, 64), (20, 128)):
        for H in (64, 100, 128, 256, 512, 650, 1024):
            if not (training and (H == 1024 or B == 128)):
                yield replace(base, T=T, B=B, I=H, H=H)
    for T, B in ((100, 1), (50, 16), (50, 64)):
        for H in (128, 512):
            yield replace(base, T=T, B=B, I=32, H=H)
            yield replace(base, T=T, B=B, I=65, H=H, indices=True)
    yield replace(base, T=35, B=20, I=650, H=650)
    for H in (128, 256):
        for B in (1, 32):
            yield replace(base, T=50, B=B, I=H, H=H, ragged=True)
            yield replace(base, T=50, B=B, I=H, H=H, layers=2)
            yield replace(base, T=50, B=B, I=H, H=H, layers=3)
            yield replace(base, T=50, B=B, I=H, H=H, bidirectional=True)
            yield replace(base, T=50, B=B, I=H, H=H, layers=2, bidirectional=True, ragged=True)


def make_grid(
    name: str,
    cells: Sequence[str] = CELLS,
    modes: Sequence[str] = MODES,
    dtypes: Sequence[str] = ("float32",),
    threads: Sequence[int] = (1, 2),
) -> list[Point]:
    """Return the points of the grid ``"quick"`` or ``"full"`` that have these properties."""
    return [
        replace(shape, cell=cell, dtype=dtype, threads=count)
        for mode in modes
        for shape in _shapes(mode, name == "quick")
        for cell in cells
        for dtype in dtypes
        for count in threads
    ]
