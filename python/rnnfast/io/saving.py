"""Files of layers, networks of layers and models: arrays and a description, nothing that runs."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from rnnfast._checks.messages import one_line
from rnnfast._core import __version__
from rnnfast.io.files import shown_path
from rnnfast.io.layers import describe, rebuild
from rnnfast.io.tensors import read_tensors, write_tensors
from rnnfast.nn.module import Array

Restore = Callable[[Mapping[str, Array], Mapping[str, Any]], Any]


class Savable(Protocol):
    """What writes a file of its own kind itself, such as a model."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file."""
        ...


# What files hold besides layers, by the name of the kind: the class of what is saved by its own
# `save`, and what makes it of arrays and their description.
_KINDS: dict[str, tuple[type[Savable], Restore]] = {}
# Those that a module brings, which is imported when a file says so.
_LATE = {"model": "rnnfast.models"}


def register(kind: str, base: type[Savable], restore: Restore) -> None:
    """Let `save` and `load` know a further kind of file.

    Parameters
    ----------
    kind : str
        Its name, an entry of the description that such a file has.
    base : type
        The class of what is saved so.
    restore : callable
        Makes it of a file's arrays and description; may raise anything if they do not fit.
    """
    _KINDS[kind] = base, restore


def save(path: str | os.PathLike[str], network: Any) -> None:
    """Write a layer, a network of layers, or a fitted model to a safetensors file.

    The file is written whole or not at all. It holds the parameters bit by bit and, as JSON, each
    layer's class and options: all that a plain call of the layer depends on. A layer that stands in
    several places is written once, and is one again when `load` reads it; so are the table and the
    output layer of a `TiedEmbedding` that are saved together. Not in the file: gradients, the state
    of random generators, and whether a layer is in training; `copy.deepcopy` and pickle keep those.

    Parameters
    ----------
    path : path-like
        The file, which is replaced if it stands there.
    network : layer, or list, tuple or dict of layers, or a model
        Layers may be put together by `chain` and the like. Lists, tuples and dicts, whose keys are
        str, may hold each other.

    Raises
    ------
    TypeError
        If it holds something else, a layer of a class of your own too: save what its `state_dict`
        gives, or pickle it.
    ValueError
        If there is no layer in it.
    OSError
        If the file cannot be written; one that stood there is unchanged.
    """
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise TypeError(f"path: expected a path, got {type(path).__name__}; rf.save(path, network)")
    for base, _ in _KINDS.values():
        if isinstance(network, base):
            network.save(path)
            return
    arrays, description = describe(network)
    content = {"rnnfast": __version__, **description}
    reduced = any("numbers" in node for node in description["layers"])
    write_tensors(path, "layers", arrays, content, reduced=reduced)


def load(path: str | os.PathLike[str]) -> Any:
    """Read what `save`, or a model's ``save``, wrote. No code in a file is ever run.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    layer, list, tuple, dict or Model
        What was saved. Layers are as newly made, with ``seed=None`` and in training, and have the
        parameters of then; a model is fitted.

    Raises
    ------
    ValueError
        If the file is damaged, cut short, something else, of another version's format, or its parts
        do not fit together; before layers are made of more numbers than four times those in the
        file and 65,536.
    OSError
        If it cannot be read.
    ModuleNotFoundError
        If a model's tokenizer is of a package that is not installed.
    """
    arrays, description = read_tensors(path, (*{**_LATE, **_KINDS}, "layers"))
    for kind, module in _LATE.items():
        if kind in description:
            importlib.import_module(module)
    restore = next((_KINDS[kind][1] for kind in _KINDS if kind in description), rebuild)
    try:
        return restore(arrays, description)
    except (MemoryError, ModuleNotFoundError):  # the latter of a package that a tokenizer is of
        raise
    # Whatever goes wrong in making something of a description, the description is at fault.
    except Exception as error:
        reason = f"its parts do not fit together ({one_line(error)})"
        raise ValueError(f"{shown_path(path)}: {reason}") from error
