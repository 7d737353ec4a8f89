"""Subword tokenizers learned from a text, through Hugging Face's package ``tokenizers``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from rnnfast._checks import among, check_int, check_list
from rnnfast._checks.messages import shown
from rnnfast.text.huggingface import HuggingFaceTokenizer
from rnnfast.text.subwords import as_value_error, require_package

MODELS = ("bpe", "unigram")
# All bytes are tokens.
LEAST_SIZE = 256


def train_subwords(
    texts: Sequence[str], size: int = 8000, *, model: Literal["bpe", "unigram"] = "bpe"
) -> HuggingFaceTokenizer:
    """Learn a vocabulary of subwords from texts.

    Words are cut as GPT-2's are, in bytes of UTF-8, and all 256 bytes are tokens: whatever is
    split can be joined again, bit by bit, and nothing is unknown.

    Parameters
    ----------
    texts : list of str
        What to learn from.
    size : int
        Most tokens of the vocabulary, from 256 on; a short text gives fewer.
    model : {"bpe", "unigram"}
        ``"bpe"`` joins the most frequent pair of tokens, again and again (Sennrich, Haddow and
        Birch 2016); ``"unigram"`` drops tokens from many until those are left that make the text
        likeliest (Kudo 2018).

    Returns
    -------
    HuggingFaceTokenizer
        The tokenizer.

    Raises
    ------
    ModuleNotFoundError
        If the package ``tokenizers`` is not installed.
    TypeError
        If something in ``texts`` is no str.
    ValueError
        If ``size`` is below 256, there is another ``model``, or no text to learn from.
    """
    size = check_int("size", size, LEAST_SIZE)
    if not among(model, MODELS):
        raise ValueError(f"model: expected 'bpe' or 'unigram', got {shown(model)}")
    given = []
    for number, text in enumerate(check_list("texts", texts, "str")):
        if not isinstance(text, str):
            raise TypeError(f"texts[{number}]: expected a str, got {type(text).__name__}")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"texts[{number}]: expected characters of Unicode, got half of a surrogate pair at "
                f"{error.start}"
            ) from None
        given.append(text)
    if not any(given):
        raise ValueError("texts: expected text, got none")
    package = require_package("tokenizers")
    made: Any = package.Tokenizer(
        package.models.BPE() if model == "bpe" else package.models.Unigram()
    )
    byte_level = package.pre_tokenizers.ByteLevel
    made.pre_tokenizer = byte_level(add_prefix_space=False)
    made.decoder = package.decoders.ByteLevel()
    options: dict[str, Any] = {
        "vocab_size": size,
        "initial_alphabet": byte_level.alphabet(),
        "show_progress": False,
    }
    trainers = package.trainers
    trainer = (trainers.BpeTrainer if model == "bpe" else trainers.UnigramTrainer)(**options)
    with as_value_error("texts: expected what subwords can be learned from"):
        made.train_from_iterator(given, trainer)
    return HuggingFaceTokenizer(made)
