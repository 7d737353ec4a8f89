"""Part-of-speech tags (UPOS) of the English Web Treebank, without outside vectors.

Word embeddings beside a bidirectional reading of each word's characters, bidirectional LSTM layers,
softmax. The epoch is chosen by the accuracy on the development part; the test part is scored once,
at the end.
"""

from __future__ import annotations

from pathlib import Path

from common import Clock, make_model, make_parser, scored_part

import rnnfast as rf


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
    parser = make_parser(
        __doc__, "ud-english-ewt", epochs=12, hidden_size=128, num_layers=1, embedding_size=100,
        char_embedding_size=32, char_hidden_size=64, dropout=0.4, word_dropout=0.15, batch_size=32,
        learning_rate=0.003,
    )  # fmt: skip
    parser.add_argument("--crf", action="store_true")
    arguments = parser.parse_args()

    valid = read(arguments.data / "ewt.dev.tsv")
    clock = Clock()
    tagger = make_model(
        rf.SequenceTagger,
        arguments,
        char_encoder=True,
        shape_features=True,
        lowercase=True,
        verbose=2,
    ).fit(*read(arguments.data / "ewt.train.tsv"), valid=valid)
    X, y = valid if arguments.validate else read(arguments.data / "ewt.test.tsv")
    print(tagger)
    print(
        f"{scored_part(arguments)}: UPOS "
        f"{100 * tagger.score(X, y):.2f} % of {sum(map(len, y))} words; epoch "
        f"{tagger.best_epoch_}, {clock}, {tagger.num_parameters} numbers, seed {arguments.seed}"
    )


if __name__ == "__main__":
    main()
