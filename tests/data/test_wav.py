"""WAV files of every kind that is read, and one line for all others."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnfast.data import audio

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
GUID_END = bytes.fromhex("000000001000800000aa00389b71")


def make_wav(
    data: bytes,
    *,
    code: int = PCM,
    bits: int = 16,
    channels: int = 1,
    rate: int = 8000,
    extensible: bool = False,
    block: int | None = None,
    before: bytes = b"",
    size: int | None = None,
) -> bytes:
    """A file by the format's definition, field by field."""
    block = channels * bits // 8 if block is None else block
    head = (EXTENSIBLE if extensible else code, channels, rate, rate * block, block, bits)
    fmt = struct.pack("<HHIIHH", *head)
    if extensible:
        fmt += struct.pack("<HHIH", 22, bits, 0, code) + GUID_END
    chunks = b"fmt " + struct.pack("<I", len(fmt)) + fmt + before
    chunks += b"data" + struct.pack("<I", len(data) if size is None else size) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def read(content: bytes) -> tuple[np.ndarray, int]:
    return audio.read_wav(io.BytesIO(content))


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_pcm(bits: int, channels: int, extensible: bool) -> None:
    top = 2 ** (bits - 1)
    whole = np.random.default_rng(bits).integers(-top, top, size=(7, channels))
    whole[0, 0], whole[1, 0] = -top, top - 1
    data = b"".join(
        int(n + (128 if bits == 8 else 0)).to_bytes(bits // 8, "little", signed=bits > 8)
        for n in whole.ravel()
    )
    samples, rate = read(make_wav(data, bits=bits, channels=channels, extensible=extensible))
    assert rate == 8000 and samples.dtype == np.float64
    np.testing.assert_array_equal(samples.reshape(7, channels), whole / top)
    assert samples.shape == ((7,) if channels == 1 else (7, channels))


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("bits", [32, 64])
def test_float(bits: int, extensible: bool, tmp_path: Path) -> None:
    values = np.array([[0.0, -1.0], [0.1, 1.5], [1e-30, 0.75]], f"<f{bits // 8}")
    content = make_wav(
        values.tobytes(), code=FLOAT, bits=bits, channels=2, rate=44100, extensible=extensible
    )
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    for file in (path, str(path), io.BytesIO(content)):
        samples, rate = audio.read_wav(file)
        assert rate == 44100
        np.testing.assert_array_equal(samples, values.astype(np.float64))


def test_other_chunks_are_passed_over() -> None:
    other = b"LIST" + struct.pack("<I", 3) + b"abc\0" + b"fact" + struct.pack("<I", 4) + b"1234"
    samples, _ = read(make_wav(b"\x00\x40\x00\xc0", before=other))
    assert samples.tolist() == [0.5, -0.5]
    after = make_wav(b"\x00\x40") + b"LIST" + struct.pack("<I", 100) + b"cut"
    assert read(after)[0].tolist() == [0.5]
    assert read(make_wav(b""))[0].shape == (0,)
    assert read(make_wav(b"", channels=2))[0].shape == (0, 2)
    # 20 bits fill the high ones of three bytes.
    assert read(make_wav(b"\x00\x00\x40", bits=20, block=3))[0].tolist() == [0.5]


READ = "PCM of 8, 16, 24 or 32 bits or float of 32 or 64"
BAD: list[tuple[bytes, str]] = [
    (b"", "expected a WAV file, got another kind of file"),
    (b"RIFF", "expected a WAV file, got another kind of file"),
    (b"OggS" + bytes(90), "expected a WAV file, got another kind of file"),
    (b"RIFX\0\0\0\0WAVE", "expected a WAV file, got one of big-endian numbers (RIFX)"),
    (b"RF64\0\0\0\0WAVE", "expected a WAV file, got an RF64 file"),
    (b"RIFF\0\0\0\0WAVE", "expected samples, got a WAV file without any"),
    (make_wav(bytes(5), bits=40), f"expected {READ}, got PCM of 40 bits in 5 bytes for 1 channels"),
    (make_wav(bytes(8), bits=64), f"expected {READ}, got PCM of 64 bits in 8 bytes for 1 channels"),
    (
        make_wav(bytes(2), code=FLOAT, bits=16),
        f"expected {READ}, got float of 16 bits in 2 bytes for 1 channels",
    ),
    (make_wav(bytes(2), code=6, bits=8), f"expected {READ}, got A-law"),
    (make_wav(bytes(2), code=0x55), f"expected {READ}, got MP3"),
    (make_wav(bytes(2), code=0x1234), f"expected {READ}, got the code 0x1234"),
    (make_wav(bytes(2), code=2, extensible=True), f"expected {READ}, got Microsoft ADPCM"),
    (
        make_wav(bytes(2), extensible=True).replace(GUID_END, bytes(14)),
        f"expected {READ}, got the code 01000000000000000000000000000000",
    ),
    (make_wav(bytes(4), bits=24, block=4), f"expected {READ}, got PCM of 24 bits in 4 bytes for 1"),
    (make_wav(bytes(2), block=0), f"expected {READ}, got PCM of 16 bits in 0 bytes for 1 channels"),
    (make_wav(bytes(6), channels=2, block=3), f"expected {READ}, got PCM of 16 bits in 3 bytes"),
    (make_wav(bytes(2), channels=0, block=2), "expected channels and a rate above 0, got 0 and"),
    (make_wav(bytes(2), rate=0), "expected channels and a rate above 0, got 1 and 0"),
    (make_wav(bytes(3)), "expected samples of 2 bytes each, got 3 bytes: the file is cut short"),
    (make_wav(bytes(4), size=8), "expected 8 bytes of data, got 4: the file is cut short"),
    (
        make_wav(bytes(4), size=2**32 - 1),
        "expected 4294967295 bytes of data, got 4: the file is cut short",
    ),
    (make_wav(bytes(4))[:30], "expected 16 bytes of fmt, got 10: the file is cut short"),
    (
        b"RIFF\0\0\0\0WAVEfmt \x04\0\0\0\1\0\1\0",
        "expected a format of at least 16 bytes, got 4",
    ),
    (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "expected a format before the samples, got none"),
    (
        make_wav(np.array([0, np.nan], "<f4").tobytes(), code=FLOAT, bits=32),
        "expected finite samples, got nan at sample 1",
    ),
]


@pytest.mark.parametrize(("content", "message"), BAD, ids=[message for _, message in BAD])
def test_what_is_not_read(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=": expected ") as caught:
        audio.read_wav(path)
    assert str(caught.value).startswith(f"{path}: {message}") and "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=": expected ") as caught:
        read(content)
    assert str(caught.value).startswith(f"file: {message}")


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"^file: expected a path or a binary file, got int$"):
        audio.read_wav(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^file: expected a binary file, got one of str$"):
        audio.read_wav(io.StringIO("RIFF"))  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        audio.read_wav(tmp_path / "none.wav")


WHOLE = make_wav(bytes(range(48)), bits=24, channels=2, extensible=True)


@settings(deadline=None)
@given(st.data())
def test_damaged_files_are_read_or_refused(data: Any) -> None:
    content = bytearray(WHOLE[: data.draw(st.integers(0, len(WHOLE)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        samples, rate = read(bytes(content))
    except ValueError as error:
        assert str(error).startswith("file: expected ")
    else:
        assert np.isfinite(samples).all() and rate > 0 and samples.size <= len(content)


def test_names_that_cannot_be_or_have_several_lines(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^file: expected a path that a file can have"):
        audio.read_wav("a\0b")
    path = tmp_path / "a\nb"
    path.write_bytes(b"text")
    with pytest.raises(ValueError, match=r"^'.*a\\nb': expected a WAV file") as caught:
        audio.read_wav(path)
    assert "\n" not in str(caught.value)
