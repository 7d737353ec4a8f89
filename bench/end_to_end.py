"""Models from end to end against the same networks in PyTorch: `fit`, and `predict`.

Run as ``python bench/end_to_end.py [--threads N] [--rounds N] [--only TEXT]``. Both begin with the
same weights, whose losses and predictions are compared first, and make the same number of updates
of batches of the same size from the same data: texts, labels and arrays, which both encode.
PyTorch's side is written as its users write it: a `DataLoader` of shuffled examples that pads its
batches, packed sequences, `torch.optim.Adam`, clipping. Trainings and predictions take turns.

Printed are what one CPU second brings (with several threads, one second) by the least time;
PyTorch's least and median time over rnnfast's; PyTorch's least time over that which the products of
its layers, padding included, take at the limit of multiply-adds in float32 of one thread; the share
of rnnfast's time that is not inside the compiled module (see `whole.kernel_time`; of one thread,
the least of three calls); and both losses after training. A language model predicts by scoring a
text, as one stream.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

import rnnfast as rf
from whole import series, tokens
from whole.kernel_time import share_outside
from whole.products import PASSES_OF_TRAINING, least_seconds, of_forward_passes
from whole.recipe import Pair, weights_of


def seconds(call: Callable[[], Any], threads: int) -> tuple[float, Any]:
    """Return the time of a call, of the CPU where one thread does all, and its result."""
    now = time.process_time if threads == 1 else time.perf_counter
    began = now()
    result = call()
    return now() - began, result


def alike(pair: Pair, weights: dict[str, torch.Tensor], begun: Any) -> str:
    """Return what of the first losses and predictions differs; nothing if they are the same."""
    recipe = pair.recipe
    recipe.learn()
    net = recipe.network()
    net.load_state_dict(weights)
    ours, theirs = pair.mean_loss(begun), recipe.mean_loss(net)
    apart = pair.difference(pair.predict(begun), recipe.predict(net))
    if abs(ours - theirs) < 1e-4 * ours and apart < 0.01:
        return ""
    return f"  WRONG: losses {ours:.6f} and {theirs:.6f}, predictions {apart:.3g} apart"


def compare(pair: Pair, rounds: int, threads: int) -> None:
    """Print a row."""
    begun, recipe = pair.begun(), pair.recipe
    weights = weights_of(begun)
    wrong = alike(pair, weights, begun)
    fits, predictions = [], []
    for _ in range(rounds):
        ours, model = seconds(pair.fit, threads)
        theirs, net = seconds(partial(recipe.fit, weights, pair.epochs), threads)
        fits.append((ours, theirs))
        ours, _ = seconds(partial(pair.predict, model), threads)
        theirs, _ = seconds(partial(recipe.predict, net), threads)
        predictions.append((ours, theirs))
    rf.set_num_threads(1)  # so that the thread that is watched does all
    cells = []
    forward = partial(recipe.fit, weights, pair.epochs), partial(recipe.predict, net)
    passes = PASSES_OF_TRAINING * of_forward_passes(forward[0]), of_forward_passes(forward[1])
    calls = (
        (fits, pair.epochs, pair.fit, passes[0]),
        (predictions, 1, partial(pair.predict, model), passes[1]),
    )
    for times, epochs, call, products in calls:
        ours, theirs = zip(*times, strict=True)
        most = min(theirs) / least_seconds(products)
        least, median = min(theirs) / min(ours), statistics.median(theirs) / statistics.median(ours)
        outside = min(share_outside(call) for _ in range(3))
        rate = pair.units * epochs / min(ours)
        cells.append(f"{rate:14,.0f} {least:6.2f} {median:6.2f} {most:6.2f} {outside:7.1%}")
    rf.set_num_threads(threads)
    losses = f"{pair.mean_loss(model):.3f} {recipe.mean_loss(net):.3f}"
    print(f"{pair.name:28s}{pair.unit:11s}{''.join(cells)}   {losses}{wrong}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="models whose name contains it")
    arguments = parser.parse_args()
    rf.set_num_threads(arguments.threads)
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    per = "CPU second" if arguments.threads == 1 else "second"
    columns = f"{'a ' + per:>14s} {'least':>6s} {'median':>6s} {'limit':>6s} {'outside':>7s}"
    print(f"{'':39s}{'  fit':44s}  predict\n{'':39s}{columns}{columns}   losses")
    found = False
    for make in (*tokens.PAIRS, *series.PAIRS):
        pair = make()
        if arguments.only in pair.name:
            found = True
            compare(pair, arguments.rounds, arguments.threads)
    if not found:
        parser.error(f"--only: expected a part of a model's name, got {arguments.only!r}")


if __name__ == "__main__":
    main()
