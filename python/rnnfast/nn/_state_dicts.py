"""Whether arrays are a state dictionary of a layer, and what to do with others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from rnnfast._checks.messages import listed


def require_names(own: Mapping[str, Any], mapping: Any) -> None:
    """Raise unless a mapping has the names of a layer's parameters, ``own``, and no others.

    Raises
    ------
    TypeError
        If it is no mapping.
    ValueError
        If a name is missing or unknown.
    """
    if not isinstance(mapping, Mapping):
        got = type(mapping).__name__
        raise TypeError(f"mapping: expected a mapping, got {got}{_cure_of_mapping(mapping)}")
    missing = [name for name in own if name not in mapping]
    unknown = [name for name in mapping if name not in own]
    if missing or unknown:
        parts = []
        if missing:
            parts.append(f"without {listed(missing, 200)}")
        if unknown:
            parts.append(f"with the unknown {listed(unknown, 200)}")
        raise ValueError(
            f"mapping: expected the names {listed(own, 200)}; got one {' and '.join(parts)}"
            f"{_cure_of_names(own, mapping)}"
        )


def _cure_of_mapping(given: Any) -> str:
    """Return what a message ends with where no mapping came."""
    if isinstance(given, (str, os.PathLike)):
        return (
            "; a file has to be read first: rf.load reads what rf.save wrote, "
            "safetensors.numpy.load_file other safetensors files, torch.load those of PyTorch"
        )
    if callable(getattr(given, "state_dict", None)):
        return "; its state_dict() is one"
    return ""


def _cure_of_names(own: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """Return what a message ends with where the names stand behind those of a part, or before."""
    first = next(iter(own), None)
    if first is None:
        return ""
    for name in map(str, given):
        start = name.removesuffix(first)
        if start and name == start + first and all(start + other in given for other in own):
            return (
                f"; those behind {start!r} are {{name.removeprefix({start!r}): array for name, "
                f"array in mapping.items() if name.startswith({start!r})}}"
            )
    return ""
