"""A running text by word whose lines end with a token."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import rnnfast as rf

TEXT = " no it was n't black monday\n but while the stock did n't fall\n\n it was black\n" * 8


def train(**options: object) -> rf.LanguageModel:
    lm = rf.LanguageModel(
        level="word", hidden_size=8, seed=0, batch_size=2, sequence_length=7, verbose=0, epochs=2,
        **options,
    )  # fmt: skip
    return lm.fit(TEXT)


def test_ends_of_lines_count(tmp_path: Path) -> None:
    lm = train(tokenizer_options={"mode": "whitespace", "newline": "<eos>"})
    assert "<eos>" in lm.vocabulary_
    # 16 words and 4 ends of lines a piece, of which a tenth is held out.
    assert lm.history_[0]["count"] + round(0.1 * 8 * 20) == 8 * 20
    text = " it was\n\n black"
    for model in (lm, _again(lm, tmp_path)):
        total = model.log_prob(text)
        assert model.perplexity(text) == pytest.approx(math.exp(-total / 5))  # 3 words, 2 ends
        assert "\n" in model.sample(max_length=60, seed=0)
    plain = train(tokenizer_options={"mode": "whitespace"})
    assert plain.history_[0]["count"] + round(0.1 * 8 * 16) == 8 * 16
    assert plain.perplexity(text) == pytest.approx(math.exp(-plain.log_prob(text) / 3))


def test_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text(TEXT)
    options = {"mode": "whitespace", "newline": "<eos>"}
    lm = rf.LanguageModel(
        level="word", hidden_size=8, seed=0, batch_size=2, sequence_length=7, verbose=0, epochs=2,
        tokenizer_options=options,
    )  # fmt: skip
    lm.fit(path)
    assert lm.history_[0]["loss"] == train(tokenizer_options=options).history_[0]["loss"]


def _again(lm: rf.LanguageModel, folder: Path) -> rf.LanguageModel:
    lm.save(folder / "model.safetensors")
    loaded: rf.LanguageModel = rf.load(folder / "model.safetensors")
    return loaded
