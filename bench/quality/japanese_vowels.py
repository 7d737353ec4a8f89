"""Japanese vowels: which of nine men says them, from 7 to 29 steps of 12 numbers. Accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from common import Clock, make_model, make_parser, scored_part, take, validation_part

import rnnfast as rf


def read(path: Path) -> tuple[list[np.ndarray], list[str]]:
    """Return the series ``(T_i, 12)`` of a file in the ``.ts`` format, and their classes."""
    series, labels = [], []
    lines = path.read_text("utf-8").splitlines()
    for line in lines[lines.index("@data") + 1 :]:
        *channels, label = line.split(":")
        series.append(np.array([channel.split(",") for channel in channels], float).T)
        labels.append(label)
    return series, labels


def main() -> None:
    parser = make_parser(
        __doc__, "japanese-vowels", epochs=60, hidden_size=64, num_layers=2, dropout=0.5,
        batch_size=16, learning_rate=0.003, cell="gru", pooling="mean", label_smoothing=0.1,
    )  # fmt: skip
    arguments = parser.parse_args()

    X, y = read(arguments.data / "JapaneseVowels_TRAIN.ts")
    if arguments.validate:
        train, test = validation_part(np.arange(len(y)), y)
        parts = take(X, test), take(y, test)
        X, y = take(X, train), take(y, train)
    else:
        parts = read(arguments.data / "JapaneseVowels_TEST.ts")
    clock = Clock()
    model = make_model(
        rf.SequenceClassifier, arguments, bidirectional=True, validation_fraction=0, verbose=0
    ).fit(X, y)
    print(model)
    print(
        f"{scored_part(arguments)}: {100 * model.score(*parts):.2f} % "
        f"of {len(parts[1])}; {clock}, seed {arguments.seed}"
    )


if __name__ == "__main__":
    main()
