"""WAV files: RIFF with a chunk that says how samples are kept, and one of samples."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from rnnfast.io.files import check_path, read_bytes, shown_path

Floats = npt.NDArray[np.float64]

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
# The names of other codes that occur, for messages.
_OTHER_CODES = {
    0x0002: "Microsoft ADPCM",
    0x0006: "A-law",
    0x0007: "mu-law",
    0x0011: "IMA ADPCM",
    0x0055: "MP3",
}
# The end of a GUID that stands for one of the codes above.
_GUID_END = bytes.fromhex("000000001000800000aa00389b71")
_READ = "PCM of 8, 16, 24 or 32 bits or float of 32 or 64"


class _Format(NamedTuple):
    """What the chunk "fmt " says."""

    code: int
    channels: int
    rate: int
    block: int  # bytes of a sample of all channels
    bits: int

    @property
    def width(self) -> int:
        """Bytes of a number."""
        return self.block // self.channels


def read_wav(file: str | os.PathLike[str] | BinaryIO) -> tuple[Floats, int]:
    """Read a WAV file.

    Parameters
    ----------
    file : path-like or binary file
        PCM of 8, 16, 24 or 32 bits, or floating point of 32 or 64, by the plain form of the header
        or by WAVE_FORMAT_EXTENSIBLE. A file must be whole, and is read to its end.

    Returns
    -------
    samples : ndarray of float64, shape (N,), or (N, channels) if there are several
        From -1 to 1; floating-point samples as they are.
    rate : int
        Samples a second.

    Raises
    ------
    ValueError
        If it is no such file, is cut short or contradicts itself, or a sample is NaN or infinite.
    TypeError
        If it is neither a path nor a binary file.
    OSError
        If it cannot be read.
    """
    if isinstance(file, (str, os.PathLike)):
        path = check_path("file", file)
        name = shown_path(path)
        data = read_bytes(path)
    else:
        name = "file"
        if not hasattr(file, "read"):
            raise TypeError(f"file: expected a path or a binary file, got {type(file).__name__}")
        data = file.read()
        if not isinstance(data, bytes):
            raise TypeError(f"file: expected a binary file, got one of {type(data).__name__}")
    try:
        return _read(data)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _read(data: bytes) -> tuple[Floats, int]:
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        kind = {b"RIFX": ", got one of big-endian numbers (RIFX)", b"RF64": ", got an RF64 file"}
        raise ValueError(f"expected a WAV file{kind.get(data[:4], ', got another kind of file')}")
    found: _Format | None = None
    place = 12
    while place + 8 <= len(data):
        chunk, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        content = memoryview(data)[place + 8 : place + 8 + size]
        if len(content) < size and chunk in (b"fmt ", b"data"):
            shown = chunk.decode().strip()
            raise ValueError(
                f"expected {size} bytes of {shown}, got {len(content)}: the file is cut short"
            )
        if chunk == b"fmt ":
            found = _read_format(bytes(content))
        elif chunk == b"data":
            if found is None:
                raise ValueError("expected a format before the samples, got none")
            return _read_samples(found, content), found.rate
        place += 8 + size + size % 2
    raise ValueError("expected samples, got a WAV file without any")


def _read_format(content: bytes) -> _Format:
    if len(content) < 16:
        raise ValueError(f"expected a format of at least 16 bytes, got {len(content)}")
    code, channels, rate, _, block, bits = struct.unpack("<HHIIHH", content[:16])
    if code == _EXTENSIBLE:
        guid = content[24:40]
        if len(guid) < 16:
            raise ValueError(f"expected an extended format of 40 bytes, got {len(content)}")
        if guid[2:] != _GUID_END:
            raise ValueError(f"expected {_READ}, got the code {guid.hex()}")
        code = int.from_bytes(guid[:2], "little")
    if code not in (_PCM, _FLOAT):
        raise ValueError(f"expected {_READ}, got {_OTHER_CODES.get(code, f'the code {code:#06x}')}")
    if channels == 0 or rate == 0:
        raise ValueError(f"expected channels and a rate above 0, got {channels} and {rate}")
    found = _Format(code, channels, rate, block, bits)
    known = (4, 8) if code == _FLOAT else (1, 2, 3, 4)
    if found.width not in known or block % channels or -(-bits // 8) != found.width:
        kind = "float" if code == _FLOAT else "PCM"
        raise ValueError(
            f"expected {_READ}, got {kind} of {bits} bits in {block} bytes for {channels} channels"
        )
    return found


def _read_samples(found: _Format, content: memoryview) -> Floats:
    if len(content) % found.block:
        raise ValueError(
            f"expected samples of {found.block} bytes each, got {len(content)} bytes: "
            "the file is cut short"
        )
    samples: Floats
    if found.code == _FLOAT:
        samples = np.frombuffer(content, f"<f{found.width}").astype(np.float64)
        wrong = np.flatnonzero(~np.isfinite(samples))
        if len(wrong):
            at = wrong[0] // found.channels
            raise ValueError(f"expected finite samples, got {samples[wrong[0]]} at sample {at}")
    else:
        # A number's bytes become the highest of four, little end first: an int32 of its sign.
        width = found.width
        wide = np.zeros((len(content) // width, 4), np.uint8)
        wide[:, 4 - width :] = np.frombuffer(content, np.uint8).reshape(-1, width)
        if width == 1:
            wide[:, 3] ^= 0x80  # 8 bits alone have no sign: 128 is silence
        samples = wide.view("<i4")[:, 0] / 2.0**31
    return samples if found.channels == 1 else samples.reshape(-1, found.channels)
