"""HDF5 files of weights, read as data: plain arrays within the file, and nothing else.

No attribute is read, such as the names that Keras gives to layers: they are texts of any length,
for which the HDF5 library follows pointers of a damaged file to wherever those lead.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from rnnfast._checks.messages import one_line, shown
from rnnfast.nn.module import Array

_MOST_OBJECTS = 200_000
_MOST_LEVELS = 64


class Tree:
    """The groups and arrays of a file, each at one place.

    Attributes
    ----------
    arrays : dict of str to object
        Datasets of HDF5 by their paths, in the file's order.
    """

    def __init__(self, file: Any) -> None:
        self.arrays: dict[str, Any] = {}
        self._seen: set[Any] = set()
        if {"layer_names", "model_config"} & set(file.attrs) or "model_weights" in file:
            raise ValueError(
                "expected a file of Keras 3, got one of Keras 2's HDF5 format; "
                "load it with Keras and save it as .keras"
            )
        self._read(file, "", 0)

    def _read(self, group: Any, path: str, level: int) -> None:
        import h5py

        for key in group:
            place = f"{path}/{key}" if path else key
            link = group.get(key, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise ValueError(f"{place}: expected an array or a group, got {_kind(link)}")
            held = group[key]
            # One object at several places is a cycle, or data that is counted twice.
            address = h5py.h5o.get_info(held.id).addr
            if address in self._seen or len(self._seen) >= _MOST_OBJECTS or level > _MOST_LEVELS:
                raise ValueError(f"{place}: expected each object at one place, and not too many")
            self._seen.add(address)
            if isinstance(held, h5py.Group):
                self._read(held, place, level + 1)
            elif isinstance(held, h5py.Dataset):
                self.arrays[place] = held
            else:
                raise ValueError(f"{place}: expected an array or a group, got {_kind(held)}")

    def array(self, path: str) -> Array:
        """Return an array, which has to stand in the file as Keras writes it."""
        held = self.arrays[path]
        dtype = held.dtype
        if dtype.kind not in "fiu" or dtype.subdtype is not None:
            raise ValueError(f"{path}: expected numbers, got dtype {shown(dtype)}")
        if "dtype" in held.attrs:
            raise ValueError(f"{path}: expected float32 or float64, got bfloat16")
        # Plain storage: no filters, which may be other people's code, and nothing that expands.
        if held.external or held.is_virtual or held.chunks is not None or held.shape is None:
            raise ValueError(f"{path}: expected an array in one piece, as Keras writes it")
        if held.id.get_storage_size() != held.size * dtype.itemsize:
            raise ValueError(
                f"{path}: expected {held.size * dtype.itemsize} bytes, "
                f"got {held.id.get_storage_size()}"
            )
        array: Array = np.asarray(held[()])
        return array.astype(dtype.newbyteorder("="), copy=False)

    def within(self, path: str) -> dict[str, str]:
        """Return the paths of the arrays in a group by what stands behind its own."""
        start = f"{path}/" if path else ""
        return {p.removeprefix(start): p for p in self.arrays if p.startswith(start)}


@contextlib.contextmanager
def open_tree(where: str, source: str | BinaryIO) -> Iterator[Tree]:
    """Give the tree of a file; ValueError of one line if it is damaged."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            "read_keras needs h5py, which is not installed: pip install h5py"
        ) from error
    try:
        with h5py.File(source, "r") as file:
            yield Tree(file)
    except ValueError as error:
        raise ValueError(f"{where}: {one_line(error, 2000)}") from error
    # What h5py raises for what it does not understand.
    except (OSError, KeyError, RuntimeError, TypeError, UnicodeError, OverflowError) as error:
        raise ValueError(
            f"{where}: expected weights in HDF5, got damaged ones: {one_line(error)}"
        ) from error


def _kind(held: Any) -> str:
    return f"a {type(held).__name__}"
