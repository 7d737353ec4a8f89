"""What to do with arrays that are no state dictionary of a layer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any


def cure_of_mapping(given: Any) -> str:
    """Return what a message ends with where no mapping came."""
    if isinstance(given, (str, os.PathLike)):
        return (
            "; a file has to be read first: rf.load reads what rf.save wrote, "
            "safetensors.numpy.load_file other safetensors files, torch.load those of PyTorch"
        )
    if callable(getattr(given, "state_dict", None)):
        return "; its state_dict() is one"
    return ""


def cure_of_names(own: Mapping[str, Any], given: Mapping[str, Any]) -> str:
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
