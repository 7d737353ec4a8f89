"""A language model's corpus: one long text, or lines that each stand for themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast.data.batches import Batch, Ints, SentenceBatches, StreamBatches
from rnnfast.data.datasets import read_text, split_items
from rnnfast.models.parts.sequences import as_list
from rnnfast.text._tokens import require_no_end, split_text
from rnnfast.text.tokenizers import CharTokenizer, Tokenizer, split_lines
from rnnfast.text.vocabulary import Vocabulary

# Windows of the batches that are only scored: long, for speed; the result does not depend on it.
_SCORED_STEPS = 512
_SCORED_LINES = 64
# Tokens that each stream of a validation text has at least, so that few start from nothing.
_VALID_STREAM = 4096

# What stands second in a call of `fit` may have been meant for the targets of other models.
_CURES = {"valid": "; it is text to measure on: a language model takes no y"}


@dataclass(frozen=True)
class CorpusReader:
    """How a corpus becomes sequences of tokens.

    Parameters
    ----------
    tokenizer : Tokenizer
        Splits text.
    lines : bool
        Whether each line is a sequence of its own, or the text is one.
    """

    tokenizer: Tokenizer
    lines: bool

    def read(self, name: str, corpus: Any, *, to_learn: bool = True) -> list[list[str]]:
        """Return the sequences of a corpus: one of a text, one of every line.

        Parameters
        ----------
        name : str
            The argument, for messages.
        corpus : str, path-like or list of str
            The text, its file, or the lines: a list, an array or a Series.
        to_learn : bool
            False: it is only scored, and lines may all be empty, as their ends are scored too; a
            text without any other line is one empty line.

        Raises
        ------
        OSError
            If a file cannot be read.
        TypeError
            If it is not of the right type.
        ValueError
            If it has no token; with lines, only to learn, or if a list has none to score.
        """
        parts = self.parts(name, corpus, to_learn=to_learn)
        sequences = [split_text(self.tokenizer, part) for part in parts]
        scorable = self.lines and not to_learn and len(sequences) > 0
        if not any(sequences) and not scorable:
            raise ValueError(f"{name}: expected text, got an empty corpus")
        return sequences

    def parts(self, name: str, corpus: Any, *, to_learn: bool = True) -> list[str]:
        """Return the texts of a corpus, which are not split yet: as `read`, which says the rest."""
        if isinstance(corpus, os.PathLike):
            corpus = read_text(corpus)
        if isinstance(corpus, str):
            parts = split_lines(corpus) if self.lines else [corpus]
            if not parts and not to_learn:
                parts = [""]  # one empty line, as `LanguageModel.log_prob` takes it
        elif not self.lines:
            got = type(corpus).__name__
            raise TypeError(
                f"{name}: expected a str, got {got}; lists are for lines=True{_CURES.get(name, '')}"
            )
        else:
            parts = as_list(name, corpus, "a str or a list of str")
        for number, part in enumerate(parts):
            if not isinstance(part, str):
                got = f"{type(part).__name__}{_CURES.get(name, '')}"
                raise TypeError(f"{name}[{number}]: expected a str, got {got}")
        return list(parts)

    def split(
        self, sequences: list[list[str]], fraction: float
    ) -> tuple[list[list[str]], list[list[str]]]:
        """Hold out the end of a text, or some of the lines: always the same ones.

        Raises
        ------
        ValueError
            If there is too little to divide.
        """
        if fraction == 0:
            return sequences, []
        if self.lines:
            if len(sequences) < 2:
                raise ValueError(
                    "text: expected at least 2 lines, to hold one out, got 1; or set "
                    "validation_fraction=0, or lines=False"
                )
            return split_items(sequences, fraction, np.random.default_rng(0))
        tokens = sequences[0]
        cut = len(tokens) - max(round(len(tokens) * fraction), 1)
        if cut < 1:
            hint = "" if isinstance(self.tokenizer, CharTokenizer) else ", or level='char'"
            raise ValueError(
                f"text: expected at least 2 tokens, to hold one out, got {len(tokens)}; or set "
                f"validation_fraction=0{hint}"
            )
        return [tokens[:cut]], [tokens[cut:]]

    def encode(self, name: str, sequences: list[list[str]], vocabulary: Vocabulary) -> list[Ints]:
        """Return the ids of sequences.

        Raises
        ------
        ValueError
            If there are tokens, but none of the vocabulary; or the one that ends a line.
        """
        for number, tokens in enumerate(sequences):
            label = name if len(sequences) == 1 else f"{name}[{number}]"
            require_no_end(label, tokens, vocabulary.eos)
        encoded = [vocabulary.encode(tokens) for tokens in sequences]
        count = sum(map(len, encoded))
        if count and all((ids == vocabulary.unk_id).all() for ids in encoded):
            raise ValueError(
                f"{name}: expected tokens of the model's vocabulary, got none among {count}"
            )
        return encoded


class CorpusBatches:
    """Batches of encoded sequences whose first input is `start`, which stands for no token.

    Parameters
    ----------
    sequences : list of ndarray
        What `CorpusReader.encode` gave.
    start : int
        The first input's id.
    eos_id : int or None
        The id that ends a line; None for a text.
    batch_size, steps : int
        Streams or lines side by side, and the length of a text's windows.
    rng : numpy.random.Generator, optional
        Shuffles lines.
    """

    def __init__(
        self,
        sequences: list[Ints],
        start: int,
        eos_id: int | None,
        batch_size: int,
        steps: int,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.start = start
        self._lines = eos_id is not None
        self._batches: StreamBatches | SentenceBatches
        if eos_id is not None:
            self._batches = SentenceBatches(sequences, batch_size, eos_id, rng)
        else:
            ids = np.concatenate([[start], *sequences])
            self._batches = StreamBatches(ids, batch_size, steps)

    @classmethod
    def to_score(
        cls, sequences: list[Ints], start: int, eos_id: int | None, streams: int = 1
    ) -> CorpusBatches:
        """Return batches to be scored, a text in one stream or several."""
        batch_size = streams if eos_id is None else _SCORED_LINES
        return cls(sequences, start, eos_id, batch_size, _SCORED_STEPS)

    @classmethod
    def to_validate(
        cls, sequences: list[Ints], start: int, eos_id: int | None, batch_size: int
    ) -> CorpusBatches:
        """Return batches to be scored fast: a long text in several streams."""
        count = sum(map(len, sequences))
        streams = max(1, min(batch_size, count // _VALID_STREAM))
        return cls.to_score(sequences, start, eos_id, streams)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._batches:
            if self._lines:
                batch.inputs[0] = self.start
            yield batch
