"""Files of others, told by what they begin with: what they are, and what reads them."""

from __future__ import annotations

import codecs
import os

_PICKLE = "a pickle, which can run code when it is read, and is not read here"
_OF_TORCH = (
    f"a file of PyTorch: {_PICKLE}; torch.load(path, weights_only=True) gives arrays for "
    "load_state_dict of a layer"
)
_OF_KERAS = "of Keras; rnnfast.interop.keras.read_keras reads it"
_NUMPY = "of NumPy; numpy.load reads it"
_TORCH_ENDS = (".pt", ".pth", ".bin", ".ckpt")
_HDF5_MARK, _NUMPY_MARK, _ZIP_MARK = b"\x89HDF\r\n\x1a\n", b"\x93NUMPY", b"PK\x03\x04"

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
    (_HDF5_MARK, "an HDF5 file, which holds no text"),
    (_NUMPY_MARK, f"an array {_NUMPY}"),
    (
        _ZIP_MARK,
        "a ZIP archive, or an office document; its text has to be exported",
    ),
    (b"%PDF-", "a PDF document; its text has to be exported"),
)


def kind_of_other(path: str) -> str | None:
    """Return what a file is that is none of ours, and what reads it; None: it is not known."""
    end = os.path.splitext(path)[1].lower()
    try:
        with open(path, "rb") as file:
            start = file.read(8)
    except OSError:
        return None
    if start.startswith(_HDF5_MARK):
        return f"an HDF5 file, as those {_OF_KERAS} if it is one"
    if start.startswith(_NUMPY_MARK):
        return f"an array {_NUMPY}"
    if start.startswith(_ZIP_MARK):
        return _kind_of_archive(path, end)
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return _OF_TORCH if end in _TORCH_ENDS else _PICKLE
    if end == ".onnx":
        return (
            "a model of ONNX; rnnfast.interop.onnx.layers reads its recurrent layers, "
            "rnnfast.interop.onnx.Session runs it"
        )
    if start[:1] == b"{" and end == ".json":
        return "a file of JSON; rnnfast.interop.rtneural.read_rtneural reads those of RTNeural"
    return None


def _kind_of_archive(path: str, end: str) -> str:
    """Return what a ZIP archive is: PyTorch's, Keras's and NumPy's files are some."""
    import zipfile  # takes long to import

    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        names = []
    if any(name.endswith("data.pkl") for name in names) or (not names and end in _TORCH_ENDS):
        return _OF_TORCH
    if "model.weights.h5" in names or end == ".keras":
        return f"a model {_OF_KERAS}"
    if end == ".npz" or (names and all(name.endswith(".npy") for name in names)):
        return f"arrays {_NUMPY}"
    return "a ZIP archive"


def kind_of_no_text(data: bytes) -> str | None:
    """Return what a file is that is no text in UTF-8, and the cure; None: it may be one."""
    for beginning, kind in _BEGINNINGS:
        # A text may begin with these letters: an archive has bytes that no text has.
        if data.startswith(beginning) and (beginning[0] > 0x7F or _is_binary(data)):
            return kind
    order = _utf16_order(data[:4096])
    if order is not None:
        return f"zero bytes, as UTF-16 has them; iconv -f UTF-16{order} -t UTF-8 converts it"
    return None


def _utf16_order(start: bytes) -> str | None:
    """Return ``"LE"`` or ``"BE"`` if a file begins as UTF-16 without a mark does, else None.

    Much of that is valid UTF-8 too: of Latin letters every other byte is 0, of Greek or Cyrillic
    ones a control character; and every script has spaces and ends of lines, whose one byte is 0.
    """
    zeros = [start[first::2].count(0) for first in (0, 1)]
    order = "LE" if zeros[1] > zeros[0] else "BE"
    if 3 * sum(zeros) > len(start) > 1:
        return order
    # Few zeros, all of them of one order, as a text without UTF-16 might have too by mistake: then
    # all else has to be letters and marks.
    if min(zeros) > 0 or 256 * max(zeros) < len(start) or len(start) < 4:
        return None
    text = start[: len(start) // 2 * 2].decode(f"utf-16-{order.lower()}", "replace")
    text = text[: -1 if len(start) == 4096 else None]  # maybe half of a pair of surrogates
    letters = all(letter.isprintable() or letter.isspace() for letter in text)
    return order if letters and "\ufffd" not in text else None


def _is_binary(data: bytes) -> bool:
    """Whether there are control characters that no text has, or bytes that UTF-8 has not."""
    start = data[:4096]
    if any(byte < 9 or 13 < byte < 27 for byte in start):
        return True
    try:
        # What may be the first half of a character at the end of the start is none of them.
        codecs.getincrementaldecoder("utf-8")().decode(start, final=len(start) == len(data))
    except UnicodeDecodeError:
        return True
    return False
