"""Held-out loss of a character model on names, one a line: a tenth of them is held out."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import rnnfast as rf
from rnnfast.data import load_dinosaurs, split_items
from rnnfast.text import split_lines

DATA = Path(__file__).parents[3] / "shared" / "data" / "names-makemore" / "names.txt"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, default=DATA, help="a file of names")
    parser.add_argument("--dinosaurs", action="store_true", help="the list that rnnfast carries")
    parser.add_argument("--cell", default="lstm")
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--embedding-size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--schedule", default="cosine")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    names = load_dinosaurs()
    if not arguments.dinosaurs:
        names = split_lines(arguments.data.read_text(encoding="utf-8"))
    train, held_out = split_items(names, 0.1, np.random.default_rng(0))
    lm = rf.LanguageModel(
        lines=True,
        cell=arguments.cell,
        hidden_size=arguments.hidden_size,
        num_layers=arguments.layers,
        embedding_size=arguments.embedding_size or None,
        batch_size=arguments.batch_size,
        dropout=arguments.dropout,
        learning_rate=arguments.lr,
        schedule=arguments.schedule,
        seed=arguments.seed,
    )
    began = time.perf_counter()
    lm.fit(train, held_out, epochs=arguments.epochs, verbose=2)
    seconds = time.perf_counter() - began
    result = lm.evaluate(held_out)
    print(lm)
    print(
        f"held out: {result.loss:.4f} nats a character, perplexity {result.perplexity:.3f} "
        f"({len(held_out)} names, {result.num_tokens} characters and ends); "
        f"epoch {lm.best_epoch_} of {len(lm.history_)}, {seconds:.0f} s with "
        f"{rf.get_num_threads()} threads, seed {arguments.seed}"
    )
    known = set(names)
    samples = lm.sample(1000, seed=arguments.seed)
    new = [name for name in samples if name not in known]
    print(f"of 1000 samples {len(new)} are new, such as: {', '.join(new[:20])}")


if __name__ == "__main__":
    main()
