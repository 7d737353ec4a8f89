"""Models with tokenizers of other libraries and of one's own: in use and in files."""

from __future__ import annotations

import copy
import json
import math
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors

import rnnfast as rf
from rnnfast.io.tensors import read_tensors, write_tensors
from rnnfast.models.base import Model
from rnnfast.text import (
    HuggingFaceTokenizer,
    SentencePieceTokenizer,
    WordTokenizer,
    read_tokenizer,
    register_tokenizer,
)
from tokenizer_cases import LINES, Pairs, hugging_face, sentence_piece, word_level

register_tokenizer("tests.pairs", Pairs.from_dict)


def tokenizer_of(kind: str) -> Any:
    if kind == "pairs":
        return Pairs()
    if kind == "sentencepiece":
        pytest.importorskip("sentencepiece")
        return SentencePieceTokenizer(sentence_piece())
    pytest.importorskip("tokenizers")
    return hugging_face() if kind == "bytes" else word_level()


KINDS = ["bytes", "words", "sentencepiece", "pairs"]


def make(tokenizer: Any, **options: Any) -> rf.LanguageModel:
    made = {"hidden_size": 8, "embedding_size": 4, "batch_size": 4, "seed": 0, **options}
    return rf.LanguageModel(tokenizer=tokenizer, **made)


def answers(lm: rf.LanguageModel) -> list[Any]:
    return [
        lm.evaluate("the dog sat\non the mat" if lm.lines else "the dog sat on the mat"),
        lm.log_prob("the cat sat"),
        lm.next_tokens("the c", 4),
        lm.sample(3, "the ", max_length=12, seed=1),
    ]


def test_repr_is_not_as_long_as_the_vocabulary() -> None:
    pytest.importorskip("tokenizers")
    model = rf.LanguageModel(tokenizer=hugging_face(), hidden_size=8)
    assert repr(model).startswith("LanguageModel(tokenizer=Tokenizer(")
    assert repr(model).endswith("..., hidden_size=8)") and len(repr(model)) < 500


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_language_models(kind: str, lines: bool, tmp_path: Path) -> None:
    tokenizer = tokenizer_of(kind)
    lm = make(tokenizer, lines=lines, sequence_length=6, learning_rate=0.02)
    lm.fit(LINES if lines else " ".join(LINES), epochs=6, verbose=0)
    assert lm.history_[-1]["loss"] < math.log(len(lm.vocabulary_))
    if kind != "pairs":
        assert lm.vocabulary_.tokens[: len(lm.tokenizer_.tokens)] == lm.tokenizer_.tokens  # type: ignore[attr-defined]
    expected = answers(lm)
    assert all(isinstance(text, str) and text for text in expected[3])
    assert lm.next_tokens("the", 1000)[0][0] in lm.vocabulary_
    path = tmp_path / "m.safetensors"
    lm.save(path)
    loaded = rf.load(path)
    assert answers(loaded) == expected
    assert answers(copy.deepcopy(lm)) == answers(pickle.loads(pickle.dumps(lm))) == expected
    assert type(loaded.tokenizer_) is type(lm.tokenizer_)
    assert loaded.tokenizer_.to_dict() == lm.tokenizer_.to_dict()
    assert loaded.unit == lm.unit == "token"
    again = tmp_path / "again.safetensors"
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()


def test_the_file_has_the_tokenizer_once(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    lm = make(hugging_face(), lines=True).fit(LINES, epochs=1, verbose=0)
    path = tmp_path / "m.safetensors"
    lm.save(path)
    with safetensors.safe_open(path, "np") as file:
        metadata = json.dumps(file.metadata())
    assert metadata.count("byte_fallback") == 1
    kept = lm.tokenizer_
    lm.set_params(tokenizer=WordTokenizer(lower=True))
    lm.save(path)
    loaded = rf.load(path)
    assert loaded.tokenizer == WordTokenizer(lower=True) and loaded.tokenizer_ == kept
    assert loaded.sample(prefix="the", seed=0) == lm.sample(prefix="the", seed=0)
    lm.set_params(tokenizer=None)
    lm.save(path)
    assert rf.load(path).tokenizer is None and rf.load(path).tokenizer_ == kept


@pytest.mark.parametrize("kind", KINDS)
def test_training_goes_on_from_a_checkpoint(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "c.checkpoint"

    def train(epochs: int, **options: Any) -> rf.LanguageModel:
        lm = make(tokenizer_of(kind), lines=True, schedule="constant")
        return lm.fit(LINES, epochs=epochs, verbose=0, **options)

    train(1, checkpoint=path)
    with pytest.raises(ValueError, match="tokenizer"):
        other = make(WordTokenizer(), lines=True, schedule="constant")
        other.fit(LINES, epochs=2, verbose=0, checkpoint=path, resume=True)
    assert answers(train(2, checkpoint=path, resume=True)) == answers(train(2))


X = LINES[:9]
Y = ["cat" if "cat" in line else "dog" for line in X]
SERIES = [np.random.default_rng(n).normal(size=(60, 2)) for n in range(len(X))]
FITTING = {"epochs": 2, "verbose": 0, "hidden_size": 6, "seed": 0}


def _fit(name: str, tokenizer: Any) -> tuple[Any, Any]:
    fitted = {
        "classifier": lambda: rf.SequenceClassifier(tokenizer=tokenizer, **FITTING).fit(X, Y),
        "regressor": lambda: rf.SequenceRegressor(tokenizer=tokenizer, **FITTING).fit(
            X, [float(len(x)) for x in X]
        ),
        "seq2seq": lambda: rf.Seq2Seq(tokenizer=tokenizer, **FITTING).fit(X, Y),
        "ctc": lambda: rf.CTCRecognizer(tokenizer=tokenizer, **FITTING).fit(SERIES, X),
    }[name]()
    return fitted, SERIES if name == "ctc" else X


@pytest.mark.parametrize("name", ["classifier", "regressor", "seq2seq", "ctc"])
@pytest.mark.parametrize("kind", KINDS)
def test_other_models(kind: str, name: str, tmp_path: Path) -> None:
    model, inputs = _fit(name, tokenizer_of(kind))
    path = tmp_path / "m.safetensors"
    model.save(path)
    loaded = rf.load(path)
    expected = model.predict(inputs)
    assert len(expected) == len(X)
    assert np.array_equal(loaded.predict(inputs), expected)
    if name in ("seq2seq", "ctc"):
        assert all(isinstance(text, str) for text in expected)


def test_token_lists_are_of_the_tokenizer() -> None:
    pytest.importorskip("tokenizers")
    tokens = [line.split() for line in X]
    model = rf.SequenceClassifier(tokenizer=word_level(), **FITTING).fit(X, Y)
    assert np.array_equal(model.predict_proba(tokens), model.predict_proba(X))
    tagger = rf.SequenceTagger(tokenizer=word_level(), **FITTING)
    tags = [["N" if word in ("cat", "dog") else "O" for word in words] for words in tokens]
    predicted = tagger.fit(tokens, tags).predict(tokens)
    assert [*map(len, predicted)] == [*map(len, tokens)]
    with pytest.raises(ValueError, match=r"^X: expected tokens of the tokenizer, got 'zebra'"):
        tagger.fit([["zebra"], ["cat"]], [["O"], ["N"]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_vocabulary_size": 9}, "max_vocabulary_size: expected None with a tokenizer"),
        ({"min_count": 2}, "min_count: expected 1 with a tokenizer"),
        ({"tokenizer_options": {"lower": True}}, "tokenizer_options: expected None with a tok"),
        ({"level": "line"}, "level: expected 'char' or 'word', got 'line'"),
    ],
)
def test_options_that_a_tokenizer_decides(options: dict[str, Any], message: str) -> None:
    lm = make(tokenizer_of("words"), **options)
    with pytest.raises(ValueError, match=f"^{message}"):
        lm.fit("the cat sat", verbose=0)


@pytest.mark.parametrize("kind", ["hugging face", "sentencepiece"])
@pytest.mark.parametrize("as_path", [str, Path])
def test_a_file_of_a_tokenizer(kind: str, as_path: Any, tmp_path: Path) -> None:
    path = tmp_path / "pieces"
    if kind == "sentencepiece":
        pytest.importorskip("sentencepiece")
        path.write_bytes(sentence_piece())
    else:
        pytest.importorskip("tokenizers")
        hugging_face().save(str(path))
    text = "\n".join(LINES * 8)
    model = make(as_path(path)).fit(text, epochs=1, verbose=0)
    read = read_tokenizer(path)
    other = make(read).fit(text, epochs=1, verbose=0)
    assert answers(model) == answers(other)
    path.unlink()
    model.save(tmp_path / "m")
    loaded = rf.load(tmp_path / "m")
    assert answers(loaded) == answers(other)
    assert loaded.tokenizer.to_dict() == read.to_dict()
    with pytest.raises(FileNotFoundError, match=r"^tokenizer: expected a tokenizer or"):
        make(as_path(path)).fit(text, epochs=1, verbose=0)


def test_nothing_is_not_split() -> None:
    """As one's own class may make a token of it."""

    class Dashes(Pairs):
        def tokenize(self, text: str) -> list[str]:
            return text.split("-")

        def detokenize(self, tokens: Any) -> str:
            return "-".join(tokens)

    lm = make(Dashes()).fit("a-b-" * 200 + "c", epochs=1, verbose=0)
    assert len(lm.sample(2, max_length=4, seed=0)) == 2
    assert lm.next_tokens("", 2) and lm.log_prob("") == 0.0


@pytest.mark.parametrize("bad", [3, {"type": "word"}, Pairs])
def test_what_is_no_tokenizer(bad: Any) -> None:
    with pytest.raises(TypeError, match=r"^tokenizer: expected a tokenizer: one of rnnfast.text"):
        make(bad).fit("the cat sat", verbose=0)


@pytest.mark.parametrize(
    ("method", "given", "message"),
    [
        ("tokenize", iter("ab"), "its tokenize to give a list of str, got str_"),
        ("tokenize", np.array(["a"]), "its tokenize to give a list of str, got ndarray"),
        ("tokenize", "ab", "its tokenize to give a list of str, got str"),
        ("tokenize", None, "its tokenize to give a list of str, got NoneType"),
        ("tokenize", ["a", 1], "every token to be a str, got 1"),
        ("detokenize", ["a"], "its detokenize to give a str, got list"),
    ],
)
def test_what_a_tokenizer_of_ones_own_gives(method: str, given: Any, message: str) -> None:
    pairs = Pairs()
    message = f"^tokenizer: expected {message}"
    lm = make(pairs, lines=True).fit(LINES, epochs=1, verbose=0)
    translator = rf.Seq2Seq(tokenizer=pairs, **FITTING).fit(X, Y)
    setattr(pairs, method, lambda _: given)
    for ask in (lambda: lm.sample(prefix="the", max_length=2), lambda: translator.predict(X)):
        with pytest.raises(TypeError, match=message):
            ask()
    if method == "tokenize":
        with pytest.raises(TypeError, match=message):
            lm.fit(LINES, verbose=0)
        with pytest.raises(TypeError, match=message):
            lm.log_prob("the")


def test_what_cannot_be_saved_is_told_before_training() -> None:
    pairs = Pairs()
    pairs.to_dict = lambda: {"type": "tests.pairs", "known": {1}}  # type: ignore[method-assign]
    steps: list[Any] = []
    with pytest.raises(
        TypeError, match=r"^tokenizer: expected settings from its to_dict that JSON"
    ):
        make(pairs, lines=True).fit(LINES, verbose=0, callbacks=[steps.append])
    assert not steps


def test_tuples_are_lists_of_tokens() -> None:
    pairs = Pairs()
    lm = make(pairs, lines=True).fit(LINES, epochs=1, verbose=0)
    expected = lm.log_prob("the cat"), lm.sample(prefix="the ", max_length=4, seed=0)
    pairs.tokenize = lambda text: (*Pairs().tokenize(text),)  # type: ignore[assignment, method-assign, return-value]
    assert (lm.log_prob("the cat"), lm.sample(prefix="the ", max_length=4, seed=0)) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_clone_of_scikit_learn(kind: str) -> None:
    base = pytest.importorskip("sklearn.base")
    model = rf.SequenceClassifier(tokenizer=tokenizer_of(kind), **FITTING)
    twin = base.clone(model).fit(X, Y)
    assert np.array_equal(twin.predict_proba(X), model.fit(X, Y).predict_proba(X))


def test_threads_share_a_tokenizer() -> None:
    lm = make(tokenizer_of("bytes"), lines=True).fit(LINES, epochs=1, verbose=0)
    with ThreadPoolExecutor(4) as pool:
        answers = [*pool.map(lambda _: lm.log_prob("the cat sat"), range(40))]
    assert set(answers) == {lm.log_prob("the cat sat")}


def test_a_line_with_the_token_that_ends_it_is_refused() -> None:
    pytest.importorskip("tokenizers")
    tokenizer = HuggingFaceTokenizer(hugging_face(), eos="</s>")
    lm = make(tokenizer, lines=True).fit(LINES, epochs=1, verbose=0)
    assert lm.vocabulary_.eos == "</s>"
    with pytest.raises(ValueError, match=r"^sentence: expected no '</s>', which ends a sequence"):
        lm.log_prob("the cat</s>")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "m.safetensors"
    make(tokenizer_of("words"), lines=True).fit(LINES, epochs=1, verbose=0).save(path)
    return path


def test_a_missing_package_is_named(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ModuleNotFoundError, match=r"^this tokenizer needs the package tokenizers"):
        rf.load(saved)


def _changed(path: Path, change: Any) -> None:
    arrays, description = read_tensors(path, ("model",))
    change(description)
    write_tensors(path, "model", dict(arrays), {k: description[k] for k in KEYS})


KEYS = ("model", "rnnfast", "parameters", "learned")


def test_a_file_whose_vocabulary_is_not_the_tokenizers(saved: Path) -> None:
    def swap(description: Any) -> None:
        vocabulary = json.loads(description["learned"]["vocabulary"])
        tokens = vocabulary["tokens"]
        tokens[1], tokens[2] = tokens[2], tokens[1]
        description["learned"]["vocabulary"] = json.dumps(vocabulary)

    _changed(saved, swap)
    with pytest.raises(ValueError, match=r"vocabulary: expected the \d+ tokens of the tokenizer"):
        rf.load(saved)


@pytest.mark.parametrize("bad", [None, {}, {"type": "tests.unknown"}, "word"])
def test_a_file_without_its_tokenizer(saved: Path, bad: Any) -> None:
    _changed(saved, lambda description: description["parameters"].update(tokenizer=bad))
    with pytest.raises(ValueError, match=r"its parts do not fit together \(tokenizer: expected"):
        rf.load(saved)


def test_a_file_from_before_there_were_tokenizers(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    lm = rf.LanguageModel(hidden_size=4, lines=True).fit(LINES, epochs=1, verbose=0)
    lm.save(path)
    _changed(path, lambda description: description["parameters"].pop("tokenizer"))
    loaded = rf.load(path)
    assert loaded.tokenizer is None and loaded.log_prob("the cat") == lm.log_prob("the cat")


def test_special_tokens_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    lm = make(tokenizer_of("words"), lines=True).fit(LINES, epochs=1, verbose=2)
    told = "tokens, '[UNK]' for what is unknown, '<EOS>' to end a line"
    shown = capsys.readouterr()
    assert f"tokenizer: {len(lm.vocabulary_)} {told}" in shown.out + shown.err


def test_every_class_is_a_model_with_a_tokenizer() -> None:
    names = [n for n, kind in Model._classes.items() if kind.__module__.startswith("rnnfast")]
    assert names and all("tokenizer" in Model._classes[name]._defaults() for name in names)
