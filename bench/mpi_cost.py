"""What a training step costs on several machines: a formula, and the tables that follow from it.

A machine computes a step in ``fixed + each * B`` seconds for a batch of B sequences. The dense
gradients are summed over all machines (G bytes; twice log2 P messages, the fewest, each machine
sending 2 (P - 1) / P of them), those of an embedding gathered by row where they are sparse (each
machine receives the rows of all others). With overlap, sums that are ready before backpropagation
ends wait for nobody: only what is left of them afterwards, and the sum of the first layer's
gradients, is time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from mpi_worker import Shape

MACHINES = (2, 4, 8, 16, 32, 64)
NUMBER = 4  # bytes, float32
INDEX = 8  # bytes of a row's number
# Of the time of a step: what comes behind the gradients of the output layer.
BACKWARD = 2 / 3


class Link(NamedTuple):
    """What connects machines: seconds until a message arrives, and bytes a second."""

    name: str
    latency: float
    bandwidth: float


LINKS = (
    Link("1 Gbit/s", 50e-6, 0.118e9),
    Link("10 Gbit/s", 20e-6, 1.18e9),
    Link("100 Gbit/s", 2e-6, 11.8e9),
)


def seconds_to_sum(size: float, machines: int, link: Link) -> float:
    """Return how long an all-reduce of so many bytes takes."""
    share = (machines - 1) / machines
    return 2 * math.ceil(math.log2(machines)) * link.latency + 2 * share * size / link.bandwidth


def seconds_to_gather(size: float, machines: int, link: Link) -> float:
    """Return how long every machine waits for so many bytes of each other one."""
    return math.ceil(math.log2(machines)) * link.latency + (machines - 1) * size / link.bandwidth


@dataclass(frozen=True)
class Cost:
    """The cost of a step of a network.

    Attributes
    ----------
    shape : Shape
        The network.
    fixed, each : float
        Seconds of a step on one machine: whatever the batch, and for each sequence.
    sparse : bool
        Whether the embedding's gradients are gathered by row.
    overlap : bool
        Whether sums begin as soon as a layer's gradients are final.
    """

    shape: Shape
    fixed: float
    each: float
    sparse: bool = False
    overlap: bool = False

    def computing(self, batch: float) -> float:
        """Return the seconds of a step on one machine alone."""
        return self.fixed + self.each * batch

    def layers(self) -> list[int]:
        """Return the bytes of the LSTM's layers and of the output layer, from below."""
        shape, directions = self.shape, 2 if self.shape.bidirectional else 1
        sizes = [shape.E, *[shape.width] * (shape.L - 1)]
        gates = [directions * 4 * shape.H * (size + shape.H + 2) for size in sizes]
        return [NUMBER * n for n in (*gates, (shape.width + 1) * shape.K)]

    @property
    def table(self) -> int:
        """Bytes of the embedding."""
        return NUMBER * self.shape.V * self.shape.E

    def rows(self, batch: float) -> float:
        """Return how many words a batch has, of frequencies as 1 / rank."""
        total = sum(1 / r for r in range(1, self.shape.V + 1))
        drawn = batch * self.shape.T
        return sum(1 - (1 - 1 / r / total) ** drawn for r in range(1, self.shape.V + 1))

    def waiting(self, batch: float, machines: int, link: Link) -> float:
        """Return the seconds of a step in which a machine waits for the others."""
        if machines == 1:
            return 0.0
        first, *others = self.layers()
        if self.sparse:
            row = NUMBER * self.shape.E + INDEX
            last = seconds_to_gather(self.rows(batch) * row, machines, link)
        else:
            first += self.table
            last = 0.0
        if not self.overlap:
            return last + seconds_to_sum(first + sum(others), machines, link)
        hidden = BACKWARD * self.computing(batch)
        left = max(0.0, seconds_to_sum(sum(others), machines, link) - hidden)
        return left + last + seconds_to_sum(first, machines, link)

    def step(self, batch: float, machines: int, link: Link) -> float:
        """Return the seconds of a step with such a batch on each machine."""
        return self.computing(batch) + self.waiting(batch, machines, link)

    def efficiency(self, batch: float, machines: int, link: Link) -> float:
        """Return the share of its time in which a machine computes."""
        return self.computing(batch) / self.step(batch, machines, link)

    def least_batch(self, efficiency: float, machines: int, link: Link) -> int | None:
        """Return the least batch a machine with such an efficiency; None above a million."""
        low, high = 0, 1 << 20
        if self.efficiency(high, machines, link) < efficiency:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            if self.efficiency(middle, machines, link) < efficiency:
                low = middle
            else:
                high = middle
        return high


def fit_line(batches: list[int], seconds: list[float]) -> tuple[float, float]:
    """Return the fixed seconds, 0 at least, and those for each sequence, by least squares."""
    n = len(batches)
    mean_b, mean_s = sum(batches) / n, sum(seconds) / n
    spread = sum((b - mean_b) ** 2 for b in batches)
    each = sum((b - mean_b) * (s - mean_s) for b, s in zip(batches, seconds, strict=True)) / spread
    if mean_s < each * mean_b:
        return 0.0, mean_s / mean_b
    return mean_s - each * mean_b, each


def tables(cost: Cost, batch: int) -> list[str]:
    """Return lines: efficiency at a batch, and the least batches for 50 % and 80 %."""
    entries: dict[str, Callable[[Cost, int, Link], str]] = {
        f"efficiency with {batch} sequences a machine": lambda c, p, link: (
            f"{c.efficiency(batch, p, link):.0%}"
        ),
        "sequences a machine from which half of the time is computing": lambda c, p, link: _number(
            c.least_batch(0.5, p, link)
        ),
        "sequences a machine from which four fifths are": lambda c, p, link: _number(
            c.least_batch(0.8, p, link)
        ),
    }
    lines = []
    for title, entry in entries.items():
        lines += ["", title, f"{'':21s}" + "".join(f"{f'P = {p}':>8s}" for p in MACHINES)]
        for link, overlap in itertools.product(LINKS, (False, True)):
            way = replace(cost, overlap=overlap)
            label = f"{link.name}{', overlap' if overlap else ''}"
            lines.append(f"{label:21s}" + "".join(f"{entry(way, p, link):>8s}" for p in MACHINES))
    return lines


def _number(batch: int | None) -> str:
    return "never" if batch is None else f"{batch:,}"
