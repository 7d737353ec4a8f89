"""Files: whole or not at all when written, with a clear reason when they cannot be read."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from typing import BinaryIO

from rnnfast.io.others import kind_of_no_text

try:
    import fcntl
except ModuleNotFoundError:  # a system that does not delete files which are open
    fcntl = None  # type: ignore[assignment]

FilePath = str | os.PathLike[str]


def check_path(name: str, path: object) -> str:
    """Return a path as a str that a file can have.

    Raises
    ------
    TypeError
        If it is no path.
    ValueError
        If no file has such a name: it has a NUL, or what the file system's encoding lacks.
    """
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise TypeError(f"{name}: expected a path, got {type(path).__name__}")
    shown = os.fsdecode(path)
    try:
        valid = b"\0" not in os.fsencode(shown)
    except UnicodeEncodeError:
        valid = False
    if not valid:
        raise ValueError(f"{name}: expected a path that a file can have, got {ascii(shown)[:200]}")
    return shown


def is_of_folder(path: str) -> bool:
    """Whether a path ends as that of a folder does, whatever stands there."""
    return path.endswith((os.sep, os.altsep or os.sep))


def shown_path(path: FilePath) -> str:
    """Return a path as it stands in messages: as it is, unless something in it cannot be seen."""
    text = os.fsdecode(path)
    return text if text.isprintable() else ascii(text)


def write_atomically(
    path: FilePath, content: bytes | Callable[[BinaryIO], object], *, new: bool = False
) -> None:
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
    new : bool
        Whether the file is to be a new one: of several writers at once, one succeeds, where the
        file system has hard links; where not, the last of those that begin together.

    Raises
    ------
    OSError
        If the file cannot be written: of the subclass and with the ``errno`` of the cause (a
        missing folder, no permission, a full disk; FileExistsError: it was to be new), and with
        ``path`` as its ``filename``.
    """
    shown = check_path("path", path)
    target = os.path.realpath(shown)
    try:
        if is_of_folder(shown):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        mode = _mode_of_old(target)
        remove_left_over(target)
        with temporary_file(target) as (temporary, file):
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if mode is not None:
                os.chmod(temporary, mode)
            if fcntl is None:
                file.close()  # where an open file cannot be renamed
            (_move_to_nothing if new else os.replace)(temporary, target)
    except OSError as error:
        reason = f"not written, {error.strerror or error}"
        if error.errno is None:
            raise OSError(f"{reason}: {shown!r}") from error
        raise OSError(error.errno, reason, shown) from error
    _sync_folder(os.path.dirname(target))


def require_writable(name: str, path: FilePath) -> None:
    """Raise unless `write_atomically` may write to ``path``: tried, but nothing is changed.

    For what is written late, so that it does not fail then.

    Raises
    ------
    TypeError
        If it is no path.
    OSError
        Of the subclass of the cause, with ``path`` as its ``filename``: it is a folder, its folder
        does not exist or takes no file, or the file that stands there may not be replaced.
    """
    shown = check_path(name, path)
    target = os.path.realpath(shown)
    if os.path.isdir(target) or is_of_folder(shown):
        raise IsADirectoryError(errno.EISDIR, f"{name}: expected a file, got a folder", shown)
    if not os.path.isdir(os.path.dirname(target)):
        raise FileNotFoundError(errno.ENOENT, f"{name}: its folder does not exist", shown)
    try:
        _mode_of_old(target)
        with temporary_file(target) as (temporary, _):
            os.unlink(temporary)
    except OSError as error:
        reason = f"{name}: cannot be written, {error.strerror or error}"
        raise OSError(error.errno or errno.EIO, reason, shown) from error


def read_bytes(path: str) -> bytes:
    """Read a file; an OSError has the path as its ``filename``, of reading as of opening."""
    with open(path, "rb") as file:
        try:
            return file.read()
        except OSError as error:  # of a device, a network's file system or a disk that fails
            raise OSError(error.errno or errno.EIO, error.strerror or str(error), path) from error


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
    shown = check_path("path", path)
    if os.path.isdir(shown):  # the error of open() differs between systems
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), shown)
    return decode_utf8(shown_path(path), read_bytes(shown))


def decode_utf8(name: str, data: bytes) -> str:
    """Return the text of bytes, as `read_utf8` reads it; ValueError with ``name`` if it is none."""
    kind = kind_of_no_text(data)
    if kind is not None:
        raise ValueError(f"{name}: expected UTF-8 text, got {kind}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name}: expected UTF-8 text, got byte 0x{data[error.start]:02x} "
            f"at offset {error.start} ({error.reason})"
        ) from None
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


_BINARY = getattr(os, "O_BINARY", 0)


@contextlib.contextmanager
def temporary_file(target: str) -> Iterator[tuple[str, BinaryIO]]:
    """Give the path of a new file beside ``target``, and the file; it is gone if this fails.

    The file is locked as long as it is open, which tells `remove_left_over` that its writer lives.
    """
    folder, name = os.path.split(target)
    while True:
        # Short, for names near the file system's limit; random, for several writers at once.
        temporary = os.path.join(folder, f".{name[:32]}.{secrets.token_hex(6)}.rnnfast.tmp")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
        try:
            with os.fdopen(descriptor, "w+b") as file:  # closing it unlocks it
                if _locked_in_time(descriptor):
                    yield temporary, file
                    return
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def _move_to_nothing(temporary: str, target: str) -> None:
    """Rename a file; FileExistsError where there is one already."""
    if fcntl is None:
        os.rename(temporary, target)
        return
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        os.replace(temporary, target)
    else:
        os.unlink(temporary)


def _locked_in_time(descriptor: int) -> bool:
    """Lock a new file; False if it was taken for one that is left over, and removed, before."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:  # a file system without locks, where nothing is ever removed
        return True
    return os.fstat(descriptor).st_nlink > 0


def remove_left_over(target: str) -> None:
    """Remove the temporary files of writers of ``target`` that were killed."""
    folder, name = os.path.split(target)
    ours = re.compile(rf"\.{re.escape(name[:32])}\.[0-9a-f]{{12}}\.rnnfast\.tmp")
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for path in [entry.path for entry in entries if ours.fullmatch(entry.name)]:
            _remove_if_unused(path)


def _remove_if_unused(path: str) -> None:
    with contextlib.suppress(OSError):
        if fcntl is None:
            os.unlink(path)  # refused while its writer has it open
            return
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)
        finally:
            os.close(descriptor)


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
