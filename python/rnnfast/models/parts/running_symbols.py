"""What CTC has said so far, while a stream goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast.models.parts.codecs.symbols import SymbolCodec
from rnnfast.models.parts.networks.heads import Head
from rnnfast.models.parts.running import Running
from rnnfast.models.parts.running_pool import Rows
from rnnfast.nn.module import Array


class Transcript:
    """What a sequence has said so far; a pair, ``symbols, times = transcript``.

    It stays as it is when the stream goes on. What it holds is put together when it is asked for,
    so that a step costs the same however much has been said.

    Attributes
    ----------
    symbols : str or list of str
        As ``predict`` gives them, but at most the last ``keep``.
    times : tuple of int
        For each symbol the step at which it began, the first one being 0.
    dropped : int
        How many symbols were said before these.
    """

    __slots__ = ("_codec", "_log", "_start", "_stop", "dropped")

    def __init__(
        self,
        codec: SymbolCodec,
        log: list[tuple[str, int]],
        start: int = 0,
        stop: int = 0,
        dropped: int = 0,
    ) -> None:
        # Symbols and times are those of a part of the log, to whose end later ones are added.
        self._codec, self._log, self._start, self._stop = codec, log, start, stop
        self.dropped = dropped

    @property
    def symbols(self) -> Any:
        return self._codec.written([[symbol for symbol, _ in self._said()]])[0]

    @property
    def times(self) -> tuple[int, ...]:
        return tuple(time for _, time in self._said())

    def followed_by(self, symbol: str, time: int, keep: int | None) -> Transcript:
        """Return the transcript with one more symbol."""
        log, start, stop, dropped = self._log, self._start, self._stop, self.dropped
        if keep is not None and stop - start == keep:
            start, dropped = start + 1, dropped + 1
        # A copy if somebody went on from here before, or more of the log is old than is not.
        if len(log) > stop or start > stop - start:
            log, start, stop = log[start:stop], 0, stop - start
        log.append((symbol, time))
        return Transcript(self._codec, log, start, stop + 1, dropped)

    def _said(self) -> list[tuple[str, int]]:
        return self._log[self._start : self._stop]

    def __iter__(self) -> Iterator[Any]:
        return iter((self.symbols, self.times))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Transcript):
            return NotImplemented
        return self.dropped == other.dropped and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash((self.dropped, self.times))

    def __repr__(self) -> str:
        return f"Transcript(symbols={self.symbols!r}, times={self.times}, dropped={self.dropped})"


class RunningSymbols(Running[list[Transcript]]):
    """What the best class of each step says, repetitions merged and blanks left out.

    `keep` is how many symbols of each sequence are kept at most; None: all.
    """

    _changing = ("_last", "_said")

    def __init__(self, head: Head, codec: SymbolCodec, keep: int | None) -> None:
        self._output, self._codec, self._keep = head.output, codec, keep
        self._blank = len(codec.symbols)

    def begin(self, batch_size: int) -> None:
        self._last = np.full(batch_size, self._blank)
        self._said: dict[int, Transcript] = {}  # of those that have said something

    def reset(self, rows: Rows) -> None:
        self._last[rows] = self._blank
        for row in np.arange(len(self._last))[rows].tolist():
            self._said.pop(row, None)

    def answer(self, h: Array, rows: Rows, steps: npt.NDArray[np.int64]) -> list[Transcript]:
        best = self._output(h).argmax(axis=1)
        begins = (best != self._last[rows]) & (best != self._blank)
        self._last[rows] = best
        numbers = np.arange(len(self._last))[rows].tolist()
        for place in np.flatnonzero(begins).tolist():
            row, symbol = numbers[place], self._codec.symbols[best[place]]
            before = self._said.get(row) or Transcript(self._codec, [])
            self._said[row] = before.followed_by(symbol, int(steps[place]) - 1, self._keep)
        return [self._said.get(row) or Transcript(self._codec, []) for row in numbers]
