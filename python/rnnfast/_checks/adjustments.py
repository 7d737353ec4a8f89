"""Warnings of what is done otherwise than asked for."""

from __future__ import annotations

import sys
import warnings

from rnnfast._checks.ours import is_our_module


class AdjustmentWarning(RuntimeWarning):
    """Something is done otherwise than asked for, or has no effect; nothing is wrong."""


def warn_caller(text: str, category: type[Warning] = AdjustmentWarning) -> None:
    """Warn of the line outside of the package from which this was called."""
    warnings.warn(text, category, stacklevel=_level_of_caller())


def _level_of_caller() -> int:
    """Return the ``stacklevel`` with which a warning of the caller is of code outside the package.

    Python 3.12 has it as ``skip_file_prefixes``.
    """
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and is_our_module(frame.f_globals.get("__name__")):
        frame, level = frame.f_back, level + 1
    return level
