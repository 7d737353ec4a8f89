"""Figures of models in float32, bfloat16 and int8, on parts of real data that none has learned.

Each is trained once, for a short time, and scored in each kind of numbers; what counts is how far
the figures are from that of float32, relative to it, not how good they are. Prints the table of
docs/quantizing.rst. With ``--models`` what has been trained is kept, and not trained again.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import japanese_vowels
import jsb_chorales
import names_language
import numpy as np
import scan
import scipy.io
import snips_intent
import snips_slots
import sunspots
from common import DATA, folds, take

import rnnfast as rf
from rnnfast.metrics import rmse

KINDS: dict[str, dict[str, Any]] = {
    "bfloat16": {"numbers": "bfloat16"},
    "int8": {"numbers": "int8"},
    "int8, activations=16": {"numbers": "int8", "activations": 16},
}
SHARED: dict[str, Any] = {"seed": 1, "verbose": 0}


@dataclass(frozen=True)
class Task:
    """Data, a model, and a figure of it."""

    name: str
    figure: str
    train: Callable[[], Any]
    score: Callable[[Any], float]


def vowels() -> Task:
    """Speakers by their vowels."""
    folder = DATA / "japanese-vowels"
    X, y = japanese_vowels.read(folder / "JapaneseVowels_TRAIN.ts")
    test = japanese_vowels.read(folder / "JapaneseVowels_TEST.ts")
    model = rf.SequenceClassifier(
        cell="gru", hidden_size=64, num_layers=2, bidirectional=True, pooling="mean", epochs=20,
        batch_size=16, learning_rate=0.003, validation_fraction=0, **SHARED,
    )  # fmt: skip
    return Task(
        "Japanese vowels, 2 bidirectional GRUs of 64", "accuracy, %",
        lambda: model.fit(X, y), lambda m: 100 * m.score(*test),
    )  # fmt: skip


def intents() -> Task:
    """Intents of utterances."""
    folder = DATA / "snips"
    test = snips_intent.read(folder / "test")
    model = rf.SequenceClassifier(
        cell="lstm", hidden_size=128, bidirectional=True, pooling="concat", embedding_size=100,
        epochs=1, batch_size=32, learning_rate=0.002, validation_fraction=0, **SHARED,
    )  # fmt: skip
    return Task(
        "SNIPS, intents, a bidirectional LSTM of 128", "accuracy, %",
        lambda: model.fit(*snips_intent.read(folder / "train")), lambda m: 100 * m.score(*test),
    )  # fmt: skip


def slots() -> Task:
    """Slots of utterances, with a CRF."""
    folder = DATA / "snips"
    test = snips_slots.read(folder / "test")
    words, labels = snips_slots.read(folder / "train")
    model = rf.SequenceTagger(
        hidden_size=128, embedding_size=100, char_encoder=True, char_hidden_size=32, crf=True,
        scheme="bio", epochs=2, batch_size=32, learning_rate=0.003, validation_fraction=0, **SHARED,
    )  # fmt: skip
    return Task(
        "SNIPS, slots, a bidirectional LSTM of 128 with a CRF", "F1, %",
        lambda: model.fit(words[::2], labels[::2]), lambda m: 100 * m.evaluate(*test)["f1"],
    )  # fmt: skip


def languages() -> Task:
    """Languages of names, by character."""
    names, classes = names_language.read(DATA / "names-18-languages")
    train, test = next(folds(classes, 10))
    model = rf.SequenceClassifier(
        level="char", cell="lstm", hidden_size=128, bidirectional=True, pooling="concat",
        embedding_size=32, epochs=2, validation_fraction=0, **SHARED,
    )  # fmt: skip
    return Task(
        "Names, languages, a bidirectional LSTM of 128", "accuracy, %",
        lambda: model.fit(take(names, train), take(classes, train)),
        lambda m: 100 * m.score(take(names, test), take(classes, test)),
    )  # fmt: skip


def chorales() -> Task:
    """Keys of the next chord."""
    parts = scipy.io.loadmat(DATA / "jsb-chorales" / "JSB_Chorales.mat")
    X, y = jsb_chorales.pairs(parts["testdata"])
    model = rf.MultiLabelTagger(
        hidden_size=200, standardize=False, epochs=15, batch_size=8, learning_rate=0.003,
        clip_norm=1.0, validation_fraction=0, **SHARED,
    )  # fmt: skip
    return Task(
        "JSB chorales, an LSTM of 200", "nats a step",
        lambda: model.fit(*jsb_chorales.pairs(parts["traindata"])),
        lambda m: m.evaluate(X, y)["loss"],
    )  # fmt: skip


def shakespeare() -> Task:
    """A language model by character."""
    text = (DATA / "tiny-shakespeare" / "input.txt").read_text(encoding="utf-8")
    model = rf.LanguageModel(
        hidden_size=128, num_layers=2, embedding_size=32, sequence_length=50, batch_size=50,
        learning_rate=0.01, validation_fraction=0, seed=1,
    )  # fmt: skip
    return Task(
        "tiny-shakespeare, 2 LSTMs of 128", "nats a character",
        lambda: model.fit(text[:400_000], epochs=2, verbose=0),
        lambda m: m.evaluate(text[-50_000:]).loss,
    )  # fmt: skip


def commands() -> Task:
    """Commands as actions: an encoder, attention and a decoder."""
    folder = DATA / "scan"
    train = scan.read(folder / "tasks_train_simple.txt.gz")[::3]
    test = scan.read(folder / "tasks_test_simple.txt.gz")[:1000]
    model = rf.Seq2Seq(
        level="word", hidden_size=100, embedding_size=32, bidirectional=True, epochs=6,
        batch_size=32, learning_rate=0.003, validation_fraction=0, **SHARED,
    )  # fmt: skip
    return Task(
        "SCAN, LSTMs of 100 with attention", "nats an action",
        lambda: model.fit([x for x, _ in train], [y for _, y in train]),
        lambda m: m.evaluate([x for x, _ in test], [y for _, y in test])["loss"],
    )  # fmt: skip


def spots() -> Task:
    """Yearly sunspots, one year ahead."""
    table = np.loadtxt(DATA / "timeseries-pd" / "sunspots.csv", delimiter=",", skiprows=1)
    series, held_out = table[:, 1], sunspots.HELD_OUT
    model = rf.Forecaster(
        lags=22, cell="gru", hidden_size=16, epochs=60, batch_size=16, learning_rate=0.003,
        validation_fraction=0, **SHARED,
    )  # fmt: skip

    def error(m: rf.Forecaster) -> float:
        true, predicted = m.backtest(series[-held_out - 22 :])[:2]
        return rmse(true, predicted)

    return Task(
        "sunspots, a GRU of 16, a year ahead", "RMSE",
        lambda: model.fit(series[:-held_out]), error,
    )  # fmt: skip


TASKS: dict[str, Callable[[], Task]] = {
    made.__name__: made
    for made in (vowels, intents, slots, languages, chorales, shakespeare, commands, spots)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", default=list(TASKS), help=", ".join(TASKS))
    parser.add_argument("--models", type=Path, help="a folder for what has been trained")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.tasks:
            print(row(name, arguments.models or Path(folder)), flush=True)


def row(name: str, folder: Path) -> str:
    """Return a line of the table: figures, and how far they are from that of float32."""
    task, path = TASKS[name](), folder / f"{name}.safetensors"
    if path.exists():
        model = rf.load(path)
    else:
        model = task.train()
        model.save(path)
    exact = task.score(model)
    cells = [task.name, task.figure, f"{exact:#.5g}"]
    for kind in KINDS.values():
        found = task.score(rf.quantize(model, **kind))
        cells.append(f"{found:#.5g} ({100 * (found / exact - 1):+.2f} %)")
    return ", ".join(f'"{cell}"' for cell in cells)


if __name__ == "__main__":
    main()
