"""Tokenizers of the package ``sentencepiece``."""

from __future__ import annotations

import base64
from typing import Any

from rnnfast._checks.messages import shown
from rnnfast.io.files import FilePath, check_path, read_bytes, shown_path
from rnnfast.text.subwords import SubwordTokenizer, as_value_error, require_package
from rnnfast.text.tokenizers import register_tokenizer


class SentencePieceTokenizer(SubwordTokenizer):
    """A model of sentencepiece.

    The ids of a model are the tokenizer's. What its normalisation does to a text, such as making
    one space of white space, the model does not see.

    Parameters
    ----------
    model : path-like or bytes
        Its file, or what stands in that.
    eos : str, optional
        Which of its tokens ends a line; None: the one that it has for that, or if it has none
        ``<EOS>``, which is added with the id after its last one.

    Raises
    ------
    ModuleNotFoundError
        If the package ``sentencepiece`` is not installed.
    OSError
        If the file cannot be read.
    ValueError
        If it is no such model, or ``eos`` is not among its tokens.
    """

    kind = "sentencepiece"

    def __init__(self, model: FilePath | bytes, *, eos: str | None = None) -> None:
        if isinstance(model, bytes):
            self._read("model", model, eos)
        else:
            path = check_path("model", model)
            self._read(shown_path(path), read_bytes(path), eos)

    def _read(self, name: str, content: bytes, eos: str | None) -> None:
        """Set all that there is, of the content of a model's file."""
        package = require_package("sentencepiece")
        if not content:
            raise ValueError(f"{name}: expected a model of sentencepiece, got nothing")
        with as_value_error(f"{name}: expected a model of sentencepiece, got something else"):
            made = package.SentencePieceProcessor(model_proto=content)
            tokens = [made.id_to_piece(number) for number in range(made.vocab_size())]
            unk = tokens[made.unk_id()]
            end = made.eos_id()
        if eos is None:
            eos = tokens[end] if end >= 0 else None
        elif not isinstance(eos, str) or eos not in tokens:
            raise ValueError(f"eos: expected a token of the tokenizer, got {shown(eos)}")
        super().__init__(tokens, unk, eos)
        self._processor, self._content = made, content

    def _split(self, text: str) -> list[int]:
        ids: list[int] = self._processor.encode(text, out_type=int)
        return ids

    def _join(self, ids: list[int]) -> str:
        text: str = self._processor.decode(ids)
        return text

    def _model(self) -> str:
        return base64.b64encode(self._content).decode("ascii")

    @classmethod
    def _from_model(cls, model: str, eos: str | None) -> SentencePieceTokenizer:
        with as_value_error("tokenizer: expected a model of sentencepiece in base64"):
            content = base64.b64decode(model, validate=True)
        made = cls.__new__(cls)
        made._read("tokenizer", content, eos)
        return made


register_tokenizer(SentencePieceTokenizer.kind, SentencePieceTokenizer.from_dict)


def of_processor(processor: Any) -> SentencePieceTokenizer:
    """Return the tokenizer of a ``sentencepiece.SentencePieceProcessor``."""
    return SentencePieceTokenizer(processor.serialized_model_proto())
