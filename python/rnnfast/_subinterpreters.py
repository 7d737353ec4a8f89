"""Interpreters beside the main one, in which the compiled modules cannot be imported."""

from __future__ import annotations

import importlib
import sys


def refuse() -> None:
    """Raise ImportError in such an interpreter, where the import would wait for ever.

    From Python 3.12 on Python itself refuses.
    """
    if sys.version_info >= (3, 12):
        return
    interpreters = importlib.import_module("_xxsubinterpreters")
    if interpreters.get_current() != interpreters.get_main():
        raise ImportError(
            "rnnfast: expected the main interpreter of the process, got a subinterpreter; of "
            "mod_wsgi, WSGIApplicationGroup %{GLOBAL} is the main one"
        )


refuse()
