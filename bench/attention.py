"""Attention against the same in PyTorch, and what BLAS adds to a model's CPU time.

Run as ``python bench/attention.py [--threads N] [--rounds N]``. Answers are compared first. Prints
the least and the median of the ratios of PyTorch's time to rnnfast's, slices in turns, of a call
and of a call with its way back; then the CPU seconds of a short `Seq2Seq.fit` with NumPy's BLAS as
it comes and limited to one thread, in turns, which are the same where nothing reaches it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

import rnnfast as rf

KINDS = ("dot", "general", "additive")
# Queries, steps of memory, sequences, numbers of each.
SHAPES = [
    (20, 20, 32, 128),
    (10, 30, 64, 256),
    (1, 20, 32, 128),
    (8, 20, 1, 128),
    (300, 300, 2, 64),
]


def in_torch(kind: str, state: dict[str, torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Return attention as its users write it: batches of products, a mask, a softmax."""

    def attend(query: torch.Tensor, memory: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        q, m = query.transpose(0, 1), memory.transpose(0, 1)
        if kind == "additive":
            keys = m @ state["weight_memory"].T
            queries = q @ state["weight_query"].T
            hidden = torch.tanh(queries[:, :, None] + keys[:, None])
            scores = hidden @ state["weight_score"]
        else:
            scores = (q @ state["weight"] if state else q) @ m.transpose(1, 2)
        weights = scores.masked_fill(~mask[:, None], -torch.inf).softmax(-1)
        return (weights @ m).transpose(0, 1)

    return attend


def ratios(runs: list[Callable[[], Any]], rounds: int) -> tuple[float, float]:
    """Return the least and the median of the first one's time over the second's."""
    found = []
    for run in runs:  # to warm up
        run()
    for _ in range(rounds):
        times = []
        for run in runs:
            begin, calls = time.perf_counter(), 0
            while time.perf_counter() - begin < 0.02:
                run()
                calls += 1
            times.append((time.perf_counter() - begin) / calls)
        found.append(times[0] / times[1])
    return min(found), statistics.median(found)


def compare(kind: str, shape: tuple[int, int, int, int], rounds: int) -> None:
    """Print a row of a kind and a shape."""
    T, S, B, H = shape
    rng = np.random.default_rng(0)
    attention: rf.AdditiveAttention | rf.DotAttention
    if kind == "additive":
        attention = rf.AdditiveAttention(H, H, H, seed=1)
    else:
        attention = rf.DotAttention(H, H, general=kind == "general", seed=1)
    query, memory, gradient = (
        (rng.normal(size=(n, B, H)) / H**0.25).astype(np.float32) for n in (T, S, T)
    )
    lengths = rng.integers(1, S + 1, B)
    state = {n: torch.from_numpy(v).requires_grad_() for n, v in attention.state_dict().items()}
    theirs = in_torch(kind, state)
    tensors = [torch.from_numpy(x).requires_grad_() for x in (query, memory)]
    mask = torch.arange(S) < torch.from_numpy(lengths)[:, None]

    def ours_back() -> Any:
        (context, _), backprop = attention.forward(query, memory, lengths)
        return context, backprop(gradient)

    def theirs_back() -> Any:
        for tensor in (*tensors, *state.values()):
            tensor.grad = None
        context = theirs(*tensors, mask)
        context.backward(torch.from_numpy(gradient))  # type: ignore[no-untyped-call]
        return context, [tensor.grad for tensor in tensors]

    def theirs_call() -> Any:
        with torch.no_grad():
            return theirs(*tensors, mask)

    for one, other in zip((ours_back()[0], *ours_back()[1]), _flat(theirs_back()), strict=True):
        np.testing.assert_allclose(one, other.detach().numpy(), rtol=1e-3, atol=1e-4)
    call = ratios([theirs_call, lambda: attention(query, memory, lengths)], rounds)
    back = ratios([theirs_back, ours_back], rounds)
    print(
        f"{kind:10s}T={T:<4d}S={S:<4d}B={B:<3d}H={H:<5d}{call[0]:8.2f} {call[1]:6.2f}"
        f"{back[0]:10.2f} {back[1]:6.2f}",
        flush=True,
    )


def _flat(found: Any) -> list[torch.Tensor]:
    context, gradients = found
    return [context, *gradients]


def cpu_seconds(kind: str) -> float:
    """Return the CPU time of all threads that a short fit of a translator takes."""
    rng = np.random.default_rng(0)
    sources = [" ".join(map(str, rng.integers(0, 20, rng.integers(8, 25)))) for _ in range(600)]
    model = rf.Seq2Seq(hidden_size=128, attention=kind, epochs=1, batch_size=32, seed=0)
    begin = time.process_time()
    model.fit(sources, sources, verbose=0)
    return time.process_time() - begin


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    rf.set_num_threads(arguments.threads)
    torch.set_num_threads(arguments.threads)
    print(f"{'PyTorch / rnnfast':36s}call: least median   and back: least median")
    for kind in KINDS:
        for shape in SHAPES:
            compare(kind, shape, arguments.rounds)
    print("\nSeq2Seq.fit, CPU seconds: BLAS as it comes, and with one thread (least of three)")
    for kind in KINDS:
        found: list[tuple[float, float]] = []
        for _ in range(3):
            free = cpu_seconds(kind)
            with threadpool_limits(1, user_api="blas"):
                found.append((free, cpu_seconds(kind)))
        print(f"{kind:10s}" + " ".join(f"{min(times):8.2f}" for times in zip(*found, strict=True)))


if __name__ == "__main__":
    main()
