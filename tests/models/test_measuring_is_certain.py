"""What is measured after an epoch draws nothing at random, and has no noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.training.loop import TrainingLoop

TEXTS = [["the", "cat", "sat"], ["a", "dog"], ["on", "a", "mat"], ["the"]] * 5
TAGS = [[str(len(word)) for word in text] for text in TEXTS]
SERIES = [np.random.default_rng(seed).normal(size=(5, 2)) for seed in range(8)]
LINES = [" ".join(text) for text in TEXTS]
# A model, further options, and what it learns from.
CASES: dict[str, tuple[Any, dict[str, Any], tuple[Any, ...]]] = {
    "classifier": (rf.SequenceClassifier, {"word_dropout": 0.2}, (TEXTS, [0, 1] * 10)),
    "regressor": (rf.SequenceRegressor, {}, (SERIES, np.arange(8.0))),
    "tagger": (rf.SequenceTagger, {"char_encoder": True}, (TEXTS, TAGS)),
    "crf": (rf.SequenceTagger, {"crf": True}, (TEXTS, TAGS)),
    "feedback": (rf.SequenceTagger, {"feed_labels": True}, (TEXTS, TAGS)),
    "multilabel": (rf.MultiLabelTagger, {}, (SERIES, [(x > 0).astype(float) for x in SERIES])),
    "steps": (rf.StepRegressor, {}, (SERIES, [x[:, 0] for x in SERIES])),
    "ctc": (rf.CTCRecognizer, {}, (SERIES, ["ab"] * 8)),
    "seq2seq": (rf.Seq2Seq, {"sampling": 0.3}, (TEXTS, TEXTS)),
    "forecaster": (rf.Forecaster, {"lags": 3}, (np.sin(np.arange(50)),)),
    "text": (rf.LanguageModel, {"weight_drop": 0.2}, (" ".join(LINES * 4),)),
    "lines": (rf.LanguageModel, {"lines": True, "variational": True}, (LINES,)),
}


@pytest.mark.parametrize("noise", ["zoneout", "recurrent_dropout"])
@pytest.mark.parametrize("name", CASES)
def test_measuring_draws_nothing(name: str, noise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    measure = TrainingLoop._figures
    measured = []

    def twice(self: TrainingLoop[Any]) -> dict[str, float]:
        before = self.rng.bit_generator.state
        figures = measure(self)
        assert self.rng.bit_generator.state == before
        assert measure(self) == figures
        measured.append(figures)
        return figures

    monkeypatch.setattr(TrainingLoop, "_figures", twice)
    kind, options, examples = CASES[name]
    kind(
        cell="layer_norm_lstm", cell_options={noise: 0.3}, dropout=0.2, hidden_size=3, epochs=2,
        batch_size=4, validation_fraction=0.2, seed=0, verbose=0, **options,
    ).fit(*examples)  # fmt: skip
    assert len(measured) == 2
    assert all(measured)
