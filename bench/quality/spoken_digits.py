"""Spoken digits, 10 classes: recordings 0 to 4 of every speaker and digit are the test part."""

from __future__ import annotations

import numpy as np
from common import Clock, make_model, make_parser, scored_part
from spoken import read_recordings, spectrum

import rnnfast as rf


def main() -> None:
    parser = make_parser(
        __doc__, "fsdd-mini", epochs=30, hidden_size=96, num_layers=2, dropout=0.5, batch_size=16,
        learning_rate=0.002, cell="gru", pooling="concat", label_smoothing=0.1,
    )  # fmt: skip
    arguments = parser.parse_args()

    recordings, rate = read_recordings(arguments.data / "recordings.tar")
    series = {key: spectrum(samples, rate) for key, samples in recordings.items()}
    test = set(range(5))
    if arguments.validate:
        series = {key: x for key, x in series.items() if key[2] not in test}
        test = {5, 6}
    parts: dict[bool, tuple[list[np.ndarray], list[str]]] = {True: ([], []), False: ([], [])}
    for (digit, _, index), x in sorted(series.items()):
        parts[index in test][0].append(x)
        parts[index in test][1].append(digit)
    clock = Clock()
    model = make_model(
        rf.SequenceClassifier, arguments, bidirectional=True, validation_fraction=0, verbose=2
    ).fit(*parts[False])
    print(model)
    print(
        f"{scored_part(arguments)}: "
        f"{100 * model.score(*parts[True]):.2f} % of {len(parts[True][1])} recordings "
        f"({len(parts[False][1])} to learn from); {clock}, seed {arguments.seed}"
    )


if __name__ == "__main__":
    main()
