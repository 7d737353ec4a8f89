"""Named entities of social media (WNUT 2017), 6 types, most of them new in the test part: F1.

Without outside vectors: word embeddings beside a bidirectional reading of each word's characters, a
bidirectional LSTM and a conditional random field. The epoch is chosen by the F1 on the development
part; the test part is scored once, at the end.
"""

from __future__ import annotations

from pathlib import Path

from common import Clock, make_model, make_parser, scored_part

import rnnfast as rf


def read(path: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Return the words and the labels of every sentence."""
    X: list[list[str]] = [[]]
    y: list[list[str]] = [[]]
    for line in path.read_text(encoding="utf-8").split("\n"):
        word, _, label = line.partition("\t")
        if label.strip():
            X[-1].append(word)
            y[-1].append(label.strip())
        elif X[-1]:
            X.append([])
            y.append([])
    return [words for words in X if words], [labels for labels in y if labels]


def main() -> None:
    parser = make_parser(
        __doc__, "wnut17", epochs=15, hidden_size=100, embedding_size=64, char_hidden_size=50,
        dropout=0.5, word_dropout=0.3, batch_size=16, learning_rate=0.002,
    )  # fmt: skip
    arguments = parser.parse_args()

    valid = read(arguments.data / "emerging.dev.conll")
    clock = Clock()
    tagger = make_model(
        rf.SequenceTagger,
        arguments,
        scheme="bio",
        crf=True,
        char_encoder=True,
        shape_features=True,
        lowercase=True,
        verbose=2,
    ).fit(*read(arguments.data / "wnut17train.conll"), valid=valid)
    parts = valid if arguments.validate else read(arguments.data / "emerging.test.annotated")
    figures = tagger.evaluate(*parts)
    print(tagger)
    print(
        f"{scored_part(arguments)}: entity F1 "
        f"{100 * figures['f1']:.2f} (precision {100 * figures['precision']:.2f}, recall "
        f"{100 * figures['recall']:.2f}) of {len(parts[0])} sentences; epoch "
        f"{tagger.best_epoch_}, {clock}, {tagger.num_parameters} numbers, seed {arguments.seed}"
    )


if __name__ == "__main__":
    main()
