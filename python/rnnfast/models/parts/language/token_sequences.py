"""Parts of an encoded corpus as ids of a vocabulary: one running text, or lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rnnfast.data.batches import Batch, Ints, SentenceBatch, bucket_by_length
from rnnfast.models.parts.language.spool import Spool
from rnnfast.nn.module import Array

# Lines of which the places are counted from one that is known, and lines that are sorted at once.
_BLOCK = 256
_SORTED = 1 << 20


class TextTokens:
    """A part of a running text.

    Parameters
    ----------
    spool : Spool
        The ids of a numbering.
    table : ndarray of int64
        The vocabulary's id of each of those.
    begin, end : int
        Where the part lies.
    """

    def __init__(self, spool: Spool, table: Ints, begin: int, end: int) -> None:
        self._spool, self._table = spool, table
        self._begin, self.num_tokens = begin, end - begin

    def __len__(self) -> int:
        return int(self.num_tokens > 0)

    def batches(
        self, start: int, batch_size: int, steps: int, rng: np.random.Generator | None = None
    ) -> TextBatches:
        """Return its batches; ``rng`` is of no effect, as they have one order."""
        return TextBatches(self, start, batch_size, steps)

    def read(self, begin: int, end: int, start: int) -> Ints:
        """Return the ids between two places of the text that begins with ``start``."""
        first = self._begin - 1
        ids = self._table[self._spool.read(first + max(begin, 1), first + end)]
        return np.concatenate([[start], ids]) if begin == 0 else ids


class TextBatches:
    """The batches of `rnnfast.data.StreamBatches` for a text that is not in memory.

    Parameters
    ----------
    text : TextTokens
        What follows ``start``.
    start : int
        The id that is read first, and stands for no token.
    batch_size, steps : int
        As `StreamBatches` takes them.
    """

    def __init__(self, text: TextTokens, start: int, batch_size: int, steps: int) -> None:
        self._text, self._start, self._steps = text, start, steps
        shortest, longer = divmod(text.num_tokens, batch_size)
        self._lengths = np.full(batch_size, shortest)
        self._lengths[:longer] += 1
        self._starts = np.cumsum(self._lengths) - self._lengths

    def __len__(self) -> int:
        return -(-int(self._lengths[0]) // self._steps)

    def __iter__(self) -> Iterator[Batch]:
        longest = int(self._lengths[0])
        for begin in range(0, longest, self._steps):
            end = min(begin + self._steps, longest)
            lengths = np.minimum(self._lengths, end) - begin
            inputs = np.zeros((end - begin, len(lengths)), np.int64)
            targets = inputs.copy()
            places = zip((self._starts + begin).tolist(), lengths.tolist(), strict=True)
            for column, (place, length) in enumerate(places):
                if length:
                    ids = self._text.read(place, place + length + 1, self._start)
                    inputs[:length, column] = ids[:-1]
                    targets[:length, column] = ids[1:]
            yield Batch(inputs, targets, lengths)


class LineTokens:
    """Some of the lines of a corpus.

    Parameters
    ----------
    spool, table
        As `TextTokens` takes them.
    lengths : ndarray of int
        Of all lines.
    eos_id : int
        What ends a line.
    numbers : ndarray of int, optional
        Which lines; None: all of them.
    """

    def __init__(
        self,
        spool: Spool,
        table: Ints,
        lengths: Array,
        eos_id: int,
        numbers: Array | None = None,
    ) -> None:
        self._spool, self._table, self._lengths = spool, table, lengths
        self._eos_id, self._numbers = eos_id, numbers
        blocks = (
            np.add.reduceat(lengths, np.arange(0, len(lengths), _BLOCK), dtype=np.int64)
            if len(lengths)
            else np.zeros(0, np.int64)
        )
        self._begins = np.cumsum(blocks) - blocks
        self.lengths = lengths if numbers is None else lengths[numbers]
        self.num_tokens = int(self.lengths.sum(dtype=np.int64))

    def __len__(self) -> int:
        return len(self.lengths)

    def line(self, number: int) -> Ints:
        """Return the ids of a line."""
        place = number if self._numbers is None else int(self._numbers[number])
        block = place // _BLOCK
        before = self._lengths[block * _BLOCK : place].sum(dtype=np.int64)
        begin = int(self._begins[block] + before)
        return self._table[self._spool.read(begin, begin + int(self._lengths[place]))]

    def batches(
        self, start: int, batch_size: int, steps: int, rng: np.random.Generator | None = None
    ) -> LineBatches:
        """Return its batches; ``steps`` are of no effect, as lines are whole."""
        return LineBatches(self, start, batch_size, self._eos_id, rng)


class LineBatches:
    """The batches of `rnnfast.data.SentenceBatches` for lines that are not in memory.

    The first input is ``start`` in place of the token that ends a line. Parameters are else those.
    """

    def __init__(
        self,
        lines: LineTokens,
        start: int,
        batch_size: int,
        eos_id: int,
        rng: np.random.Generator | None,
    ) -> None:
        self._lines, self._start, self._batch_size = lines, start, batch_size
        self._eos_id, self._rng = eos_id, rng

    def __len__(self) -> int:
        return -(-len(self._lines) // self._batch_size)

    def __iter__(self) -> Iterator[SentenceBatch]:
        for chosen in buckets(self._lines.lengths, self._batch_size, self._rng):
            lengths = self._lines.lengths[chosen].astype(np.int64) + 1
            inputs = np.full((lengths.max(), len(chosen)), self._eos_id, np.int64)
            targets = inputs.copy()
            inputs[0] = self._start
            for column, number in enumerate(chosen.tolist()):
                ids = self._lines.line(number)
                inputs[1 : len(ids) + 1, column] = ids
                targets[: len(ids), column] = ids
            batch = SentenceBatch(inputs, targets, lengths)
            batch.sentences = chosen.astype(np.intp)
            yield batch


def buckets(lengths: Array, batch_size: int, rng: np.random.Generator | None) -> Iterator[Array]:
    """Yield what `bucket_by_length` returns, with little memory for very many lines."""
    if len(lengths) <= _SORTED:
        yield from bucket_by_length(lengths, batch_size, rng)
        return
    order = np.arange(len(lengths), dtype=np.uint32)
    if rng is not None:
        rng.shuffle(order)
    order = _sorted_by(lengths, order)
    count = -(-len(order) // batch_size)
    numbers = np.arange(count, dtype=np.uint32)
    if rng is not None:
        rng.shuffle(numbers)
    for number in numbers.tolist():
        yield order[number * batch_size : (number + 1) * batch_size]


def _sorted_by(lengths: Array, order: Array) -> Array:
    """Return numbers by what has the lengths, equal ones in their order: some at a time."""
    counts = np.bincount(lengths[:0], minlength=int(lengths.max()) + 1)
    for first in range(0, len(lengths), _SORTED):
        counts += np.bincount(lengths[first : first + _SORTED], minlength=len(counts))
    free = np.cumsum(counts) - counts  # the next place for each length
    result = np.empty_like(order)
    for first in range(0, len(order), _SORTED):
        part = order[first : first + _SORTED]
        keys = lengths[part]
        inner = np.argsort(keys, kind="stable")
        keys = keys[inner]
        of_key = np.bincount(keys, minlength=len(counts))
        begins = np.cumsum(of_key) - of_key
        result[free[keys] + np.arange(len(keys)) - begins[keys]] = part[inner]
        free += of_key
    return result


Tokens = TextTokens | LineTokens


def tokens_of(sequences: Sequence[Any], eos_id: int | None) -> Tokens:
    """Return what ids ``(T_i,)`` in memory are: lines, or without ``eos_id`` one text."""
    spool = Spool(in_memory=True)
    for ids in sequences:
        spool.append(np.asarray(ids))
    largest = max((int(np.max(ids, initial=0)) for ids in sequences), default=0)
    table = np.arange(largest + 1)
    if eos_id is None:
        return TextTokens(spool, table, 0, len(spool))
    return LineTokens(spool, table, np.array([*map(len, sequences)], np.uint32), eos_id)
