"""Whatever may be given as a tokenizer, as one of the protocol."""

from __future__ import annotations

import json
import os
from typing import Any

from rnnfast._checks.messages import one_line, shown
from rnnfast.io.files import FilePath, check_path, read_bytes, shown_path
from rnnfast.io.packing import pack
from rnnfast.io.tensors import to_json
from rnnfast.text.huggingface import HuggingFaceTokenizer
from rnnfast.text.sentence_piece import SentencePieceTokenizer, of_processor
from rnnfast.text.subwords import as_value_error, require_package
from rnnfast.text.tokenizers import (
    OWN_TYPES,
    CharTokenizer,
    Tokenizer,
    WordTokenizer,
    require_registered,
)

_OWN_CLASSES = (CharTokenizer, WordTokenizer, HuggingFaceTokenizer, SentencePieceTokenizer)
_METHODS = ("tokenize", "detokenize", "to_dict")


def as_tokenizer(name: str, value: Any) -> Tokenizer:
    """Return a tokenizer of the protocol.

    Parameters
    ----------
    name : str
        The argument, for messages.
    value : Tokenizer, tokenizers.Tokenizer, sentencepiece.SentencePieceProcessor or path-like
        Of a class of one's own, its type must be known by `register_tokenizer`, so that models of
        it can be read again. Of a file, what `read_tokenizer` reads.

    Raises
    ------
    OSError
        If it is the path of a file that cannot be read.
    TypeError
        If it is none of these, or gives settings that JSON cannot hold.
    ValueError
        As `HuggingFaceTokenizer` and `SentencePieceTokenizer`; or if its type is not registered, or
        is that of another class.
    """
    if not isinstance(value, type):
        if all(callable(getattr(value, method, None)) for method in _METHODS):
            _require_saved(name, value)
            made: Tokenizer = value
            return made
        if callable(getattr(value, "to_str", None)):
            return HuggingFaceTokenizer(value)
        if callable(getattr(value, "serialized_model_proto", None)):
            return of_processor(value)
    if isinstance(value, (str, os.PathLike)):
        if not os.path.exists(value) or os.path.isdir(value):
            what = "a tokenizer or the path of its file"
            raise FileNotFoundError(f"{name}: expected {what}, got {shown(value)}, which is none")
        return read_tokenizer(value)
    cure = ""
    if hasattr(value, "backend_tokenizer"):
        cure = "; its backend_tokenizer is one"
    raise TypeError(
        f"{name}: expected a tokenizer: one of rnnfast.text, a tokenizers.Tokenizer, the path "
        f"of its file, or an object with {', '.join(_METHODS)}; got {shown(value)}{cure}"
    )


def _require_saved(name: str, tokenizer: Any) -> None:
    """Raise ValueError or TypeError unless a file can hold what makes a tokenizer again."""
    if type(tokenizer) in _OWN_CLASSES:
        return
    settings = tokenizer.to_dict()
    kind = require_registered(name, settings)
    if kind in OWN_TYPES:
        raise ValueError(
            f"{name}: expected a type of its own from the to_dict of {type(tokenizer).__name__}, "
            f"got {kind!r}, which makes another tokenizer of a file"
        )
    try:
        to_json(pack(settings))
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name}: expected settings from its to_dict that JSON can hold, got {shown(settings)} "
            f"({one_line(error)})"
        ) from None


def read_tokenizer(path: FilePath, *, eos: str | None = None) -> Tokenizer:
    """Read a tokenizer's file: a ``tokenizer.json`` of Hugging Face, or a model of sentencepiece.

    Parameters
    ----------
    path : path-like
        The file; what it is, its content tells.
    eos : str, optional
        Which of the tokens ends a line, as `HuggingFaceTokenizer` and `SentencePieceTokenizer` take
        it.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is neither.
    ModuleNotFoundError
        If the package ``tokenizers`` or ``sentencepiece`` is not installed.
    """
    shown_name = shown_path(check_path("path", path))
    content = read_bytes(check_path("path", path))
    try:
        is_json = isinstance(json.loads(content), dict)
    except (ValueError, RecursionError):
        is_json = False
    if not is_json:
        return SentencePieceTokenizer(path, eos=eos)
    package = require_package("tokenizers")
    with as_value_error(f"{shown_name}: expected the JSON of a tokenizers.Tokenizer"):
        made = package.Tokenizer.from_str(content.decode())
    return HuggingFaceTokenizer(made, eos=eos)
