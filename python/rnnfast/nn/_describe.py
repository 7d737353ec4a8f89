"""A layer as the call that makes one like it."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np


def options_of(kind: type[Any]) -> list[inspect.Parameter]:
    """Return what a constructor takes: each is an attribute of the same name.

    Without the seed, which no layer remembers, and what takes any further names.
    """
    parameters = inspect.signature(kind).parameters.values()
    return [p for p in parameters if p.name != "seed" and p.kind is not p.VAR_KEYWORD]


def describe(layer: Any, kind: type[Any] | None = None) -> str:
    """Return the call that makes a layer of the same kind, its parameters apart.

    Options that have their defaults are left out, and so are parts that may be any number.

    Parameters
    ----------
    layer : object
        A layer, or anything with a constructor of such arguments.
    kind : type, optional
        Whose constructor; None: that of the layer's own type.
    """
    kind = type(layer) if kind is None else kind
    parts = []
    for parameter in options_of(kind):
        if parameter.kind is parameter.VAR_POSITIONAL:
            continue
        value = getattr(layer, parameter.name, ...)
        if isinstance(value, np.dtype):
            value = value.name
        if value is ...:  # a constructor of a user's that keeps it otherwise, or not at all
            continue
        if parameter.default is parameter.empty:
            parts.append(repr(value))
        elif type(value) is not type(parameter.default) or value != parameter.default:
            parts.append(f"{parameter.name}={value!r}")
    return f"{kind.__name__}({', '.join(parts)})"
