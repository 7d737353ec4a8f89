"""Sentiment of 3,000 sentences about products, films and places. Accuracy, five-fold.

Several models, which differ in their seeds alone, vote with the mean of their probabilities.
"""

from __future__ import annotations

import numpy as np
from common import Clock, folds, make_model, make_parser, scored_part, take, validation_part

import rnnfast as rf


def main() -> None:
    parser = make_parser(
        __doc__, "uci-sentiment-sentences", folds=5, members=3, epochs=10, hidden_size=32,
        num_layers=1, dropout=0.5, word_dropout=0.3, embedding_size=64, embedding_scale=0.1,
        batch_size=32, learning_rate=0.005, cell="gru", pooling="mean", label_smoothing=0.1,
        min_count=2,
    )  # fmt: skip
    arguments = parser.parse_args()

    texts, labels = [], []
    for path in sorted(arguments.data.glob("*_labelled.txt")):
        for line in path.read_text("utf-8").split("\n"):
            if line:
                text, label = line.rsplit("\t", 1)
                texts.append(text.strip())
                labels.append(int(label))

    clock = Clock()
    right: list[float] = []
    alone: list[float] = []
    for number, (train, test) in enumerate(folds(labels, 5)):
        if number == arguments.folds:
            break
        if arguments.validate:
            train, test = validation_part(train, labels)
        X, y = take(texts, test), np.array(take(labels, test))
        probabilities = 0
        for member in range(arguments.members):
            model = make_model(
                rf.SequenceClassifier,
                arguments,
                tokenizer_options={"lower": True},
                bidirectional=True,
                validation_fraction=0,
                seed=100 * arguments.seed + member,
                verbose=0,
            ).fit(take(texts, train), take(labels, train))
            each = model.predict_proba(X)
            alone.append(float((each.argmax(axis=1) == y).mean()))
            probabilities = probabilities + each
        right.append(float((probabilities.argmax(axis=1) == y).mean()))
        print(f"fold {number + 1}: {100 * right[-1]:.2f} % of {len(test)}, {clock}", flush=True)
    print(model)
    print(
        f"{scored_part(arguments)}: {100 * np.mean(right):.2f} % "
        f"({len(right)} folds, {arguments.members} models each; a single one "
        f"{100 * np.mean(alone):.2f} %); {clock}, seed {arguments.seed}"
    )


if __name__ == "__main__":
    main()
