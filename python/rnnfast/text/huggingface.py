"""Tokenizers of Hugging Face's package ``tokenizers``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from operator import itemgetter
from typing import Any

from rnnfast._checks.messages import shown
from rnnfast.text.subwords import SubwordTokenizer, as_value_error, require_package
from rnnfast.text.tokenizers import register_tokenizer


class HuggingFaceTokenizer(SubwordTokenizer):
    """A ``tokenizers.Tokenizer``, as it is now.

    The ids of a model are the tokenizer's. Texts are split as a whole: its truncation and padding
    are off, and what its post-processor adds (``[CLS]`` and the like) is left out.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
        Or one of ``tokenizers.implementations``.
    eos : str, optional
        Which of its tokens ends a line: it does not say so itself. None: ``<EOS>``, which is added
        with the id after its last one if it has no such token.

    Raises
    ------
    ModuleNotFoundError
        If the package ``tokenizers`` is not installed.
    TypeError
        If it is no such tokenizer, or has a part written in Python, which no file can hold.
    ValueError
        If its ids are not 0 to V - 1; if ``eos`` is not among its tokens; if it splits at random
        (dropout of a BPE), or would leave characters that it does not know out without a word (a
        BPE without unknown token and without all bytes).
    """

    kind = "huggingface"

    def __init__(self, tokenizer: Any, *, eos: str | None = None) -> None:
        if not callable(getattr(tokenizer, "to_str", None)):
            raise TypeError(
                f"tokenizer: expected a tokenizers.Tokenizer, got {type(tokenizer).__name__}"
            )
        _require_all_ids(tokenizer)
        try:
            model = tokenizer.to_str()
        except Exception as error:
            raise TypeError(f"tokenizer: expected one that can be saved ({error})") from None
        self._read(_without_cutting(model), eos)

    def _read(self, model: str, eos: str | None) -> None:
        """Set all that there is, of the JSON of a tokenizer."""
        package = require_package("tokenizers")
        with as_value_error("tokenizer: expected the JSON of a tokenizers.Tokenizer"):
            made = package.Tokenizer.from_str(model)
            made.no_truncation()
            made.no_padding()
        ids = _require_all_ids(made)
        tokens = [*ids]
        with as_value_error("tokenizer: expected the JSON of a tokenizers.Tokenizer"):
            described = json.loads(made.to_str())
        if eos is not None and (not isinstance(eos, str) or eos not in ids):
            raise ValueError(f"eos: expected a token of the tokenizer, got {shown(eos)}")
        unk = _unknown(described["model"], ids, tokens)
        if described["model"].get("type") == "BPE":
            _require_lossless(described, unk, ids, package)
        super().__init__(tokens, unk, eos)
        self._tokenizer, self._json = made, model

    def _split(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def _join(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=False)
        return text

    def _model(self) -> str:
        return self._json

    @classmethod
    def _from_model(cls, model: str, eos: str | None) -> HuggingFaceTokenizer:
        made = cls.__new__(cls)
        made._read(model, eos)
        return made


def _require_all_ids(tokenizer: Any) -> dict[str, int]:
    """Return the ids of tokens in their order, or raise ValueError unless they are 0 to V - 1.

    Looked at before anything else: the library takes time and memory by the largest id.
    """
    found = tokenizer.get_vocab(with_added_tokens=True)
    # Of a model's token that an added one stands for too, the model's id might be another.
    own = tokenizer.get_vocab(with_added_tokens=False)
    ids = sorted([*found.items(), *own.items()], key=itemgetter(1))
    for (_, before), (token, number) in pairwise([("", -1), *dict.fromkeys(ids)]):
        if number != before + 1:
            raise ValueError(
                f"tokenizer: expected the ids 0 to {len(found) - 1} once each, got {number} for "
                f"{shown(token)} after {before}"
            )
    return dict(sorted(found.items(), key=itemgetter(1)))


def _without_cutting(model: str) -> str:
    package = require_package("tokenizers")
    with as_value_error("tokenizer: expected the JSON of a tokenizers.Tokenizer"):
        made = package.Tokenizer.from_str(model)
        made.no_truncation()
        made.no_padding()
        text: str = made.to_str()
    return text


def _unknown(model: Mapping[str, Any], ids: Mapping[str, int], tokens: list[str]) -> str | None:
    """Return the token for what a tokenizer's model does not know."""
    number = model.get("unk_id")
    token: str | None = model.get("unk_token") if number is None else tokens[number]
    return token if token in ids else None


def _require_lossless(
    described: Mapping[str, Any], unk: str | None, ids: Mapping[str, int], package: Any
) -> None:
    """Raise ValueError for a BPE that splits at random, or leaves characters out."""
    model = described["model"]
    if model.get("dropout"):
        raise ValueError(
            f"tokenizer: expected a BPE without dropout, which splits a text anew each time, got "
            f"{shown(model['dropout'])}"
        )
    if unk is not None or model.get("unk_token") is not None:  # the latter raises when it splits
        return
    if model.get("byte_fallback") and all(f"<0x{byte:02X}>" in ids for byte in range(256)):
        return
    of_bytes = '"ByteLevel"' in json.dumps([described["pre_tokenizer"], described["normalizer"]])
    if of_bytes and all(byte in ids for byte in package.pre_tokenizers.ByteLevel.alphabet()):
        return
    raise ValueError(
        "tokenizer: expected a BPE with an unk_token, or with all bytes "
        "(initial_alphabet=ByteLevel.alphabet() in training), got one that leaves out what it "
        "does not know"
    )


register_tokenizer(HuggingFaceTokenizer.kind, HuggingFaceTokenizer.from_dict)
