"""Checks of tokens, for vocabularies and tokenizers alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rnnfast._arrays import require_unmasked


def require_strings(name: str, tokens: Iterable[object]) -> None:
    """Raise TypeError, naming the argument and the first culprit, unless all tokens are str."""
    for token in tokens:
        if not isinstance(token, str):
            raise TypeError(f"{name}: expected every token to be a str, got {token!r:.50}")


def require_no_end(name: str, tokens: Sequence[str], end: str | None) -> None:
    """Raise ValueError if the token that ends a sequence stands among its tokens."""
    if end is not None and end in tokens:
        raise ValueError(
            f"{name}: expected no {end!r}, which ends a sequence, got it at {tokens.index(end)}"
        )


def list_tokens(tokens: Iterable[str]) -> Sequence[str]:
    """Return tokens as a list or tuple; a single str, a text, is a TypeError."""
    _reject_text(tokens)
    return tokens if isinstance(tokens, (list, tuple)) else list(tokens)


def count_tokens(tokens: Iterable[str]) -> Counter[str]:
    """Count tokens, with no list of them where they come from a generator."""
    _reject_text(tokens)
    try:
        counter = Counter(tokens)
    except TypeError as error:
        raise TypeError(f"tokens: expected an iterable of str tokens ({error})") from None
    require_strings("tokens", counter)
    return counter


def _reject_text(tokens: object) -> None:
    if hasattr(tokens, "columns") and hasattr(tokens, "__array__"):  # iterates over their names
        raise TypeError(f"tokens: expected a list of tokens, got a {type(tokens).__name__}")
    require_unmasked("tokens", tokens)
    if isinstance(tokens, (str, bytes)):
        raise TypeError(
            f"tokens: expected a list of tokens, got one {type(tokens).__name__}; "
            f"a tokenizer splits text"
        )
