"""Named arrays and a JSON description in one safetensors file, checked when it is read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from rnnfast._files import write_atomically
from rnnfast.nn.module import Module

Array = npt.NDArray[Any]

# Raised when a file of this version could not be read by the code before.
FORMAT_VERSION = 1


def write_tensors(
    path: str | os.PathLike[str],
    kind: str,
    arrays: Mapping[str, Array],
    description: Mapping[str, Any],
) -> None:
    """Write arrays and their description whole or not at all.

    Parameters
    ----------
    path : path-like
        The file. An existing one is replaced once the new one is complete.
    kind : str
        What the file holds, such as ``"model"``; `read_tensors` asks for the same.
    arrays : mapping of str to ndarray
        The arrays by name.
    description : mapping
        Anything that JSON can hold.

    Raises
    ------
    TypeError
        If `description` holds something that JSON cannot.
    OSError
        If the file cannot be written; what stood at `path` before is still there.
    """
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    text = json.dumps(description)
    metadata = {
        "format": f"rnnfast {kind}",
        "format_version": str(FORMAT_VERSION),
        "description": text,
        "sha256": _digest(contiguous, text),
    }
    write_atomically(path, safetensors.numpy.save(contiguous, metadata))


def read_tensors(
    path: str | os.PathLike[str], kind: str
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Returns
    -------
    arrays : dict of str to ndarray
    description : dict

    Raises
    ------
    ValueError
        If the file is damaged, cut short, of another kind, or of a later format.
    OSError
        If it cannot be opened.
    """
    name = os.fsdecode(path)
    with open(name, "rb"):  # fails as every file does that is missing or a folder
        pass
    try:
        with safetensors.safe_open(name, framework="np") as file:
            metadata = file.metadata() or {}
            _check_kind(name, kind, metadata)
            arrays = {key: np.array(file.get_tensor(key)) for key in file.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        reason = f"damaged, cut short or not a safetensors file ({error})"
        raise ValueError(f"{name}: {reason}") from None
    text = metadata.get("description", "")
    if metadata.get("sha256") != _digest(arrays, text):
        raise ValueError(f"{name}: damaged: its content does not match its checksum")
    description = json.loads(text)
    if not isinstance(description, dict):
        raise ValueError(f"{name}: damaged: expected a JSON object, got {text:.50}")
    return arrays, description


def _check_kind(name: str, kind: str, metadata: Mapping[str, str]) -> None:
    written = metadata.get("format", "")
    if written != f"rnnfast {kind}":
        what = written or "a safetensors file that rnnfast did not write"
        raise ValueError(f"{name}: expected an rnnfast {kind}, got {what}")
    version = metadata.get("format_version", "")
    if version != str(FORMAT_VERSION):
        raise ValueError(
            f"{name}: expected format version {FORMAT_VERSION}, got {version!r}; "
            "another version of rnnfast wrote it"
        )


def _digest(arrays: Mapping[str, Array], text: str) -> str:
    """SHA-256 of the arrays in the order of their names, and of the description."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
        digest.update(array.tobytes())
    digest.update(text.encode())
    return digest.hexdigest()


def collect_arrays(modules: Mapping[str, Module]) -> dict[str, Array]:
    """Return a copy of every parameter of several layers, by ``layer.parameter``."""
    return {
        f"{prefix}.{name}": array
        for prefix, module in modules.items()
        for name, array in module.state_dict().items()
    }


def spread_arrays(modules: Mapping[str, Module], arrays: Mapping[str, Array]) -> None:
    """Load what `collect_arrays` gave.

    Raises
    ------
    ValueError
        If an array is missing, left over, not finite, or of another shape.
    """
    by_module: dict[str, dict[str, Array]] = {prefix: {} for prefix in modules}
    for full_name, array in arrays.items():
        prefix, _, name = full_name.partition(".")
        if prefix not in by_module:
            raise ValueError(f"{full_name}: expected arrays of {', '.join(modules)} only")
        if not np.isfinite(array).all():
            raise ValueError(f"{full_name}: expected finite values")
        by_module[prefix][name] = array
    for prefix, module in modules.items():
        try:
            module.load_state_dict(by_module[prefix])
        except (TypeError, ValueError) as error:
            raise ValueError(f"{prefix}.{error}") from None
