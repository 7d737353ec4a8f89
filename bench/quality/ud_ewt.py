"""Part-of-speech tags (UPOS) of the English Web Treebank, without outside vectors.

Word embeddings beside a bidirectional reading of each word's characters, bidirectional LSTM layers,
softmax. The epoch is chosen by the accuracy on the development part; the test part is scored once,
at the end.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import rnnfast as rf

DATA = Path(__file__).parents[3] / "shared" / "data" / "ud-english-ewt"


def read(path: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Return the words and the UPOS tags of every sentence."""
    X: list[list[str]] = []
    y: list[list[str]] = []
    for sentence in path.read_text(encoding="utf-8").split("\n\n"):
        rows = [line.split("\t") for line in sentence.splitlines() if line]
        if rows:
            X.append([row[0] for row in rows])
            y.append([row[1] for row in rows])
    return X, y


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, default=DATA, help="a folder")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--dropout", type=float, default=0.4)
    parser.add_argument("--word-dropout", type=float, default=0.15)
    parser.add_argument("--lr", type=float, default=0.003)
    parser.add_argument("--crf", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-test", action="store_true", help="leave the test part alone")
    arguments = parser.parse_args()

    tagger = rf.SequenceTagger(
        char_encoder=True,
        char_embedding_size=32,
        char_hidden_size=64,
        shape_features=True,
        lowercase=True,
        embedding_size=100,
        hidden_size=arguments.hidden_size,
        num_layers=arguments.layers,
        dropout=arguments.dropout,
        word_dropout=arguments.word_dropout,
        crf=arguments.crf,
        learning_rate=arguments.lr,
        epochs=arguments.epochs,
        batch_size=32,
        seed=arguments.seed,
        verbose=2,
    )
    began = time.process_time()
    tagger.fit(
        *read(arguments.data / "ewt.train.tsv"), valid=read(arguments.data / "ewt.dev.tsv")
    )
    seconds = time.process_time() - began
    print(tagger)
    best = tagger.history_[tagger.best_epoch_ - 1]
    print(f"development part: UPOS {100 * best['valid_accuracy']:.2f} %, epoch {best['epoch']}")
    if not arguments.no_test:
        X, y = read(arguments.data / "ewt.test.tsv")
        print(
            f"test part: UPOS {100 * tagger.score(X, y):.2f} % of {sum(map(len, y))} words; "
            f"{seconds:.0f} CPU seconds, {tagger.num_parameters} numbers, seed {arguments.seed}"
        )


if __name__ == "__main__":
    main()
