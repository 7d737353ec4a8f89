"""Ids of a long text: in memory while they are few, else in a file."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any, BinaryIO

import numpy as np

from rnnfast.io.files import remove_left_over, temporary_file
from rnnfast.nn.module import Array

# Bytes of ids from which on they stand in a file.
IN_MEMORY = 1 << 26
# The types of ids, the smallest first. Files have them whatever the machine's order of bytes.
_TYPES = tuple(map(np.dtype, ("<u1", "<u2", "<u4")))
_CHUNK = 1 << 20
# What a file begins with, and one that is kept ends with.
_MARK = b"rnnfast1"


class Spool:
    """Ids that are written one after another, and read from anywhere.

    Each has the smallest unsigned integer type that holds it and all before it. A file is read by
    offsets: pages of a mapped one would count as memory of the process.

    Parameters
    ----------
    target : str, optional
        Beside this file the ids stand while they are many; None: in the system's folder for
        temporary files. Either is gone with `close`, unless `keep` has made it the target.
    in_memory : bool
        Whether there is never to be a file.
    """

    def __init__(self, target: str | None = None, *, in_memory: bool = False) -> None:
        self._target = target
        self._limit = math.inf if in_memory else IN_MEMORY
        self._held = bytearray()
        self._stack = ExitStack()
        self._file: Any = None
        self._temporary: str | None = None
        self._hash = hashlib.sha256()
        # Where each type begins: the number of ids before, and of bytes.
        self._begins: list[tuple[int, int]] = [(0, 0)]
        self._count = self._size = 0

    def __len__(self) -> int:
        return self._count

    @property
    def in_memory(self) -> bool:
        """Whether there is no file."""
        return self._file is None

    @property
    def digest(self) -> str:
        """What tells these ids from others."""
        return self._hash.hexdigest()

    def append(self, ids: Array) -> None:
        """Add ids ``(N,)``, none of them negative."""
        while len(ids):
            kind = len(self._begins) - 1
            largest = np.iinfo(_TYPES[kind]).max
            cut = len(ids)
            if ids.max() > largest:
                cut = int(np.argmax(ids > largest))
            if cut:
                self._write(ids[:cut].astype(_TYPES[kind]).tobytes())
                self._count += cut
            if cut < len(ids):
                self._begins.append((self._count, self._size))
            ids = ids[cut:]

    def read(self, begin: int, end: int) -> Array:
        """Return the ids from one place to another."""
        parts = []
        for kind, (first, offset) in enumerate(self._begins):
            last = self._begins[kind + 1][0] if kind + 1 < len(self._begins) else self._count
            low, high = max(begin, first), min(end, last)
            if low < high:
                width = _TYPES[kind].itemsize
                data = self._bytes(offset + (low - first) * width, (high - low) * width)
                parts.append(np.frombuffer(data, _TYPES[kind]))
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.zeros(0, _TYPES[0])

    def chunks(self, begin: int, end: int) -> Iterator[Array]:
        """Yield the ids from one place to another, some at a time."""
        for first in range(begin, end, _CHUNK):
            yield self.read(first, min(first + _CHUNK, end))

    def close(self) -> None:
        """Forget the ids, and remove a file that is not kept."""
        self._held = bytearray()
        self._file = None
        self._stack.close()

    # A file that outlives the process

    def keep(self, tail: bytes, facts: dict[str, Any]) -> None:
        """Make the file, if there is one, the target: all of it at once.

        After the ids it has ``tail``, and ``facts`` as JSON; `Spool.kept` reads it.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        if self._file is None or self._temporary is None or self._target is None:
            return
        facts = {
            **facts,
            "begins": self._begins,
            "count": self._count,
            "size": self._size,
            "tail": len(tail),
            "digest": self.digest,
            "digest of tail": hashlib.sha256(tail).hexdigest(),
        }
        text = json.dumps(facts).encode("ascii")
        self._file.seek(0, os.SEEK_END)
        for part in (tail, text, len(text).to_bytes(8, "little"), _MARK):
            self._file.write(part)
        self._file.flush()
        os.fsync(self._file.fileno())
        os.replace(self._temporary, os.path.realpath(self._target))
        self._temporary = None

    @classmethod
    def kept(cls, path: str) -> tuple[Spool, bytes, dict[str, Any]] | None:
        """Return what `keep` has written to a file: ids, tail and facts; None if it is not whole.

        All of it is read and held against what was written.
        """
        with ExitStack() as stack:
            try:
                file = stack.enter_context(open(path, "rb"))
                file.seek(-16, os.SEEK_END)
                end = file.tell()
                size = int.from_bytes(file.read(8), "little")
                if file.read() != _MARK or size > end:
                    return None
                file.seek(end - size)
                facts = json.loads(file.read(size))
                spool = cls(path)
                spool._begins = [(first, offset) for first, offset in facts["begins"]]
                spool._count, spool._size = facts["count"], facts["size"]
                if len(_MARK) + spool._size + facts["tail"] != end - size:
                    return None
                file.seek(0)
                if file.read(len(_MARK)) != _MARK:
                    return None
                for first in range(0, spool._size, _CHUNK):
                    spool._hash.update(file.read(min(_CHUNK, spool._size - first)))
                tail = file.read(facts["tail"])
            except (OSError, ValueError, KeyError, TypeError):
                return None
            own = [spool.digest, hashlib.sha256(tail).hexdigest()]
            if own != [facts["digest"], facts["digest of tail"]]:
                return None
            spool._file = file
            spool._stack = stack.pop_all()
            return spool, tail, facts

    def _write(self, data: bytes) -> None:
        self._hash.update(data)
        self._size += len(data)
        if self._file is None and self._size <= self._limit:
            self._held += data
            return
        if self._file is None:
            self._file = self._open()
            self._file.write(_MARK + self._held)
            self._held = bytearray()
        self._file.write(data)

    def _open(self) -> BinaryIO:
        if self._target is None:
            nameless = tempfile.TemporaryFile(prefix="rnnfast")  # noqa: SIM115
            made: BinaryIO = self._stack.enter_context(nameless)
            return made
        target = os.path.realpath(self._target)
        remove_left_over(target)
        self._temporary, file = self._stack.enter_context(temporary_file(target))
        self._stack.callback(self._remove)
        return file

    def _remove(self) -> None:
        if self._temporary is not None:
            with suppress(OSError):
                os.unlink(self._temporary)

    def _bytes(self, offset: int, count: int) -> Any:
        if self._file is None:
            return memoryview(self._held)[offset : offset + count]
        self._file.flush()
        data = read_at(self._file, len(_MARK) + offset, count)
        if len(data) < count:
            raise OSError(
                f"corpus: expected {count} bytes of ids at {offset} of their file, got {len(data)}"
            )
        return data


def is_spool(path: str) -> bool:
    """Return whether a file is one that `Spool.keep` wrote, maybe damaged since; or is empty."""
    with open(path, "rb") as file:
        head = file.read(len(_MARK))
        file.seek(-min(len(_MARK), os.fstat(file.fileno()).st_size), os.SEEK_END)
        return head in (b"", _MARK) or file.read() == _MARK


def read_at(file: BinaryIO, offset: int, count: int) -> bytes:
    """Return bytes of a file; of one that several read at once where the system can."""
    if hasattr(os, "pread"):
        return os.pread(file.fileno(), count, offset)
    file.seek(offset)
    return file.read(count)
