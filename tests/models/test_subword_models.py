"""Language models that learn their subwords from the corpus."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.text import HuggingFaceTokenizer, train_subwords

pytest.importorskip("tokenizers")

SENTENCES = ["the cat sat on the mat", "a dog sat there", "Łódź, naïve ☃ <EOS>", "the dogs sit"]
LINES = [f"{a}; {b}" for a in SENTENCES for b in SENTENCES] * 4
TEXT = "\n".join(LINES)
OPTIONS: dict[str, Any] = {
    "level": "subword", "max_vocabulary_size": 300, "hidden_size": 12, "embedding_size": 8,
    "epochs": 1, "batch_size": 4, "sequence_length": 20, "seed": 1, "verbose": 0,
}  # fmt: skip
MODELS = [None, {"model": "bpe"}, {"model": "unigram"}]


@pytest.mark.parametrize("model", ["bpe", "unigram"])
def test_subwords_are_lossless(model: Any) -> None:
    tokenizer = train_subwords(LINES, 300, model=model)
    assert 256 < len(tokenizer.tokens) <= 300 and tokenizer.unk is None
    for text in (TEXT, "  two spaces\r\n\ttab ", "<EOS> <UNK> [PAD]", "日本\x00\U0001f600", ""):
        tokens = tokenizer.tokenize(text)
        assert tokenizer.detokenize(tokens) == text
    assert len(tokenizer.tokenize(TEXT)) < len(TEXT.encode())
    assert HuggingFaceTokenizer.from_dict(tokenizer.to_dict()) == tokenizer


@pytest.mark.parametrize("options", MODELS)
@pytest.mark.parametrize("lines", [False, True])
def test_fit_save_and_ask(options: Any, lines: bool, tmp_path: Path) -> None:
    lm = rf.LanguageModel(**OPTIONS, tokenizer_options=options, lines=lines)
    lm.fit(LINES if lines else TEXT)
    assert lm.unit == "token" and lm.tokenizer is None
    assert len(lm.vocabulary_) <= 301 and lm.vocabulary_.unk is None
    assert (lm.vocabulary_.eos == "<EOS>") is lines
    assert np.isfinite(lm.log_prob("the zebra ☂"))
    assert sum(p for _, p in lm.next_tokens("the", 999)) == pytest.approx(1, abs=1e-6)
    lm.save(tmp_path / "lm.safetensors")
    again = rf.load(tmp_path / "lm.safetensors")
    assert again.tokenizer_ == lm.tokenizer_ and again.get_params() == lm.get_params()
    assert again.log_prob("the cat sat") == lm.log_prob("the cat sat")
    drawn = again.sample(3, "the", max_length=9, seed=0)
    assert drawn == lm.sample(3, "the", max_length=9, seed=0)
    assert all(text.startswith("the") for text in drawn)
    before = lm.tokenizer_
    lm.fit(LINES if lines else TEXT, warm_start=True)
    assert lm.tokenizer_ is before


@pytest.mark.parametrize("model", ["bpe", "unigram"])
def test_resumed_with_the_subwords_of_the_checkpoint(model: str, tmp_path: Path) -> None:
    options = OPTIONS | {"epochs": 2, "tokenizer_options": {"model": model}}
    path = tmp_path / "checkpoint"

    def stop(progress: Any) -> None:
        if progress.epoch_ended:
            raise KeyboardInterrupt

    seen = []
    with pytest.raises(KeyboardInterrupt):
        rf.LanguageModel(**options).fit(
            TEXT, checkpoint=path, callbacks=[lambda p: seen.append(p.model.tokenizer_), stop]
        )
    lm = rf.LanguageModel(**options).fit(TEXT, checkpoint=path, resume=True)
    assert lm.tokenizer_ == seen[0] and len(lm.history_) == 2
    with pytest.raises(ValueError, match="tokenizer_options"):
        other = options | {"tokenizer_options": {"model": "unigram" if model == "bpe" else "bpe"}}
        rf.LanguageModel(**other).fit(TEXT, checkpoint=path, resume=True)


def test_the_file_says_so_without_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm = rf.LanguageModel(**OPTIONS).fit(TEXT)
    lm.save(tmp_path / "lm.safetensors")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    for call in (
        lambda: rf.load(tmp_path / "lm.safetensors"),
        lambda: rf.LanguageModel(**OPTIONS).fit(TEXT),
    ):
        with pytest.raises(ModuleNotFoundError, match="needs the package tokenizers, which is not"):
            call()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": "bytes"}, "level: expected 'char', 'word' or 'subword', got 'bytes'"),
        ({"max_vocabulary_size": 255}, "max_vocabulary_size: expected at least 256 with level="),
        ({"min_count": 2}, "min_count: expected 1 with level='subword', got 2"),
        ({"tokenizer_options": {"model": "x"}}, "tokenizer_options: model: expected 'bpe' or"),
        ({"tokenizer_options": {"lower": True}}, "tokenizer_options: expected "),
        ({"output": "adaptive"}, "output: expected 'full' where the tokens of a tokenizer"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rf.LanguageModel(**(OPTIONS | options)).fit(TEXT)


def test_bad_texts() -> None:
    for text in ("", "\ud800 half"):
        with pytest.raises(ValueError, match=r"text(s\[0\])?: expected"):
            rf.LanguageModel(**OPTIONS).fit(text)
    bad: Any = [3, [3], "abc"]
    for texts in bad:
        with pytest.raises(TypeError, match="texts"):
            train_subwords(texts)
    with pytest.raises(ValueError, match="size: expected at least 256, got 9"):
        train_subwords(["a"], 9)
    with pytest.raises(ValueError, match="texts: expected text, got none"):
        train_subwords([])
    with pytest.raises(ValueError, match="level: expected 'char' or 'word', got 'subword'"):
        rf.SequenceClassifier(level="subword").fit(["a b", "b"], ["x", "y"])  # type: ignore[arg-type]


def test_lines_of_weight_zero_teach_no_subwords() -> None:
    more, weights = [*LINES, *["zqzqzq"] * 30], [1.0] * len(LINES) + [0.0] * 30
    lm = rf.LanguageModel(**OPTIONS, lines=True).fit(more, sample_weight=weights)
    same = rf.LanguageModel(**OPTIONS, lines=True).fit(LINES)
    assert lm.tokenizer_ == same.tokenizer_ and lm.vocabulary_.tokens == same.vocabulary_.tokens
    with pytest.raises(ValueError, match=r"^sample_weight: expected a list of lines"):
        rf.LanguageModel(**OPTIONS).fit(TEXT, sample_weight=weights)


def test_lines_that_are_read_once() -> None:
    weights = np.linspace(1, 2, len(LINES))
    same = rf.LanguageModel(**OPTIONS, lines=True).fit(LINES, sample_weight=weights)
    lm = rf.LanguageModel(**OPTIONS, lines=True).fit(iter(LINES), sample_weight=weights)
    assert lm.tokenizer_ == same.tokenizer_
    assert lm.history_[-1]["valid_loss"] == same.history_[-1]["valid_loss"]
