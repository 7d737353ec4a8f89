"""Models that packages ship with their weights: how each runs there, and here.

A file a package. Each has ``runs()``, which gives what both compute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

# The files, and the package that each needs.
FILES = {
    "madmom_beats": "madmom",
    "silero_voice": "silero_vad",
    "g2p_words": "g2p_en",
    "arabic_diacritics": "diacritize",
    "darts_forecast": "darts",
}


class Run(NamedTuple):
    """What both compute.

    Attributes
    ----------
    name : str
        What it is.
    theirs, ours : callable
        Return the same numbers, from the beginning each time.
    tolerance : float
        Absolute, of the numbers.
    """

    name: str
    theirs: Callable[[], Any]
    ours: Callable[[], Any]
    tolerance: float
