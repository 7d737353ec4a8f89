"""`SequenceClassifier()` with no option, beside tuned options and a nearest neighbour. Accuracy.

Small public sets: GunPoint and BasicMotions, which aeon has, where that is installed; the digits of
scikit-learn, as rows; Japanese vowels, names by language and sentences in the folder of data. How
much a model is trained by default was set with scores of these in sight. With ``--untouched`` it is
others, of which none was: ArrowHead, ItalyPowerDemand and PickupGestureWiimoteZ of aeon, recordings
of digits, intents of utterances and splice junctions of DNA.
Tuned is what did best of `OPTIONS` on a quarter of the part to learn from.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import DATA, folds, take
from japanese_vowels import read as read_vowels
from snips_intent import read as read_snips
from spoken import read_recordings, spectrum

import rnnfast as rf

# What tuning tries.
OPTIONS: list[dict[str, Any]] = [
    {"cell": "gru"},
    {"cell": "gru", "learning_rate": 0.01},
    {"cell": "gru", "bidirectional": True, "learning_rate": 0.01},
    {"cell": "lstm", "bidirectional": True, "pooling": "concat", "dropout": 0.3},
]


class Task(NamedTuple):
    """A set in two parts; ``level`` is that of texts, None: they are series."""

    name: str
    X: list[Any]
    y: list[Any]
    X_test: list[Any]
    y_test: list[Any]
    level: str | None = None


def nearest_series(task: Task) -> list[Any]:
    """Return the class of the nearest neighbour by dynamic time warping, features standardised."""
    steps = np.concatenate(task.X)
    mean, scale = steps.mean(axis=0), np.maximum(steps.std(axis=0), 1e-9)
    train, test = ([(x - mean) / scale for x in part] for part in (task.X, task.X_test))
    (a, ends_a), (b, ends_b) = map(padded, (test, train))
    costs = np.full((len(a), len(b), b.shape[1] + 1), np.inf)
    costs[:, :, 0] = 0.0
    totals = np.zeros((len(a), len(b)))
    for step in range(a.shape[1]):
        local = np.square(a[:, step, np.newaxis, np.newaxis] - b).sum(axis=3)
        best = np.minimum(costs[:, :, 1:], costs[:, :, :-1])
        costs = np.full_like(costs, np.inf)
        for place in range(b.shape[1]):
            before = np.minimum(best[:, :, place], costs[:, :, place])
            costs[:, :, place + 1] = local[:, :, place] + before
        ended = ends_a == step + 1
        totals[ended] = costs[ended][:, np.arange(len(b)), ends_b]
    return [task.y[n] for n in totals.argmin(axis=1)]


def padded(series: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return series in one array ``(N, T, F)``, and their lengths."""
    lengths = np.array([len(x) for x in series])
    array = np.zeros((len(series), lengths.max(), series[0].shape[1]))
    for row, x in zip(array, series, strict=True):
        row[: len(x)] = x
    return array, lengths


def nearest_text(task: Task) -> list[Any]:
    """Return the class of the nearest neighbour by the cosine of counts: words, or 3 characters."""

    def parts(text: str) -> list[str]:
        if task.level == "word":
            return text.lower().split()
        text = f" {text.lower()} "
        return [text[n : n + 3] for n in range(len(text) - 2)]

    place = {part: n for n, part in enumerate(sorted({p for x in task.X for p in parts(x)}))}

    def counts(texts: list[str]) -> np.ndarray:
        found = np.zeros((len(texts), len(place)), np.float32)
        for row, text in zip(found, texts, strict=True):
            for part, count in Counter(parts(text)).items():
                if part in place:
                    row[place[part]] = count
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)

    alike = counts(task.X_test) @ counts(task.X).T
    return [task.y[n] for n in alike.argmax(axis=1)]


def from_aeon(*names: str) -> Iterator[Task]:
    """Yield sets that aeon carries in its package, if it is installed."""
    if importlib.util.find_spec("aeon") is None:
        print(f"aeon is not installed: without {', '.join(names)}")
        return
    import aeon
    from aeon.datasets import load_from_ts_file

    for name in names:
        folder = Path(aeon.__file__).parent / "datasets" / "data" / name.partition("_")[0]
        parts = []
        for split in ("TRAIN", "TEST"):
            X, y = load_from_ts_file(str(folder / f"{name}_{split}.ts"))
            parts += [list(X.transpose(0, 2, 1)), y.tolist()]
        yield Task(name.partition("_")[0], *parts)


def shuffled(name: str, X: list[Any], y: list[Any], count: int, tested: int, level: Any) -> Task:
    order = np.random.default_rng(0).permutation(len(X))
    train, test = order[:count], order[-tested:]
    parts = take(X, train), take(y, train), take(X, test), take(y, test)
    return Task(f"{name}, {count}", *parts, level)


def tasks(data: Path) -> Iterator[Task]:
    """Yield the sets that are there."""
    yield from from_aeon("GunPoint", "BasicMotions")
    if importlib.util.find_spec("sklearn") is None:
        print("scikit-learn is not installed: without its digits")
    else:
        from sklearn.datasets import load_digits

        digits = load_digits()
        for count in (100, 300, 1200):
            images, classes = list(digits.images), digits.target.tolist()
            yield shuffled("digits as rows", images, classes, count, 500, None)
    vowels = data / "japanese-vowels"
    parts = [read_vowels(vowels / f"JapaneseVowels_{part}.ts") for part in ("TRAIN", "TEST")]
    yield Task("Japanese vowels", *parts[0], *parts[1])
    names = [
        (line.strip(), path.stem)
        for path in sorted((data / "names-18-languages").glob("*.txt"))
        for line in path.read_text("utf-8").splitlines()
        if line.strip()
    ]
    for count in (500, 2000):
        texts, languages = map(list, zip(*names, strict=True))
        yield shuffled("names by language", texts, languages, count, 2000, "char")
    sentences = [
        line.rsplit("\t", 1)
        for path in sorted((data / "uci-sentiment-sentences").glob("*_labelled.txt"))
        for line in path.read_text("utf-8").split("\n")
        if "\t" in line
    ]
    texts, moods = map(list, zip(*sentences, strict=True))
    for count in (300, 2000):
        yield shuffled("moods of sentences", texts, moods, count, 900, "word")


def untouched(data: Path) -> Iterator[Task]:
    """Yield the sets that are there of those that no default was set by."""
    yield from from_aeon("ArrowHead", "ItalyPowerDemand", "PickupGestureWiimoteZ_eq")
    recordings, rate = read_recordings(data / "fsdd-mini" / "recordings.tar")
    keys = sorted(recordings)
    spectra, digits = [spectrum(recordings[key], rate) for key in keys], [key[0] for key in keys]
    yield shuffled("spoken digits", spectra, digits, 100, 150, None)
    words, intents = read_snips(data / "snips" / "train")
    for count in (100, 300):
        yield shuffled(
            "intents of utterances", [*map(" ".join, words)], intents, count, 1000, "word"
        )
    junctions = [
        [part.strip() for part in line.split(",")]
        for line in (data / "dna-splice" / "splice.data").read_text("ascii").splitlines()
    ]
    middles, kinds = [bases[15:45] for *_, bases in junctions], [kind for kind, *_ in junctions]
    yield shuffled("splice junctions", middles, kinds, 300, 1000, "char")


def learned(task: Task, options: dict[str, Any], seed: int) -> rf.SequenceClassifier:
    level = {} if task.level in (None, "word") else {"level": task.level}
    model = rf.SequenceClassifier(**level, **options, seed=seed, verbose=0)
    return model.fit(task.X, task.y)


def tuned(task: Task) -> dict[str, Any]:
    """Return the options that do best on a quarter of the part to learn from."""
    train, test = next(folds(task.y, 4))
    part = Task(task.name, take(task.X, train), take(task.y, train), [], [], task.level)
    held_out = take(task.X, test), take(task.y, test)
    return max(OPTIONS, key=lambda options: learned(part, options, 1).score(*held_out))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", nargs="?", type=Path, default=DATA, help="folder of data")
    parser.add_argument("--seeds", type=int, default=3, help="models of each, whose mean is told")
    parser.add_argument("--only", default="", help="sets whose names have this")
    parser.add_argument("--untouched", action="store_true", help="sets that no default was set by")
    arguments = parser.parse_args()
    rows = [("set", "neighbour", "no option", "least", "tuned", "share", "tuned options")]
    for task in (untouched if arguments.untouched else tasks)(arguments.data):
        if arguments.only not in task.name:
            continue
        answers = (nearest_series if task.level is None else nearest_text)(task)
        nearest = float(np.mean([a == b for a, b in zip(answers, task.y_test, strict=True)]))
        best = tuned(task)
        plain, chosen = (
            [
                learned(task, options, seed).score(task.X_test, task.y_test)
                for seed in range(1, arguments.seeds + 1)
            ]
            for options in ({}, best)
        )
        figures = nearest, np.mean(plain), min(plain), np.mean(chosen)
        share = np.mean(plain) / np.mean(chosen)
        said = ", ".join(f"{name}={value}" for name, value in best.items())
        rows.append((task.name, *(f"{100 * f:.1f} %" for f in figures), f"{share:.2f}", said))
        print("; ".join(map(str, rows[-1])), flush=True)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print()
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


if __name__ == "__main__":
    main()
