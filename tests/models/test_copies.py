"""Copies of models, and models that another process is sent."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf

TEXTS = ["good film", "a bad film", "good", "bad bad"] * 6
SHARED: dict[str, Any] = {"hidden_size": 3, "epochs": 1, "verbose": 0, "seed": 1, "batch_size": 8}
SERIES = [np.random.default_rng(n).normal(size=(7, 2)) for n in range(24)]

MODELS: dict[str, Callable[[], Any]] = {
    "classifier": lambda: rf.SequenceClassifier(**SHARED).fit(TEXTS, [1, 0] * 12),
    "tagger": lambda: rf.SequenceTagger(crf=True, char_encoder=True, **SHARED).fit(
        [text.split() for text in TEXTS], [["XY"[len(w) % 2] for w in t.split()] for t in TEXTS]
    ),
    "seq2seq": lambda: rf.Seq2Seq(**SHARED).fit(TEXTS, [text[::-1] for text in TEXTS]),
    "ctc": lambda: rf.CTCRecognizer(**SHARED).fit(SERIES, ["ab", "b"] * 12),
    "forecaster": lambda: rf.Forecaster(lags=4, **SHARED).fit(np.sin(np.arange(50))),
    "language model": lambda: rf.LanguageModel(hidden_size=3, seed=1, lines=True).fit(
        TEXTS, epochs=1, verbose=0
    ),
}


def ask(model: Any) -> Any:
    if isinstance(model, rf.LanguageModel):
        return model.log_prob("good film")
    if isinstance(model, rf.Forecaster):
        return model.predict(3).tolist()
    answer = model.predict(SERIES if isinstance(model, rf.CTCRecognizer) else TEXTS)
    return answer.tolist() if isinstance(answer, np.ndarray) else answer


def others(model: Any) -> dict[str, Any]:
    """Return hyperparameters other than those of training: of layers, and of what reads text."""
    level = "word" if model.level == "char" else "char"
    return {"hidden_size": 5, "cell": "rnn", "level": level, "tokenizer_options": None}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("twin", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_answers_alike_and_has_weights_of_its_own(name: str, twin: Any) -> None:
    model = MODELS[name]()
    answer, other = ask(model), twin(model)
    assert type(other) is type(model) and other.get_params() == model.get_params()
    assert other.history_ == model.history_ and other.best_epoch_ == model.best_epoch_
    assert ask(other) == answer
    for module in other._modules().values():
        for parameter in module.parameters().values():
            parameter.assign(np.zeros_like(parameter.data))
    assert ask(model) == answer


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("twin", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_what_was_set_since_comes_along(name: str, twin: Any) -> None:
    model = MODELS[name]()
    model.note = ["mine"]
    answer = ask(model)
    other = twin(model.set_params(**others(model)))
    assert other.note == ["mine"] and other.note is not model.note
    assert other.hidden_size == 5 and ask(other) == answer


@pytest.mark.parametrize("name", MODELS)
def test_a_file_of_a_model_with_other_hyperparameters_than_those_of_training(
    name: str, tmp_path: Path
) -> None:
    model = MODELS[name]()
    answer = ask(model)
    for _ in range(2):  # a file of what a file gave, too
        model.set_params(**others(model)).save(tmp_path / "model")
        model = rf.load(tmp_path / "model")
        assert model.hidden_size == 5 and model.cell == "rnn" and ask(model) == answer


def answer_of(model: Any, queue: Any) -> None:
    queue.put(ask(model))


def test_a_model_in_another_process() -> None:
    context = multiprocessing.get_context("spawn")
    queue, model = context.Queue(), MODELS["forecaster"]()
    process = context.Process(target=answer_of, args=(model, queue))
    process.start()
    assert queue.get(timeout=60) == ask(model)
    process.join()


def test_a_model_that_has_not_learned() -> None:
    model = rf.SequenceTagger(crf=True, cell_options={"peephole": True})
    other = copy.deepcopy(model)
    assert other.get_params() == model.get_params() and not other._is_fitted()
    assert other.cell_options is not model.cell_options


@pytest.mark.parametrize("name", MODELS)
def test_scikit_learn_clones(name: str) -> None:
    base = pytest.importorskip("sklearn.base", reason="scikit-learn is not installed")
    model = MODELS[name]()
    clone = base.clone(model)
    assert clone.get_params() == model.get_params() and not clone._is_fitted()


def test_a_shallow_copy_shares_the_layers() -> None:
    model = MODELS["classifier"]()
    assert copy.copy(model).network_ is model.network_


def test_scikit_learn_keeps_models_of_other_processes() -> None:
    selection = pytest.importorskip("sklearn.model_selection", reason="scikit-learn is not instal")
    model, labels = rf.SequenceClassifier(**SHARED), [1, 1, 0, 0] * 6
    found = selection.cross_validate(model, TEXTS, labels, cv=2, n_jobs=2, return_estimator=True)
    assert [len(one.predict(TEXTS)) for one in found["estimator"]] == [24, 24]
