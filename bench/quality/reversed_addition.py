"""Exact answers to sums of three-digit numbers, "123+456" to "975": the digits from the last on.

Generated: of the million sums some are drawn, without repetition, to learn from, to validate on,
and to be held out.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import rnnfast as rf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sums", type=int, default=20000, help="how many to learn from")
    parser.add_argument("--held-out", type=int, default=5000)
    parser.add_argument("--attention", default="general", help="or dot, additive, none")
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--lr", type=float, default=0.005)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    rng = np.random.default_rng(arguments.seed)
    drawn = rng.choice(10**6, arguments.sums + 1000 + arguments.held_out, replace=False)
    X = [f"{a:03d}+{b:03d}" for a, b in zip(*np.divmod(drawn, 1000), strict=True)]
    y = [str(a + b)[::-1] for a, b in zip(*np.divmod(drawn, 1000), strict=True)]
    train, test = slice(0, arguments.sums), slice(arguments.sums + 1000, None)
    valid = slice(arguments.sums, arguments.sums + 1000)

    model = rf.Seq2Seq(
        level="char",
        attention=None if arguments.attention == "none" else arguments.attention,
        hidden_size=arguments.hidden_size,
        embedding_size=32,
        batch_size=128,
        epochs=arguments.epochs,
        learning_rate=arguments.lr,
        seed=arguments.seed,
        verbose=2,
    )
    began = time.process_time()
    model.fit(X[train], y[train], valid=(X[valid], y[valid]))
    seconds = time.process_time() - began
    print(model)
    print(
        f"held out: {model.score(X[test], y[test]):.2%} exact of {len(X[test])} sums; validation "
        f"{model.score(X[valid], y[valid]):.2%}; {seconds:.0f} CPU seconds, seed {arguments.seed}"
    )
    for x, found, true in list(zip(X[test], model.predict(X[test]), y[test], strict=True))[:5]:
        print(f"  {x} = {found[::-1]} ({'right' if found == true else 'wrong'})")


if __name__ == "__main__":
    main()
