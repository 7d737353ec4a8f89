"""Splice junctions: is the middle of 60 bases of DNA the border of an exon and an intron, of an
intron and an exon, or neither? Accuracy in ten-fold cross-validation."""

from __future__ import annotations

import numpy as np
from common import Clock, folds, make_model, make_parser, scored_part, take, validation_part

import rnnfast as rf


def main() -> None:
    parser = make_parser(
        __doc__, "dna-splice", folds=10, epochs=20, hidden_size=64, num_layers=1, dropout=0.5,
        word_dropout=0.3, embedding_size=16, batch_size=32, learning_rate=0.003, cell="gru",
        pooling="mean", label_smoothing=0.1,
    )  # fmt: skip
    arguments = parser.parse_args()

    sequences, labels = [], []
    for line in (arguments.data / "splice.data").read_text("ascii").splitlines():
        label, _, bases = (part.strip() for part in line.split(","))
        # Each base with its place: what matters is how far from the middle a motif stands.
        sequences.append([f"{base}{place}" for place, base in enumerate(bases)])
        labels.append(label)

    clock = Clock()
    right: list[float] = []
    for number, (train, test) in enumerate(folds(labels, 10)):
        if number == arguments.folds:
            break
        if arguments.validate:
            train, test = validation_part(train, labels)
        model = make_model(
            rf.SequenceClassifier, arguments, bidirectional=True, validation_fraction=0, verbose=0
        )
        model.fit(take(sequences, train), take(labels, train))
        right.append(model.score(take(sequences, test), take(labels, test)))
        print(f"fold {number + 1}: {100 * right[-1]:.2f} % of {len(test)}, {clock}", flush=True)
    print(model)
    print(
        f"{scored_part(arguments)}: {100 * np.mean(right):.2f} % "
        f"(mean of {len(right)} folds, from {100 * min(right):.2f} to {100 * max(right):.2f}); "
        f"{clock}, seed {arguments.seed}"
    )


if __name__ == "__main__":
    main()
