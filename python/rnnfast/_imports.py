"""Imports of this package's own modules, between which a process may fork.

Python holds a lock while it imports a module. A child that is forked while another thread holds it
would wait for it for ever as soon as it wants that module.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from types import ModuleType

_wanted: set[str] = set()  # by threads that may not have found them yet


def import_late(name: str) -> ModuleType:
    """Return a module that nothing needed before."""
    _wanted.add(name)
    try:
        return importlib.import_module(name)
    finally:
        _wanted.discard(name)


def _finish() -> None:
    """Wait for those that other threads are importing."""
    package = __name__.partition(".")[0]
    own = [n for n in list(sys.modules) if n.partition(".")[0] == package and _is_begun(n)]
    for name in {*_wanted, *own}:
        with contextlib.suppress(Exception):  # who imports it is told
            importlib.import_module(name)


def _is_begun(name: str) -> bool:
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_finish)
