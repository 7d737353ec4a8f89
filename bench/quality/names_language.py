"""Languages of names, 18 classes: a tenth of the names of each is held out. Accuracy.

A name that stands twice in a language's list counts once; one of several languages stays in each,
so that nothing can be right about all of them.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
from common import Clock, folds, make_model, make_parser, scored_part, take, validation_part

import rnnfast as rf
from rnnfast.metrics import macro_f1


def read(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names, and the language of each."""
    names: list[str] = []
    languages: list[str] = []
    for path in sorted(folder.glob("*.txt")):
        lines = unicodedata.normalize("NFC", path.read_text("utf-8")).split("\n")
        found = sorted({line.strip() for line in lines} - {""})
        names += found
        languages += [path.stem] * len(found)
    return names, languages


def main() -> None:
    parser = make_parser(
        __doc__, "names-18-languages", epochs=20, hidden_size=128, num_layers=1, dropout=0.4,
        embedding_size=32, embedding_scale=1.0, batch_size=32, learning_rate=0.003, cell="lstm",
        pooling="concat", label_smoothing=0.1,
    )  # fmt: skip
    arguments = parser.parse_args()

    names, languages = read(arguments.data)
    train, test = next(folds(languages, 10))
    if arguments.validate:
        train, test = validation_part(train, languages)
    clock = Clock()
    model = make_model(
        rf.SequenceClassifier,
        arguments,
        level="char",
        bidirectional=True,
        validation_fraction=0,
        verbose=2,
    ).fit(take(names, train), take(languages, train))
    predicted = model.predict(take(names, test))
    true = np.array(take(languages, test))
    print(model)
    print(
        f"{scored_part(arguments)}: "
        f"{100 * (predicted == true).mean():.2f} % of {len(test)} names "
        f"(the most frequent language alone: {100 * (true == 'Russian').mean():.1f} %), "
        f"macro F1 {100 * macro_f1(true, predicted):.1f} %; {clock}, seed {arguments.seed}"
    )


if __name__ == "__main__":
    main()
