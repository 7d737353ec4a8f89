"""Files of Keras: layers by name, without a line of their code."""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from rnnfast._checks.memory import check_bytes
from rnnfast._checks.messages import listed, one_line, shown
from rnnfast.interop.keras._hdf5 import Tree, open_tree
from rnnfast.interop.keras._layers import Node, convert
from rnnfast.interop.keras._nodes import Found, config_layers, told_layers
from rnnfast.interop.keras._options import check_leave_out
from rnnfast.io.files import FilePath, check_path, shown_path
from rnnfast.nn.module import Module

_ZIP, _HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"
_MOST_CONFIG = 64 << 20
_MOST_EXPANSION = 100  # Keras does not compress


def read_keras(
    path: FilePath,
    *,
    layers: Mapping[str, Any] | str | None = None,
    names: Iterable[str] | None = None,
    leave_out: Iterable[str] = (),
) -> dict[str, Module]:
    """Read layers from a ``.keras`` or ``.weights.h5`` file of Keras 3.

    The file is read as data: no code that it names runs, and Keras is not needed, but h5py is.

    Parameters
    ----------
    path : path
        Of a ``.keras`` file of a ``Sequential`` or functional model, or of weights.
    layers : mapping of str or "defaults", optional
        For a file of weights, which does not say what its layers are. A mapping has, for the name
        that Keras gives to each layer's group, such as ``"lstm_1"``, either Keras's name of the
        class, such as ``"LSTM"``, with sizes, ``use_bias`` and ``reset_after`` as the arrays have
        them and all else as Keras has it by default; or what
        ``keras.saving.serialize_keras_object(layer)`` gives. ``"defaults"``: the classes as groups
        and arrays tell them, where they do.
    names : iterable of str, optional
        The layers that are wanted; None: all that have weights.
    leave_out : iterable of str
        As for `from_keras`, for all layers.

    Returns
    -------
    dict of str to Module
        What `from_keras` makes of each layer with weights, by its name, in files of weights by
        that of its group; that of a model within a model behind the model's, ``"encoder/lstm"``.
        How the layers follow each other is not read.

    Raises
    ------
    OSError
        If the file cannot be read.
    ImportError
        If h5py is not installed.
    TypeError
        If an argument is of another type.
    ValueError
        If the file is damaged or of another kind, a layer of it has no equal here, or an array is
        missing, unknown or of another shape; the message names each.
    """
    text = check_path("path", path)
    where = shown_path(text)
    wanted = _check_names(names)
    left = check_leave_out(leave_out)
    with open(text, "rb") as file:
        start = file.read(8)
        if start.startswith(_ZIP):
            if layers is not None:
                raise ValueError(
                    f"layers: expected None, {where} says it itself, got {shown(layers)}"
                )
            return _read_model(where, file, wanted, left)
    if start != _HDF5:
        raise ValueError(
            f"{where}: expected a .keras or .weights.h5 file of Keras 3, got one that begins with "
            f"{start!r}"
        )
    with open_tree(where, os.fspath(text)) as tree:
        return _layers(where, tree, told_layers(tree, layers, wanted), wanted, left)


def _check_names(names: Any) -> list[str] | None:
    if names is None:
        return None
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"names: expected several names of layers, got {shown(names)}")
    return [str(name) for name in names]


def _read_model(
    where: str, file: Any, wanted: list[str] | None, left: frozenset[str]
) -> dict[str, Module]:
    try:
        with zipfile.ZipFile(file) as archive:
            config_bytes = _member(archive, "config.json", _MOST_CONFIG)
            weights = _member(archive, "model.weights.h5", None)
    except ValueError as error:
        raise ValueError(f"{where}: {one_line(error)}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError, NotImplementedError,
            OSError) as error:  # fmt: skip
        raise ValueError(
            f"{where}: expected a .keras file, got a damaged one: {one_line(error)}"
        ) from error
    try:
        config = json.loads(config_bytes)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: config.json: expected JSON, got {one_line(error)}") from error
    with open_tree(where, io.BytesIO(weights)) as tree:
        return _layers(where, tree, config_layers(tree, config), wanted, left)


def _member(archive: zipfile.ZipFile, name: str, most: int | None) -> bytes:
    """Return a member of an archive, unless it is far larger than what stands in the file."""
    if name not in archive.namelist():
        raise ValueError(f"expected {name} in it, got {listed(archive.namelist())}")
    info = archive.getinfo(name)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name}: expected to be stored or deflated, got {info.compress_type}")
    expanded = info.file_size > _MOST_EXPANSION * info.compress_size + (1 << 16)
    if expanded or (most is not None and info.file_size > most):
        raise ValueError(
            f"{name}: expected a size that the file holds, got {info.file_size} bytes of "
            f"{info.compress_size}"
        )
    check_bytes(name, 2.0 * info.file_size)
    return archive.read(info)


def _layers(
    where: str,
    tree: Tree,
    found: dict[str, Found],
    wanted: list[str] | None,
    left: frozenset[str],
) -> dict[str, Module]:
    """Return the layers that are wanted; ValueError that names whatever is wrong with each."""
    if wanted is not None:
        unknown = [name for name in wanted if name not in found]
        if unknown:
            raise ValueError(
                f"names: expected some of {listed(found)}, got the unknown {listed(unknown)}"
            )
        found = {name: found[name] for name in wanted}
    faults: list[str] = []
    layers = {}
    for name, layer in found.items():
        try:
            node: Node = layer.node(tree)
            layers[name] = convert(node, left)
        except (ValueError, TypeError) as error:
            faults.append(str(error))
    if faults:
        raise ValueError(one_line("; ".join(faults), 2000))
    if not layers:
        raise ValueError("expected layers with weights, got none")
    return layers
