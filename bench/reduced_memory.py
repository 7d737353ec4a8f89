"""Memory and times of a language model in smaller numbers, each kind in a process of its own.

Run as ``python bench/reduced_memory.py [--tokens 33278] [--size 200] [--times]``: random weights,
embeddings, an LSTM and the output layer. Prints the bytes that the process holds once it has the
network alone, and once that has answered a step, and their ratio to float32; with ``--times`` in
turns the times of a step with its probabilities, of the loss of 35 steps of 20 texts, and of
drawing 100 tokens, one thread.
"""

from __future__ import annotations

import argparse
import ctypes
import functools
import gc
import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import rnnfast as rf
from memory import status
from rnnfast.data.batches import Batch
from rnnfast.models.parts.hyperparameters import LayerOptions
from rnnfast.models.parts.language.token_network import TokenNetwork
from turns import in_turns

NUMBERS = ("float32", "int8", "bfloat16")


def network(tokens: int, size: int, numbers: Any) -> TokenNetwork:
    """Return a language model's network."""
    layers = LayerOptions(
        cell="lstm", hidden_size=size, num_layers=1, embedding_size=size, dropout=0.0,
        dtype="float32",
    )  # fmt: skip
    made = TokenNetwork(tokens, layers, rng=np.random.default_rng(0))
    return made if numbers == "float32" else rf.quantize(made, numbers)


def in_memory() -> int:
    """Return the bytes of the process, without what it has freed and not given back."""
    gc.collect()
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    return status("VmRSS")


def child(tokens: int, size: int, numbers: str) -> None:
    """Print the bytes that one network holds, before and after it has answered."""
    ids = np.zeros(1, np.int64)
    network(20, 20, numbers).step(ids)  # code is loaded, threads are started
    before = in_memory()
    made = network(tokens, size, numbers)
    held = in_memory() - before
    made.step(ids)
    print(json.dumps([held, in_memory() - before]))


def times(tokens: int, size: int, rounds: int) -> None:
    """Print the least times of each kind, in turns."""
    rf.set_num_threads(1)
    rng = np.random.default_rng(1)
    inputs, targets = rng.integers(0, tokens, (2, 35, 20))
    batch = Batch(inputs, targets, np.full(20, 35))
    runs: dict[str, dict[str, Callable[[], Any]]] = {"step": {}, "loss": {}, "sample": {}}
    start = np.zeros(0, np.int64)
    for numbers in NUMBERS:
        made = network(tokens, size, numbers)
        runs["step"][numbers] = lambda made=made: made.step(inputs[0, :1])
        runs["loss"][numbers] = lambda made=made: made.loss(batch, None)
        draw = functools.partial(made.sample, 1, start, max_length=100, seed=0)
        runs["sample"][numbers] = draw
    for what, each in runs.items():
        best = in_turns(list(each.values()), rounds)
        ratios = ", ".join(f"{n} {s / best[0]:.2f}" for n, s in zip(each, best, strict=True))
        print(f"{what}: float32 {best[0] * 1e3:.2f} ms; {ratios}", flush=True)


def main() -> None:
    """Print what the module says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=33278)
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("--times", action="store_true")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.child:
        return child(options.tokens, options.size, options.child)
    sizes = ["--tokens", str(options.tokens), "--size", str(options.size)]
    first: list[int] = []
    for numbers in NUMBERS:
        command = [sys.executable, __file__, *sizes, "--child", numbers]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout)
        first = first or found
        held, used = (f"{a / 1e6:.1f} MB ({a / b:.3f})" for a, b in zip(found, first, strict=True))
        print(f"{numbers}: {held}, after an answer {used}", flush=True)
    if options.times:
        times(options.tokens, options.size, options.rounds)


if __name__ == "__main__":
    main()
