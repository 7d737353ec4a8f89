"""Strings of 2 to 5 spoken digits, read by CTC. Digit error rate.

Each string is made of recordings of one speaker, one after the other, with up to a quarter of a
second of silence between them. Recordings 0 to 4 of every speaker and digit, the official test
part, make the strings held out; 5 and 6 those to validate on; the others those to learn from.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
from common import Clock, make_parser

import rnnfast as rf
from rnnfast.data.audio import deltas, log_mel, read_wav
from rnnfast.metrics import error_rate

Recordings = dict[tuple[str, int, int], np.ndarray]


def read(path: Path) -> tuple[Recordings, int]:
    """Return the samples by speaker, digit and index, and their rate."""
    found: Recordings = {}
    with tarfile.open(path) as archive:
        for member in archive:
            if member.name.endswith(".wav"):
                digit, speaker, index = Path(member.name).stem.split("_")
                found[speaker, int(digit), int(index)], rate = read_wav(archive.extractfile(member))
    return found, rate


def make_strings(
    recordings: Recordings, rate: int, indices: range, count: int, seed: int
) -> tuple[list[np.ndarray], list[str]]:
    """Return log-mel spectra with their slopes, ``(T, F)``, and the digits that they say."""
    rng = np.random.default_rng(seed)
    speakers = sorted({speaker for speaker, _, _ in recordings})
    X, y = [], []
    for _ in range(count):
        speaker = speakers[rng.integers(len(speakers))]
        digits = rng.integers(10, size=rng.integers(2, 6))
        parts = []
        for digit in digits:
            parts.append(recordings[speaker, int(digit), int(rng.choice(indices))])
            # Not digital silence, whose logarithm is far from that of any microphone's.
            parts.append(rng.normal(scale=1e-3, size=rng.integers(rate // 4)))
        x = log_mel(np.concatenate(parts[:-1]), rate)
        x -= x.mean(axis=0)
        X.append(np.concatenate([x, deltas(x)], axis=1))
        y.append("".join(map(str, digits)))
    return X, y


def main() -> None:
    parser = make_parser(
        __doc__, "fsdd-mini", strings=3000, epochs=10, hidden_size=96, layers=2, dropout=0.3,
        batch_size=32, lr=0.003, beam_size=1, cell="lstm",
    )  # fmt: skip
    arguments = parser.parse_args()

    recordings, rate = read(arguments.data / "recordings.tar")
    train = make_strings(recordings, rate, range(7, 25), arguments.strings, seed=0)
    valid = make_strings(recordings, rate, range(5, 7), 300, seed=1)
    X, y = valid
    if not arguments.validate:
        X, y = make_strings(recordings, rate, range(5), 1000, seed=2)
    clock = Clock()
    model = rf.CTCRecognizer(
        cell=arguments.cell,
        hidden_size=arguments.hidden_size,
        num_layers=arguments.layers,
        dropout=arguments.dropout,
        learning_rate=arguments.lr,
        batch_size=arguments.batch_size,
        epochs=arguments.epochs,
        seed=arguments.seed,
        verbose=2,
    ).fit(*train, valid=valid)
    print(model)
    found = model.predict(X, beam_size=arguments.beam_size)
    whole = np.mean([one == other for one, other in zip(y, found, strict=True)])
    print(
        f"{'validation' if arguments.validate else 'held out'}: {error_rate(y, found):.2%} digit "
        f"errors, {whole:.2%} of {len(X)} strings right; {clock}, seed {arguments.seed}"
    )


if __name__ == "__main__":
    main()
