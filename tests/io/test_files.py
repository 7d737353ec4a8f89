"""Files are written whole or not at all, and what is no text is recognised."""

import bz2
import errno
import gzip
import lzma
import os
import re
import stat
import threading

import pytest

from rnnfast import load
from rnnfast.data.datasets import read_text
from rnnfast.io import files as _files
from rnnfast.io import others
from rnnfast.text import Vocabulary


def _full_disk(*args):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("failing", ["fsync", "replace", "chmod"])
def test_full_disk_leaves_the_old_file(tmp_path, monkeypatch, failing):
    path = tmp_path / "vocabulary.json"
    path.write_text("old")
    monkeypatch.setattr(_files.os, failing, _full_disk)
    with pytest.raises(
        OSError, match=r"^\[Errno 28\] not written, No space left .*json'$"
    ) as caught:
        Vocabulary(["a"]).save(path)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(path)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["vocabulary.json"]


def test_full_disk_in_the_middle_of_writing(tmp_path, monkeypatch):
    path = tmp_path / "model"
    path.write_text("old")
    real_fdopen = os.fdopen

    def fdopen(*args, **kwargs):
        file = real_fdopen(*args, **kwargs, buffering=0)
        return _FullAfterOneByte(file)

    monkeypatch.setattr(_files.os, "fdopen", fdopen)
    with pytest.raises(OSError, match=r"not written, No space left on device"):
        _files.write_atomically(path, b"new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["model"]


class _FullAfterOneByte:
    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.file.close()

    def write(self, content):
        self.file.write(content[:1])
        _full_disk()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_the_error_of_a_device_that_is_really_full(tmp_path, monkeypatch):
    real_open = os.open
    monkeypatch.setattr(
        _files.os, "open", lambda path, flags, mode=0o777: real_open("/dev/full", os.O_WRONLY)
    )
    with pytest.raises(OSError, match=r"not written, No space left on device: '.*new'"):
        _files.write_atomically(tmp_path / "new", b"content")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_writer_that_fails_changes_nothing(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("old")

    def writer(file):
        file.write(b"half")
        raise error("stop")

    with pytest.raises(error, match="stop"):
        _files.write_atomically(path, writer)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_an_error_without_a_number_keeps_its_words(tmp_path):
    def writer(file):
        raise OSError("out of paper")

    with pytest.raises(OSError, match=r"^not written, out of paper: '.*file'$"):
        _files.write_atomically(tmp_path / "file", writer)


def test_a_writer_may_write_by_parts(tmp_path):
    path = tmp_path / ("x" * 255)
    _files.write_atomically(path, lambda file: file.writelines([b"a", b"b"]))
    assert path.read_bytes() == b"ab"


def test_mode_link_and_umask(tmp_path):
    real = tmp_path / "real"
    _files.write_atomically(real, b"1")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(real.stat().st_mode) == 0o666 & ~umask
    real.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(real)
    _files.write_atomically(link, b"2")
    assert link.is_symlink()
    assert real.read_bytes() == b"2"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_where_no_file_can_be(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"not written, No such file or directory: .*a/b'"):
        _files.write_atomically(tmp_path / "a" / "b", b"")
    with pytest.raises(IsADirectoryError, match="not written, Is a directory"):
        _files.write_atomically(tmp_path, b"")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=r"not written, not a regular file: .*pipe'"):
        _files.write_atomically(tmp_path / "pipe", b"")
    (tmp_path / "pipe").unlink()
    (tmp_path / "locked").touch()
    monkeypatch.setattr(_files.os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match=r"not written, Permission denied: .*locked'"):
        _files.write_atomically(tmp_path / "locked", b"new")
    assert (tmp_path / "locked").read_bytes() == b""
    with pytest.raises(TypeError, match=r"path: expected a path, got int"):
        _files.write_atomically(3, b"")


def test_the_path_of_a_folder_is_that_of_no_file(tmp_path):
    """Whether the folder is there or not: a file of that name without the end was not meant."""
    for path in (f"{tmp_path}{os.sep}", f"{tmp_path / 'new'}{os.sep}"):
        with pytest.raises(IsADirectoryError, match=r"not written, Is a directory"):
            _files.write_atomically(path, b"")
        with pytest.raises(IsADirectoryError, match=r"checkpoint: expected a file, got a folder"):
            _files.require_writable("checkpoint", path)
    assert list(tmp_path.iterdir()) == []


TEXT = "Cats average 15 hours of sleep.\nΑλφα.\n" * 3
PLAIN = "Cats average 15 hours of sleep.\n" * 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT.encode("utf-16"), "UTF-16, by its byte order mark; iconv -f UTF-16 -t UTF-8"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "UTF-16, by its byte order mark; iconv"),
        (TEXT.encode("utf-32"), "UTF-32, by its byte order mark; iconv -f UTF-32 -t UTF-8"),
        (b"\x00\x00\xfe\xff" + TEXT.encode("utf-32-be"), "UTF-32, by its byte order mark; iconv"),
        (PLAIN.encode("utf-16-le"), "zero bytes, as UTF-16 has them; iconv -f UTF-16LE -t UTF-8"),
        (PLAIN.encode("utf-16-be"), "zero bytes, as UTF-16 has them; iconv -f UTF-16BE -t UTF-8"),
        (gzip.compress(TEXT.encode(), mtime=0), "a gzip archive; gunzip unpacks it"),
        (bz2.compress(TEXT.encode()), "a bzip2 archive; bunzip2 unpacks it"),
        (lzma.compress(TEXT.encode()), "an xz archive; unxz unpacks it"),
        (b"\x28\xb5\x2f\xfd\x04\x00", "a Zstandard archive; unzstd unpacks it"),
        (b"PK\x03\x04\x14\x00\x00\x00", "a ZIP archive, or an office document; its text has to"),
        (b"\x93NUMPY\x01\x00v\x00{'descr'", "an array of NumPy; numpy.load reads it"),
        (b"\x89HDF\r\n\x1a\n" + b"0" * 40, "an HDF5 file, which holds no text"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document; its text has to be exported"),
    ],
)
def test_what_is_no_text_is_recognised(tmp_path, content, message):
    path = tmp_path / "corpus.txt"
    path.write_bytes(content)
    for read in (_files.read_utf8, read_text):
        with pytest.raises(ValueError, match=rf"expected UTF-8 text, got {re.escape(message)}"):
            read(path)


SCRIPTS = [
    "Η Αθήνα είναι η πρωτεύουσα.", "Москва столица России.", "שלום עולם", "مرحبا بالعالم",
    "नमस्ते दुनिया", "สวัสดี ชาวโลก", "你好世界，今天天气很好。", "こんにちは世界。", "안녕 세상",
    "😀 hi 😀",
]  # fmt: skip


@pytest.mark.parametrize("line", SCRIPTS)
@pytest.mark.parametrize("order", ["LE", "BE"])
def test_utf16_of_any_script(tmp_path, line, order):
    """Without a mark; some of it is valid UTF-8 and would be learned as other letters."""
    path = tmp_path / "corpus.txt"
    for count in (2, 900):  # less and more than what is looked at
        path.write_bytes((f"{line}\n" * count).encode(f"utf-16-{order.lower()}"))
        with pytest.raises(ValueError, match=rf"UTF-16 has them; iconv -f UTF-16{order} -t UTF-8"):
            _files.read_utf8(path)
        for encoding in ("utf-8", "gb18030"):
            assert others._utf16_order((f"{line}\n" * count).encode(encoding)[:4096]) is None


@pytest.mark.parametrize(
    "text",
    [
        "BZh is how bzip2 begins",
        "PK",
        "%PDF-",
        "BZhé12",
        "%PDF-é",
        "BZh" + "é" * 5000,
        "",
        "a\0b in a text of letters",
        "A zero\0at a place that is odd, and no other one.",
        "\x1b[1m",
    ],
)
def test_texts_that_begin_alike(tmp_path, text):
    (tmp_path / "a").write_bytes(text.encode())
    assert _files.read_utf8(tmp_path / "a") == text


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="no /proc/self/mem here")
def test_what_opens_but_cannot_be_read_has_its_name():
    """Its first page is never mapped."""
    with pytest.raises(OSError, match=r"/proc/self/mem") as caught:
        _files.read_utf8("/proc/self/mem")
    assert (caught.value.errno, caught.value.filename) == (errno.EIO, "/proc/self/mem")
    with pytest.raises(OSError, match=r"cannot be read .*/proc/self/mem") as caught:
        load("/proc/self/mem")
    assert caught.value.filename == "/proc/self/mem"


def test_odd_names_are_shown_on_one_line(tmp_path):
    path = tmp_path / "a\nb"
    path.write_bytes(gzip.compress(TEXT.encode()))
    with pytest.raises(ValueError, match=r"^'.*a\\nb': expected UTF-8 text, got a gzip") as caught:
        _files.read_utf8(path)
    assert "\n" not in str(caught.value)


def test_of_several_writers_of_a_new_file_one_succeeds(tmp_path):
    path, barrier = tmp_path / "x", threading.Barrier(8)
    ended: list[str] = []

    def write(number: int) -> None:
        barrier.wait()
        try:
            _files.write_atomically(path, bytes([number]), new=True)
            ended.append("written")
        except FileExistsError as error:
            assert error.filename == str(path) and "not written, File exists" in str(error)
            ended.append("refused")

    for _ in range(20):
        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(ended) == ["refused"] * 7 + ["written"]
        assert [entry.name for entry in tmp_path.iterdir()] == ["x"] and len(path.read_bytes()) == 1
        path.unlink()
        ended.clear()


def test_a_new_file_where_there_are_no_links(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr("os.link", refuse)
    _files.write_atomically(tmp_path / "x", b"1", new=True)
    with pytest.raises(FileExistsError):
        _files.write_atomically(tmp_path / "x", b"2", new=True)
    assert (tmp_path / "x").read_bytes() == b"1" and len(list(tmp_path.iterdir())) == 1
