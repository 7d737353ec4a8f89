"""Intents of the SNIPS utterances, 7 classes, from the words alone. Accuracy."""

from __future__ import annotations

from pathlib import Path

from common import Clock, make_model, make_parser, scored_part

import rnnfast as rf


def read(folder: Path) -> tuple[list[list[str]], list[str]]:
    """Return the words of every utterance of a part, and its intent."""
    texts = (folder / "seq.in").read_text("utf-8").splitlines()
    labels = (folder / "label").read_text("utf-8").splitlines()
    return [text.split() for text in texts], labels


def main() -> None:
    parser = make_parser(
        __doc__, "snips", epochs=10, hidden_size=128, num_layers=1, dropout=0.4, word_dropout=0.1,
        embedding_size=100, batch_size=32, learning_rate=0.002, cell="lstm", pooling="concat",
        label_smoothing=0.1, min_count=2,
    )  # fmt: skip
    arguments = parser.parse_args()

    valid = read(arguments.data / "valid")
    clock = Clock()
    model = make_model(rf.SequenceClassifier, arguments, bidirectional=True, verbose=2).fit(
        *read(arguments.data / "train"), valid=valid
    )
    parts = valid if arguments.validate else read(arguments.data / "test")
    print(model)
    print(
        f"{scored_part(arguments)}: {100 * model.score(*parts):.2f} % "
        f"of {len(parts[1])}; epoch {model.best_epoch_}, {clock}, seed {arguments.seed}"
    )


if __name__ == "__main__":
    main()
