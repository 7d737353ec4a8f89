"""Many streams on one layer or model, beside one at a time and beside the kernels for batches.

Run as ``python bench/streams.py [--streams N] [--threads T] [--rounds R]``. Answers are compared
first, bit for bit. All ways take turns; each figure is of the least time of a call. The last column
is the throughput beside that of the batch: a pass of one step over as many sequences, which is what
there would be without streams. With one thread it is the CPU time of the process that counts, so
that ratios hold on a machine that others use too; with several the time that goes by.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import rnnfast as rf

INPUTS, HIDDEN = 64, 64
WANTED = 100  # steps a second


def least(runs: Sequence[Callable[[], Any]], rounds: int) -> list[float]:
    """Return the least seconds of a call of each; one call of each is a turn."""
    clock = time.process_time if rf.get_num_threads() == 1 else time.perf_counter
    found = []
    for _ in range(rounds):
        times = []
        for run in runs:
            begin = clock()
            run()
            times.append(clock() - begin)
        found.append(times)
    return [min(times) for times in zip(*found, strict=True)]


def tell(what: str, steps: float, seconds: float, batch: float) -> None:
    """Print a line: steps of a sequence in a second, and beside the batch's."""
    rate = steps / seconds
    print(f"  {what:44s} {rate / 1e6:8.3f} million steps/s, {rate / batch:5.2f} of the batch")


def layer_streams(count: int, rounds: int) -> None:
    """Time a GRU: all together, in subsets, one at a time, and a batch."""
    rng = np.random.default_rng(0)
    layer = rf.GRU(INPUTS, HIDDEN, seed=0)
    x = rng.standard_normal((count, INPUTS), dtype=np.float32)
    stream, alone, single = layer.stream(count), layer.stream(count), layer.stream()
    state = np.zeros((1, count, HIDDEN), np.float32)
    order = rng.permutation(count)
    tenths = [(rows, x[rows]) for rows in np.array_split(order, 10)]
    ones = [([row], x[row]) for row in order[:200].tolist()]

    def batch() -> Any:
        return layer(x[np.newaxis], state)

    def in_tenths() -> None:
        for rows, given in tenths:
            alone(given, rows=rows)

    def row_by_row() -> None:
        for rows, given in ones:
            alone(given, rows=rows)

    def one_stream() -> None:
        for _, given in ones:
            single(given)

    np.testing.assert_array_equal(stream(x), batch()[0][0])
    in_tenths()
    np.testing.assert_array_equal(alone.state, stream.state)
    ways = [batch, lambda: stream(x), in_tenths, row_by_row, one_stream]
    times = least(ways, rounds)
    rate = count / times[0]
    print(f"GRU({HIDDEN}) of {INPUTS} inputs, {count:,} streams, threads: {rf.get_num_threads()}")
    tell("batch: a pass of one step", count, times[0], rate)
    tell("all in one step", count, times[1], rate)
    tell("in tenths, rows at random", count, times[2], rate)
    tell("one row of them at a time", len(ones), times[3], rate)
    tell("a stream of its own, one at a time", len(ones), times[4], rate)
    print(f"  all take a step {1 / times[1]:.0f} times a second; wanted: {WANTED}")


def model_streams(count: int, rounds: int) -> None:
    """Time a classifier of series: all together and in subsets, beside `predict_proba`."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(count, 16, INPUTS))
    model = rf.SequenceClassifier(
        cell="gru", hidden_size=HIDDEN, pooling="last", epochs=1, seed=0, verbose=0
    ).fit(X[:200], ["a", "b"] * 100)
    stream, x = model.stream(count), np.ascontiguousarray(X[:, 0])
    rows = rng.permutation(count)[: count // 10]
    some = x[rows]
    for t in range(16):
        answer = stream(X[:, t])
    np.testing.assert_array_equal(answer.probabilities, model.predict_proba(X))
    ways = [lambda: model.predict_proba(X), lambda: stream(x), lambda: stream(some, rows)]
    times = least(ways, rounds)
    rate = 16 * count / times[0]
    print(f"SequenceClassifier on a GRU({HIDDEN}), {count:,} streams")
    tell("predict_proba of 16 steps each", 16 * count, times[0], rate)
    tell("all in one step, with probabilities", count, times[1], rate)
    tell("a tenth of them", len(rows), times[2], rate)
    print(f"  all take a step {1 / times[1]:.0f} times a second")


def many_calls(rounds: int) -> None:
    """Time many texts drawn at once, and threads that ask one model."""
    model = rf.LanguageModel(hidden_size=128, epochs=1, seed=0, verbose=0)
    model.fit("the cat sat on the mat and the dog lay on the log. " * 40)
    length = 100
    texts = [
        lambda: model.sample(1, max_length=length, seed=0),
        lambda: model.sample(1000, max_length=length, seed=0),
    ]
    one, many = least(texts, rounds)
    print(f"LanguageModel by character, LSTM(128), threads: {rf.get_num_threads()}")
    ratio = 1000 * one / many
    rate = 1000 * length / many
    print(f"  sample(n=1000): {rate / 1e6:.3f} million characters/s, {ratio:.1f} of n=1")
    prefixes = [f"the cat {word}" for word in ("sat", "lay", "on", "and")] * 100

    def ask() -> None:
        for prefix in prefixes:
            model.next_tokens(prefix)

    def from_threads() -> None:
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    alone, together = least([ask, from_threads], rounds)
    rate = len(prefixes) / alone
    ratio = 8 * alone / together
    print(f"  next_tokens: {rate:,.0f} calls/s; from 8 Python threads {ratio:.2f} of that")


def main() -> None:
    """Measure all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    rf.set_num_threads(arguments.threads)
    layer_streams(arguments.streams, arguments.rounds)
    model_streams(arguments.streams, arguments.rounds)
    many_calls(max(3, arguments.rounds // 5))


if __name__ == "__main__":
    main()
