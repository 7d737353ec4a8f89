"""Vectors of words from text files, as GloVe, word2vec and fastText write them."""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import re
import zlib
from collections.abc import Container, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks import make_generator
from rnnfast._checks.arrays import check_float_dtype, require_array, require_finite, require_ndarray
from rnnfast._checks.memory import check_bytes
from rnnfast._checks.messages import counted
from rnnfast.io.files import FilePath, check_path, shown_path
from rnnfast.io.others import kind_of_no_text
from rnnfast.text.vocabulary import Vocabulary

_Table = npt.NDArray[np.floating[Any]]
# A line of 300 numbers has some 3,000 bytes: a longer one than this is none of a table of vectors.
_LONGEST_LINE = 2**20
_BUFFER = 2**16
_LARGEST = 1e18  # so that squares can be added up in float32, too
_NUMBER = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_COUNTS = re.compile(rb"\d{1,18} \d{1,18}")


def read_vectors(
    path: FilePath,
    vocabulary: Vocabulary,
    *,
    initial: npt.ArrayLike | None = None,
    dtype: npt.DTypeLike = "float32",
    seed: int | np.random.Generator | None = None,
) -> tuple[_Table, tuple[str, ...]]:
    """Read the vectors of a vocabulary's tokens from a text file.

    Each line has a word and its numbers, parted by single spaces; the first one may instead have
    the number of words and that of a word's numbers, as word2vec and fastText write it. A file in
    gzip is unpacked. The file is read line by line, and only the rows of the table are kept.

    Parameters
    ----------
    path : path-like
        The file, in UTF-8.
    vocabulary : Vocabulary
        Whose tokens to look for. Upper and lower case differ, as in the file.
    initial : array_like, shape (V, D), optional
        The rows of those tokens that the file lacks, of type ``dtype``, such as the weight of a new
        `Embedding`. If left out they are drawn, each number from the normal distribution with the
        mean and the standard deviation that it has over the tokens that were found.
    dtype : {"float32", "float64"}
        Type of the table.
    seed : int or numpy.random.Generator, optional
        Draws rows.

    Returns
    -------
    table : ndarray, shape (V, D)
        The vectors in the order of the ids. The row of ``vocabulary.pad`` is zero.
    missing : tuple of str
        The tokens that the file lacks, in the order of their ids, but for ``vocabulary.pad``.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If a line has not as many numbers as the others, a token's are not numbers from -1e18 to
        1e18, there are more or fewer lines than the first one says, no token is found, the file is
        damaged or something else, or ``initial`` does not fit.
    TypeError
        If an argument is of a wrong type.
    MemoryError
        If the table would take more memory than there is.

    Notes
    -----
    Of a word that comes twice the first line counts. Words may have spaces, as some of GloVe's do.
    The numbers of words that are not wanted are counted, and not looked at.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "vectors.txt")
    >>> _ = path.write_text("owls 0.1 0.2\\nhunt 0.3 0.4\\nsleep 0.5 0.6\\n")
    >>> vocabulary = Vocabulary(["hunt", "owls", "mice"])
    >>> table, missing = read_vectors(path, vocabulary, seed=0)
    >>> table[:2]
    array([[0.3, 0.4],
           [0.1, 0.2]], dtype=float32)
    >>> missing
    ('mice',)
    """
    if not isinstance(vocabulary, Vocabulary):
        got, cure = type(vocabulary).__name__, "Vocabulary.from_tokens(tokens) makes one"
        raise TypeError(f"vocabulary: expected a Vocabulary, got {got}; {cure}")
    kind, rng = check_float_dtype("dtype", dtype), make_generator("seed", seed)
    start = None if initial is None else _check_initial(initial, kind, len(vocabulary))
    wanted = {token.encode("utf-8", "surrogatepass"): i for i, token in enumerate(vocabulary)}
    found = np.zeros(len(vocabulary), bool)
    table: _Table = np.empty((0, 0), kind)
    with opened(path) as (name, file):
        for line, word, numbers in rows_of(name, file, wanted):
            if not table.size:  # the first; what it has is looked at before anything is allocated
                parsed(line, numbers, kind)
                table = _new_table(name, len(vocabulary), len(numbers), kind, start)
            place = wanted.get(word)
            if place is not None and not found[place]:
                table[place] = parsed(line, numbers, kind)
                found[place] = True
    if not found.any():
        raise ValueError(f"{name}: expected vectors of tokens of the vocabulary, got none of them")
    lacking = ~found
    if vocabulary.pad_id is not None:
        table[vocabulary.pad_id] = 0
        lacking[vocabulary.pad_id] = False
    rows = np.flatnonzero(lacking)
    if start is None:
        known = table[found]
        mean, deviation = known.mean(axis=0, dtype="float64"), known.std(axis=0, dtype="float64")
        table[rows] = rng.normal(mean, deviation, (len(rows), table.shape[1]))
    return table, tuple(vocabulary.tokens[row] for row in rows)


def _check_initial(initial: Any, dtype: np.dtype[Any], rows: int) -> _Table:
    array = require_ndarray("initial", initial)
    if array.ndim != 2:
        raise ValueError(f"initial: expected shape ({rows}, D), got {array.shape}")
    array = require_array("initial", array, dtype, (rows, array.shape[1]))
    require_finite("initial", array, ("row", "number"))
    return array


def _new_table(
    name: str, rows: int, size: int, dtype: np.dtype[Any], start: _Table | None
) -> _Table:
    check_bytes(f"{name}: a table of {rows} x {size} numbers", rows * size * dtype.itemsize)
    if start is None:
        return np.zeros((rows, size), dtype)
    if start.shape[1] != size:
        raise ValueError(
            f"initial: expected shape {(rows, size)}, by the vectors of the file, got {start.shape}"
        )
    return start.copy()


@contextlib.contextmanager
def opened(path: FilePath, argument: str = "path") -> Iterator[tuple[str, io.BufferedReader]]:
    """Give the file's name for messages, and the file, unpacked; ``argument`` is for others."""
    import gzip  # takes long to import

    shown = check_path(argument, path)
    name = shown_path(path)
    if os.path.isdir(shown):  # the error of open() differs between systems
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), shown)
    with io.BufferedReader(io.FileIO(shown), _BUFFER) as packed:
        try:
            file: io.BufferedReader[Any] = packed
            if packed.peek(2)[:2] == b"\x1f\x8b":
                file = io.BufferedReader(gzip.GzipFile(fileobj=packed), _BUFFER)
            start = file.peek(_BUFFER)
            other = kind_of_no_text(start)
            first, _, rest = start.partition(b"\n")
            if _COUNTS.fullmatch(first) and b"\0" in rest:
                other = "word2vec's binary form, which has to be written as text first"
            if other is not None:
                raise ValueError(f"{name}: expected UTF-8 text, got {other}")
            yield name, file
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise ValueError(f"{name}: expected a whole gzip archive, got: {error}") from None
        except OSError as error:  # of a device, a network's file system or a disk that fails
            raise OSError(error.errno or errno.EIO, error.strerror or str(error), shown) from error


def rows_of(
    name: str, file: io.BufferedReader, wanted: Container[bytes]
) -> Iterator[tuple[str, bytes, list[bytes]]]:
    """Yield the line's name in messages, the word and its numbers: the first, and those wanted.

    Raise ValueError if a line, also of other words, has not as many numbers as the first, or there
    are not as many words as the first line says, if it says so.
    """
    words = size = 0
    said: int | None = None
    for number, line in enumerate(_lines(name, file), 1):
        if number == 1:
            size = line.count(b" ")
            if size == 1 and _COUNTS.fullmatch(line):
                said, size = map(int, line.split(b" "))
                continue
        plain = words > 0 and line.count(b" ") == size and line[:1] != b" "
        if plain and line[: line.index(b" ")] not in wanted:  # most of them: nothing to look at
            words += 1
            if said is None or words <= said:
                continue
        word, *numbers = line.rsplit(b" ", size)
        if size < 1 or len(numbers) < size or not _is_word(word):
            how_many = counted(size, "number") if size else "its numbers"
            raise ValueError(
                f"{name}, line {number}: expected a word and {how_many}, parted by single spaces, "
                f"got {_shown_line(line)}"
            )
        words += 1
        if said is not None and words > said:
            raise ValueError(f"{name}: expected {counted(said, 'word')}, as line 1 says, got more")
        if words == 1 or word in wanted:
            yield f"{name}, line {number}", word, numbers
    if said is not None and words < said:
        raise ValueError(f"{name}: expected {counted(said, 'word')}, as line 1 says, got {words}")


def _lines(name: str, file: io.BufferedReader) -> Iterator[bytes]:
    """Yield the lines without their ends, and without a byte order mark before the first."""
    mark = codecs.BOM_UTF8
    number = 0
    while line := file.readline(_LONGEST_LINE + 1):
        number += 1
        if len(line) > _LONGEST_LINE:
            raise ValueError(
                f"{name}, line {number}: expected at most {_LONGEST_LINE} bytes, got more"
            )
        yield line.removeprefix(mark if number == 1 else b"").rstrip(b" \r\n")


def _is_word(word: bytes) -> bool:
    """Whether it is a word, which may have spaces within, and not one with a number too many."""
    *_, last = word.rpartition(b" ")
    if not last:
        return not word.strip(b" ")
    return b" " not in word or not _NUMBER.fullmatch(last)


def parsed(line: str, numbers: list[bytes], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return a row; ValueError, with what is wrong, if it is none of finite numbers."""
    for number in numbers:
        if not _NUMBER.fullmatch(number):
            raise ValueError(f"{line}: expected finite numbers, got {_shown_line(number)}")
    row = np.array([float(number) for number in numbers])
    if abs(row).max() > _LARGEST:
        large = numbers[int(abs(row).argmax())]
        raise ValueError(
            f"{line}: expected numbers from -{_LARGEST:g} to {_LARGEST:g}, got {_shown_line(large)}"
        )
    return row.astype(dtype)


def _shown_line(line: bytes) -> str:
    if b"\0" in line:
        return "zero bytes; a binary file, such as word2vec's .bin, has to be written as text first"
    text = line[:80].decode("utf-8", "backslashreplace")
    try:
        line[:76].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":  # which is where it is cut
            cure = "a binary file, such as word2vec's .bin, has to be written as text first"
            return f"{text!r}, which is not UTF-8; {cure}"
    return repr(text) + ("..." if len(line) > 80 else "")
