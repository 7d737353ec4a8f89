"""Tokenizers: text to tokens and back, by character or by word."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar

from rnnfast._checks import among, check_bool
from rnnfast._checks.messages import listed, shown
from rnnfast.text._tokens import list_tokens, require_strings

_T = TypeVar("_T")


class Tokenizer(Protocol):
    """What a tokenizer does; every one here can be kept in a model file by its `to_dict`."""

    def tokenize(self, text: str) -> list[str]:
        """Split a text into tokens."""
        ...

    def detokenize(self, tokens: Iterable[str]) -> str:
        """Join tokens to a text that reads well."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return the settings, as JSON has them, for `tokenizer_from_dict`."""
        ...


class CharTokenizer:
    """Characters: every Unicode code point is a token.

    Parameters
    ----------
    nfc : bool
        Compose the text first (Unicode's form NFC), so that an accented letter is one token
        however it was typed. Without it, joining the tokens gives the very same text.

    Examples
    --------
    >>> CharTokenizer().tokenize("Yi qi")
    ['Y', 'i', ' ', 'q', 'i']
    """

    def __init__(self, *, nfc: bool = False) -> None:
        self.nfc = check_bool("nfc", nfc)

    def tokenize(self, text: str) -> list[str]:
        """Split a text into its characters."""
        _check_text(text)
        return list(unicodedata.normalize("NFC", text) if self.nfc else text)

    def detokenize(self, tokens: Iterable[str]) -> str:
        """Join characters, with nothing between them."""
        return "".join(_str_list(tokens))

    def to_dict(self) -> dict[str, Any]:
        """Return the settings, for `from_dict`."""
        return {"type": "char", "nfc": self.nfc}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> CharTokenizer:
        """Make the tokenizer whose `to_dict` gave the settings; ValueError if none did."""
        return _make(cls, "char", ("nfc",), settings)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CharTokenizer) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(self.nfc)

    def __repr__(self) -> str:
        return f"CharTokenizer(nfc={self.nfc})"


class WordTokenizer:
    """Words, numbers and punctuation marks.

    Parameters
    ----------
    mode : {"words", "whitespace"}
        ``"words"`` splits running text. A word keeps the apostrophes and hyphens inside it
        ("don't", "o'clock", "mother-in-law"), a number its points, commas, colons and minus sign
        ("-3.5", "1,000", "10:30"), an abbreviation its full stops ("U.S."); runs of full stops or
        hyphens are one token, every other mark is a token of its own. White space is dropped.
        ``"whitespace"`` only splits at white space, for a corpus whose tokens stand apart already.
    lower : bool
        Lower-case the text first.
    newline : str, optional
        What each end of a line is read as, a token of its own, such as ``"<eos>"``: so it is
        customary for the Penn Treebank and WikiText, whose perplexities count the ends of lines.
        Without it they are white space.

    Notes
    -----
    A run of letters without spaces is one word, so that Chinese, Japanese or Thai come out as
    whole phrases: take the characters of those.

    Examples
    --------
    >>> tokens = WordTokenizer().tokenize("Cats don't average 15.5 hours (of sleep).")
    >>> tokens
    ['Cats', "don't", 'average', '15.5', 'hours', '(', 'of', 'sleep', ')', '.']
    >>> WordTokenizer().detokenize(tokens)
    "Cats don't average 15.5 hours (of sleep)."
    """

    def __init__(
        self,
        *,
        mode: Literal["words", "whitespace"] = "words",
        lower: bool = False,
        newline: str | None = None,
    ) -> None:
        if not among(mode, ("words", "whitespace")):
            raise ValueError(f"mode: expected 'words' or 'whitespace', got {shown(mode)}")
        self.mode = mode
        self.lower = check_bool("lower", lower)
        if newline is not None:
            if not isinstance(newline, str):
                raise TypeError(f"newline: expected a str or None, got {type(newline).__name__}")
            if newline.split() != [newline] or newline == "<UNK>":
                raise ValueError(
                    f"newline: expected a token without white space, not <UNK>, got "
                    f"{shown(newline)}"
                )
        self.newline = newline

    def tokenize(self, text: str) -> list[str]:
        """Split a text into words, numbers and punctuation marks."""
        _check_text(text)
        if self.lower:
            text = text.lower()
        split = str.split if self.mode == "whitespace" else _word_pattern().findall
        if self.newline is None:
            return split(text)
        tokens: list[str] = []
        for number, line in enumerate(_lines(text)):
            tokens += [self.newline] * (number > 0) + split(line)
        return tokens

    def detokenize(self, tokens: Iterable[str]) -> str:
        """Join tokens to a text that reads well.

        Marks go where they usually stand; straight quotation marks open and close by turns. In
        the mode ``"whitespace"`` one space stands between all tokens.
        """
        tokens, join = _str_list(tokens), " ".join if self.mode == "whitespace" else _join_words
        lines: list[list[str]] = [[]]
        for token in tokens:
            if token == self.newline:
                lines.append([])
            else:
                lines[-1].append(token)
        return "\n".join(map(join, lines))

    def to_dict(self) -> dict[str, Any]:
        """Return the settings, for `from_dict`; without ``newline`` where there is none."""
        own = {} if self.newline is None else {"newline": self.newline}
        return {"type": "word", "mode": self.mode, "lower": self.lower, **own}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> WordTokenizer:
        """Make the tokenizer whose `to_dict` gave the settings; ValueError if none did."""
        has_newline = isinstance(settings, Mapping) and "newline" in settings
        names = ("mode", "lower", *("newline",) * has_newline)
        return _make(cls, "word", names, settings)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WordTokenizer) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.mode, self.lower, self.newline))

    def __repr__(self) -> str:
        newline = "" if self.newline is None else f", newline={self.newline!r}"
        return f"WordTokenizer(mode={self.mode!r}, lower={self.lower}{newline})"


# What files know by a name that is not to be taken.
OWN_TYPES = ("char", "word", "huggingface", "sentencepiece")
# What makes tokenizers of their settings, by the type that these name.
_TYPES: dict[str, Callable[[Mapping[str, Any]], Tokenizer]] = {
    "char": CharTokenizer.from_dict,
    "word": WordTokenizer.from_dict,
}


def register_tokenizer(kind: str, from_dict: Callable[[Mapping[str, Any]], Tokenizer]) -> None:
    """Let models have, and files hold, tokenizers of a further type.

    A file names the type and has the settings; what makes a tokenizer of them is not in it, and is
    registered by whoever reads it, before that.

    Parameters
    ----------
    kind : str
        The ``"type"`` in what the tokenizer's `to_dict` returns, which JSON can hold.
    from_dict : callable
        Makes the tokenizer of that.

    Raises
    ------
    ValueError
        If it is the name of a type of rnnfast's own.
    TypeError
        If ``kind`` is no str, or ``from_dict`` no function.
    """
    if not isinstance(kind, str):
        raise TypeError(f"kind: expected a str, got {type(kind).__name__}")
    if not callable(from_dict):
        raise TypeError(f"from_dict: expected a function, got {type(from_dict).__name__}")
    if kind in OWN_TYPES and kind in _TYPES:
        raise ValueError(f"kind: expected another type than rnnfast's own, got {shown(kind)}")
    _TYPES[kind] = from_dict


def require_registered(name: str, settings: Mapping[str, Any]) -> str:
    """Return the type of a tokenizer's settings; ValueError if no type of that name is known."""
    kind = settings.get("type") if isinstance(settings, Mapping) else None
    if not isinstance(kind, str) or kind not in _TYPES:
        raise ValueError(
            f"{name}: expected the type {listed(map(shown, _TYPES), 200)}, got {shown(kind)}; "
            f"register_tokenizer makes others known"
        )
    return kind


def tokenizer_from_dict(settings: Mapping[str, Any]) -> Tokenizer:
    """Make the tokenizer, of whichever type, whose `to_dict` gave the settings.

    Raises
    ------
    ValueError
        If the settings are not those of a tokenizer.
    ModuleNotFoundError
        If it is of a package that is not installed.
    """
    return _TYPES[require_registered("tokenizer", settings)](settings)


def split_lines(text: str) -> list[str]:
    """Return the lines of a text that are not blank, as they are but for the line end.

    For training sentence by sentence, where a line is a sentence. Only the ends that text files
    have (LF, CR LF, CR) end a line.
    """
    _check_text(text)
    return [line for line in _lines(text) if line and not line.isspace()]


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


@functools.cache
def _word_pattern() -> re.Pattern[str]:
    # Python's \w lacks the combining marks, which are parts of words in many scripts.
    letter = rf"(?:[^\W_][{_combining_marks()}]*)"
    return re.compile(
        rf"""
        -{{2,}} | \.{{2,}}                      # a dash, an ellipsis
        | (?<!\w)-\d+(?:[.,:]\d+)*              # -5, -3.5
        | \d+(?:[.,:]\d+)+                      # 3.14, 1,000, 10:30
        | (?:(?<!\w)[^\W\d_]\.){{2,}}           # U.S., e.g.
        | {letter}+(?:['’‐_-]{letter}+)*        # word, don't, 2nd, mother-in-law
        | \S                                    # any other mark
        """,
        re.VERBOSE,
    )


def _combining_marks() -> str:
    """Return the ranges, for a class of a regular expression, of marks and zero-width joiners."""
    ranges = ["\u200c\u200d"]
    start = None
    for code in range(0x300, 0x20000):  # the planes of scripts
        is_mark = unicodedata.category(chr(code)).startswith("M")
        if is_mark and start is None:
            start = code
        elif not is_mark and start is not None:
            ranges.append(f"{chr(start)}-{chr(code - 1)}")
            start = None
    return "".join(ranges)


_NO_SPACE_BEFORE = frozenset([*".,;:!?%)]}…’”»", "...", "/"])
_NO_SPACE_AFTER = frozenset([*"([{“‘«„¿¡$£€", "/"])
_STRAIGHT_QUOTES = frozenset("\"'")


def _join_words(tokens: Iterable[str]) -> str:
    parts: list[str] = []
    open_quotes: set[str] = set()
    glue = True  # the next token follows without a space
    for token in tokens:
        closes = token in open_quotes
        if not (glue or closes or _follows_directly(token, parts)):
            parts.append(" ")
        parts.append(token)
        opens = token in _STRAIGHT_QUOTES and not closes
        if opens:
            open_quotes.add(token)
        elif closes:
            open_quotes.discard(token)
        glue = opens or token in _NO_SPACE_AFTER
    return "".join(parts)


def _follows_directly(token: str, parts: list[str]) -> bool:
    # Two full stops written apart are not an ellipsis.
    return token in _NO_SPACE_BEFORE and not (token[0] == "." and parts[-1].endswith("."))


def _make(
    cls: Callable[..., _T], kind: str, names: tuple[str, ...], settings: Mapping[str, Any]
) -> _T:
    if not isinstance(settings, Mapping) or set(settings) != {"type", *names}:
        raise ValueError(
            f"tokenizer: expected the settings type, {', '.join(names)}, got {shown(settings)}"
        )
    if settings["type"] != kind:
        raise ValueError(f"tokenizer: expected the type {kind!r}, got {shown(settings['type'])}")
    try:
        return cls(**{name: settings[name] for name in names})
    except TypeError as error:
        raise ValueError(f"tokenizer: {error}") from None


def _check_text(text: Any) -> None:
    if not isinstance(text, str):
        raise TypeError(f"text: expected a str, got {type(text).__name__}")


def _str_list(tokens: Iterable[str]) -> Sequence[str]:
    listed = list_tokens(tokens)
    require_strings("tokens", listed)
    return listed
