"""What a model's tokens are: its tokenizer, the vocabulary of that, and both in files."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from rnnfast._checks import among, check_options
from rnnfast._checks.messages import shown
from rnnfast.text.conversion import as_tokenizer
from rnnfast.text.subwords import SubwordTokenizer
from rnnfast.text.tokenizers import CharTokenizer, Tokenizer, WordTokenizer, tokenizer_from_dict
from rnnfast.text.vocabulary import Vocabulary


def make_tokenizer(
    level: str, options: Mapping[str, Any] | None = None, given: Any = None
) -> Tokenizer:
    """Make a tokenizer from a model's hyperparameters.

    Parameters
    ----------
    level : {"char", "word"}
        What a token is.
    options : mapping, optional
        What `CharTokenizer` or `WordTokenizer` take.
    given : object, optional
        What `as_tokenizer` takes, in place of either.

    Raises
    ------
    ValueError, TypeError
        If the level or an option is not one of those; or if it is given one that is no tokenizer,
        or options besides.
    """
    if not among(level, ("char", "word")):
        raise ValueError(f"level: expected 'char' or 'word', got {shown(level)}")
    if given is not None:
        if options:
            raise ValueError(
                f"tokenizer_options: expected None with a tokenizer, got {shown(options)}"
            )
        return as_tokenizer("tokenizer", given)
    kind = CharTokenizer if level == "char" else WordTokenizer
    allowed = list(inspect.signature(kind).parameters)
    given = check_options("tokenizer_options", options, allowed, level)
    try:
        return kind(**given)
    except TypeError as error:
        raise ValueError(f"tokenizer_options: {error}") from None


def learn_vocabulary(
    name: str,
    tokenizer: Tokenizer,
    tokens: Iterable[str],
    *,
    max_size: int | None = None,
    min_count: int = 1,
    eos: str | None = None,
) -> Vocabulary:
    """Return the vocabulary of a corpus, or of a tokenizer that has one, whatever the corpus.

    Parameters
    ----------
    name : str
        The argument that the corpus comes from, for messages.
    tokenizer : Tokenizer
        What split it.
    tokens, max_size, min_count, eos
        As `Vocabulary.from_tokens` takes them. Of a tokenizer's own vocabulary that it is not None
        says that something in it is to end sequences.

    Raises
    ------
    ValueError
        As `Vocabulary.from_tokens`; or if there are other tokens than the tokenizer's.
    """
    if not isinstance(tokenizer, SubwordTokenizer):
        return Vocabulary.from_tokens(tokens, max_size=max_size, min_count=min_count, eos=eos)
    counts = Counter(tokens)
    require_own_tokens(name, tokenizer, counts)
    return tokenizer.make_vocabulary(counts, ends=eos is not None)


def require_own_tokens(name: str, tokenizer: SubwordTokenizer, tokens: Iterable[str]) -> None:
    """Raise ValueError if one of several tokens is none of a tokenizer's vocabulary."""
    known = set(tokenizer.tokens)
    foreign = next((token for token in tokens if token not in known), None)
    if foreign is not None:
        raise ValueError(f"{name}: expected tokens of the tokenizer, got {shown(foreign)}")


def tokenizer_to_save(tokenizer: Tokenizer, *, learned: bool = False) -> dict[str, Any] | None:
    """Return the settings of a tokenizer; None of one that was given as a hyperparameter.

    A file has those among its hyperparameters: they may be large, and stand there once. One that
    was ``learned`` from the corpus is none of these.
    """
    own = isinstance(tokenizer, (CharTokenizer, WordTokenizer)) or learned
    return tokenizer.to_dict() if own else None


def saved_tokenizer(settings: Mapping[str, Any] | None, given: Any) -> Tokenizer:
    """Return the tokenizer of which `tokenizer_to_save` gave the settings.

    Parameters
    ----------
    settings : mapping or None
        What it gave.
    given : object
        The hyperparameter.

    Raises
    ------
    TypeError, ValueError
        If the settings are those of no tokenizer, or None where none was given.
    """
    if settings is not None:
        return tokenizer_from_dict(settings)
    return as_tokenizer("tokenizer", given)


def check_vocabulary(tokenizer: Tokenizer, vocabulary: Vocabulary) -> Vocabulary:
    """Return the vocabulary; ValueError if it is not that which the tokenizer has, if any."""
    if isinstance(tokenizer, SubwordTokenizer):
        tokenizer.require_vocabulary(vocabulary)
    return vocabulary
