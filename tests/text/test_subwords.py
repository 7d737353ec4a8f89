"""Tokenizers of other libraries: their ids, byte-exact copies, and what is refused."""

from __future__ import annotations

import copy
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnfast.text import (
    CharTokenizer,
    HuggingFaceTokenizer,
    SentencePieceTokenizer,
    WordTokenizer,
    read_tokenizer,
    register_tokenizer,
    tokenizer_from_dict,
    tokenizers,
)
from rnnfast.text.conversion import as_tokenizer
from rnnfast.text.subwords import SubwordTokenizer
from tokenizer_cases import LINES, Pairs, hugging_face, sentence_piece, word_level


def make(kind: str) -> tuple[SubwordTokenizer, Any]:
    """A tokenizer, and the object of the library that it stands for."""
    if kind == "sentencepiece":
        package = pytest.importorskip("sentencepiece")
        content = sentence_piece()
        return SentencePieceTokenizer(content), package.SentencePieceProcessor(model_proto=content)
    pytest.importorskip("tokenizers")
    peer = hugging_face() if kind == "bytes" else word_level()
    return HuggingFaceTokenizer(peer), peer


KINDS = ["bytes", "words", "sentencepiece"]


@pytest.mark.parametrize("kind", KINDS)
def test_ids_and_texts_are_those_of_the_library(kind: str) -> None:
    tokenizer, peer = make(kind)
    vocabulary = tokenizer.make_vocabulary()
    for text in [*LINES, "", "the zebra", "é ☃ 𝄞", "a\nb  c"]:
        tokens = tokenizer.tokenize(text)
        if kind == "sentencepiece":
            ids = peer.encode(text, out_type=int)
            back = peer.decode(ids)
        else:
            ids = peer.encode(text, add_special_tokens=False).ids
            back = peer.decode(ids, skip_special_tokens=False)
        assert vocabulary.encode(tokens).tolist() == ids
        assert tokenizer.detokenize(tokens) == back


@given(st.text())
def test_bytes_bring_every_text_back(text: str) -> None:
    tokenizer = BYTES or pytest.skip("needs tokenizers")
    assert tokenizer.detokenize(tokenizer.tokenize(text)) == text


try:
    BYTES: HuggingFaceTokenizer | None = HuggingFaceTokenizer(hugging_face())
except ModuleNotFoundError:
    BYTES = None


@pytest.mark.parametrize("kind", KINDS)
def test_copies_are_equal_to_the_byte(kind: str) -> None:
    tokenizer, peer = make(kind)
    settings = tokenizer.to_dict()
    for other in (
        tokenizer_from_dict(settings),
        copy.deepcopy(tokenizer),
        pickle.loads(pickle.dumps(tokenizer)),
        as_tokenizer("tokenizer", peer),
    ):
        assert type(other) is type(tokenizer) and other == tokenizer
        assert hash(other) == hash(tokenizer)
        assert other.to_dict() == settings
    assert tokenizer != CharTokenizer()
    if kind != "sentencepiece":
        assert settings["model"] == peer.to_str()


def test_the_file_is_kept_to_the_byte(tmp_path: Path) -> None:
    pytest.importorskip("sentencepiece")
    path = tmp_path / "m.model"
    path.write_bytes(content := sentence_piece())
    tokenizer = read_tokenizer(path)
    assert isinstance(tokenizer, SentencePieceTokenizer)
    assert tokenizer == SentencePieceTokenizer(path) == SentencePieceTokenizer(content)
    again = tokenizer_from_dict(tokenizer.to_dict())
    assert isinstance(again, SentencePieceTokenizer) and again._content == content


def test_a_json_file_is_read(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    path = tmp_path / "tokenizer.json"
    peer = hugging_face()
    peer.save(str(path))
    assert read_tokenizer(path, eos="</s>") == HuggingFaceTokenizer(peer, eos="</s>")
    path.write_text('{"version": "1.0"}')
    with pytest.raises(ValueError, match=r"tokenizer.json: expected the JSON of a tokenizers.Tok"):
        read_tokenizer(path)


def test_special_tokens() -> None:
    pytest.importorskip("tokenizers")
    peer = word_level()
    size = peer.get_vocab_size()
    tokenizer = HuggingFaceTokenizer(peer)
    vocabulary = tokenizer.make_vocabulary(["cat", "cat"], ends=True)
    assert len(vocabulary) == size + 1
    assert (vocabulary.unk, vocabulary.unk_id) == ("[UNK]", 0)
    assert (vocabulary.eos, vocabulary.eos_id) == ("<EOS>", size)
    assert vocabulary.counts[vocabulary["cat"]] == 2 == vocabulary.counts.sum()
    assert tokenizer.make_vocabulary().eos is None
    assert tokenizer.describe(vocabulary) == (
        f"{size + 1} tokens, '[UNK]' for what is unknown, '<EOS>' to end a line"
    )
    own = HuggingFaceTokenizer(hugging_face(), eos="</s>")
    vocabulary = own.make_vocabulary(ends=True)
    assert (len(vocabulary), vocabulary.eos_id, vocabulary.unk) == (len(own.tokens), 0, None)


def test_sentencepiece_says_what_ends_a_line() -> None:
    pytest.importorskip("sentencepiece")
    vocabulary = SentencePieceTokenizer(sentence_piece()).make_vocabulary(ends=True)
    assert (vocabulary.unk, vocabulary.unk_id) == ("<unk>", 0)
    assert (vocabulary.eos, vocabulary.eos_id, len(vocabulary)) == ("</s>", 2, 19)
    without = SentencePieceTokenizer(sentence_piece(vocab_size=18, eos_id=-1))
    assert without.eos is None and without.make_vocabulary(ends=True).eos_id == 18


def test_another_vocabulary_is_refused() -> None:
    tokenizer, _ = make("words")
    other, _ = make("bytes")
    tokenizer.require_vocabulary(tokenizer.make_vocabulary(ends=True))
    with pytest.raises(ValueError, match=r"^vocabulary: expected the \d+ tokens of the tokenizer"):
        tokenizer.require_vocabulary(other.make_vocabulary())


def test_texts_are_never_cut_or_filled_or_split_at_random() -> None:
    pytest.importorskip("tokenizers")
    peer = hugging_face()
    text = " ".join(LINES)
    whole = peer.encode(text).tokens
    peer.enable_truncation(3)
    peer.enable_padding(length=8)
    tokenizer = HuggingFaceTokenizer(peer)
    assert tokenizer.tokenize(text) == whole and len(peer.encode(text)) == 8
    settings = {**tokenizer.to_dict(), "model": peer.to_str()}
    again = tokenizer_from_dict(settings)
    assert again.tokenize(text) == whole and again.to_dict() == settings
    with pytest.raises(ValueError, match=r"^tokenizer: expected a BPE without dropout"):
        HuggingFaceTokenizer(hugging_face(dropout=0.5))


def test_it_is_what_it_was_when_it_was_given() -> None:
    tokenizer, peer = make("words")
    settings = tokenizer.to_dict()
    peer.add_tokens(["the cat"])
    assert tokenizer.to_dict() == settings and tokenizer.tokenize("the cat") == ["the", "cat"]


def test_what_would_leave_characters_out_is_refused() -> None:
    package = pytest.importorskip("tokenizers")
    models, splitters = package.models, package.pre_tokenizers
    message = r"^tokenizer: expected a BPE with an unk_token, or with all bytes"
    silent = package.Tokenizer(models.BPE({"a": 0, "b": 1}, []))
    assert silent.encode("abc").ids == [0, 1]
    with pytest.raises(ValueError, match=message):
        HuggingFaceTokenizer(silent)
    silent.pre_tokenizer = splitters.ByteLevel()
    with pytest.raises(ValueError, match=message):
        HuggingFaceTokenizer(silent)
    all_bytes = splitters.ByteLevel.alphabet()
    ids = {byte: number for number, byte in enumerate(all_bytes)}
    named = package.Tokenizer(models.BPE(ids, []))
    named.normalizer = package.normalizers.Replace("ByteLevel", '"type":"ByteLevel"')
    ending = package.Tokenizer(models.BPE(ids, [], end_of_word_suffix="</w>"))
    ending.pre_tokenizer = splitters.ByteLevel()
    assert ending.encode("ab").tokens == ["Ġ", "a"]
    for leaving_out in (named, ending):
        with pytest.raises(ValueError, match=message):
            HuggingFaceTokenizer(leaving_out)
    ends = {f"{byte}</w>": 256 + number for number, byte in enumerate(all_bytes)}
    whole = package.Tokenizer(models.BPE({**ids, **ends}, [], end_of_word_suffix="</w>"))
    whole.pre_tokenizer = splitters.Sequence([splitters.Digits(), splitters.ByteLevel()])
    assert HuggingFaceTokenizer(whole).tokenize("ab") == ["Ġ", "a", "b</w>"]
    with_unknown = package.Tokenizer(models.BPE({"a": 0, "?": 1}, [], unk_token="?"))
    assert HuggingFaceTokenizer(with_unknown).tokenize("ab") == ["a", "?"]
    fallback = {f"<0x{byte:02X}>": byte for byte in range(256)}
    of_bytes = package.Tokenizer(models.BPE(fallback, [], byte_fallback=True))
    assert HuggingFaceTokenizer(of_bytes).tokenize("é") == ["<0xC3>", "<0xA9>"]
    of_words = package.Tokenizer(models.WordLevel({"a": 0}, unk_token="?"))
    with pytest.raises(ValueError, match=r"^text: expected what the tokenizer can split \(Word"):
        HuggingFaceTokenizer(of_words).tokenize("b")


def hugging_face_settings(tokenizer: Any, old: str, new: str) -> dict[str, Any]:
    """The settings that a file might have, with a change in the JSON."""
    model = tokenizer.to_str()
    assert model.count(old) == 1
    return {"type": "huggingface", "model": model.replace(old, new), "eos": None}


def test_bad_tokenizers_of_hugging_face() -> None:
    package = pytest.importorskip("tokenizers")
    gap = package.Tokenizer(package.models.WordLevel({"a": 0, "b": 2}, unk_token="a"))
    with pytest.raises(ValueError, match=r"ids 0 to 1 once each, got 2 for 'b' after 0"):
        HuggingFaceTokenizer(gap)
    far = hugging_face_settings(gap, '"b":2', f'"b":{10**9}')
    with pytest.raises(ValueError, match=r"once each, got 1000000000 for 'b' after 0"):
        tokenizer_from_dict(far)
    with pytest.raises(ValueError, match=r"^eos: expected a token of the tokenizer, got '<end>'"):
        HuggingFaceTokenizer(word_level(), eos="<end>")
    with pytest.raises(ValueError, match=r"^pad, unk, eos: expected different tokens"):
        HuggingFaceTokenizer(word_level(), eos="[UNK]")
    with pytest.raises(TypeError, match=r"^tokenizer: expected a tokenizers.Tokenizer, got str"):
        HuggingFaceTokenizer("tokenizer.json")

    class Custom:
        def pre_tokenize(self, text: Any) -> None: ...

    custom = word_level()
    custom.pre_tokenizer = package.pre_tokenizers.PreTokenizer.custom(Custom())
    with pytest.raises(TypeError, match=r"^tokenizer: expected one that can be saved \(Custom"):
        HuggingFaceTokenizer(custom)


@pytest.mark.parametrize("content", [b"", b"junk", b"{", b"\x0a\x05abc"])
def test_bad_models_of_sentencepiece(content: bytes, tmp_path: Path) -> None:
    pytest.importorskip("sentencepiece")
    with pytest.raises(ValueError, match=r"^model: expected a model of sentencepiece, got"):
        SentencePieceTokenizer(content)
    path = tmp_path / "m.model"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"m\.model: expected a model of sentencepiece, got"):
        read_tokenizer(path)


def test_a_missing_end_of_sentencepiece() -> None:
    pytest.importorskip("sentencepiece")
    with pytest.raises(ValueError, match=r"^eos: expected a token of the tokenizer, got '<end>'"):
        SentencePieceTokenizer(sentence_piece(), eos="<end>")


@pytest.mark.parametrize("kind", KINDS)
def test_bad_input(kind: str) -> None:
    tokenizer, _ = make(kind)
    with pytest.raises(TypeError, match=r"^text: expected a str, got bytes"):
        tokenizer.tokenize(b"a")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^text: .* half of a surrogate pair at 1"):
        tokenizer.tokenize("a\ud800")
    with pytest.raises(TypeError, match=r"^tokens: expected a list of tokens, got one str"):
        tokenizer.detokenize("the")
    with pytest.raises(ValueError, match=r"^tokens: expected tokens of the tokenizer, got '§§' at"):
        tokenizer.detokenize([tokenizer.tokens[0], "§§"])
    settings = tokenizer.to_dict()
    for bad, message in [
        ({**settings, "more": 1}, r"^tokenizer: expected type, model, eos, got"),
        ({**settings, "model": 1}, r"^tokenizer: expected the type .* as a str, got .* and int"),
        ({**settings, "model": "{}"}, r"^tokenizer: expected"),
        ({**settings, "model": "$"}, r"^tokenizer: expected"),
        ({**settings, "eos": 3}, r"^eos: expected a token of the tokenizer, got 3"),
    ]:
        with pytest.raises(ValueError, match=message):
            tokenizer_from_dict(bad)


def test_a_decoder_that_breaks_off() -> None:
    package = pytest.importorskip("tokenizers")
    peer = word_level()
    peer.decoder = package.decoders.Strip("a", 0, 9)
    tokenizer = HuggingFaceTokenizer(peer)
    with pytest.raises(ValueError, match=r"^tokens: expected what the tokenizer can join \(index"):
        tokenizer.detokenize(["a"])


@pytest.mark.parametrize("package", ["tokenizers", "sentencepiece"])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    kind = {"tokenizers": "huggingface"}.get(package, package)
    with pytest.raises(
        ModuleNotFoundError,
        match=f"^this tokenizer needs the package {package}, which is not installed; pip install",
    ):
        tokenizer_from_dict({"type": kind, "model": "", "eos": None})


def test_many_types_make_no_long_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizers, "_TYPES", dict(tokenizers._TYPES))
    for number in range(100):
        register_tokenizer(f"tests.{number}\n", Pairs.from_dict)
    with pytest.raises(ValueError, match=r"\.\.\., got None; register_tokenizer") as caught:
        tokenizer_from_dict({})
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)


def test_types_of_ones_own() -> None:
    with pytest.raises(ValueError, match=r"^t: .*'tests.strange'; register_tokenizer makes others"):
        strange = Pairs()
        strange.to_dict = lambda: {"type": "tests.strange"}  # type: ignore[method-assign]
        as_tokenizer("t", strange)
    register_tokenizer("tests.pairs", Pairs.from_dict)
    pairs = Pairs()
    assert as_tokenizer("t", pairs) is pairs
    assert isinstance(tokenizer_from_dict(pairs.to_dict()), Pairs)
    with pytest.raises(ValueError, match=r"^kind: expected another type than .* got 'word'"):
        register_tokenizer("word", Pairs.from_dict)
    with pytest.raises(TypeError, match=r"^kind: expected a str, got int"):
        register_tokenizer(1, Pairs.from_dict)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^from_dict: expected a function, got str"):
        register_tokenizer("tests.other", "x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"expected settings from its to_dict that JSON can hold"):
        pairs.to_dict = lambda: {"type": "tests.pairs", "known": {1}}  # type: ignore[method-assign]
        as_tokenizer("t", pairs)
    for kind in (CharTokenizer, WordTokenizer):
        changed = type("Changed", (kind,), {"tokenize": lambda self, text: [text]})
        with pytest.raises(ValueError, match=r"^t: expected a type of its own from the to_dict"):
            as_tokenizer("t", changed())

    class OfAnotherLibrary:
        backend_tokenizer = None

    with pytest.raises(TypeError, match=r"; its backend_tokenizer is one$"):
        as_tokenizer("t", OfAnotherLibrary())
    with pytest.raises(FileNotFoundError, match=r"^t: expected .* got 'a\.model', which is none$"):
        as_tokenizer("t", "a.model")
    for bad in (3, Pairs, object()):
        with pytest.raises(TypeError, match=r"^t: expected a tokenizer: one of rnnfast.text"):
            as_tokenizer("t", bad)
