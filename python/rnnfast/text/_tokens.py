"""Checks of tokens, for vocabularies and tokenizers alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rnnfast._checks import check_list
from rnnfast._checks.masks import require_unmasked
from rnnfast._checks.messages import shown
from rnnfast._checks.tables import is_table


def require_strings(name: str, tokens: Iterable[object]) -> None:
    """Raise TypeError, naming the argument and the first culprit, unless all tokens are str."""
    for token in tokens:
        if not isinstance(token, str):
            raise TypeError(f"{name}: expected every token to be a str, got {shown(token)}")


def require_no_end(name: str, tokens: Sequence[str], end: str | None) -> None:
    """Raise ValueError if the token that ends a sequence stands among its tokens."""
    if end is not None and end in tokens:
        raise ValueError(
            f"{name}: expected no {end!r}, which ends a sequence, got it at {tokens.index(end)}"
        )


def split_text(tokenizer: Any, text: str) -> list[str]:
    """Return the tokens of a text; TypeError unless the tokenizer gives a list of str."""
    tokens = tokenizer.tokenize(text)
    if not isinstance(tokens, (list, tuple)):
        raise TypeError(
            f"tokenizer: expected its tokenize to give a list of str, got {type(tokens).__name__}"
        )
    if not set(map(type, tokens)) <= {str}:
        require_strings("tokenizer", tokens)
    return [*tokens] if isinstance(tokens, tuple) else tokens


def join_tokens(tokenizer: Any, tokens: Sequence[str]) -> str:
    """Return the text of tokens; TypeError unless the tokenizer gives a str."""
    text = tokenizer.detokenize(tokens)
    if not isinstance(text, str):
        raise TypeError(
            f"tokenizer: expected its detokenize to give a str, got {type(text).__name__}"
        )
    return text


def list_tokens(tokens: Iterable[str]) -> Sequence[str]:
    """Return tokens as a list or tuple; a single str, a text, is a TypeError."""
    _reject_text(tokens)
    if isinstance(tokens, (list, tuple)):
        return tokens
    return check_list("tokens", tokens, "tokens")


class TokenCounts(Counter[str]):
    """How often each token of a corpus occurs, which stands for the corpus where it is counted."""


def count_tokens(tokens: Iterable[str]) -> Counter[str]:
    """Count tokens, with no list of them where they come from a generator."""
    if isinstance(tokens, TokenCounts):
        return TokenCounts(tokens)
    _reject_text(tokens)
    # Of a mapping Counter would take the values as counts.
    items = check_list("tokens", tokens, "tokens") if isinstance(tokens, Mapping) else tokens
    try:
        counter = Counter(items)
    except TypeError as error:
        raise TypeError(f"tokens: expected an iterable of str tokens ({error})") from None
    require_strings("tokens", counter)
    return counter


def _reject_text(tokens: object) -> None:
    if is_table(tokens):  # which iterates over the names of its columns
        raise TypeError(f"tokens: expected a list of tokens, got a {type(tokens).__name__}")
    require_unmasked("tokens", tokens)
    if isinstance(tokens, (str, bytes)):
        raise TypeError(
            f"tokens: expected a list of tokens, got one {type(tokens).__name__}; "
            f"a tokenizer splits text"
        )
