"""Time an ensemble of small networks against a loop of calls over the same layers, in turns.

Run as ``python bench/ensemble.py [--networks N] [--rounds R]``. Compares the numbers first, bit for
bit, then prints for each case the least time of both and their ratio. One thread.
"""

from __future__ import annotations

import argparse

import numpy as np

import rnnfast as rf
from turns import in_turns

CASES = (  # T, B, I, H, bidirectional; T 0: steps of a stream
    (0, 1, 16, 16, False),
    (0, 1, 64, 32, False),
    (0, 8, 64, 64, False),
    (1, 1, 16, 16, False),
    (10, 1, 16, 16, False),
    (10, 1, 16, 25, True),
    (100, 1, 64, 32, True),
    (100, 8, 64, 64, False),
)


def main() -> None:
    """Time every case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    rf.set_num_threads(1)
    for steps, batch, inputs, hidden, bidirectional in CASES:
        layers = [
            rf.LSTM(inputs, hidden, bidirectional=bidirectional, seed=seed)
            for seed in range(arguments.networks)
        ]
        ensemble = rf.Ensemble(layers)
        rng = np.random.default_rng(0)
        if steps:
            x = rng.standard_normal((steps, batch, inputs), dtype=np.float32)
            runs = [lambda: ensemble(x)[0], lambda: [layer(x)[0] for layer in layers]]  # noqa: B023
        else:
            x = rng.standard_normal((batch, inputs), dtype=np.float32)
            step, alone = ensemble.stream(batch), [layer.stream(batch) for layer in layers]
            runs = [lambda: step(x), lambda: [one(x) for one in alone]]  # noqa: B023
        np.testing.assert_array_equal(*(run() for run in runs))
        ours, loop = in_turns(runs, arguments.rounds)
        what = f"{'step' if not steps else f'T{steps}'} B{batch} I{inputs} H{hidden}"
        what += " both directions" if bidirectional else ""
        print(
            f"{what:32s} ensemble {ours * 1e6:8.1f} us, loop {loop * 1e6:8.1f} us, "
            f"{loop / ours:.2f}x"
        )


if __name__ == "__main__":
    main()
