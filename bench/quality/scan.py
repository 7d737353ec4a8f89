"""Exact actions for commands, SCAN: "jump twice" to "I_JUMP I_JUMP" (Lake & Baroni 2018).

A tenth of the commands to learn from is held out to validate on; the test part is scored once.
"""

from __future__ import annotations

import argparse
import gzip
import time
from pathlib import Path

import numpy as np

import rnnfast as rf
from rnnfast.data import split_items

DATA = Path(__file__).parents[3] / "shared" / "data" / "scan"


def read_commands(path: Path) -> list[tuple[list[str], list[str]]]:
    """Commands and their actions, both as words."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        pairs = (line.removeprefix("IN: ").split(" OUT: ") for line in lines)
        return [(command.split(), actions.split()) for command, actions in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, default=DATA, help="a folder of SCAN")
    parser.add_argument("--split", default="simple", help="or length, addprim_jump")
    parser.add_argument("--attention", default="general", help="or dot, additive, none")
    parser.add_argument("--hidden-size", type=int, default=100, help="in each direction")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--lr", type=float, default=0.003)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    learned_from = read_commands(arguments.data / f"tasks_train_{arguments.split}.txt.gz")
    test = read_commands(arguments.data / f"tasks_test_{arguments.split}.txt.gz")
    train, valid = split_items(learned_from, 0.1, np.random.default_rng(0))
    model = rf.Seq2Seq(
        attention=None if arguments.attention == "none" else arguments.attention,
        bidirectional=True,
        hidden_size=arguments.hidden_size,
        dropout=arguments.dropout,
        epochs=arguments.epochs,
        learning_rate=arguments.lr,
        seed=arguments.seed,
        verbose=2,
    )
    began = time.process_time()
    model.fit(*zip(*train, strict=True), valid=tuple(zip(*valid, strict=True)))
    seconds = time.process_time() - began
    print(model)
    scores = {
        name: model.score(*zip(*part, strict=True), max_length=60)
        for name, part in (("validation", valid), ("test", test))
    }
    print(
        f"split {arguments.split}: {scores['test']:.2%} of {len(test)} commands exact, validation "
        f"{scores['validation']:.2%}; {seconds:.0f} CPU seconds, seed {arguments.seed}"
    )


if __name__ == "__main__":
    main()
