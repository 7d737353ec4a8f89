"""Named arrays and a JSON description in one safetensors file, checked when it is read."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks.messages import one_line, shown
from rnnfast.io.files import check_path, read_bytes, shown_path, write_atomically
from rnnfast.io.others import kind_of_other
from rnnfast.nn._frozen import arrays_of
from rnnfast.nn.module import Module

Array = npt.NDArray[Any]

# Raised when a file of this version could not be read by the code before: that of files with
# numbers in fewer bits, which nothing but those need.
FORMAT_VERSION = 1
REDUCED_VERSION = 2
# What files of that version hold, by safetensors' names and NumPy's, which has no bfloat16.
_DTYPES = {"F32": "<f4", "BF16": "<u2", "I8": "|i1"}
# The one entry of the files' metadata.
_ENTRY = "rnnfast"
# Stands in files without arrays, which old versions of safetensors cannot read.
_NOTHING = "nothing"


def to_json(value: Any) -> str:
    """Return JSON; NumPy's numbers, as searches for hyperparameters use them, count as numbers.

    Raises
    ------
    TypeError
        If it holds something that JSON cannot.
    """
    return json.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is nothing that JSON can hold")


def write_tensors(
    path: str | os.PathLike[str],
    kind: str,
    arrays: Mapping[str, Array],
    description: Mapping[str, Any],
    *,
    new: bool = False,
    reduced: bool = False,
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
    new : bool
        As `write_atomically` takes it.
    reduced : bool
        Whether arrays are float32, int8 and, the bits of bfloat16, uint16.

    Raises
    ------
    TypeError
        If `description` holds something that JSON cannot.
    OSError
        If the file cannot be written; what stood at `path` before is still there.
    """
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    contiguous = contiguous or {_NOTHING: np.zeros(1, np.uint8)}
    header = {
        "kind": kind,
        "version": REDUCED_VERSION if reduced else FORMAT_VERSION,
        "sha256": _digest(contiguous, description),
        "content": description,
    }
    # One entry: several would come in another order each time, as safetensors writes them.
    metadata = {_ENTRY: to_json(header)}
    if reduced:
        write_atomically(path, _serialized(contiguous, metadata), new=new)
        return
    import safetensors.numpy  # here, to keep `import rnnfast` short

    write_atomically(path, safetensors.numpy.save(contiguous, metadata), new=new)


def read_tensors(
    path: str | os.PathLike[str], kind: str | tuple[str, ...]
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Parameters
    ----------
    path : path-like
        The file.
    kind : str or tuple of str
        What it may hold.

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
    file_name = check_path("path", path)
    with open(file_name, "rb"):  # fails as every file does that is missing or a folder
        pass
    name = shown_path(path)
    import safetensors  # here, to keep `import rnnfast` short

    try:
        with safetensors.safe_open(file_name, framework="np") as file:
            kinds = (kind,) if isinstance(kind, str) else kind
            header = _header(name, kinds, (file.metadata() or {}).get(_ENTRY))
            if header["version"] == REDUCED_VERSION:
                read: Any = safetensors.deserialize
                arrays = _reduced(name, read(read_bytes(file_name)))
            else:
                arrays = {key: np.array(file.get_tensor(key)) for key in file.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        kind_found = kind_of_other(file_name)
        reason = f"damaged, cut short or not a safetensors file ({one_line(error)})"
        if kind_found is not None:
            reason = f"expected a safetensors file of rnnfast, got {kind_found}"
        raise ValueError(f"{name}: {reason}") from None
    except OSError as error:  # of a device, which cannot be mapped: it does not say which file
        reason = f"cannot be read ({one_line(error)})"
        raise OSError(error.errno or errno.EIO, reason, file_name) from None
    except (AttributeError, TypeError) as error:  # a dtype that NumPy has not
        reason = f"expected arrays of NumPy's dtypes, got others ({one_line(error)})"
        raise ValueError(f"{name}: {reason}") from None
    content = header.get("content")
    if not isinstance(content, dict) or header.get("sha256") != _digest(arrays, content):
        raise ValueError(f"{name}: damaged: its content does not match its checksum")
    arrays.pop(_NOTHING, None)
    return arrays, content


def kind_of(path: str | os.PathLike[str]) -> str | None:
    """Return what kind a file says that it is, such as ``"model"``; None for files of others."""
    return description_of(path)[0]


def description_of(path: str | os.PathLike[str]) -> tuple[str | None, dict[str, Any]]:
    """Return `kind_of` and the description as the file has it: its checksum is not looked at."""
    import safetensors  # here, to keep `import rnnfast` short

    try:
        with safetensors.safe_open(os.fsdecode(path), framework="np") as file:
            header = json.loads((file.metadata() or {})[_ENTRY])
        kind, content = header["kind"], header["content"]
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError, RecursionError):
        return None, {}
    return kind if isinstance(kind, str) else None, content if isinstance(content, dict) else {}


def _header(name: str, kinds: tuple[str, ...], text: str | None) -> dict[str, Any]:
    wanted = f"expected an rnnfast {kinds[0]}"
    if text is None:
        raise ValueError(
            f"{name}: {wanted}, got a safetensors file of others; "
            "safetensors.numpy.load_file reads its arrays, for load_state_dict of a layer"
        )
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name}: damaged: expected JSON in its metadata ({error})") from None
    found = header.get("kind") if isinstance(header, dict) else "something else"
    if not isinstance(header, dict) or found not in kinds:
        raise ValueError(f"{name}: {wanted}, got {one_line(found)}")
    version = header.get("version")
    if type(version) is not int or version not in (FORMAT_VERSION, REDUCED_VERSION):
        raise ValueError(
            f"{name}: expected format version {FORMAT_VERSION} or {REDUCED_VERSION}, got "
            f"{shown(version)}; another version of rnnfast wrote it"
        )
    return header


def _serialized(arrays: Mapping[str, Array], metadata: dict[str, str]) -> bytes:
    """Return a safetensors file with bfloat16, which the package writes of no array of NumPy's.

    Eight bytes say how long a header in JSON is, which says where each array is behind it; those
    of larger numbers come first, so that all are aligned.
    """
    header: dict[str, Any] = {"__metadata__": metadata}
    parts, end = [], 0
    for name in sorted(arrays, key=lambda name: (-arrays[name].itemsize, name)):
        array = arrays[name]
        kind = next(kind for kind, dtype in _DTYPES.items() if array.dtype == np.dtype(dtype))
        places = [end, end + array.nbytes]
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": places}
        parts.append(array.astype(_DTYPES[kind], copy=False).tobytes())
        end = places[1]
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def _reduced(name: str, tensors: list[tuple[str, dict[str, Any]]]) -> dict[str, Array]:
    """Return the arrays of a file of numbers in fewer bits, bfloat16 as its bits."""
    arrays = {}
    for key, tensor in tensors:
        if tensor["dtype"] not in _DTYPES:
            raise ValueError(
                f"{name}: {one_line(key)}: expected {', '.join(_DTYPES)}, got {tensor['dtype']}"
            )
        numbers = np.frombuffer(tensor["data"], _DTYPES[tensor["dtype"]])
        arrays[key] = numbers.reshape(tensor["shape"]).copy()
    return arrays


def _digest(arrays: Mapping[str, Array], description: Mapping[str, Any]) -> str:
    """SHA-256 of the arrays in the order of their names, and of the description."""
    import hashlib  # takes long to import

    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
        digest.update(array.tobytes())
    digest.update(to_json(description).encode())
    return digest.hexdigest()


def collect_arrays(modules: Mapping[str, Module]) -> dict[str, Array]:
    """Return a copy of every parameter of several layers, by ``layer.parameter``.

    Those in fewer bits are as `arrays_of` has them.
    """
    return {
        name: array
        for prefix, module in modules.items()
        for key, parameter in module.parameters().items()
        for name, array in arrays_of(f"{prefix}.{key}", parameter).items()
    }


def spread_arrays(modules: Mapping[str, Module], arrays: Mapping[str, Array]) -> None:
    """Load what `collect_arrays` gave.

    Raises
    ------
    ValueError
        If an array is missing, left over, not finite, or of another shape or dtype.
    """
    by_module: dict[str, dict[str, Array]] = {prefix: {} for prefix in modules}
    for full_name, array in arrays.items():
        prefix, _, name = full_name.partition(".")
        if prefix not in by_module:
            raise ValueError(f"{full_name}: expected arrays of {', '.join(modules)} only")
        if not np.isfinite(array).all():
            raise ValueError(f"{full_name}: expected finite values")
        if array.dtype.kind != "f":  # bits of bfloat16 are no numbers
            raise ValueError(f"{full_name}: expected floating-point numbers, got {array.dtype}")
        by_module[prefix][name] = array
    for prefix, module in modules.items():
        try:
            module.load_state_dict(by_module[prefix])
        except (TypeError, ValueError) as error:
            raise ValueError(f"{prefix}.{error}") from None
