"""Strings of 2 to 5 spoken digits, read by CTC. Digit error rate.

Each string is made of recordings of one speaker, one after the other, with up to a quarter of a
second of silence between them. Recordings 0 to 4 of every speaker and digit, the official test
part, make the strings held out; 5 and 6 those to validate on; the others those to learn from.

Beside the best path, as the row of the docs has it, the strings are searched for with a beam, and
with a language model of the training's strings: that digits come 2 to 5 at a time is all that there
is to know. Its weight and the bonus for each digit are chosen on the part to validate on.
"""

from __future__ import annotations

import numpy as np
from common import Clock, make_model, make_parser, scored_part
from spoken import Recordings, read_recordings, spectrum

import rnnfast as rf
from rnnfast.metrics import error_rate


def make_strings(
    recordings: Recordings, rate: int, indices: range, count: int, seed: int
) -> tuple[list[np.ndarray], list[str]]:
    """Return log-mel spectra with their slopes, ``(T, F)``, and the digits that they say."""
    rng = np.random.default_rng(seed)
    speakers = sorted({speaker for _, speaker, _ in recordings})
    X, y = [], []
    for _ in range(count):
        speaker = speakers[rng.integers(len(speakers))]
        digits = rng.integers(10, size=rng.integers(2, 6))
        parts = []
        for digit in digits:
            parts.append(recordings[str(digit), speaker, int(rng.choice(indices))])
            # Not digital silence, whose logarithm is far from that of any microphone's.
            parts.append(rng.normal(scale=1e-3, size=rng.integers(rate // 4)))
        X.append(spectrum(np.concatenate(parts[:-1]), rate))
        y.append("".join(map(str, digits)))
    return X, y


def main() -> None:
    parser = make_parser(
        __doc__, "fsdd-mini", strings=5000, epochs=6, hidden_size=96, num_layers=2, dropout=0.5,
        batch_size=32, learning_rate=0.003, beam_size=1, cell="lstm",
    )  # fmt: skip
    arguments = parser.parse_args()

    recordings, rate = read_recordings(arguments.data / "recordings.tar")
    train = make_strings(recordings, rate, range(7, 25), arguments.strings, seed=0)
    valid = make_strings(recordings, rate, range(5, 7), 300, seed=1)
    X, y = valid
    if not arguments.validate:
        X, y = make_strings(recordings, rate, range(5), 1000, seed=2)
    clock = Clock()
    model = make_model(rf.CTCRecognizer, arguments, verbose=2).fit(*train, valid=valid)
    print(model)
    lm = rf.LanguageModel(lines=True, hidden_size=32, seed=arguments.seed, verbose=0).fit(train[1])
    choices = [
        {"language_model": lm, "beam_size": 16, "lm_weight": weight, "insertion_bonus": bonus}
        for weight in (0.25, 0.5, 1.0, 2.0)
        for bonus in (0.0, 1.0, 2.0, 3.0, 4.0)
    ]
    rates = [error_rate(valid[1], model.predict(valid[0], **choice)) for choice in choices]
    chosen = choices[int(np.argmin(rates))]
    for name, options in (
        (f"beam of {arguments.beam_size}", {"beam_size": arguments.beam_size}),
        ("beam of 16", {"beam_size": 16}),
        (
            f"language model (weight {chosen['lm_weight']}, bonus {chosen['insertion_bonus']})",
            chosen,
        ),
    ):
        found = model.predict(X, **options)
        whole = np.mean([one == other for one, other in zip(y, found, strict=True)])
        print(
            f"{scored_part(arguments)}, {name}: {error_rate(y, found):.2%} digit errors, "
            f"{whole:.2%} of {len(X)} strings right; {clock}, seed {arguments.seed}"
        )


if __name__ == "__main__":
    main()
