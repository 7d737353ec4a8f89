"""Modules within modules: where they stand, and their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rnnfast.nn.module import Module

# What attributes mostly are; a module is looked for in others.
_PLAIN = frozenset({int, float, bool, str, type(None), np.ndarray, np.random.Generator})

_MOST_LEVELS = 50  # of lists in lists


def dotted(name: str, key: str) -> str:
    """Return the name of what stands within a module; ``""`` is the outermost."""
    return f"{name}.{key}" if name else key


def modules_among(attributes: dict[str, Any], kind: type[Module]) -> dict[str, Module]:
    """Return what is a ``kind`` of attributes, and in their lists, tuples and dicts, by name."""
    found: dict[str, Module] = {}
    _find("", attributes, kind, found)
    return found


def _find(start: str, items: Any, kind: type[Module], found: dict[str, Module]) -> None:
    for key, value in items.items() if isinstance(items, dict) else enumerate(items):
        if type(value) in _PLAIN or key == "_parameters":
            continue
        if isinstance(value, kind):
            found[f"{start}{key}"] = value
        elif isinstance(value, (list, tuple, dict)):
            if start.count(".") > _MOST_LEVELS:
                raise ValueError(f"{start.partition('.')[0]}: expected no list within itself")
            _find(f"{start}{key}.", value, kind, found)


def modules_within(module: Module) -> list[tuple[str, Module]]:
    """Return a module, named ``""``, and all within, each once, by the first of its names.

    Raises
    ------
    ValueError
        If a module stands within itself.
    """
    found: dict[int, tuple[str, Module]] = {}
    _walk("", module, (), found)
    return list(found.values())


def _walk(
    name: str, module: Module, above: tuple[Module, ...], found: dict[int, tuple[str, Module]]
) -> None:
    if module in above:
        kind = type(module).__name__
        raise ValueError(f"{name}: expected no module within itself, got the {kind} that holds it")
    if id(module) not in found:
        found[id(module)] = name, module
        for key, child in module.children().items():
            _walk(dotted(name, key), child._owner, (*above, module), found)
