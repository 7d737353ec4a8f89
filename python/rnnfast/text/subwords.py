"""Tokenizers of other libraries, whose pieces of words have ids already."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from rnnfast._checks.messages import one_line, shown
from rnnfast.text._tokens import list_tokens, require_strings
from rnnfast.text.vocabulary import Vocabulary

# What ends a line if a tokenizer has nothing that does.
END = "<EOS>"


class SubwordTokenizer:
    """Base of the tokenizers that bring a vocabulary of their own.

    Parameters
    ----------
    tokens : sequence of str
        The tokens in the order of their ids.
    unk : str or None
        The one that stands for what it does not know; None: it knows everything, or refuses.
    eos : str or None
        The one that ends a line; None: it has none, and ``<EOS>`` does, with the id after its last.

    Attributes
    ----------
    tokens, unk, eos
        The same.
    """

    kind: ClassVar[str]

    def __init__(self, tokens: Sequence[str], unk: str | None, eos: str | None) -> None:
        vocabulary = Vocabulary(tokens, unk=unk, eos=eos)
        self.tokens, self.unk, self.eos = vocabulary.tokens, unk, eos
        self._id_of = {token: number for number, token in enumerate(self.tokens)}

    def tokenize(self, text: str) -> list[str]:
        """Split a text into tokens.

        Raises
        ------
        TypeError
            If it is no str.
        ValueError
            If it has half of a surrogate pair, or something that the tokenizer refuses.
        """
        if not isinstance(text, str):
            raise TypeError(f"text: expected a str, got {type(text).__name__}")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"text: expected characters of Unicode, got half of a surrogate pair at "
                f"{error.start}"
            ) from None
        with as_value_error("text: expected what the tokenizer can split"):
            ids = self._split(text)
        return [self.tokens[number] for number in ids]

    def detokenize(self, tokens: Iterable[str]) -> str:
        """Join tokens to the text that the tokenizer's own decoder makes of their ids.

        Raises
        ------
        TypeError
            If they are no list of str.
        ValueError
            If one is not a token of the tokenizer, or its decoder refuses them.
        """
        listed = list_tokens(tokens)
        require_strings("tokens", listed)
        ids = []
        for place, token in enumerate(listed):
            if token not in self._id_of:
                raise ValueError(
                    f"tokens: expected tokens of the tokenizer, got {shown(token)} at {place}"
                )
            ids.append(self._id_of[token])
        with as_value_error("tokens: expected what the tokenizer can join"):
            return self._join(ids)

    def make_vocabulary(self, tokens: Iterable[str] = (), *, ends: bool = False) -> Vocabulary:
        """Return the vocabulary: the ids are the tokenizer's.

        Parameters
        ----------
        tokens : iterable of str
            A corpus, whose tokens are counted.
        ends : bool
            Whether there is to be a token that ends a line: `eos`, or one more, ``<EOS>``.
        """
        counts = Counter(tokens)
        known, eos = self.tokens, None
        if ends:
            eos = self.eos or END
            known = known if eos in self._id_of else (*known, eos)
        return Vocabulary(known, counts=[counts[t] for t in known], unk=self.unk, eos=eos)

    def require_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Raise ValueError unless a vocabulary is one that `make_vocabulary` returns."""
        if vocabulary != self.make_vocabulary(ends=vocabulary.eos is not None):
            raise ValueError(
                f"vocabulary: expected the {len(self.tokens)} tokens of the tokenizer by their "
                f"ids, got another one of {len(vocabulary)}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the settings, the whole tokenizer among them, for `tokenizer_from_dict`."""
        return {"type": self.kind, "model": self._model(), "eos": self.eos}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> SubwordTokenizer:
        """Make the tokenizer whose `to_dict` gave the settings.

        Raises
        ------
        ValueError
            If none did.
        ModuleNotFoundError
            If the package that the tokenizer is of is not installed.
        """
        if not isinstance(settings, Mapping) or set(settings) != {"type", "model", "eos"}:
            raise ValueError(f"tokenizer: expected type, model, eos, got {shown(settings)}")
        if settings["type"] != cls.kind or not isinstance(settings["model"], str):
            raise ValueError(
                f"tokenizer: expected the type {cls.kind!r} and its model as a str, got "
                f"{shown(settings['type'])} and {type(settings['model']).__name__}"
            )
        return cls._from_model(settings["model"], settings["eos"])

    def describe(self, vocabulary: Vocabulary) -> str:
        """Return in words how many tokens a model of it has, and what the special ones are."""
        unknown = "no unknown token" if self.unk is None else f"{self.unk!r} for what is unknown"
        end = "" if vocabulary.eos is None else f", {vocabulary.eos!r} to end a line"
        return f"{len(vocabulary)} tokens, {unknown}{end}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SubwordTokenizer) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.kind, self.tokens, self.eos))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.tokens)} tokens>"

    # They do not change once made, and are made of what `to_dict` gives.

    def __deepcopy__(self, memo: object) -> SubwordTokenizer:
        return self

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[dict[str, Any]]]:
        return type(self).from_dict, (self.to_dict(),)

    def _split(self, text: str) -> list[int]:
        """Return the ids of a text."""
        raise NotImplementedError

    def _join(self, ids: list[int]) -> str:
        """Return the text of ids."""
        raise NotImplementedError

    def _model(self) -> str:
        """Return the whole tokenizer as a str."""
        raise NotImplementedError

    @classmethod
    def _from_model(cls, model: str, eos: str | None) -> SubwordTokenizer:
        """Make the tokenizer that `_model` gave."""
        raise NotImplementedError


def require_package(name: str) -> Any:
    """Return a package that tokenizers are of, or raise ModuleNotFoundError in one sentence."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ModuleNotFoundError(
            f"this tokenizer needs the package {name}, which is not installed; pip install {name}",
            name=name,
        ) from None


@contextmanager
def as_value_error(expected: str) -> Iterator[None]:
    """Turn what a library of another language raises into a ValueError of one line."""
    try:
        yield
    except (MemoryError, ModuleNotFoundError):
        raise
    except Exception as error:
        raise ValueError(f"{expected} ({one_line(error)})") from None
    except BaseException as error:  # what a panic of a Rust library becomes is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError(f"{expected} ({one_line(error)})") from None
