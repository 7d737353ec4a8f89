"""A corpus as ids in the order in which tokens first appeared, with no string for each of them."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from rnnfast.data.batches import Ints
from rnnfast.models.parts.language.spool import Spool
from rnnfast.nn.module import Array
from rnnfast.text._tokens import TokenCounts, split_text
from rnnfast.text.tokenizers import CharTokenizer, Tokenizer, WordTokenizer, split_lines

# Characters that are tokenised together at least, and with a tokenizer of others: the whole text if
# it has no more than that, as such a tokenizer may look at what stands around.
_LEAST = 1 << 20
_WHOLE = 1 << 23
# All white space that there is stands below.
_SPACES = [code for code in range(0x3001) if chr(code).isspace()]


class Numbering:
    """Which id stands for which token: those of several corpora have one.

    Parameters
    ----------
    by_code : bool
        Whether tokens are characters, and numbered by their code points.
    """

    def __init__(self, by_code: bool) -> None:
        self._places = np.full(128, -1, np.int32) if by_code else None
        self._codes: list[int] = []
        self._ids = _Ids()

    def __len__(self) -> int:
        return len(self._ids) if self._places is None else len(self._codes)

    @property
    def tokens(self) -> list[str]:
        """The tokens by their ids."""
        return list(self._ids) if self._places is None else list(map(chr, self._codes))

    def of_codes(self, codes: Array) -> Array:
        """Return the ids of code points, new ones among them."""
        assert self._places is not None
        beyond = int(codes.max(initial=0)) + 1 - len(self._places)
        if beyond > 0:
            self._places = np.concatenate([self._places, np.full(beyond, -1, np.int32)])
        ids = self._places[codes]
        new = codes[ids < 0]
        if len(new):
            found, first = np.unique(new, return_index=True)
            found = found[np.argsort(first)]
            self._places[found] = np.arange(len(self._codes), len(self._codes) + len(found))
            self._codes += found.tolist()
            ids = self._places[codes]
        return ids

    def of_tokens(self, tokens: list[str]) -> Array:
        """Return the ids of tokens, new ones among them."""
        return np.fromiter(map(self._ids.__getitem__, tokens), np.uint32, len(tokens))

    def extend(self, tokens: list[str]) -> bool:
        """Number tokens as another numbering did; return whether these go on from that."""
        if self.tokens != tokens[: len(self)]:
            return False
        if self._places is None:
            self.of_tokens(tokens)
        else:
            self.of_codes(np.array([ord(token) for token in tokens], np.uint32))
        return self.tokens == tokens


class _Ids(dict[str, int]):
    def __missing__(self, token: str) -> int:
        self[token] = number = len(self)
        return number


class EncodedText:
    """A corpus: its ids, and how often each occurs.

    Attributes
    ----------
    spool : Spool
        All ids.
    counts : ndarray of int64
        By id; what came later has none.
    lengths : ndarray of uint32, optional
        Of the sequences, where each line is one.
    """

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.counts: Ints = np.zeros(0, np.int64)
        self.lengths: Array | None = None

    def add(self, ids: Array) -> None:
        """Add ids to the end."""
        self.spool.append(ids)
        self.counts = added(self.counts, ids)


def added(counts: Ints, ids: Array, sign: int = 1) -> Ints:
    """Return counts ``(V,)`` with those of some ids, added or taken off; of more ids if need be."""
    if not len(ids):
        return counts
    if len(counts) > 4 * len(ids):  # few of many
        found, times = np.unique(ids, return_counts=True)
    else:
        times = np.bincount(ids)
        found = np.arange(len(times))
    size = int(found[-1]) + 1
    if size > len(counts):
        counts = np.concatenate([counts, np.zeros(max(size, len(counts) // 4), np.int64)])
    counts[found] += sign * times
    return counts


def counter_of(tokens: list[str], counts: Ints) -> TokenCounts:
    """Return counts by token."""
    places = np.flatnonzero(counts)
    known = zip(places.tolist(), counts[places].tolist(), strict=True)
    return TokenCounts({tokens[place]: count for place, count in known})


class Encoder:
    """Turns the texts of corpora into ids.

    Parameters
    ----------
    tokenizer : Tokenizer
        Splits text.

    Attributes
    ----------
    numbering : Numbering
        That of all corpora it has encoded.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._by_code = type(tokenizer) is CharTokenizer
        self._composed = type(tokenizer) is CharTokenizer and tokenizer.nfc
        self.numbering = Numbering(self._by_code)

    def text(self, pieces: Iterable[str], result: EncodedText) -> None:
        """Encode a running text."""
        if self._by_code and not self._composed:
            pass
        elif self._by_code or type(self._tokenizer) is WordTokenizer:
            # Nothing that these look at goes beyond a blank or a line end.
            pieces = cut_after(pieces, _after_blank, _LEAST)
        else:
            pieces = cut_after(pieces, _after_line_of_many, _WHOLE)
        for piece in pieces:
            result.add(self._ids(piece))

    def lines(self, pieces: Iterable[str], result: EncodedText) -> None:
        """Encode a text of which each line that is not blank is a sequence."""
        lengths = []
        for piece in cut_after(_with_one_end(pieces), _after_line, _LEAST):
            if self._by_code:
                codes, counts = split_codes(codes_of(self._compose(piece)))
                ids = self.numbering.of_codes(codes)
            else:
                ids, counts = self._ids_of_items(split_lines(piece))
            result.add(ids)
            lengths.append(counts)
        result.lengths = _joined(lengths)

    def items(self, blocks: Iterable[list[str]], result: EncodedText) -> None:
        """Encode lines, each of which is a sequence, blank ones too."""
        lengths = []
        for block in blocks:
            ids, counts = self._ids_of_items(block)
            result.add(ids)
            lengths.append(counts)
        result.lengths = _joined(lengths)

    def _compose(self, text: str) -> str:
        return unicodedata.normalize("NFC", text) if self._composed else text

    def _ids(self, text: str) -> Array:
        if self._by_code:
            return self.numbering.of_codes(codes_of(self._compose(text)))
        return self.numbering.of_tokens(split_text(self._tokenizer, text))

    def _ids_of_items(self, items: list[str]) -> tuple[Array, Array]:
        """Return the ids of several lines, and how many each has."""
        if self._by_code:
            items = [self._compose(item) for item in items]
            return self._ids_of_joined(items), np.array([*map(len, items)], np.uint32)
        tokens: list[str] = []
        counts = []
        for item in items:
            found = split_text(self._tokenizer, item)
            tokens += found
            counts.append(len(found))
        return self.numbering.of_tokens(tokens), np.array(counts, np.uint32)

    def _ids_of_joined(self, items: list[str]) -> Array:
        return self.numbering.of_codes(codes_of("".join(items)))


def codes_of(text: str) -> Array:
    """Return the code points of a text."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def split_codes(codes: Array) -> tuple[Array, Array]:
    """Return the code points of the lines that are not blank, and the lengths of those.

    Lines end with LF, the last one maybe with nothing; no end is part of a line.
    """
    if not len(codes):
        return codes, np.zeros(0, np.uint32)
    ends = np.flatnonzero(codes == 10)
    if codes[-1] != 10:
        ends = np.append(ends, len(codes))
    starts = np.concatenate([[0], ends[:-1] + 1])
    solid = np.concatenate([[0], np.cumsum(~_IS_SPACE[np.minimum(codes, _LAST)])])
    taken = solid[ends] > solid[starts]
    inside = np.repeat(taken, ends - starts + 1)[: len(codes)]
    inside[ends[ends < len(codes)]] = False
    return codes[inside], (ends - starts)[taken].astype(np.uint32)


_LAST = _SPACES[-1] + 1
_IS_SPACE = np.zeros(_LAST + 1, np.bool_)
_IS_SPACE[_SPACES] = True


def cut_after(pieces: Iterable[str], place: Callable[[str], int], least: int) -> Iterator[str]:
    """Yield a text in other pieces.

    Parameters
    ----------
    pieces : iterable of str
        The text.
    place : callable
        Returns where to cut a text of at least ``least`` characters; 0: nowhere yet.
    least : int
        As many as are looked at.
    """
    kept: list[str] = []
    size, wanted = 0, least
    for piece in pieces:
        kept.append(piece)
        size += len(piece)
        if size < wanted:
            continue
        text = "".join(kept)
        while len(text) >= least and (cut := place(text)):
            yield text[:cut]
            text = text[cut:]
        kept, size = [text], len(text)
        wanted = max(least, 2 * size)  # a place to cut at may be far away
    text = "".join(kept)
    while len(text) >= least and (cut := place(text)):
        yield text[:cut]
        text = text[cut:]
    if text:
        yield text


def _after_line(text: str) -> int:
    return text.rfind("\n") + 1


def _after_blank(text: str) -> int:
    return max(text.rfind("\n"), text.rfind(" ")) + 1


def _after_line_of_many(text: str) -> int:
    """Return where so much of a text ends as is tokenised whole, wherever it was read from."""
    return (text.rfind("\n", 0, _WHOLE) + 1) or (text.find("\n", _WHOLE) + 1)


def _with_one_end(pieces: Iterable[str]) -> Iterator[str]:
    """Yield a text with LF for every kind of line end."""
    ends: Any = io.IncrementalNewlineDecoder(None, translate=True)
    for piece in pieces:
        yield ends.decode(piece)
    yield ends.decode("", final=True)


def _joined(lengths: list[Array]) -> Array:
    """Return the lengths of all lines in the smallest type."""
    largest = max((int(part.max(initial=0)) for part in lengths), default=0)
    kind = np.uint16 if largest < 1 << 16 else np.uint32
    return np.concatenate([np.zeros(0, kind), *(part.astype(kind) for part in lengths)])
