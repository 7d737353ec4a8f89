"""Texts that commands read: of files, or of standard input, which ``-`` stands for."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import typer

from rnnfast.cli.console import note
from rnnfast.cli.options import path_of_file
from rnnfast.io.files import decode_utf8, read_utf8, shown_path
from rnnfast.io.text_files import text_files
from rnnfast.models.parts.language.text_source import text_of_blocks

_STANDARD_INPUT = "standard input"
# Bytes of it that are read at once.
_BLOCK = 1 << 20
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True)
class TextSource:
    """Where a text stands.

    Attributes
    ----------
    path : Path or None
        A file; None: standard input.
    """

    path: Path | None

    def __str__(self) -> str:
        return _STANDARD_INPUT if self.path is None else str(self.path)

    @property
    def shown(self) -> str:
        """What messages call it."""
        return _STANDARD_INPUT if self.path is None else shown_path(self.path)

    def read(self) -> str:
        """Read it, as `read_utf8` does."""
        if self.path is not None:
            return read_utf8(self.path)
        return decode_utf8(_STANDARD_INPUT, _read_input())


def source_of(text: str) -> TextSource:
    """Return where a text stands, by what was given; BadParameter as of `path_of_file`."""
    return TextSource(None if text == "-" else path_of_file(text))


def sources_of(text: str) -> TextSource:
    """Return where a text stands, as `source_of` does, or texts of a folder."""
    return source_of(text.rstrip("/" + os.sep) or os.sep if os.path.isdir(text) else text)


def corpus_of(name: str, sources: Sequence[TextSource]) -> Any:
    """Return texts as a language model reads them; BadParameter, with what they are, if it cannot.

    ``name`` is that of the argument.
    """
    paths = [source.path for source in sources if source.path is not None]
    if len(paths) < len(sources):
        if len(sources) > 1:
            raise typer.BadParameter(
                f"expected standard input alone for {name}, got it with {len(sources) - 1} more"
            )
        return text_of_blocks(_STANDARD_INPUT, iter(partial(_read_input, "read", _BLOCK), b""))
    return paths[0] if len(paths) == 1 else paths


def files_of(sources: Sequence[TextSource]) -> list[Path]:
    """Return the files that texts stand in, those of folders one by one."""
    paths = [source.path for source in sources if source.path is not None]
    return [Path(file) for path in paths for file in text_files(path)]


def text_file(help: str, *names: str) -> Any:
    """Return an option that takes the path of a text, or ``-``."""
    return typer.Option(*names, parser=source_of, metavar="<path>", help=help)


def given_text(text: str) -> str:
    """Return a text of the command line; of ``-`` what standard input has.

    One line end behind that does not count, as ``$(...)`` drops it: ``echo`` writes one.
    """
    return TextSource(None).read().removesuffix("\n") if text == "-" else text


def note_path(name: str, text: str) -> None:
    """Say so if a text of the command line is the name of a file that ``--file`` reads."""
    if text != "-" and os.path.exists(text):
        note(f"{name}: read as the text itself, though there is a file {text!r}; --file reads that")


def input_lines() -> Iterator[str]:
    """Yield the lines of standard input with their ends, each as soon as it is there.

    Raises
    ------
    OSError
        As `TextSource.read`.
    ValueError
        If a line is not UTF-8.
    """
    number = 0
    while line := _read_input("readline"):
        number += 1
        yield from _LINE.findall(decode_utf8(f"{_STANDARD_INPUT}, line {number}", line))


def _read_input(how: str = "read", *size: int) -> bytes:
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None or stream.closed:  # None in a process that was started without
        raise OSError(errno.EBADF, "it is closed", _STANDARD_INPUT)
    try:
        content: bytes = getattr(stream, how)(*size)
    except OSError as error:
        number = error.errno or errno.EIO
        raise OSError(number, error.strerror or os.strerror(number), _STANDARD_INPUT) from error
    return content
