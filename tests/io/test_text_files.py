"""Text files read in pieces are what they are read whole."""

from __future__ import annotations

import gzip
import random
import sys
from pathlib import Path

import pytest

from rnnfast.io import text_files as module
from rnnfast.io.files import read_utf8
from rnnfast.io.text_files import decode_pieces, read_pieces, text_files

TEXT = "\ufeffnaïve\r\nline\rend\n\n日本\U0001f600 \r\n"
READ = "naïve\nline\nend\n\n日本\U0001f600 \n"


def split(data: bytes, seed: int) -> list[bytes]:
    cuts = sorted(random.Random(seed).sample(range(len(data) + 1), 9))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def test_pieces_are_the_text(tmp_path: Path) -> None:
    """Wherever they are cut: within a character, a line end or the mark at the start."""
    path = tmp_path / "c"
    path.write_bytes(TEXT.encode())
    assert read_utf8(path) == "".join(read_pieces(str(path))) == READ
    for seed in range(200):
        blocks = split(TEXT.encode(), seed)
        if blocks[0]:  # a block of nothing ends what is read, and none is handed on
            assert "".join(decode_pieces("c", blocks)) == READ


@pytest.mark.parametrize("end", ["", ".gz", ".GZ"])
def test_blocks_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    path = tmp_path / f"c.txt{end}"
    path.write_bytes(gzip.compress(TEXT.encode(), mtime=0) if end else TEXT.encode())
    for size in (1, 2, 3, 1 << 20):
        monkeypatch.setattr(module, "_BLOCK", size)
        told: list[int] = []
        assert "".join(read_pieces(str(path), told.append)) == READ
        assert told == sorted(told) and told[-1] == path.stat().st_size


def test_zstandard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several frames, as `zstd` appends them; and one that is cut short is told."""
    zstandard = pytest.importorskip("zstandard")
    pack = zstandard.ZstdCompressor().compress
    path = tmp_path / "c.zst"
    for size in (1, 7, 1 << 13):
        monkeypatch.setattr(module, "_BLOCK_OF_ZSTANDARD", size)
        path.write_bytes(pack(TEXT.encode()) + pack(b"more"))
        assert "".join(read_pieces(str(path))) == READ + "more"
        path.write_bytes(pack(TEXT.encode())[:-1])
        with pytest.raises(ValueError, match=r"c.zst: expected a Zstandard file that is whole"):
            list(read_pieces(str(path)))
        path.write_bytes(b"text")
        with pytest.raises(ValueError, match=r"c.zst: expected a Zstandard file that is whole"):
            list(read_pieces(str(path)))


def test_zstandard_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    path = tmp_path / "c.zst"
    path.write_bytes(b"text")
    expected = r"c.zst: expected the package zstandard to unpack it, got none; pip install zst"
    with pytest.raises(ModuleNotFoundError, match=expected):
        list(read_pieces(str(path)))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a", b"ab\xffc", "a: expected UTF-8 text, got byte 0xff at offset 2 (invalid start byte)"),
        ("a", b"abc\xe4\xb8", "a: expected UTF-8 text, got byte 0xe4 at offset 3 (unexpected end"),
        ("a", TEXT.encode("utf-16"), "a: expected UTF-8 text, got UTF-16, by its byte order mark"),
        ("a", gzip.compress(b"a", mtime=0), "a: expected UTF-8 text, got a gzip archive; gunzip"),
        ("a.gz", b"text", "a.gz: expected a gzip file that is whole, got a damaged one (Not a gz"),
        (
            "a.gz",
            gzip.compress(b"a" * 99, mtime=0)[:-9],
            "a.gz: expected a gzip file that is whole, got",
        ),
        (
            "a.gz",
            gzip.compress(b"a" * 99, mtime=0)[:-8] + b"12345678",
            "a.gz: expected a gzip file that is",
        ),
    ],
)
def test_what_is_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(data)
    for size in (1 << 20, 4):
        monkeypatch.setattr(module, "_BLOCK", size)
        if size == 4 and "UTF-8 text, got byte" not in message and "gzip file" not in message:
            continue  # told by what a file begins with
        with pytest.raises(ValueError) as caught:
            list(read_pieces(str(tmp_path / name)))
        assert str(caught.value).startswith(f"{tmp_path}/{message}")


def test_folders(tmp_path: Path) -> None:
    """Files of text at any depth, by their names; not what is hidden, nor other files."""
    for name in ("b.txt", "a/z.TXT", "a/b/c.txt.gz", "a.txt.zst", ".git/c.txt", "x.py", ".h.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    names = [str(Path(path).relative_to(tmp_path)) for path in text_files(tmp_path)]
    assert names == ["a.txt.zst", "b.txt", "a/z.TXT", "a/b/c.txt.gz"]
    assert text_files(tmp_path / "x.py") == [str(tmp_path / "x.py")]
    with pytest.raises(ValueError, match=r"\.git/none: expected a folder with files that end in"):
        (tmp_path / ".git/none").mkdir()
        text_files(tmp_path / ".git/none")
    with pytest.raises(FileNotFoundError):
        text_files(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        list(read_pieces(str(tmp_path)))
