"""Files with a right checksum whose description is nonsense: ValueError in a line, or a model."""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
import test_copies
import tokenizer_cases
import zoo
from rnnfast.diagnostics import model_page
from rnnfast.io import tensors as _tensors
from rnnfast.io.tensors import read_tensors, write_tensors
from rnnfast.text import SentencePieceTokenizer

DEEP: Any = []
for _ in range(300):
    DEEP = [DEEP]
VALUES: list[Any] = [None, True, 0, 1, -1, 2**31, 2**63, -(2**63) - 1, 10**30, 10**4000]
VALUES += [1.5, -0.0, math.nan, math.inf, 1e308, "", "x", "\n", "x" * 10_000, "__class__", "\ud800"]
VALUES += [[], {}, [[]], [None], [1, 2, 3], ["a"], {"a": 1}, {"": None}, [{}], [[1.0]] * 3, DEEP]
# A file is tried with one in so many of all changes; 1: with all, which takes minutes.
FOLD = int(os.environ.get("RNNFAST_TEST_FOLD", "12"))


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to everything in a description; of lists to the first two and the last."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from paths(value[key], (*path, key))
    elif isinstance(value, list):
        for place in sorted({*range(len(value))[:2], *range(len(value))[-1:]}):
            yield from paths(value[place], (*path, place))


def changes(description: Any) -> Iterator[tuple[str, Any]]:
    """Yield changed descriptions: something else at a place, nothing, or something more."""
    for path in paths(description):
        if not path:
            continue
        for value in (*VALUES, "delete", "add"):
            changed = copy.deepcopy(description)
            place = functools.reduce(lambda inner, key: inner[key], path[:-1], changed)
            if isinstance(value, str) and value == "delete":
                del place[path[-1]]
            elif not (isinstance(value, str) and value == "add"):
                place[path[-1]] = value
            elif isinstance(place, dict):
                place["more"] = 1
            else:
                place.append(None)
            yield f"{path} {str(value)[:40]}", changed


def check(
    path: Path,
    kind: str,
    load: Callable[[Path], Any],
    monkeypatch: Any,
    ask: Callable[[Any], object] = lambda loaded: None,
) -> None:
    """Try all changes of a file's description: refused in one line, or what is loaded answers."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    arrays, description = read_tensors(path, kind)
    refused = loaded = 0
    for number, (what, changed) in enumerate(changes(description)):
        if number % FOLD:
            continue
        write_tensors(path, kind, arrays, changed)
        try:
            found = load(path)
        except ValueError as error:
            assert not isinstance(error, UnicodeError), what
            assert str(error).startswith(f"{path}: "), (what, str(error))
            assert "\n" not in str(error) and len(str(error)) < 1000, what
            refused += 1
            continue
        except Exception as error:
            raise AssertionError(f"{what}: {error!r}") from error
        try:
            ask(found)
        except MemoryError:  # how many hypotheses are kept is for the caller to say
            continue
        except Exception as error:
            if "when standardised" in str(error) and "'mean'" in what:
                continue  # it has learned from series of quite other numbers
            raise AssertionError(f"{what}: loaded, but {error!r}") from error
        loaded += 1
    assert refused and loaded


SHARED, SERIES, TEXTS = test_copies.SHARED, test_copies.SERIES, test_copies.TEXTS
WORDS = [text.split() for text in TEXTS]
MODELS = {
    **test_copies.MODELS,
    "regressor": lambda: rf.SequenceRegressor(**SHARED).fit(TEXTS, [len(text) for text in TEXTS]),
    "step regressor": lambda: rf.StepRegressor(**SHARED).fit(SERIES, SERIES),
    "multilabel": lambda: rf.MultiLabelTagger(shape_features=True, **SHARED).fit(
        WORDS, [[[len(word) % 2, 1] for word in words] for words in WORDS]
    ),
    "classes": lambda: rf.SequenceTagger(
        feed_labels=True, beam_size=2, class_weight={"X": 2.0}, **SHARED
    ).fit(SERIES, [["XY"[step % 2] for step in range(7)]] * 24),
    "differences": lambda: rf.Forecaster(
        lags=3, horizon=2, differences=[1, 2], targets=[1], **SHARED
    ).fit(np.cumsum(np.ones((40, 2)), axis=0) ** 2),
    "several series": lambda: rf.Forecaster(lags=3, missing="mask", loss="gaussian", **SHARED).fit(
        [np.where(np.arange(40) == 37, np.nan, np.sin(np.arange(40.0))), np.arange(30.0)],
        static_covariates=[[1.0], [2.0]],
    ),
    "chosen": lambda: rf.Forecaster(**SHARED).fit(np.sin(np.arange(60.0)) + np.arange(60)),
    "averaged": lambda: rf.Forecaster(horizon=2, **SHARED).fit(
        np.cumsum(np.sin(np.arange(60.0) ** 2)) + np.arange(60)
    ),
    "text": lambda: rf.LanguageModel(
        hidden_size=3, embedding_size=2, tokenizer_options={"nfc": True}, batch_size=4
    ).fit("a good film " * 30, epochs=1, verbose=0),
    "adaptive": lambda: rf.LanguageModel(
        hidden_size=3, level="word", output="adaptive", cutoffs=[1, 2], batch_size=4
    ).fit("a good film " * 100, epochs=1, verbose=0),
    "labels": lambda: rf.LanguageModel(hidden_size=3, lines=True, level="word").fit(
        TEXTS, condition=["a", "b"] * 12, epochs=1, verbose=0
    ),
}


def _peer(name: str) -> Any:
    """A tokenizer of another library, if that is there."""
    with contextlib.suppress(ModuleNotFoundError):
        return getattr(tokenizer_cases, name)()


if (bpe := _peer("hugging_face")) is not None:
    MODELS["bytes of a library"] = lambda: rf.LanguageModel(
        hidden_size=3, embedding_size=2, lines=True, tokenizer=bpe
    ).fit(tokenizer_cases.LINES, epochs=1, verbose=0)
if (pieces := _peer("sentence_piece")) is not None:
    MODELS["pieces of a library"] = lambda: rf.Seq2Seq(
        tokenizer=SentencePieceTokenizer(pieces), **SHARED
    ).fit(TEXTS, TEXTS)


def ask(model: Any) -> None:
    """Let a model do all that it does."""
    condition = getattr(model, "condition_", None) and model.condition_.labels[0]
    model_page(model, samples=0, condition=condition)  # with its summary and its card
    if isinstance(model, rf.LanguageModel):
        lines = ["good film"] if model.lines else "good film"
        given = None if condition is None else [condition]
        model.evaluate(lines, given)
        model.log_prob("a good film", condition)
        model.next_tokens("good", condition=condition)
        model.sample(2, max_length=5, condition=condition)
    elif isinstance(model, rf.Forecaster):
        single = model._codec.single
        if model.loss == "gaussian":
            model.sample_paths(2, 3, seed=0)
        series = 1 + np.arange(30.0) if single else np.arange(60.0).reshape(30, 2)
        model.predict()
        known = {"static_covariates": [1.0]} if model._codec.panel.static.size else {}
        model.predict(1, after=series, **known)
        model.score(series, **known)
    else:
        of_tokens = hasattr(model.inputs_, "vocabulary")
        of_words = isinstance(model, (rf.SequenceTagger, rf.MultiLabelTagger))
        X = (WORDS if of_words else TEXTS) if of_tokens else SERIES
        # Texts of any length may be what a file says that were learned.
        options = {"max_length": 4} if isinstance(model, rf.Seq2Seq) else {}
        answers = model.predict(X, **options)
        if not isinstance(model, rf.CTCRecognizer) or any(answers):
            model.score(X, answers, **options)
        if isinstance(model, rf.Seq2Seq):
            model.attention_weights(X[0], "good film")
        elif hasattr(model, "predict_proba"):
            model.predict_proba(X)


@pytest.mark.parametrize("name", MODELS)
def test_models(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model"
    model = MODELS[name]()
    ask(model)
    model.save(path)
    check(path, "model", rf.load, monkeypatch, ask)


def test_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "network"
    table, lstm = rf.TiedEmbedding(6, 4), rf.LSTM(3, 4)
    network = [table, table.linear, {"a": lstm, "b": (rf.WeightDrop(lstm),)}]
    network += [zoo.LAYERS[name]() for name in ("CRF constrained", "LayerNormLSTM", "DotAttention")]
    rf.save(path, network)
    check(path, "layers", rf.load, monkeypatch)


def resumed(path: Path) -> Any:
    model = rf.SequenceClassifier(
        **test_copies.SHARED, schedule="plateau", averaging="ema", validation_fraction=0.2
    ).set_params(epochs=2)
    return model.fit(test_copies.TEXTS, [1, 0] * 12, checkpoint=path, resume=True)


def test_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoint"
    model = rf.SequenceClassifier(
        **test_copies.SHARED, schedule="plateau", averaging="ema", validation_fraction=0.2
    )
    model.fit(test_copies.TEXTS, [1, 0] * 12, checkpoint=path)
    check(path, "checkpoint", resumed, monkeypatch)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"kind": "model", "version": 1, "content": ' + '{"a":' * 900 + "1" + "}" * 900 + "}",
        '{"kind": "model", "version": 1, "sha256": "x", "content": ' + "[" * 50_000,
        '{"kind": ["model"], "version": 1, "content": {}}',
        '{"kind": "model", "version": {"a": 1}, "content": {}}',
        '{"kind": "model", "version": 1, "sha256": 1, "content": []}',
        '{"kind": "model", "version": ' + "1" * 5000 + "}",
        "null",
        "3",
    ],
    ids=range(9),
)
def test_headers(text: str, tmp_path: Path) -> None:
    import safetensors.numpy

    path = tmp_path / "file"
    safetensors.numpy.save_file({"a": np.zeros(1)}, path, {"rnnfast": text})
    with pytest.raises(ValueError, match=r"^[^\n]*$") as error:
        rf.load(path)
    assert str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "F16", "U64", "BOOL"])
def test_dtypes_that_no_layer_has(dtype: str, tmp_path: Path) -> None:
    """Written by hand: NumPy has not all of them."""
    path, size = tmp_path / "file", {"BF16": 2, "F8_E4M3": 1, "F16": 2, "U64": 8, "BOOL": 1}[dtype]
    rf.save(path, rf.Linear(2, 2))
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["0.bias"] = {"dtype": dtype, "shape": [2], "data_offsets": [0, 2 * size]}
    header["0.weight"]["data_offsets"] = [2 * size, 2 * size + 16]
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(2 * size + 16))
    with pytest.raises(ValueError, match=r"^[^\n]*$") as error:
        rf.load(path)
    assert str(error.value).startswith(f"{path}: ")


def test_the_checksum_is_that_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    rf.save(path, rf.Linear(2, 2))
    arrays, description = read_tensors(path, "layers")
    assert _tensors._digest(arrays, description) == _tensors._digest(dict(arrays), description)
    arrays["0.bias"] = arrays["0.bias"] + 1
    assert _tensors._digest(arrays, description) != json.loads(_text(path))["sha256"]


def _text(path: Path) -> str:
    import safetensors

    with safetensors.safe_open(path, framework="np") as file:
        return str(file.metadata()["rnnfast"])
