"""Models with ``sparse_embedding=True``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.io.tensors import collect_arrays
from rnnfast.models.recurrent_model import RecurrentModel

TEXTS = [f"the {n} {thing}" for n in ("one", "red", "big") for thing in ("cat", "dog", "old hen")]
TOKENS = [text.split() for text in TEXTS]
# A model's class, its hyperparameters, what `fit` takes.
CASES: dict[str, tuple[type[RecurrentModel], dict[str, Any], tuple[Any, ...]]] = {
    "classifier": (
        rf.SequenceClassifier,
        {"word_dropout": 0.2, "bidirectional": True},
        (TEXTS, ["cat" in text for text in TEXTS]),
    ),
    "tagger": (rf.SequenceTagger, {"char_encoder": True}, (TOKENS, TOKENS)),
    "plain tagger": (rf.SequenceTagger, {"feed_labels": True}, (TOKENS, TOKENS)),
    "sequences": (rf.Seq2Seq, {"attention": "dot"}, (TEXTS, [text[::-1] for text in TEXTS])),
    "windows": (
        rf.LanguageModel,
        {"level": "word", "embedding_size": 5, "sequence_length": 4, "variational": True},
        (" ".join(3 * TEXTS),),
    ),
    "lines": (
        rf.LanguageModel,
        {"lines": True, "embedding_size": 5, "embedding_dropout": 0.2, "averaging": "mean"},
        (TEXTS,),
    ),
}


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


def fit(name: str, options: dict[str, Any], **fit_options: Any) -> Any:
    kind, own, data = CASES[name]
    chosen: dict[str, Any] = {"hidden_size": 6, "batch_size": 4, "seed": 3, "dropout": 0.1}
    length = {"epochs": 3, "verbose": 0}
    if kind is rf.LanguageModel:
        fit_options |= length
    else:
        chosen |= length
    model: Any = kind(**{**chosen, **own, **options})
    return model.fit(*data, **fit_options)


def assert_same(model: Any, other: Any) -> None:
    arrays, others = (collect_arrays(one._modules()) for one in (model, other))
    assert arrays.keys() == others.keys()
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, others[key], err_msg=key)


def sparse_tables(model: Any) -> list[str]:
    return [key for key, module in model._modules().items() if getattr(module, "sparse", False)]


@pytest.mark.parametrize("name", CASES)
def test_the_step_of_dense_gradients(name: str) -> None:
    """Of SGD, bit for bit, where no norm is in between."""
    options = {"optimizer": "sgd", "learning_rate": 0.1, "clip_norm": None}
    sparse, dense = (fit(name, {"sparse_embedding": s, **options}) for s in (True, False))
    large = ["encoder_embedding", "decoder_embedding"] if name == "sequences" else ["embedding"]
    assert sparse_tables(sparse) == large  # not those of characters and labels
    assert not sparse_tables(dense)
    assert_same(sparse, dense)


@pytest.mark.parametrize("name", CASES)
def test_resumption(tmp_path: Path, name: str) -> None:
    """Adam's memory of single rows goes on."""
    options, path = {"sparse_embedding": True}, tmp_path / "checkpoint"
    whole = fit(name, options)
    stopped = fit(name, options, checkpoint=path, callbacks=[lambda p: p.step == 4])
    assert stopped.stopped_ == "callback"
    assert_same(fit(name, options, checkpoint=path, resume=True), whole)
    with pytest.raises(ValueError, match="cannot resume with another sparse_embedding"):
        fit(name, {"sparse_embedding": False}, checkpoint=path, resume=True)
    whole.save(tmp_path / "model")
    loaded = rf.load(tmp_path / "model")
    assert loaded.sparse_embedding
    assert sparse_tables(loaded) == sparse_tables(whole)
    assert_same(loaded, whole)


def test_it_learns() -> None:
    options = {"epochs": 30, "learning_rate": 0.02, "word_dropout": 0.0, "validation_fraction": 0.0}
    model = fit("classifier", {"sparse_embedding": True, **options})
    assert model.score(*CASES["classifier"][2]) == 1.0


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("windows", {"tie_weights": True, "embedding_size": 6}, ValueError,
         "sparse_embedding: expected False with tie_weights, .* got True"),
        ("classifier", {"sparse_embedding": 1}, TypeError,
         "sparse_embedding: expected a bool, got int"),
        ("classifier", {"optimizer": "sgd", "optimizer_options": {"momentum": 0.9}}, ValueError,
         r"momentum: expected 0 with an Embedding of sparse=True, got 0\.9"),
    ],
)  # fmt: skip
def test_bad_input(
    name: str, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        fit(name, {"sparse_embedding": True, **options})
