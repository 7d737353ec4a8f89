"""A language model's corpus: one long text, or lines that each stand for themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from rnnfast.data.batches import Batch, Ints
from rnnfast.models.parts.fitting.examples import digest
from rnnfast.models.parts.language.encoded_text import EncodedText, Encoder, added, counter_of
from rnnfast.models.parts.language.spool import Spool
from rnnfast.models.parts.language.text_source import ItemSource, Told, text_source
from rnnfast.models.parts.language.token_sequences import LineTokens, TextTokens, Tokens, tokens_of
from rnnfast.nn.module import Array
from rnnfast.text.tokenizers import CharTokenizer, Tokenizer
from rnnfast.text.vocabulary import Vocabulary

# Windows of the batches that are only scored: long, for speed; the result does not depend on it.
_SCORED_STEPS = 512
_SCORED_LINES = 64
# Tokens that each stream of a validation text has at least, so that few start from nothing.
_VALID_STREAM = 4096
# Lines that are counted at once.
_LINES = 1 << 13


class EncodedCorpus:
    """A whole corpus, or a part of it, in ids of a reader's numbering.

    Parameters
    ----------
    encoded : EncodedText
        The whole.
    counts : ndarray of int64
        How often each id occurs in the part.
    begin, end : int
        Of a running text, the part.
    numbers : ndarray of int, optional
        Of lines, the part; None: all of them.
    """

    def __init__(
        self,
        encoded: EncodedText,
        counts: Ints,
        begin: int = 0,
        end: int | None = None,
        numbers: Array | None = None,
    ) -> None:
        self.encoded, self.counts, self._numbers = encoded, counts, numbers
        self._begin, self._end = begin, len(encoded.spool) if end is None else end

    def __len__(self) -> int:
        """How many sequences there are."""
        lengths = self.encoded.lengths
        if lengths is None:
            return int(self._end > self._begin)
        return len(lengths) if self._numbers is None else len(self._numbers)

    @property
    def num_tokens(self) -> int:
        """How many tokens there are."""
        return int(self.counts.sum())

    @property
    def identity(self) -> str:
        """What tells its sequences from others, given those of the numbering."""
        parts: list[Any] = [np.array([self._begin, self._end])]
        parts += [part for part in (self.encoded.lengths, self._numbers) if part is not None]
        return f"{self.encoded.spool.digest} {digest(parts)}"

    def tokens(self, table: Ints, eos_id: int | None) -> Tokens:
        """Return it in ids of a vocabulary, of which ``table`` has that of each id."""
        spool, lengths = self.encoded.spool, self.encoded.lengths
        if lengths is None:
            return TextTokens(spool, table, self._begin, self._end)
        assert eos_id is not None
        return LineTokens(spool, table, lengths, eos_id, self._numbers)

    def split(self, held_out: Any) -> tuple[EncodedCorpus, EncodedCorpus]:
        """Divide it: a whole running text at a place, lines by the numbers of some, sorted.

        Returns the rest, and what is held out.
        """
        spool, lengths = self.encoded.spool, self.encoded.lengths
        counts = np.zeros(len(self.counts), np.int64)
        if lengths is None:
            for ids in spool.chunks(held_out, len(spool)):
                counts = added(counts, ids)
            rest = self.counts - counts
            parts = (rest, 0, held_out), (counts, held_out, len(spool))
            return EncodedCorpus(self.encoded, *parts[0]), EncodedCorpus(self.encoded, *parts[1])
        numbers = (
            np.arange(len(lengths), dtype=np.uint32) if self._numbers is None else self._numbers
        )
        taken, kept = numbers[held_out], np.delete(numbers, held_out)
        out = np.zeros(len(lengths), np.bool_)
        out[taken] = True
        begin = 0
        for first in range(0, len(lengths), _LINES):
            some = lengths[first : first + _LINES]
            end = begin + int(some.sum(dtype=np.int64))
            if out[first : first + _LINES].any():
                inside = np.repeat(out[first : first + _LINES], some)
                counts = added(counts, spool.read(begin, end)[inside])
            begin = end
        return (
            EncodedCorpus(self.encoded, self.counts - counts, numbers=kept),
            EncodedCorpus(self.encoded, counts, numbers=taken),
        )


class CorpusReader:
    """How corpora become sequences of ids.

    Parameters
    ----------
    tokenizer : Tokenizer
        Splits text.
    lines : bool
        Whether each line is a sequence of its own, or the text is one.
    """

    def __init__(self, tokenizer: Tokenizer, lines: bool) -> None:
        self.tokenizer, self.lines = tokenizer, lines
        self.encoder = Encoder(tokenizer)

    @property
    def known(self) -> list[str]:
        """The tokens of all that was read, by their ids."""
        return self.encoder.numbering.tokens

    def read(
        self,
        name: str,
        corpus: Any,
        stack: ExitStack,
        *,
        to_learn: bool = True,
        target: str | None = None,
        telling: Callable[[str, int | None], Told] = lambda name, size: lambda done: None,
    ) -> EncodedCorpus:
        """Return the sequences of a corpus: one of a text, one of every line.

        Parameters
        ----------
        name : str
            The argument, for messages.
        corpus : str, path-like or iterable
            As `text_source` takes it.
        stack : contextlib.ExitStack
            When it is closed, a file that has the ids is removed.
        to_learn : bool
            False: it is only scored, and lines may all be empty, as their ends are scored too; a
            text without any other line is one empty line.
        target : str, optional
            Beside which file many ids stand; see `Spool`.
        telling : callable
            Returns what is told how much was read, by the name and how much there is.

        Raises
        ------
        OSError
            If a file cannot be read.
        TypeError
            If it is not of the right type.
        ValueError
            If it has no token; with lines, only to learn, or if a list has none to score.
        """
        source = text_source(name, corpus, self.lines)
        spool = Spool(target)
        stack.callback(spool.close)
        encoded = EncodedText(spool)
        told = telling(name, source.size)
        if isinstance(source, ItemSource):
            self.encoder.items(source.blocks(name, told), encoded)
        elif self.lines:
            self.encoder.lines(source.text(told, blank=not to_learn), encoded)
            if encoded.lengths is not None and not len(encoded.lengths) and not to_learn:
                # One empty line, as `LanguageModel.log_prob` takes it.
                encoded.lengths = np.zeros(1, np.uint16)
        else:
            self.encoder.text(source.text(told), encoded)
        return self.checked(name, encoded, to_learn)

    def checked(self, name: str, encoded: EncodedText, to_learn: bool) -> EncodedCorpus:
        """Return what was encoded; ValueError if it has no token that is needed."""
        scorable = encoded.lengths is not None and not to_learn and len(encoded.lengths) > 0
        if not len(encoded.spool) and not scorable:
            raise ValueError(f"{name}: expected text, got an empty corpus")
        return EncodedCorpus(encoded, encoded.counts)

    def held_out(self, corpus: EncodedCorpus, fraction: float) -> Any:
        """Return what `EncodedCorpus.split` takes to hold out a part: always the same one.

        That is the end of a text, or some of the lines.

        Raises
        ------
        ValueError
            If there is too little to divide.
        """
        if self.lines:
            count = len(corpus)
            if count < 2:
                raise ValueError(
                    "text: expected at least 2 lines, to hold one out, got 1; or set "
                    "validation_fraction=0, or lines=False"
                )
            # As `rnnfast.data.split_items` does it.
            number = min(max(round(count * fraction), 1), count - 1)
            order = np.arange(count, dtype=np.uint32)
            np.random.default_rng(0).shuffle(order)
            return np.sort(order[count - number :])
        count = corpus.num_tokens
        cut = count - max(round(count * fraction), 1)
        if cut < 1:
            hint = "" if isinstance(self.tokenizer, CharTokenizer) else ", or level='char'"
            raise ValueError(
                f"text: expected at least 2 tokens, to hold one out, got {count}; or set "
                f"validation_fraction=0{hint}"
            )
        return cut

    def encode(self, name: str, corpus: EncodedCorpus, vocabulary: Vocabulary) -> Tokens:
        """Return a corpus in ids of a vocabulary.

        Raises
        ------
        ValueError
            If there are tokens, but none of the vocabulary; or the one that ends a line.
        """
        known = self.known
        table = vocabulary.encode(known)
        tokens = corpus.tokens(table, vocabulary.eos_id)
        counts = corpus.counts[: len(known)]
        if vocabulary.eos is not None and vocabulary.eos in known:
            place = known.index(vocabulary.eos)
            if place < len(counts) and counts[place]:
                _refuse_end(name, tokens, vocabulary)
        count = corpus.num_tokens
        if count and (table[: len(counts)][counts > 0] == vocabulary.unk_id).all():
            raise ValueError(
                f"{name}: expected tokens of the model's vocabulary, got none among {count}"
            )
        return tokens

    def unknown(self, corpus: EncodedCorpus, vocabulary: Vocabulary) -> Counter[str]:
        """Return how often each token of a corpus occurs that a vocabulary takes for unknown."""
        found = counter_of(self.known, corpus.counts)
        ids = vocabulary.encode(list(found))
        items = zip(found.items(), ids, strict=True)
        return Counter({token: n for (token, n), number in items if number == vocabulary.unk_id})


def _refuse_end(name: str, tokens: Tokens, vocabulary: Vocabulary) -> None:
    assert isinstance(tokens, LineTokens)
    for number in range(len(tokens)):
        places = np.flatnonzero(tokens.line(number) == vocabulary.eos_id)
        if len(places):
            label = name if len(tokens) == 1 else f"{name}[{number}]"
            raise ValueError(
                f"{label}: expected no {vocabulary.eos!r}, which ends a sequence, got it at "
                f"{places[0]}"
            )


class CorpusBatches:
    """Batches of encoded sequences whose first input is `start`, which stands for no token.

    Parameters
    ----------
    sequences : TextTokens, LineTokens or list of ndarray
        What `CorpusReader.encode` gave; or ids in memory.
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
        sequences: Tokens | Sequence[Ints],
        start: int,
        eos_id: int | None,
        batch_size: int,
        steps: int,
        rng: np.random.Generator | None = None,
    ) -> None:
        if not isinstance(sequences, (TextTokens, LineTokens)):
            sequences = tokens_of(sequences, eos_id)
        self._batches = sequences.batches(start, batch_size, steps, rng)

    @classmethod
    def to_score(
        cls,
        sequences: Tokens | Sequence[Ints],
        start: int,
        eos_id: int | None,
        streams: int = 1,
    ) -> CorpusBatches:
        """Return batches to be scored, a text in one stream or several."""
        batch_size = streams if eos_id is None else _SCORED_LINES
        return cls(sequences, start, eos_id, batch_size, _SCORED_STEPS)

    @classmethod
    def to_validate(
        cls, sequences: Tokens, start: int, eos_id: int | None, batch_size: int
    ) -> CorpusBatches:
        """Return batches to be scored fast: a long text in several streams."""
        streams = max(1, min(batch_size, sequences.num_tokens // _VALID_STREAM))
        return cls.to_score(sequences, start, eos_id, streams)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._batches)
