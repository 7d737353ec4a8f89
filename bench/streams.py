"""Many streams on one layer or model, beside one at a time and beside the kernels for batches.

Run as ``python bench/streams.py [--streams N,...] [--threads T] [--rounds R] [--singly]``; with
``--singly`` what one call takes of one small sequence alone, in microseconds. Answers are
compared first, bit for bit. All ways take turns; each figure is of the least time of a call. What
is told is the throughput per core, and its ratio to that of the batch kernels: passes of 16 steps
over 64 sequences, which stay in caches; of a model, what its network makes of such batches. With
one thread it is the CPU time of the process that counts, so that ratios hold on a machine that
others use too; with several the time that goes by, and the throughput is divided by the threads.
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
STEPS, SEQUENCES = 16, 64  # of the batch that shows what the kernels can do
AGAIN = 20  # how often that is called for a time
FEWEST = 200  # streams; so many series a model is trained on
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


def repeated(run: Callable[[], Any]) -> Callable[[], Any]:
    """Return what calls something `AGAIN` times."""
    return lambda: [run() for _ in range(AGAIN)]


class Rates:
    """Prints lines of throughput per core, and beside that of the first.

    Parameters
    ----------
    unit : str
        What is counted.
    cores : int
        By how many threads it is divided.
    """

    def __init__(self, unit: str, cores: int) -> None:
        self._unit, self._cores = unit, cores
        self._first: float | None = None

    def tell(self, what: str, count: float, seconds: float) -> None:
        """Print a line of what has so many units in so many seconds."""
        rate = count / seconds / self._cores
        self._first = self._first or rate
        print(f"  {what:44s} {rate / 1e6:7.3f} million {self._unit}/s, {rate / self._first:5.2f}")


def layer_streams(count: int, rounds: int) -> None:
    """Time a GRU: all together, in subsets, one at a time, and batches."""
    rng = np.random.default_rng(0)
    layer = rf.GRU(INPUTS, HIDDEN, seed=0)
    x = rng.standard_normal((count, INPUTS), dtype=np.float32)
    inside = rng.standard_normal((STEPS, SEQUENCES, INPUTS), dtype=np.float32)
    stream, alone, single = layer.stream(count), layer.stream(count), layer.stream()
    state = np.zeros((1, count, HIDDEN), np.float32)
    order = rng.permutation(count)
    parts = {
        parts: [(rows, x[rows]) for rows in np.array_split(order, parts)] for parts in (10, 100)
    }
    ones = [([row], x[row]) for row in order[:200].tolist()]

    def batch() -> Any:
        return layer(x[np.newaxis], state)

    def in_parts(number: int) -> None:
        for rows, given in parts[number]:
            alone(given, rows=rows)

    def row_by_row() -> None:
        for rows, given in ones:
            alone(given, rows=rows)

    def one_stream() -> None:
        for _, given in ones:
            single(given)

    np.testing.assert_array_equal(stream(x), batch()[0][0])
    in_parts(10)
    np.testing.assert_array_equal(alone.state, stream.state)
    ways: list[tuple[str, int, Callable[[], Any]]] = [
        (
            "batch kernels, 16 steps of 64",
            AGAIN * STEPS * SEQUENCES,
            repeated(lambda: layer(inside)),
        ),
        ("a pass of one step over all", count, batch),
        ("all in one step", count, lambda: stream(x)),
        ("in tenths, rows at random", count, lambda: in_parts(10)),
        ("in hundredths, rows at random", count, lambda: in_parts(100)),
        ("one row of them at a time", len(ones), row_by_row),
        ("a stream of its own, one at a time", len(ones), one_stream),
    ]
    times = least([run for _, _, run in ways], rounds)
    cores = rf.get_num_threads()
    print(f"GRU({HIDDEN}) of {INPUTS} inputs, {count:,} streams, threads: {cores}")
    rates = Rates("steps", cores)
    for (what, steps, _), seconds in zip(ways, times, strict=True):
        rates.tell(what, steps, seconds)
    print(f"  all take a step {1 / times[2]:.0f} times a second; wanted: {WANTED}")


def model_streams(count: int, rounds: int) -> None:
    """Time a classifier of series: its streams, `predict_proba` of many, of one, from threads."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(count, STEPS, INPUTS))
    model = rf.SequenceClassifier(
        cell="gru", hidden_size=HIDDEN, pooling="last", epochs=1, seed=0, verbose=0
    ).fit(X[:FEWEST], ["a", "b"] * (FEWEST // 2))
    stream, x = model.stream(count), np.ascontiguousarray(X[:, 0])
    rows = rng.permutation(count)[: count // 10]
    some = x[rows]
    for t in range(STEPS):
        answer = stream(X[:, t])
    np.testing.assert_array_equal(answer.probabilities, model.predict_proba(X))
    inside = np.ascontiguousarray(X[:SEQUENCES].astype(np.float32).transpose(1, 0, 2))
    lengths = np.full(SEQUENCES, STEPS)
    several = [X[n : n + 1] for n in range(min(count, 25))]

    def one_by_one() -> None:
        for one in several:
            model.predict_proba(one)

    def hundreds() -> None:
        for n in range(0, min(count, 1000), 100):
            model.predict_proba(X[n : n + 100])

    ways: list[tuple[str, int, Callable[[], Any]]] = [
        (
            "its network, 16 steps of 64",
            AGAIN * STEPS * SEQUENCES,
            repeated(lambda: model.network_.scores(inside, lengths)),
        ),
        ("predict_proba of all, 16 steps each", STEPS * count, lambda: model.predict_proba(X)),
        ("all in one step, with probabilities", count, lambda: stream(x)),
        ("a tenth of them", len(rows), lambda: stream(some, rows)),
        ("predict_proba, a hundred at a time", STEPS * min(count, 1000), hundreds),
        (
            "the same from 8 Python threads",
            8 * STEPS * min(count, 1000),
            lambda: from_threads(hundreds),
        ),
        ("predict_proba, one at a time", STEPS * len(several), one_by_one),
        (
            "the same from 8 Python threads",
            8 * STEPS * len(several),
            lambda: from_threads(one_by_one),
        ),
    ]
    times = least([run for _, _, run in ways], rounds)
    print(f"SequenceClassifier on a GRU({HIDDEN}), {count:,} streams")
    rates = Rates("steps", rf.get_num_threads())
    for (what, steps, _), seconds in zip(ways, times, strict=True):
        rates.tell(what, steps, seconds)
    print(f"  all take a step {1 / times[2]:.0f} times a second")


def from_threads(run: Callable[[], Any]) -> None:
    """Run something in 8 threads of Python at the same time."""
    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def calls(rounds: int) -> None:
    """Time calls of small layers of one sequence: steps, with a head, and runs of several steps.

    What a run of one step takes beyond the step is told by two lengths.
    """
    times, lengths = 500, (64, 256)
    print(
        "us a call of one sequence, one input: a step, with a head of one output in a chain, with"
    )
    print("it called by itself; a run of 1 and 16 steps, and what one takes beyond its steps")
    for kind in (rf.LSTM, rf.GRU, rf.RNN):
        for hidden in (8, 16, 32, 64):
            layer, head = kind(1, hidden, seed=0), rf.Linear(hidden, 1, seed=1)
            step, alone, both = layer.stream(), layer.stream(), rf.chain(layer, head).stream()
            blocks = [np.ones((length, 1, 1), np.float32) for length in (1, 16, *lengths)]
            x = blocks[0][0, 0]
            np.testing.assert_array_equal(both.run(blocks[2]), head(layer(blocks[2])[0]))

            def loop(
                run: Callable[[Any], Any], given: Any, count: int = times
            ) -> Callable[[], None]:
                def again() -> None:
                    for _ in range(count):
                        run(given)

                return again

            ways = [loop(step, x), loop(both, x), loop(lambda x, s=alone, h=head: h(s(x)), x)]
            ways += [loop(step.run, block) for block in blocks[:2]]
            ways += [loop(step.run, block, times // 10) for block in blocks[2:]]
            found = [1e6 * t / times for t in least(ways, rounds)]
            short, long = (10 * t for t in found[-2:])
            beyond = found[3] - (long - short) / (lengths[1] - lengths[0])
            print(
                f"  {kind.__name__:4s} {hidden:2d}: step {found[0]:.2f}, with head {found[1]:.2f}, "
                f"head apart {found[2]:.2f}; run of 1 {found[3]:.2f}, of 16 {found[4]:.2f}, beyond "
                f"its steps {beyond:.2f}"
            )


def texts(rounds: int) -> None:
    """Time many texts drawn at once, and threads that ask one model."""
    model = rf.LanguageModel(hidden_size=128, epochs=1, seed=0, verbose=0)
    model.fit("the cat sat on the mat and the dog lay on the log. " * 40)
    length, layer = 100, model.network_.recurrent
    ids = np.random.default_rng(0).integers(layer.input_size, size=(length, SEQUENCES))
    prefixes = [f"the cat {word}" for word in ("sat", "lay", "on", "and")] * 100
    characters = sum(map(len, prefixes))

    def ask() -> None:
        for prefix in prefixes:
            model.next_tokens(prefix)

    def batch() -> Any:
        return model.network_.output(layer(ids)[0])

    ways: list[tuple[str, int, Callable[[], Any]]] = [
        ("its network, 100 steps of 64", ids.size, batch),
        ("sample(n=1000)", 1000 * length, lambda: model.sample(1000, max_length=length, seed=0)),
        ("sample(n=1)", length, lambda: model.sample(1, max_length=length, seed=0)),
        ("next_tokens, characters of the prefix", characters, ask),
        ("the same from 8 Python threads", 8 * characters, lambda: from_threads(ask)),
    ]
    times = least([run for _, _, run in ways], rounds)
    print(f"LanguageModel by character, LSTM(128), threads: {rf.get_num_threads()}")
    rates = Rates("characters", rf.get_num_threads())
    for (what, number, _), seconds in zip(ways, times, strict=True):
        rates.tell(what, number, seconds)


def main() -> None:
    """Measure all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--streams", type=lambda s: [int(n) for n in s.split(",")], default=[1000, 10_000]
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--singly", action="store_true", help="calls of one small sequence alone")
    arguments = parser.parse_args()
    if min(arguments.streams) < FEWEST:
        parser.error(f"--streams: expected at least {FEWEST}, got {min(arguments.streams)}")
    rf.set_num_threads(1 if arguments.singly else arguments.threads)
    if arguments.singly:
        calls(arguments.rounds)
        return
    for count in arguments.streams:
        layer_streams(count, arguments.rounds)
        model_streams(count, max(3, arguments.rounds // 3))
    texts(max(3, arguments.rounds // 5))


if __name__ == "__main__":
    main()
