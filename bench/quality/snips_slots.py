"""Slots of spoken commands (SNIPS): F1 of slots found, as conlleval counts them.

Word embeddings beside a bidirectional reading of each word's characters, a bidirectional LSTM and a
conditional random field. The epoch is chosen by the F1 on the validation part; the test part is
scored once, at the end.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import rnnfast as rf

DATA = Path(__file__).parents[3] / "shared" / "data" / "snips"


def read(folder: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Return the words and the labels of every command."""
    words, labels = (
        [line.split() for line in (folder / name).read_text(encoding="utf-8").splitlines()]
        for name in ("seq.in", "seq.out")
    )
    return words, labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, default=DATA, help="a folder")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--dropout", type=float, default=0.4)
    parser.add_argument("--word-dropout", type=float, default=0.1)
    parser.add_argument("--lr", type=float, default=0.003)
    parser.add_argument("--head", choices=["crf", "feed", "softmax"], default="crf")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-test", action="store_true", help="leave the test part alone")
    arguments = parser.parse_args()

    tagger = rf.SequenceTagger(
        scheme="bio",
        crf=arguments.head == "crf",
        feed_labels=arguments.head == "feed",
        char_encoder=True,
        char_hidden_size=32,
        embedding_size=100,
        hidden_size=arguments.hidden_size,
        dropout=arguments.dropout,
        word_dropout=arguments.word_dropout,
        learning_rate=arguments.lr,
        epochs=arguments.epochs,
        batch_size=32,
        seed=arguments.seed,
        verbose=2,
    )
    began = time.process_time()
    tagger.fit(*read(arguments.data / "train"), valid=read(arguments.data / "valid"))
    seconds = time.process_time() - began
    print(tagger)
    best = tagger.history_[tagger.best_epoch_ - 1]
    print(f"validation part: slot F1 {100 * best['valid_f1']:.2f}, epoch {best['epoch']}")
    if not arguments.no_test:
        figures = tagger.evaluate(*read(arguments.data / "test"))
        print(
            f"test part: slot F1 {100 * figures['f1']:.2f} "
            f"(precision {100 * figures['precision']:.2f}, recall {100 * figures['recall']:.2f}, "
            f"labels {100 * figures['accuracy']:.2f} %); {seconds:.0f} CPU seconds, "
            f"{tagger.num_parameters} numbers, seed {arguments.seed}"
        )


if __name__ == "__main__":
    main()
