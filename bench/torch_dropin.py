"""Time the drop-in layers against `torch.nn`, in turns, after comparing the answers.

Run as ``python bench/torch_dropin.py [--threads N] [--seconds S]``. Prints, for each case, the
minimum and the median of both and the ratios of PyTorch's to rnnfast's.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from rnnfast.interop import torch as dropin


def pair(name: str, *sizes: int, **options: Any) -> tuple[Any, Any]:
    theirs = getattr(torch.nn, name)(*sizes, **options)
    ours = getattr(dropin, name)(*sizes, **options)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def step(module: Any) -> Callable[[], Any]:
    """One step of one sequence, without gradients."""
    x = torch.randn(1, 1, module.input_size)
    state = module(x)[1]

    def run() -> Any:
        with torch.no_grad():
            return module(x, state)[0]

    return run


def train(module: Any, steps: int = 50, batch: int = 16) -> Callable[[], Any]:
    """Forward and back over a batch, the gradients of the input included."""
    x = torch.randn(steps, batch, module.input_size, requires_grad=True)

    def run() -> Any:
        module.zero_grad()
        x.grad = None
        y = module(x)[0]
        y.backward(torch.ones_like(y))
        return x.grad

    return run


def measured(runs: list[Callable[[], Any]], seconds: float) -> list[list[float]]:
    """Return times of each, taken in turns."""
    times: list[list[float]] = [[] for _ in runs]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for run, own in zip(runs, times, strict=True):
            begin = time.perf_counter()
            run()
            own.append(time.perf_counter() - begin)
    return times


def report(name: str, ours: Any, theirs: Any, make: Callable[[Any], Any], seconds: float) -> None:
    runs = []
    for module in (ours, theirs):
        torch.manual_seed(1)
        runs.append(make(module))
    torch.testing.assert_close(runs[0](), runs[1](), rtol=1e-4, atol=1e-5)
    (mine, peer) = measured(runs, seconds)
    cells = []
    for of in (min, statistics.median):
        a, b = of(mine) * 1e6, of(peer) * 1e6
        cells.append(f"{a:10.1f} {b:10.1f} {b / a:6.2f}")
    print(f"{name:34s}" + "  |".join(cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    print(f"{'us':34s}{'min: rnnfast':>10s} {'torch':>8s} ratio  | median: the same")
    for name in ("LSTM", "GRU", "RNN"):
        ours, theirs = pair(name, 64, 64)
        report(f"{name}(64) one step", ours, theirs, step, arguments.seconds)
        with getattr(dropin, "frozen", contextlib.nullcontext)(ours):
            report(f"{name}(64) one step, frozen", ours, theirs, step, arguments.seconds)
        ours, theirs = pair(name, 128, 128)
        report(f"{name}(128) T=50 B=16, training", ours, theirs, train, arguments.seconds)


if __name__ == "__main__":
    main()
