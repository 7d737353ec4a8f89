"""Time the drop-in modules against `torch.nn`, in turns, after comparing the answers.

A turn is some milliseconds of one's calls, each timed by itself, or one call that takes longer: a
user's loop calls one of the two, and finds its code and its weights in the caches.

Run as ``python bench/torch_dropin.py [--threads 1,2] [--seconds S] [--only TEXT]``. Prints, for
each case, the least and the median time of both and the ratios of PyTorch's to rnnfast's; for
batches, the highest ratio that there could be too: PyTorch's least time over that of the matrix
products alone at the rate of multiplications in registers, probed beside it. Then the geometric
means of the ratios of each kind and of each layer, and the cases that rnnfast loses.

Cases: RNN, GRU and LSTM, inference and training (forward and back, the gradient of the input
included) of padded and packed batches; single steps, frozen or not; loops over a cell.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from rnnfast import _core
from rnnfast.interop import torch as dropin

KINDS = ("RNN", "GRU", "LSTM")
SHAPES = ((50, 16, 128, 1), (100, 1, 64, 1), (20, 64, 256, 1), (30, 32, 128, 2))  # T, B, H, layers
STEPS = ((1, 64), (16, 64), (1, 128), (1, 256), (1, 512))  # B, H
CELLS = ((1, 32), (1, 64), (16, 64))  # B, H
LOST = 1.05
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
PROBE_SECONDS = 2e-3
TURN_SECONDS = 3e-3
Run = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """Something that both compute; `make` gives it of a module."""

    name: str
    kind: str
    module: str
    sizes: tuple[int, ...]
    make: Callable[[Any], Run]
    frozen: bool = False
    gradients: bool = False
    flops: float = 0.0  # of the matrix products, where these bound the time

    def modules(self) -> tuple[Any, Any]:
        """Return rnnfast's module and PyTorch's, with the same weights."""
        theirs = getattr(torch.nn, self.module)(*self.sizes)
        ours = getattr(dropin, self.module)(*self.sizes)
        ours.load_state_dict(theirs.state_dict())
        return ours, theirs


@dataclass
class Times:
    """Seconds of calls of rnnfast and of PyTorch, and what the processor could do meanwhile."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    rate: float = 0.0  # the best of multiplications and additions in registers, a second

    def of(self, reduce: Callable[[list[float]], float]) -> tuple[float, float, float]:
        """Return both in microseconds, and the ratio."""
        a, b = reduce(self.ours), reduce(self.theirs)
        return a * 1e6, b * 1e6, b / a


def step(batch: int) -> Callable[[Any], Run]:
    """One step without gradients."""

    def make(module: Any) -> Run:
        x = torch.randn(1, batch, module.input_size)
        state = module(x)[1]

        def run() -> Any:
            return module(x, state)[0]

        return run

    return make


def loop(batch: int, steps: int = 50) -> Callable[[Any], Run]:
    """A loop over a cell, without gradients."""

    def make(module: Any) -> Run:
        rows = torch.randn(steps, batch, module.input_size).unbind()

        def run() -> Any:
            state = None
            for row in rows:
                state = module(row, state)
            return state

        return run

    return make


def batch_of(steps: int, batch: int, width: int, packed: bool, gradient: bool) -> tuple[Any, Any]:
    """Return a tensor, and it or its packed rows, of lengths from 0.3 T to T."""
    x = torch.randn(steps, batch, width, requires_grad=gradient)
    if not packed:
        return x, x
    return x, pack_padded_sequence(x, lengths_of(steps, batch))


def infer(steps: int, batch: int, packed: bool) -> Callable[[Any], Run]:
    """A batch of sequences without gradients."""

    def make(module: Any) -> Run:
        _, given = batch_of(steps, batch, module.input_size, packed, False)

        def run() -> Any:
            y = module(given)[0]
            return y.data if isinstance(y, PackedSequence) else y

        return run

    return make


def train(steps: int, batch: int, packed: bool) -> Callable[[Any], Run]:
    """Forward and back."""

    def make(module: Any) -> Run:
        x, given = batch_of(steps, batch, module.input_size, packed, True)

        def run() -> Any:
            module.zero_grad()
            x.grad = None
            y = module(given)[0]
            y = y.data if isinstance(y, PackedSequence) else y
            y.backward(torch.ones_like(y), retain_graph=packed)  # that of the packing
            return x.grad

        return run

    return make


def lengths_of(steps: int, batch: int) -> Any:
    """Return the lengths of packed sequences: from 0.3 T to T."""
    return torch.linspace(steps, 0.3 * steps, batch).long()


def flops_of(kind: str, rows: int, hidden: int, layers: int, training: bool) -> float:
    """Return the multiplications and additions of a pass's products; three times in training."""
    forward = 2.0 * rows * layers * GATES[kind] * hidden * (hidden + hidden)
    return forward * (3 if training else 1)


def cases() -> Iterator[Case]:
    """Yield all."""
    for kind in KINDS:
        for batch, hidden in STEPS:
            for frozen in (False, True):
                name = f"{kind} one step B={batch} H={hidden}{' frozen' if frozen else ''}"
                yield Case(name, f"{kind} one step", kind, (hidden, hidden), step(batch), frozen)
        for batch, hidden in CELLS:
            name = f"{kind}Cell loop B={batch} H={hidden}"
            yield Case(name, f"{kind}Cell", f"{kind}Cell", (hidden, hidden), loop(batch))
        for steps, batch, hidden, layers in SHAPES:
            for packed in (False, True)[: 1 + (batch > 1)]:
                for mode, make in (("inference", infer), ("training", train)):
                    name = f"{kind} {mode} T={steps} B={batch} H={hidden} L={layers}"
                    rows = int(lengths_of(steps, batch).sum()) if packed else steps * batch
                    yield Case(
                        name + (" packed" if packed else ""),
                        kind,
                        kind,
                        (hidden, hidden, layers),
                        make(steps, batch, packed),
                        gradients=mode == "training",
                        flops=flops_of(kind, rows, hidden, layers, mode == "training"),
                    )


def measured(case: Case, seconds: float) -> Times:
    """Compare the answers, and time both in turns."""
    ours, theirs = case.modules()
    runs = []
    for module in (ours, theirs):
        torch.manual_seed(1)
        runs.append(case.make(module))
    times, threads = Times(), torch.get_num_threads()
    with (
        torch.set_grad_enabled(case.gradients),
        dropin.frozen(ours) if case.frozen else contextlib.nullcontext(),
    ):
        torch.testing.assert_close(runs[0](), runs[1](), rtol=1e-3, atol=1e-4)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times.ours) < 5:
            for run, own in zip(runs, (times.ours, times.theirs), strict=True):
                begin = now = time.perf_counter()
                while now < begin + TURN_SECONDS:
                    before = now
                    run()
                    now = time.perf_counter()
                    own.append(now - before)
            if case.flops:
                rate = _core.fma_probe("float32", threads, PROBE_SECONDS)
                times.rate = max(times.rate, rate)
    return times


def means_of(rows: list[tuple[float, ...]]) -> str:
    """Return the geometric mean of each column."""
    return "".join(f"{statistics.geometric_mean(c):8.2f}" for c in zip(*rows, strict=True))


def main() -> None:
    """Time all cases and sum up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", default="1,2", help="numbers of threads, one after the other")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each case")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    arguments = parser.parse_args()
    ratios: dict[str, list[tuple[float, ...]]] = {}
    lost = []
    for threads in map(int, arguments.threads.split(",")):
        torch.set_num_threads(threads)
        print(
            f"\n{f'{threads} threads, us':44s}{'min: rnnfast':>12s}{'torch':>10s}  ratio | median"
        )
        for case in cases():
            if arguments.only not in case.name:
                continue
            torch.manual_seed(0)
            times = measured(case, arguments.seconds)
            least, median = times.of(min), times.of(statistics.median)
            cells = (f"{a:12.1f}{b:10.1f} {r:6.2f}" for a, b, r in (least, median))
            row = [least[2], median[2]]
            line = f"{case.name:44s}" + " |".join(cells)
            if case.flops:
                row.append(min(times.theirs) / (case.flops / times.rate))
                line += f" | at most {row[-1]:.2f}"
            print(line, flush=True)
            ratios.setdefault(case.kind, []).append(tuple(row))
            if least[2] < LOST:
                lost.append(f"{case.name}, {threads} threads: {least[2]:.2f}, {median[2]:.2f}")
    print(f"\n{'geometric means':44s}{'min':>8s}{'median':>8s}{'at most':>8s}")
    for kind, found in ratios.items():
        print(f"{kind:44s}" + means_of(found))
    for name in KINDS:
        found = [row[:2] for kind, rows in ratios.items() if kind.startswith(name) for row in rows]
        if found:
            print(f"{f'{name}, all {len(found)} points':44s}" + means_of(found))
    print(f"\nbelow {LOST} by the minimum: {len(lost)} of {sum(map(len, ratios.values()))}")
    print("\n".join(lost))


if __name__ == "__main__":
    main()
