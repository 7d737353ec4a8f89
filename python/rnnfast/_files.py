"""Files: whole or not at all when written, with a clear reason when they cannot be read."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable
from typing import BinaryIO

FilePath = str | os.PathLike[str]


def write_atomically(path: FilePath, content: bytes | Callable[[BinaryIO], object]) -> None:
    """Write a file so that its path holds the old content or the new, never a part.

    The content goes to a temporary file in the same folder, is flushed to the disk, and takes the
    place of the old file by a rename. Whatever goes wrong, the temporary file is removed. A
    symbolic link stays one: the file that it points to is replaced. The mode of an old file is
    kept.

    Parameters
    ----------
    path : str or path-like
        The file to write; its folder must exist.
    content : bytes, or callable
        The content, or a function that writes it to the open binary file that it is given.

    Raises
    ------
    OSError
        If the file cannot be written: of the subclass and with the ``errno`` of the cause (a
        missing folder, no permission, a full disk), and with ``path`` as its ``filename``.
    """
    shown = os.fsdecode(path)
    target = os.path.realpath(shown)
    folder, name = os.path.split(target)
    # Short, for names near the file system's limit; random, for several writers at once.
    temporary = os.path.join(folder, f".{name[:32]}.{secrets.token_hex(6)}.tmp")
    try:
        mode = _mode_of_old(target)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if callable(content):
                    content(file)
                else:
                    file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if mode is not None:
                os.chmod(temporary, mode)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        reason = f"not written, {error.strerror or error}"
        if error.errno is None:
            raise OSError(f"{reason}: {shown!r}") from error
        raise OSError(error.errno, reason, shown) from error
    _sync_folder(folder)


def require_folder_of(name: str, path: FilePath) -> None:
    """Raise unless ``path`` may become a file: its folder exists, and it is none itself.

    For what is written late, so that it does not fail then.

    Raises
    ------
    TypeError
        If it is no path.
    OSError
        Of the subclass of the cause, with ``path`` as its ``filename``.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{name}: expected a path, got {type(path).__name__}")
    shown = os.fsdecode(path)
    if os.path.isdir(shown):
        raise IsADirectoryError(errno.EISDIR, f"{name}: expected a file, got a folder", shown)
    if not os.path.isdir(os.path.dirname(os.path.realpath(shown))):
        raise FileNotFoundError(errno.ENOENT, f"{name}: its folder does not exist", shown)


def read_utf8(path: FilePath) -> str:
    """Read a UTF-8 file, without a byte order mark and with ``\\n`` for every kind of line end.

    Raises
    ------
    OSError
        If it cannot be read, for example because it is missing or a folder.
    ValueError
        If it is not UTF-8; the message tells what it seems to be, or the offset of the first wrong
        byte.
    """
    shown = os.fsdecode(path)
    if os.path.isdir(shown):  # the error of open() differs between systems
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), shown)
    with open(shown, "rb") as file:
        data = file.read()
    kind = _kind_of(data)
    if kind is not None:
        raise ValueError(f"{shown}: expected UTF-8 text, got {kind}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{shown}: expected UTF-8 text, got byte 0x{data[error.start]:02x} "
            f"at offset {error.start} ({error.reason})"
        ) from None
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


# What files begin with that are taken for text by mistake, and what makes text of them. The marks
# of UTF-32 come before those of UTF-16, one of which begins it.
_BEGINNINGS = (
    (b"\xff\xfe\x00\x00", "UTF-32, by its byte order mark; iconv -f UTF-32 -t UTF-8 converts it"),
    (b"\x00\x00\xfe\xff", "UTF-32, by its byte order mark; iconv -f UTF-32 -t UTF-8 converts it"),
    (b"\xff\xfe", "UTF-16, by its byte order mark; iconv -f UTF-16 -t UTF-8 converts it"),
    (b"\xfe\xff", "UTF-16, by its byte order mark; iconv -f UTF-16 -t UTF-8 converts it"),
    (b"\x1f\x8b", "a gzip archive; gunzip unpacks it"),
    (b"BZh", "a bzip2 archive; bunzip2 unpacks it"),
    (b"\xfd7zXZ\x00", "an xz archive; unxz unpacks it"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive; unzstd unpacks it"),
    (
        b"PK\x03\x04",
        "a ZIP archive, or an office document; its text has to be exported",
    ),
    (b"%PDF-", "a PDF document; its text has to be exported"),
)


def _kind_of(data: bytes) -> str | None:
    """Return what a file is that is no text in UTF-8, and the cure; None: it may be one."""
    for beginning, kind in _BEGINNINGS:
        # A text may begin with these letters: an archive has bytes that no text has.
        if data.startswith(beginning) and (beginning[0] > 0x7F or _is_binary(data)):
            return kind
    # UTF-16 of mostly Latin letters without a mark is valid UTF-8: every other byte is 0.
    start = data[:4096]
    if len(start) > 1 and 3 * start.count(0) > len(start):
        order = "LE" if start[1::2].count(0) > start[::2].count(0) else "BE"
        return f"zero bytes, as UTF-16 has them; iconv -f UTF-16{order} -t UTF-8 converts it"
    return None


def _is_binary(data: bytes) -> bool:
    """Whether there are control characters that no text has, or bytes that UTF-8 has not."""
    start = data[:4096]
    if any(byte < 9 or 13 < byte < 27 for byte in start):
        return True
    try:
        start[:-3].decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


_BINARY = getattr(os, "O_BINARY", 0)


def _mode_of_old(target: str) -> int | None:
    """Return the permissions of the file to be replaced, None where there is none yet."""
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):  # a rename would put a file in the place of a device or a pipe
        raise OSError(errno.EINVAL, "not a regular file")
    if not os.access(target, os.W_OK):  # a rename would not ask
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return stat.S_IMODE(mode)


def _sync_folder(folder: str) -> None:
    """Bring the rename to the disk, where the system can: the file itself is whole already."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
