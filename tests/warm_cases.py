"""Models of every kind with data to learn first, and more of them: for tests of warm starts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import rnnfast as rf
from rnnfast.io.tensors import collect_arrays

RNG = np.random.default_rng(5)
WAVE = np.sin(np.arange(60) / 3) + 0.1 * np.arange(60)


class Case(NamedTuple):
    """A model, hyperparameters, what `fit` takes first, and then, with new words and classes."""

    kind: Any
    options: dict[str, Any]
    first: tuple[Any, ...]
    more: tuple[Any, ...]

    def make(self, **options: Any) -> Any:
        base = {"hidden_size": 4, "batch_size": 6, "seed": 3, "verbose": 0, "epochs": 2}
        return self.kind(**{**base, **self.options, **options})

    def fitted(self, **options: Any) -> Any:
        return self.make(**options).fit(*self.first)


def series(count: int) -> list[Any]:
    return [RNG.normal(size=(4 + n % 3, 2)) for n in range(count)]


def sounds(text: list[str]) -> list[Any]:
    return [np.repeat([[ord(c) - 97.0, 1.0] for c in word] + [[9.0, 0.0]], 3, 0) for word in text]


TEXTS = ["good film", "a bad film", "good", "bad bad", "so good", "so very bad"] * 3
MORE = ["a new film", "odd", "good plot", "very odd", "bad new plot", "so so"] * 2
WORDS, MORE_WORDS = [t.split() for t in TEXTS], [t.split() for t in MORE]
X, Y = series(12), series(9)


def tags(sentences: list[list[str]], last: str) -> list[list[str]]:
    return [["B-x" if n % 2 == 0 else last for n, _ in enumerate(words)] for words in sentences]


TAGS, MORE_TAGS = tags(WORDS, "O"), tags(MORE_WORDS, "B-a")

CASES: dict[str, Case] = {
    "classifier": Case(rf.SequenceClassifier, {}, (TEXTS, ["m", "z"] * 9), (MORE, ["a", "m"] * 6)),
    "classifier one-hot": Case(
        rf.SequenceClassifier,
        {"embedding_size": None, "bidirectional": True, "class_weight": "balanced"},
        (TEXTS, [3, 1] * 9),
        (MORE, [2, 3] * 6),
    ),
    "classifier of ids": Case(
        rf.SequenceClassifier,
        {"sparse_embedding": True},
        ([np.array([0, 1, 2]), np.array([2, 0])] * 6, [True, False] * 6),
        ([np.array([3, 1]), np.array([0, 4])] * 6, [True, False] * 6),
    ),
    "regressor": Case(
        rf.SequenceRegressor, {}, (TEXTS, np.arange(18.0)), (MORE, np.arange(12.0) / 9)
    ),
    "forecaster": Case(rf.Forecaster, {"lags": 5, "horizon": 2}, (WAVE,), (WAVE[20:] * 2,)),
    "tagger": Case(rf.SequenceTagger, {}, (WORDS, TAGS), (MORE_WORDS, MORE_TAGS)),
    "tagger crf": Case(
        rf.SequenceTagger,
        {"crf": True, "scheme": "bio", "char_encoder": True, "shape_features": True},
        (WORDS, TAGS),
        (MORE_WORDS, MORE_TAGS),
    ),
    "tagger fed": Case(
        rf.SequenceTagger,
        {"feed_labels": True, "lowercase": True},
        (WORDS, TAGS),
        (MORE_WORDS, MORE_TAGS),
    ),
    "tagger of spelling": Case(
        rf.SequenceTagger,
        {"char_encoder": True, "embedding_size": None},
        (WORDS, TAGS),
        (MORE_WORDS, MORE_TAGS),
    ),
    "multi-label tagger": Case(
        rf.MultiLabelTagger,
        {},
        (WORDS, [np.eye(3)[np.arange(len(w)) % 3] for w in WORDS]),
        (MORE_WORDS, [np.eye(3)[np.arange(len(w)) % 2] for w in MORE_WORDS]),
    ),
    "step regressor": Case(
        rf.StepRegressor, {}, (X, [x.cumsum(0) for x in X]), (Y, [y.cumsum(0) for y in Y])
    ),
    "seq2seq": Case(rf.Seq2Seq, {}, (TEXTS, WORDS), (MORE, MORE_WORDS)),
    "seq2seq one-hot": Case(
        rf.Seq2Seq,
        {"embedding_size": None, "attention": None, "cell": "gru", "level": "char"},
        (TEXTS, TEXTS),
        (MORE, MORE),
    ),
    "recognizer": Case(
        rf.CTCRecognizer, {}, (sounds(["bd", "db"] * 6), ["bd", "db"] * 6),
        (sounds(["ab", "cd"] * 4), ["ab", "cd"] * 4),
    ),
    "language model": Case(rf.LanguageModel, {"lines": True}, (TEXTS,), (MORE,)),
    "language model tied": Case(
        rf.LanguageModel,
        {"level": "word", "embedding_size": 4, "tie_weights": True, "sequence_length": 5,
         "batch_size": 2},
        (" ".join(TEXTS),),
        (" ".join(MORE),),
    ),
    "language model adaptive": Case(
        rf.LanguageModel,
        {"level": "word", "output": "adaptive", "cutoffs": [2, 4], "lines": True},
        (TEXTS,),
        (MORE,),
    ),
    "language model embedded": Case(
        rf.LanguageModel,
        {"level": "word", "embedding_size": 3, "lines": True, "sparse_embedding": True},
        (TEXTS,),
        (MORE,),
    ),
}  # fmt: skip


def arrays_of(model: Any) -> dict[str, np.ndarray]:
    """Return a copy of every weight by name."""
    return collect_arrays(model._modules())


def known_of(model: Any) -> str:
    """Return all that a model knows besides weights and history, as it stands in files."""
    learned = model._learned()
    return repr({n: v for n, v in learned.items() if n not in ("history", "best_epoch", "stopped")})
