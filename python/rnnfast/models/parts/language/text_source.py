"""What a language model's corpus may be: texts, files, folders, and lines from anywhere."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain, islice
from stat import S_ISREG
from typing import Any, TypeAlias

import numpy.typing as npt

from rnnfast._checks.masks import require_unmasked
from rnnfast._checks.messages import shown
from rnnfast.io.files import shown_path
from rnnfast.io.text_files import decode_pieces, read_pieces, text_files
from rnnfast.models.parts.reading.lists import as_examples, as_list, require_column

# Characters of a text, and items of a list, that are looked at together.
_PIECE = 1 << 20
_ITEMS = 1 << 12
_ENDS = ("\n", "\r")
# One word that ends as the name of a file of text does.
_PATH = re.compile(
    r"\S{0,4000}[\w-]\.(csv|gz|json|jsonl|log|md|text|tokens|tsv|txt|xml)", re.IGNORECASE
)

# What stands second in a call of `fit` may have been meant for the targets of other models.
CURES = {"valid": "; it is text to measure on: a language model takes no y"}

Told = Callable[[int], object]
# What a corpus may be: a text, a path, several paths, or lines.
Text: TypeAlias = (
    str | os.PathLike[str] | Iterable[str] | Iterable[os.PathLike[str]] | npt.NDArray[Any]
)


@dataclass(frozen=True)
class TextSource:
    """A text that is read in pieces, once.

    Attributes
    ----------
    pieces : callable
        Returns the pieces, in order; is given what to tell how much was read, in the unit of
        ``size``.
    size : int, optional
        Bytes or characters; None: nobody knows.
    files : tuple of (str, int, int)
        Path, size and time of change of each, if it stands in files.
    shown : str, optional
        What messages call the one file that it stands in.
    """

    pieces: Callable[[Told], Iterator[str]]
    size: int | None = None
    files: tuple[tuple[str, int, int], ...] = ()
    shown: str | None = None

    def text(self, told: Told, *, blank: bool = False) -> Iterator[str]:
        """Return the pieces; ValueError, after them, for a file of white space, unless `blank`."""
        pieces = self.pieces(told)
        return pieces if blank or self.shown is None else _require_text(self.shown, pieces)


@dataclass(frozen=True)
class ItemSource:
    """Lines that each are a sequence, as they are.

    Attributes
    ----------
    items : iterable of str
        The lines, in order; whether they are str nobody has looked at.
    size : int
        How many.
    """

    items: Iterable[Any]
    size: int

    def blocks(self, name: str, told: Told) -> Iterator[list[str]]:
        """Yield lists of lines; TypeError with ``name`` for one that is no str."""
        done = 0
        for block in _blocks(require_str(name, self.items)):
            yield block
            done += len(block)
            told(done)


def text_source(name: str, corpus: Any, lines: bool) -> TextSource | ItemSource:
    """Return how to read a corpus.

    Parameters
    ----------
    name : str
        The argument, for messages.
    corpus : str, path-like or iterable
        A text; the path of a file, or of a folder with files; several of them; or lines of text, in
        anything that can be iterated over, once or again.
    lines : bool
        Whether each line of a list is a sequence, and not a part of one text.

    Raises
    ------
    TypeError
        If it is something else.
    OSError, ValueError
        If a file or a folder is none to read.
    """
    if isinstance(corpus, (TextSource, ItemSource)):
        return corpus
    if isinstance(corpus, str):
        return TextSource(lambda told: _cut(corpus, told), len(corpus))
    if isinstance(corpus, os.PathLike):
        return _of_files([corpus])
    what = "a text, its path or lines of text"
    require_column(name, corpus, what)
    require_unmasked(name, corpus)
    if isinstance(corpus, (bytes, bytearray, memoryview, Mapping, Set)):
        raise _wrong_type(name, corpus, what)
    known = as_examples(name, corpus)
    if not isinstance(known, Sequence):
        if not hasattr(known, "__array__") and isinstance(known, Iterable):
            iterator = iter(known)
            first = list(islice(iterator, 1))
            rest = chain(first, iterator)
            if first and isinstance(first[0], os.PathLike):
                return _of_files(_paths(name, rest))
            return TextSource(lambda told: _join(require_str(name, rest), told))
        try:
            known = as_list(name, known, what)
        except TypeError as error:
            raise TypeError(f"{error}{CURES.get(name, '')}") from None
    if len(known) and isinstance(known[0], os.PathLike):
        return _of_files(_paths(name, known))
    if lines:
        return ItemSource(known, len(known))
    return TextSource(lambda told: _join(require_str(name, known), told))


def read_as_texts(name: str, text: Any) -> list[str]:
    """Return what to tell where a text to measure on, or all its lines, are the paths of files."""
    if isinstance(text, str) and text and "\n" not in text and os.path.exists(text):
        return [
            f"{name}: the path of a file, as str, is the text itself; pathlib.Path reads a file"
        ]
    return paths_in_place_of_texts(name, text) + path_of_nothing(name, text)


def path_of_nothing(name: str, text: Any) -> list[str]:
    """Return what to tell where a text looks like the path of a file that is not there."""
    if not isinstance(text, str) or not _PATH.fullmatch(text) or os.path.exists(text):
        return []
    return [f"{name}: {shown(text)} is no file, and read as a text; pathlib.Path reads a file"]


def paths_in_place_of_texts(name: str, texts: Any) -> list[str]:
    """Return what to tell where all lines that were given are the paths of files."""
    if not isinstance(texts, (list, tuple)) or not texts:
        return []
    if not all(isinstance(line, str) and line and os.path.isfile(line) for line in texts):
        return []
    return [f"{name}: paths of files, as str, are lines themselves; pathlib.Path reads a file"]


def read_again(name: str, corpus: Any, lines: bool) -> Any:
    """Return a corpus that can be read more than once: of an iterator its whole text."""
    source = text_source(name, corpus, lines)
    if isinstance(source, ItemSource) or (source.size is not None and source is not corpus):
        return corpus
    text = "".join(source.text(lambda done: None))
    return TextSource(lambda told: _cut(text, told), len(text))


def text_of_blocks(name: str, blocks: Iterator[bytes]) -> TextSource:
    """Return how to read the bytes of a text in UTF-8 that messages call ``name``."""
    return TextSource(lambda told: decode_pieces(name, blocks), shown=name)


def require_str(name: str, items: Iterable[Any]) -> Iterator[str]:
    """Yield items; TypeError for the first that is no str."""
    for number, item in enumerate(items):
        if not isinstance(item, str):
            got = f"{type(item).__name__}{CURES.get(name, '')}"
            raise TypeError(f"{name}[{number}]: expected a str, got {got}")
        yield item


def _wrong_type(name: str, corpus: Any, what: str) -> TypeError:
    return TypeError(f"{name}: expected {what}, got {type(corpus).__name__}{CURES.get(name, '')}")


def _paths(name: str, items: Iterable[Any]) -> list[os.PathLike[str]]:
    paths = list(items)
    for number, path in enumerate(paths):
        if not isinstance(path, os.PathLike):
            got = type(path).__name__
            raise TypeError(f"{name}[{number}]: expected a path as {name}[0], got {got}")
    return paths


def _of_files(paths: Sequence[os.PathLike[str]]) -> TextSource:
    files = [file for path in paths for file in text_files(path)]
    states = [os.stat(file) for file in files]
    known = all(S_ISREG(state.st_mode) for state in states)  # how large they are, and when changed

    def pieces(told: Told) -> Iterator[str]:
        done = 0

        def told_of_one(count: int) -> None:
            told(done + count)

        def texts() -> Iterator[Iterator[str]]:
            nonlocal done
            for file, state in zip(files, states, strict=True):
                yield read_pieces(file, told_of_one)
                done += state.st_size

        return _one_after_another(texts())

    changed = (
        (os.path.abspath(file), state.st_size, state.st_mtime_ns)
        for file, state in zip(files, states, strict=True)
    )
    return TextSource(
        pieces,
        sum(state.st_size for state in states) if known else None,
        tuple(changed) if known else (),
        shown_path(files[0]) if len(files) == 1 else None,
    )


def _require_text(name: str, pieces: Iterator[str]) -> Iterator[str]:
    """Yield pieces; ValueError, when they have ended, if there was nothing but white space."""
    blank = True
    for piece in pieces:
        blank = blank and piece.isspace()
        yield piece
    if blank:
        raise ValueError(f"{name}: expected text, got an empty file")


def _cut(text: str, told: Told) -> Iterator[str]:
    for begin in range(0, len(text), _PIECE):
        yield text[begin : begin + _PIECE]
        told(min(begin + _PIECE, len(text)))


def _join(items: Iterator[str], told: Told) -> Iterator[str]:
    """Yield the text of lines in larger pieces; a line without an end gets one before the next."""
    done, ended = 0, True
    for block in _blocks(items):
        parts: list[str] = []
        for item in block:
            if not ended:
                parts.append("\n")
            parts.append(item)
            ended = item.endswith(_ENDS)
        piece = "".join(parts)
        done += len(piece)
        yield piece
        told(done)


def _one_after_another(texts: Iterable[Iterator[str]]) -> Iterator[str]:
    """Yield the pieces of texts, with a line end between two of which the first has none."""
    last = ""
    for text in texts:
        missing = last != "" and not last.endswith(_ENDS)
        for piece in text:
            if missing:
                yield "\n"
                missing = False
            yield piece
            last = piece


def _blocks(items: Iterable[str]) -> Iterator[list[str]]:
    """Yield items in lists of some, which hold no more than one long item beyond the usual."""
    block: list[str] = []
    size = 0
    for item in items:
        block.append(item)
        size += len(item)
        if len(block) >= _ITEMS or size >= _PIECE:
            yield block
            block, size = [], 0
    if block:
        yield block
