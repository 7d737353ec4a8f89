"""A small model of every kind, and what it is fitted to: for scikit-learn's contract."""

from __future__ import annotations

from typing import Any

import numpy as np

import rnnfast as rf

RNG = np.random.default_rng(0)
SERIES = RNG.normal(size=(24, 5, 2))
SUMS = SERIES.sum(axis=(1, 2))
MOODS = ["+" if total > 0 else "-" for total in SUMS]
SIGNS = [["+" if step > 0 else "-" for step in x[:, 0]] for x in SERIES]
LETTERS = ["ab" if total > 0 else "ba" for total in SUMS]
WAVE = np.sin(np.arange(60) / 3)

SMALL: dict[str, Any] = {"hidden_size": 4, "embedding_size": 3, "batch_size": 8}

# A model's class, its hyperparameters, what `fit` takes.
CASES: dict[str, tuple[Any, dict[str, Any], tuple[Any, ...]]] = {
    "classifier": (rf.SequenceClassifier, {}, (SERIES, MOODS)),
    "regressor": (rf.SequenceRegressor, {}, (SERIES, SUMS)),
    "forecaster": (rf.Forecaster, {"lags": 4}, (WAVE,)),
    "tagger": (rf.SequenceTagger, {}, (SERIES, SIGNS)),
    "labels": (rf.MultiLabelTagger, {}, (SERIES, (SERIES > 0).astype(int))),
    "steps": (rf.StepRegressor, {}, (SERIES, SERIES.cumsum(axis=1))),
    "pairs": (rf.Seq2Seq, {"level": "char"}, (LETTERS, LETTERS)),
    "symbols": (rf.CTCRecognizer, {}, (SERIES, LETTERS)),
    "language": (rf.LanguageModel, {"lines": True}, (LETTERS,)),
}


class Table:
    """What a DataFrame is to those who read it: columns with names, and an array."""

    def __init__(self, array: Any, names: list[Any]) -> None:
        self._array, self.columns = np.asarray(array), names

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self._array

    def __len__(self) -> int:
        return len(self._array)


def make(name: str, **options: Any) -> Any:
    kind, own, _ = CASES[name]
    return kind(**{**SMALL, "epochs": 2, "verbose": 0, "seed": 3, **own, **options})


def fit(name: str, model: Any = None, **options: Any) -> Any:
    return (make(name) if model is None else model).fit(*CASES[name][2], **options)
