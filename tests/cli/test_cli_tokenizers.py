"""The command line with tokenizers of other libraries."""

from __future__ import annotations

from pathlib import Path

import pytest

import rnnfast as rf
from command_line import fails, run
from tokenizer_cases import LINES, sentence_piece, word_level


def _tokenizer(kind: str, folder: Path) -> Path:
    path = folder / kind
    if kind == "tokenizer.json":
        pytest.importorskip("tokenizers")
        word_level().save(str(path))
    else:
        pytest.importorskip("sentencepiece")
        path.write_bytes(sentence_piece())
    return path


@pytest.mark.parametrize("kind", ["tokenizer.json", "sentence.model"])
def test_train_and_ask(kind: str, tmp_path: Path) -> None:
    path = _tokenizer(kind, tmp_path)
    corpus, out = tmp_path / "c.txt", tmp_path / "m.safetensors"
    corpus.write_text("\n".join(LINES))
    run("train", corpus, "--lines", "--tokenizer", path, "--epochs", 1, "--hidden-size", 6,
        "--out", out, "-q")  # fmt: skip
    size = len(rf.load(out).vocabulary_)
    assert f"{size} tokens, '" in run("info", out)
    assert "nats a token" in run("score", out, "the cat")
    assert len(run("next", out, "the", "-k", 3).splitlines()) == 3
    assert run("sample", out, "--prefix", "the")


def test_what_is_no_tokenizer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sentencepiece")
    corpus = tmp_path / "c.txt"
    corpus.write_text("\n".join(LINES))
    command = ["train", corpus, "--tokenizer", corpus, "--out", tmp_path / "m.safetensors"]
    code, said = fails(capsys, *command)
    assert code == 1 and said.startswith(f"{corpus}: expected a model of sentencepiece, got")
    code, said = fails(capsys, *command[:-1], corpus)
    assert code == 1 and said.startswith("--out: expected another file than CORPUS")


@pytest.mark.parametrize("model", ["bpe", "unigram"])
def test_subwords_learned_from_the_corpus(model: str, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    corpus, out = tmp_path / "c.txt", tmp_path / "m.safetensors"
    corpus.write_text("\n".join(LINES * 9))
    run("train", corpus, "--lines", "--level", "subword", "--subwords", model, "--vocabulary", 300,
        "--epochs", 1, "--hidden-size", 6, "--out", out, "-q")  # fmt: skip
    lm = rf.load(out)
    assert lm.level == "subword" and len(lm.vocabulary_) <= 301
    assert lm.tokenizer_options == {"model": model}
    assert "nats a token" in run("score", out, "the cat")
    assert run("sample", out, "--prefix", "the")
    again = tmp_path / "again.safetensors"
    run("train", corpus, "--from", out, "--epochs", 1, "--out", again, "-q")
    assert rf.load(again).tokenizer_ == lm.tokenizer_
    run("train", corpus, "--from", out, "--subwords", model, "--epochs", 1, "--out", again,
        "--force", "-q")  # fmt: skip
    assert rf.load(again).tokenizer_ == lm.tokenizer_


def test_subwords_of_another_level(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = tmp_path / "c.txt"
    corpus.write_text("\n".join(LINES))
    code, said = fails(capsys, "train", corpus, "--subwords", "unigram", "--out", tmp_path / "m")
    assert code == 2
    assert said == "Invalid value: expected --level subword with --subwords, got --level char"


def test_an_adaptive_output_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus, out = tmp_path / "c.txt", tmp_path / "m.safetensors"
    corpus.write_text("\n".join(LINES * 9))
    command = ["train", corpus, "--lines", "--level", "word", "--output-layer", "adaptive"]
    run(*command, "--epochs", 1, "--hidden-size", 6, "--out", out, "-q")
    lm = rf.load(out)
    assert lm.output == "adaptive" and lm.cutoffs_
    told = dict(line.split(maxsplit=1) for line in run("info", out).splitlines())
    assert told["cutoffs"] == ", ".join(map(str, lm.cutoffs_))
    assert run("next", out, "the") and run("sample", out) and run("info", out)
    again = tmp_path / "again.safetensors"
    code, said = fails(
        capsys, "train", corpus, "--from", out, "--output-layer", "full", "--out", again
    )
    assert code == 1 and said.startswith("--output-layer: expected 'adaptive', with which the mod")
    code, said = fails(capsys, "train", corpus, "--level", "subword", "--vocabulary", 9)
    assert code == 1 and said.startswith("--max-vocabulary: expected at least 256 with --level sub")
