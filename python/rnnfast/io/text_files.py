"""Text files read piece by piece: UTF-8, plain or compressed, one or all of a folder."""

from __future__ import annotations

import codecs
import errno
import importlib
import io
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from rnnfast._checks.messages import one_line
from rnnfast.io.files import FilePath, check_path, shown_path
from rnnfast.io.others import kind_of_no_text

# What a file of a folder ends with that is one of its texts.
TEXT_ENDS = (".txt", ".txt.gz", ".txt.zst")
# Bytes that are read at once; of Zstandard, which may make a thousand times as many of them.
_BLOCK = 1 << 20
_BLOCK_OF_ZSTANDARD = 1 << 13


def text_files(path: FilePath) -> list[str]:
    """Return the text files that a path stands for, in the order in which they are read.

    That is the file itself; or of a folder and those in it the files that end as `TEXT_ENDS` says,
    by their names, hidden ones and pipes left out.

    Raises
    ------
    ValueError
        If there is none in the folder.
    OSError
        If there is nothing, or a folder cannot be read.
    """
    shown = check_path("path", path)
    if not os.path.isdir(shown):
        os.stat(shown)
        return [shown]
    found: list[str] = []

    def refuse(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(shown, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            os.path.join(folder, name)
            for name in sorted(names)
            if name.lower().endswith(TEXT_ENDS)
            and not name.startswith(".")
            and not _is_special(os.path.join(folder, name))
        ]
    if not found:
        raise ValueError(
            f"{shown_path(shown)}: expected a folder with files that end in "
            f"{', '.join(TEXT_ENDS[:-1])} or {TEXT_ENDS[-1]}, got none; other files can be given "
            "by their own paths"
        )
    return found


def _is_special(path: str) -> bool:
    """Whether it is a pipe, a socket or a device, of which a folder's texts are none."""
    return os.path.exists(path) and not os.path.isfile(path)


def read_pieces(path: str, told: Callable[[int], object] | None = None) -> Iterator[str]:
    """Yield the text of a file in pieces, as `read_utf8` reads it whole.

    One that ends in ``.gz`` or ``.zst`` is unpacked.

    Parameters
    ----------
    path : str
        The file.
    told : callable, optional
        Is given how many bytes of the file were read, again and again.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is damaged or not UTF-8.
    ModuleNotFoundError
        If unpacking needs a package that is not installed.
    """
    if os.path.isdir(path):  # the error of open() differs between systems
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    yield from decode_pieces(shown_path(path), _blocks(path, told))


def decode_pieces(name: str, blocks: Iterable[bytes]) -> Iterator[str]:
    """Yield the text of bytes, as `decode_utf8` gives it whole; ``name`` is for messages."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    ends = io.IncrementalNewlineDecoder(None, translate=True)
    done, begun = 0, False

    def decode(block: bytes, final: bool) -> str:
        before = len(decoder.getstate()[0])
        try:
            return ends.decode(decoder.decode(block, final), final)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{name}: expected UTF-8 text, got byte 0x{error.object[error.start]:02x} "
                f"at offset {done - before + error.start} ({error.reason})"
            ) from None

    for block in blocks:
        if done == 0 and (kind := kind_of_no_text(block)) is not None:
            raise ValueError(f"{name}: expected UTF-8 text, got {kind}")
        text = decode(block, final=False)
        done += len(block)
        if text and not begun:
            begun, text = True, text.removeprefix("\ufeff")
        if text:
            yield text
    if text := decode(b"", final=True):
        yield text


def _blocks(path: str, told: Callable[[int], object] | None) -> Iterator[bytes]:
    """Yield what a file holds, unpacked."""
    end = os.path.splitext(path)[1].lower()
    unpack = {".gz": _unzipped, ".zst": _unpacked}.get(end, _as_they_are)
    with open(path, "rb") as file:
        has_place = file.seekable()  # a pipe has none
        try:
            for block in unpack(path, file):
                if told is not None and has_place:
                    told(file.tell())
                yield block
        except OSError as error:  # of a device, a network's file system or a disk that fails
            raise OSError(error.errno or errno.EIO, error.strerror or str(error), path) from error


def _as_they_are(path: str, file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


def _unzipped(path: str, file: BinaryIO) -> Iterator[bytes]:
    import gzip
    import zlib

    with gzip.GzipFile(fileobj=file) as unpacked:
        while True:
            try:
                block = unpacked.read(_BLOCK)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise _damaged(path, "a gzip file", error) from None
            if not block:
                return
            yield block


def _unpacked(path: str, file: BinaryIO) -> Iterator[bytes]:
    zstandard = _zstandard(path)
    frame, begun = zstandard.ZstdDecompressor().decompressobj(), False
    held = b""  # small blocks are joined
    while packed := file.read(_BLOCK_OF_ZSTANDARD):
        while packed:
            try:
                held += frame.decompress(packed)
            except zstandard.ZstdError as error:
                raise _damaged(path, "a Zstandard file", error) from None
            packed, begun = frame.unused_data, not frame.eof
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
        if len(held) >= _BLOCK:
            yield held
            held = b""
    if begun:
        raise _damaged(path, "a Zstandard file", "it ends too early")
    if held:
        yield held


def _zstandard(path: str) -> Any:
    try:
        zstandard: Any = importlib.import_module("zstandard")
    except ModuleNotFoundError as error:
        if error.name != "zstandard":
            raise
        raise ModuleNotFoundError(
            f"{shown_path(path)}: expected the package zstandard to unpack it, got none; "
            "pip install zstandard",
            name="zstandard",
        ) from None
    return zstandard


def _damaged(path: str, what: str, reason: object) -> ValueError:
    return ValueError(
        f"{shown_path(path)}: expected {what} that is whole, got a damaged one ({one_line(reason)})"
    )
