"""A layer as the call that makes one like it."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def describe(layer: Any, kind: type[Any] | None = None) -> str:
    """Return the call that makes a layer of the same kind, its parameters apart.

    What a constructor takes is an attribute of the same name. Options that have their defaults are
    left out, and so is the seed: no layer remembers it.

    Parameters
    ----------
    layer : object
        A layer, or anything with a constructor of such arguments.
    kind : type, optional
        Whose constructor; None: that of the layer's own type.
    """
    kind = type(layer) if kind is None else kind
    parts = []
    for name, parameter in inspect.signature(kind).parameters.items():
        if name == "seed" or parameter.kind in _VARIADIC:
            continue
        value = getattr(layer, name, ...)
        if isinstance(value, np.dtype):
            value = value.name
        if value is ...:  # a constructor of a user's that keeps it otherwise, or not at all
            continue
        if parameter.default is parameter.empty:
            parts.append(repr(value))
        elif type(value) is not type(parameter.default) or value != parameter.default:
            parts.append(f"{name}={value!r}")
    return f"{kind.__name__}({', '.join(parts)})"
