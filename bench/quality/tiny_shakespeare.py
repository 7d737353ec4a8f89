"""Held-out loss of a character model on tiny-shakespeare, 90 % to learn from and 10 % held out.

2 layers of 128 LSTM units, windows of 50 characters, 50 at a time. The weights of the best epoch
are kept by the loss on the part held out, and the loss is measured on it as one text, from a zero
state.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import rnnfast as rf

DATA = Path(__file__).parents[3] / "shared" / "data" / "tiny-shakespeare" / "input.txt"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--lr", type=float, default=0.005)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--schedule", default="cosine")
    parser.add_argument("--cell", default="lstm")
    parser.add_argument("--embedding-size", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", type=Path, help="where to save the model")
    arguments = parser.parse_args()

    text = arguments.data.read_text(encoding="utf-8")
    cut = len(text) * 9 // 10
    lm = rf.LanguageModel(
        cell=arguments.cell,
        hidden_size=128,
        num_layers=2,
        embedding_size=arguments.embedding_size,
        sequence_length=50,
        batch_size=50,
        dropout=arguments.dropout,
        learning_rate=arguments.lr,
        schedule=arguments.schedule,
        seed=arguments.seed,
    )
    began = time.perf_counter()
    lm.fit(text[:cut], text[cut:], epochs=arguments.epochs, verbose=2)
    seconds = time.perf_counter() - began
    result = lm.evaluate(text[cut:])
    print(lm)
    print(
        f"held out: {result.loss:.4f} nats a character, perplexity {result.perplexity:.3f} "
        f"({result.num_tokens} characters); epoch {lm.best_epoch_} of {arguments.epochs}, "
        f"{seconds:.0f} s with {rf.get_num_threads()} threads, seed {arguments.seed}"
    )
    print(lm.sample(max_length=400, seed=arguments.seed))
    if arguments.save:
        lm.save(arguments.save)


if __name__ == "__main__":
    main()
