"""Cases of tokenizers of other libraries: in models, and of damaged files."""

from __future__ import annotations

import functools
import io
import json
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import rnnfast as rf
from rnnfast.text import CharTokenizer, WordTokenizer, read_tokenizer, tokenizer_from_dict

from . import files
from .checks import Case, bits_of, require
from .models import text, training

LINES = ["a good film", "a bad film", "good bad it's 42", "the the film", "é x-1"] * 4
ASKED = ("", "a good film", "é \U0001f40c \u0301\n\tq", " \u3000", "\0", "good" * 40)


def _hugging_face() -> dict[str, bytes]:
    """Return tokenizers of every model, with some of all other parts, as their files are."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    quiet: dict[str, Any] = {"show_progress": False}
    of_bytes = Tokenizer(models.BPE())
    of_bytes.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    of_bytes.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    of_bytes.train_from_iterator(
        LINES, trainers.BpeTrainer(vocab_size=270, initial_alphabet=alphabet, **quiet)
    )
    of_words = Tokenizer(models.WordLevel(unk_token="?"))
    of_words.pre_tokenizer = pre_tokenizers.Whitespace()
    of_words.train_from_iterator(LINES, trainers.WordLevelTrainer(special_tokens=["?"], **quiet))
    of_pieces = Tokenizer(models.Unigram())
    of_pieces.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()]
    )
    of_pieces.pre_tokenizer = pre_tokenizers.Metaspace()
    of_pieces.decoder = decoders.Sequence([decoders.Metaspace(), decoders.Strip(" ", 1, 0)])
    of_pieces.train_from_iterator(
        LINES,
        trainers.UnigramTrainer(vocab_size=40, unk_token="?", special_tokens=["?"], **quiet),
    )
    of_parts = Tokenizer(models.WordPiece(unk_token="?"))
    of_parts.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    of_parts.decoder = decoders.WordPiece()
    of_parts.train_from_iterator(
        LINES, trainers.WordPieceTrainer(vocab_size=60, special_tokens=["?", "</s>"], **quiet)
    )
    made = {"bytes": of_bytes, "words": of_words, "pieces": of_pieces, "parts": of_parts}
    return {f"{name}.json": tokenizer.to_str().encode() for name, tokenizer in made.items()}


def _sentence_piece() -> dict[str, bytes]:
    """Return models of sentencepiece of several kinds, as their files are."""
    import sentencepiece

    kinds: dict[str, dict[str, Any]] = {
        "unigram": {"vocab_size": 30},
        "bpe": {"vocab_size": 30, "model_type": "bpe", "eos_id": -1},
        "fallback": {"vocab_size": 280, "byte_fallback": True},
        "characters": {"vocab_size": 40, "model_type": "char"},
    }
    made = {}
    for name, options in kinds.items():
        file = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(LINES), model_writer=file, minloglevel=3,
            hard_vocab_limit=False, **options,
        )  # fmt: skip
        made[f"{name}.model"] = file.getvalue()
    return made


@functools.cache
def sources() -> dict[Path, bytes]:
    """Return the files of tokenizers of those libraries that are there."""
    found = _hugging_face() if find_spec("tokenizers") else {}
    found |= _sentence_piece() if find_spec("sentencepiece") else {}
    for name, content in found.items():
        (files.folder() / name).write_bytes(content)
    return {files.folder() / name: content for name, content in found.items()}


def _quietly(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that warns of nothing: a few steps may leave a network worse than none."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*args, **kwargs)

    return call


def tokenizer(case: Case) -> None:
    """A tokenizer splits and joins, and a model learns with it."""
    draw = case.draw
    path = draw.choice([*sources(), None])
    made: Any = (
        draw.choice((CharTokenizer, WordTokenizer))()
        if path is None
        else case.call(read_tokenizer, path, files=True)
    )
    some = text(draw)
    tokens = case.call(made.tokenize, some)
    case.call(made.detokenize, tokens)
    again = case.call(tokenizer_from_dict, made.to_dict())
    require(case.spoiled or again == made, "another tokenizer came back")
    # What is held out might have no token that is known, and learning in large steps warns.
    options = training(draw) | {"validation_fraction": 0.0, "learning_rate": 0.001}
    corpus = [text(draw) for _ in range(12)]
    if draw.chance(0.5):
        model = case.call(rf.SequenceClassifier, tokenizer=made, **options)
        case.call(model.set_params, epochs=1)
        case.call(_quietly(model.fit), corpus, ["p", "q"] * 6)
        case.call(model.predict_proba, [some, ""])
        return
    del options["verbose"]
    lm = case.call(
        rf.LanguageModel, tokenizer=made, lines=True, **options | {"batch_size": 2}
    )  # fmt: skip
    case.call(lm.fit, corpus, epochs=1, verbose=0)
    case.call(lm.log_prob, some)
    case.call(lm.next_tokens, some, k=2)
    case.call(lm.sample, prefix=some, max_length=4, seed=1)


def tokenizer_file(case: Case) -> None:
    """A damaged file of a tokenizer: refused in one line, or a tokenizer that works."""
    draw = case.draw
    if not sources():  # neither library is there
        return
    source = draw.choice([*sources()])
    content = sources()[source]
    path = files.folder() / "damaged.tokenizer"
    case.spoiled = True
    if source.suffix == ".json" and draw.chance(0.7):
        path.write_text(json.dumps(files.edit(case, json.loads(content))))
    else:
        path.write_bytes(files.damage(case, content))
    made = case.call(read_tokenizer, path, files=True)
    vocabulary = case.call(made.make_vocabulary, ends=True)
    require(tokenizer_from_dict(made.to_dict()) == made, "another tokenizer came back")
    for asked in ASKED:
        tokens = case.call(made.tokenize, asked)
        require(made.tokenize(asked) == tokens, "split in another way")
        back = vocabulary.decode(case.call(vocabulary.encode, tokens))
        require(back == tokens, "other tokens came back")
        case.call(made.detokenize, tokens)


@functools.cache
def _model_files() -> list[tuple[Path, Any]]:
    """Return the file and the tokenizer of a model of each."""
    found = []
    for source in sources():
        made = read_tokenizer(source)
        lm = rf.LanguageModel(tokenizer=made, lines=True, hidden_size=3, embedding_size=2, seed=0)
        path = source.with_suffix(".safetensors")
        lm.fit(LINES, epochs=1, verbose=0).save(path)
        found.append((path, rf.load(path)))
    return found


def model_file(case: Case) -> None:
    """A model's file whose description was edited, that of its tokenizer among others."""
    draw = case.draw
    if not sources():
        return
    source, whole = draw.choice(_model_files())
    path = files.folder() / "damaged.safetensors"
    case.spoiled = True
    signed = draw.chance(0.8)
    if signed:
        files.edit_tensors(case, source, path, "model")
    else:
        path.write_bytes(files.damage(case, source.read_bytes()))
    lm = case.call(rf.load, path, files=True)
    answer = case.call(lm.log_prob, "a good film")
    case.call(lm.sample, prefix="a", max_length=4, seed=1)
    require(signed or bits_of(answer) == bits_of(whole.log_prob("a good film")), "another model")


CASES: list[tuple[float, Callable[[Case], None]]] = [(0.5, tokenizer)]
FILES: list[tuple[float, Callable[[Case], None]]] = [(2, tokenizer_file), (1, model_file)]
