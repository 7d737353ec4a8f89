"""Commands to actions, SCAN: "jump twice" to "I_JUMP I_JUMP" (Lake & Baroni 2018). Exact match.

A tenth of the commands to learn from is held out to validate on.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from common import Clock, make_model, make_parser, scored_part

import rnnfast as rf
from rnnfast.data import split_items


def read(path: Path) -> list[tuple[list[str], list[str]]]:
    """Commands and their actions, both as words."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        pairs = (line.removeprefix("IN: ").split(" OUT: ") for line in lines)
        return [(command.split(), actions.split()) for command, actions in pairs]


def main() -> None:
    parser = make_parser(
        __doc__, "scan", split="simple", epochs=15, hidden_size=100, num_layers=1, dropout=0.2,
        learning_rate=0.003, attention="general",
    )  # fmt: skip
    arguments = parser.parse_args()

    learned_from = read(arguments.data / f"tasks_train_{arguments.split}.txt.gz")
    train, valid = split_items(learned_from, 0.1, np.random.default_rng(0))
    test = valid
    if not arguments.validate:
        test = read(arguments.data / f"tasks_test_{arguments.split}.txt.gz")
    clock = Clock()
    model = make_model(rf.Seq2Seq, arguments, bidirectional=True, verbose=2).fit(
        *zip(*train, strict=True), valid=tuple(zip(*valid, strict=True))
    )
    print(model)
    score = model.score(*zip(*test, strict=True), max_length=60)
    print(
        f"{scored_part(arguments)}, split {arguments.split}: "
        f"{score:.2%} of {len(test)} commands exact; {clock}, seed {arguments.seed}"
    )


if __name__ == "__main__":
    main()
