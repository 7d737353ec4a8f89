"""Tokenizers of Hugging Face's package ``tokenizers``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from operator import itemgetter
from typing import Any

from rnnfast._checks.messages import one_line, shown
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
            raise TypeError(
                f"tokenizer: expected one that can be saved ({one_line(error)})"
            ) from None
        self._json = self._read(model, eos)

    def _read(self, model: str, eos: str | None) -> str:
        """Set all that there is, of the JSON of a tokenizer, which is what `_model` gives then.

        Returns
        -------
        str
            The JSON as the library writes it, without truncation and padding.
        """
        package = require_package("tokenizers")
        with as_value_error("tokenizer: expected the JSON of a tokenizers.Tokenizer"):
            made = package.Tokenizer.from_str(model)
            made.no_truncation()
            made.no_padding()
        ids = _require_all_ids(made)
        tokens = [*ids]
        with as_value_error("tokenizer: expected the JSON of a tokenizers.Tokenizer"):
            written: str = made.to_str()
            described = json.loads(written)
        if eos is not None and (not isinstance(eos, str) or eos not in ids):
            raise ValueError(f"eos: expected a token of the tokenizer, got {shown(eos)}")
        unk = _unknown(described["model"], ids, tokens)
        if described["model"].get("type") == "BPE":
            _require_lossless(described, unk, ids, package)
        super().__init__(tokens, unk, eos)
        self._tokenizer, self._json = made, model
        return written

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
    parts = [*_parts(described["pre_tokenizer"]), *_parts(described["normalizer"])]
    if any(part.get("type") == "ByteLevel" for part in parts):
        # A byte that goes on with a word, or ends one, is looked up by a name of its own.
        starts = {"", model.get("continuing_subword_prefix") or ""}
        ends = {"", model.get("end_of_word_suffix") or ""}
        alphabet = package.pre_tokenizers.ByteLevel.alphabet()
        if all(f"{a}{byte}{z}" in ids for byte in alphabet for a in starts for z in ends):
            return
    raise ValueError(
        "tokenizer: expected a BPE with an unk_token, or with all bytes "
        "(initial_alphabet=ByteLevel.alphabet() in training), got one that leaves out what it "
        "does not know"
    )


def _parts(part: Any) -> Iterator[Mapping[str, Any]]:
    """Yield what a pre-tokenizer or normalizer is made of, itself included."""
    if isinstance(part, Mapping):
        yield part
        for name in ("pretokenizers", "normalizers"):
            for inner in part.get(name) or ():
                yield from _parts(inner)


register_tokenizer(HuggingFaceTokenizer.kind, HuggingFaceTokenizer.from_dict)
