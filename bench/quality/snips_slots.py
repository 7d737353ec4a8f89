"""Slots of spoken commands (SNIPS): F1 of slots found, as conlleval counts them.

Word embeddings beside a bidirectional reading of each word's characters, a bidirectional LSTM and a
conditional random field (``--head crf``); or each label by itself (``softmax``), or with the label
before fed back (``feed``). The epoch is chosen by the F1 on the validation part; the test part is
scored once, at the end.
"""

from __future__ import annotations

from pathlib import Path

from common import Clock, make_model, make_parser, scored_part

import rnnfast as rf


def read(folder: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Return the words and the labels of every command."""
    words, labels = (
        [line.split() for line in (folder / name).read_text(encoding="utf-8").splitlines()]
        for name in ("seq.in", "seq.out")
    )
    return words, labels


def main() -> None:
    parser = make_parser(
        __doc__, "snips", head="crf", epochs=12, hidden_size=128, embedding_size=100,
        char_hidden_size=32, dropout=0.4, word_dropout=0.1, batch_size=32, learning_rate=0.003,
    )  # fmt: skip
    arguments = parser.parse_args()

    valid = read(arguments.data / "valid")
    clock = Clock()
    tagger = make_model(
        rf.SequenceTagger,
        arguments,
        scheme="bio",
        crf=arguments.head == "crf",
        feed_labels=arguments.head == "feed",
        char_encoder=True,
        verbose=2,
    ).fit(*read(arguments.data / "train"), valid=valid)
    parts = valid if arguments.validate else read(arguments.data / "test")
    figures = tagger.evaluate(*parts)
    print(tagger)
    print(
        f"{scored_part(arguments)}: slot F1 "
        f"{100 * figures['f1']:.2f} (precision {100 * figures['precision']:.2f}, recall "
        f"{100 * figures['recall']:.2f}, labels {100 * figures['accuracy']:.2f} %) of "
        f"{len(parts[0])} commands; epoch {tagger.best_epoch_}, {clock}, "
        f"{tagger.num_parameters} numbers, seed {arguments.seed}"
    )


if __name__ == "__main__":
    main()
