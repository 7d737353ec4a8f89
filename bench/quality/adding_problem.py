"""The adding problem: of 200 numbers two are marked, and their sum is asked for after the last.

(Hochreiter & Schmidhuber 1997, section 5.4.) Guessing 1 has a mean squared error of 1/6.
"""

from __future__ import annotations

import argparse

import numpy as np
from common import Clock

import rnnfast as rf
from rnnfast.training import Progress


def make_examples(count: int, steps: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Return numbers and marks ``(count, steps, 2)``, one mark in each half, and the sums."""
    values = rng.random((count, steps))
    marks = np.zeros((count, steps))
    rows = np.arange(count)
    marks[rows, rng.integers(steps // 2, size=count)] = 1
    marks[rows, rng.integers(steps // 2, steps, size=count)] = 1
    return np.stack([values, marks], axis=2), (values * marks).sum(axis=1)


def is_solved(progress: Progress) -> bool:
    """Stop once the sum is known to about a fiftieth."""
    return progress.epoch_ended and progress.history[-1]["valid_rmse"] < 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", nargs="+", default=["lstm", "gru", "rnn"])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--examples", type=int, default=20_000)
    parser.add_argument("--hidden-size", type=int, default=32)
    parser.add_argument("--forget-bias", type=float, default=5.0, help="of the LSTM")
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--lr", type=float, default=0.003)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    rng = np.random.default_rng(arguments.seed)
    train = make_examples(arguments.examples, arguments.steps, rng)
    X, y = make_examples(2000, arguments.steps, rng)
    print(f"guessing the mean: mean squared error {np.var(y):.4f}")
    for cell in arguments.cells:
        clock = Clock()
        model = rf.SequenceRegressor(
            cell=cell,
            hidden_size=arguments.hidden_size,
            # The state begins to fade over 1 / (1 - sigmoid(5)), about 150 steps, not over two
            # (Jozefowicz et al. 2015; Tallec & Ollivier 2018).
            cell_options={"forget_bias": arguments.forget_bias} if cell == "lstm" else None,
            learning_rate=arguments.lr,
            batch_size=arguments.batch_size,
            epochs=arguments.epochs,
            schedule="constant",
            clip_norm=1.0,
            validation_fraction=0.05,
            seed=arguments.seed,
            verbose=2,
        ).fit(*train, callbacks=[is_solved])
        error = np.mean((model.predict(X) - y) ** 2)
        print(model)
        print(
            f"{cell}: held out: mean squared error {error:.5f} over {arguments.steps} steps; "
            f"{clock}, seed {arguments.seed}",
            flush=True,
        )


if __name__ == "__main__":
    main()
