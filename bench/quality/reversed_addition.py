"""Exact answers to sums of three-digit numbers, "123+456" to "975": the digits from the last on.

Generated: sums of the million are drawn, none twice, to learn from, to validate on and to hold out.
"""

from __future__ import annotations

import numpy as np
from common import Clock, make_model, make_parser, scored_part

import rnnfast as rf

HELD_OUT = 5000


def main() -> None:
    parser = make_parser(
        __doc__, "", sums=20000, epochs=45, hidden_size=128, learning_rate=0.005,
        attention="general",
    )  # fmt: skip
    arguments = parser.parse_args()

    drawn = np.random.default_rng(0).choice(10**6, arguments.sums + 2 * HELD_OUT, replace=False)
    numbers = list(zip(*np.divmod(drawn, 1000), strict=True))
    X = [f"{a:03d}+{b:03d}" for a, b in numbers]
    y = [str(a + b)[::-1] for a, b in numbers]
    held_out = X[:HELD_OUT], y[:HELD_OUT]
    valid = X[HELD_OUT : 2 * HELD_OUT], y[HELD_OUT : 2 * HELD_OUT]
    clock = Clock()
    model = make_model(
        rf.Seq2Seq, arguments, level="char", embedding_size=32, batch_size=128, verbose=2
    ).fit(X[2 * HELD_OUT :], y[2 * HELD_OUT :], valid=valid)
    print(model)
    X, y = valid if arguments.validate else held_out
    print(
        f"{scored_part(arguments)}: {model.score(X, y):.2%} of "
        f"{len(X)} sums exact; {clock}, seed {arguments.seed}"
    )
    for x, found, true in list(zip(X, model.predict(X[:5]), y, strict=False)):
        print(f"  {x} = {found[::-1]} ({'right' if found == true else 'wrong'})")


if __name__ == "__main__":
    main()
