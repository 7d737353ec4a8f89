"""All cases of calls, and how often each is drawn."""

from __future__ import annotations

from collections.abc import Callable

from . import conversion, dropins, ensembles, heads, layers, models
from .checks import Case
from .draws import Draw

_CASES: list[tuple[float, Callable[[Case], None]]] = [
    *layers.CASES,
    *ensembles.CASES,
    *conversion.CASES,
    *heads.CASES,
    *models.CASES,
    *dropins.cases(),
]


def choose(draw: Draw) -> Callable[[Case], None]:
    """Draw a case by its weight."""
    return draw.weighted(_CASES)
