"""Spoken digits, 10 classes: recordings 0 to 4 of every speaker and digit are the test part."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
from common import Clock, make_parser

import rnnfast as rf
from rnnfast.data.audio import deltas, log_mel, read_wav


def read(path: Path) -> dict[tuple[str, str, int], np.ndarray]:
    """Return the log-mel spectrum and its slopes, ``(T, F)``, by digit, speaker and index."""
    series = {}
    with tarfile.open(path) as archive:
        for member in archive:
            if member.name.endswith(".wav"):
                digit, speaker, index = Path(member.name).stem.split("_")
                samples, rate = read_wav(archive.extractfile(member))
                x = log_mel(samples, rate)
                x -= x.mean(axis=0)  # the microphone's share
                series[digit, speaker, int(index)] = np.concatenate([x, deltas(x)], axis=1)
    return series


def main() -> None:
    parser = make_parser(
        __doc__, "fsdd-mini", epochs=30, hidden_size=96, layers=2, dropout=0.5,
        batch_size=16, lr=0.002, cell="gru", pooling="concat", smoothing=0.1,
    )  # fmt: skip
    arguments = parser.parse_args()

    series = read(arguments.data / "recordings.tar")
    test = set(range(5))
    if arguments.validate:
        series = {key: x for key, x in series.items() if key[2] not in test}
        test = {5, 6}
    parts: dict[bool, tuple[list[np.ndarray], list[str]]] = {True: ([], []), False: ([], [])}
    for (digit, _, index), x in sorted(series.items()):
        parts[index in test][0].append(x)
        parts[index in test][1].append(digit)
    clock = Clock()
    model = rf.SequenceClassifier(
        cell=arguments.cell,
        hidden_size=arguments.hidden_size,
        num_layers=arguments.layers,
        bidirectional=True,
        dropout=arguments.dropout,
        pooling=arguments.pooling,
        label_smoothing=arguments.smoothing,
        learning_rate=arguments.lr,
        batch_size=arguments.batch_size,
        epochs=arguments.epochs,
        validation_fraction=0,
        seed=arguments.seed,
        verbose=2,
    ).fit(*parts[False])
    print(model)
    print(
        f"{'validation' if arguments.validate else 'held out'}: "
        f"{100 * model.score(*parts[True]):.2f} % of {len(parts[True][1])} recordings "
        f"({len(parts[False][1])} to learn from); {clock}, seed {arguments.seed}"
    )


if __name__ == "__main__":
    main()
