"""Held-out loss of a character model on tiny-shakespeare, whose last tenth is held out.

2 layers of 128 LSTM units, windows of 50 characters, 50 at a time. It learns from the first 85 % of
the text; the 5 % after them tell the best epoch, whose weights are kept. The loss on the last 10 %
is measured once, as that of one text, from a zero state.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from common import Clock

import rnnfast as rf

DATA = Path(__file__).parents[3] / "shared" / "data" / "tiny-shakespeare" / "input.txt"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--schedule", default="cosine")
    parser.add_argument("--cell", default="lstm")
    parser.add_argument("--embedding-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", type=Path, help="where to save the model")
    arguments = parser.parse_args()

    text = arguments.data.read_text(encoding="utf-8")
    first, cut = len(text) * 85 // 100, len(text) * 9 // 10
    lm = rf.LanguageModel(
        cell=arguments.cell,
        hidden_size=128,
        num_layers=2,
        embedding_size=arguments.embedding_size or None,
        sequence_length=50,
        batch_size=50,
        dropout=arguments.dropout,
        learning_rate=arguments.lr,
        schedule=arguments.schedule,
        seed=arguments.seed,
    )
    clock = Clock()
    lm.fit(text[:first], text[first:cut], epochs=arguments.epochs, verbose=2)
    result = lm.evaluate(text[cut:])
    print(lm)
    print(
        f"held out: {result.loss:.4f} nats a character, perplexity {result.perplexity:.3f} "
        f"({result.num_tokens} characters); epoch {lm.best_epoch_} of {arguments.epochs}, "
        f"{clock}, seed {arguments.seed}"
    )
    print(lm.sample(max_length=400, seed=arguments.seed))
    if arguments.save:
        lm.save(arguments.save)


if __name__ == "__main__":
    main()
