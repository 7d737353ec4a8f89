"""Files of others, told by what they begin with: what reads them."""

from __future__ import annotations

import os

_PICKLE = "a pickle, which can run code when it is read, and is not read here"
_OF_TORCH = (
    f"a file of PyTorch: {_PICKLE}; torch.load(path, weights_only=True) gives arrays for "
    "load_state_dict of a layer"
)
_OF_KERAS = "of Keras; rnnfast.interop.keras.read_keras reads it"
_NUMPY = "of NumPy; numpy.load reads it"
_TORCH_ENDS = (".pt", ".pth", ".bin", ".ckpt")


def kind_of_other(path: str) -> str | None:
    """Return what a file is that is none of ours, and what reads it; None: it is not known."""
    end = os.path.splitext(path)[1].lower()
    try:
        with open(path, "rb") as file:
            start = file.read(8)
    except OSError:
        return None
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return f"an HDF5 file, as those {_OF_KERAS} if it is one"
    if start.startswith(b"\x93NUMPY"):
        return f"an array {_NUMPY}"
    if start.startswith(b"PK\x03\x04"):
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
