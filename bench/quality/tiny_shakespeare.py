"""Held-out loss of a character model on tiny-shakespeare, whose last tenth is held out.

2 layers of 128 LSTM units, windows of 50 characters, 50 at a time. Nothing is chosen on the tenth
held out: the weights are those after the last epoch. Its loss is measured once, as that of one
text, from a zero state.
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
    parser.add_argument(
        "--validate",
        action="store_true",
        help="score on the last tenth of the training part, to choose hyperparameters",
    )
    parser.add_argument("--save", type=Path, help="where to save the model")
    arguments = parser.parse_args()

    text = arguments.data.read_text(encoding="utf-8")
    if arguments.validate:
        text = text[: len(text) * 9 // 10]
    cut = len(text) * 9 // 10
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
        validation_fraction=0,
        seed=arguments.seed,
    )
    clock = Clock()
    lm.fit(text[:cut], epochs=arguments.epochs, verbose=2)
    result = lm.evaluate(text[cut:])
    print(lm)
    part = "validation" if arguments.validate else "held out"
    print(
        f"{part}: {result.loss:.4f} nats a character, perplexity {result.perplexity:.3f} "
        f"({result.num_tokens} characters); {arguments.epochs} epochs, {clock}, "
        f"seed {arguments.seed}"
    )
    print(lm.sample(max_length=400, seed=arguments.seed))
    if arguments.save:
        lm.save(arguments.save)


if __name__ == "__main__":
    main()
