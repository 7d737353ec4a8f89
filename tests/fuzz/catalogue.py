"""All cases, of calls and of files, and how often each is drawn."""

from __future__ import annotations

from collections.abc import Callable

from . import (
    conversion,
    dropins,
    ensembles,
    exponential,
    files,
    heads,
    layers,
    models,
    quantized,
    subwords,
)
from .checks import Case
from .draws import Draw

_CASES: list[tuple[float, Callable[[Case], None]]] = [
    *layers.CASES,
    *exponential.CASES,
    *ensembles.CASES,
    *quantized.CASES,
    *conversion.CASES,
    *heads.CASES,
    *models.CASES,
    *subwords.CASES,
    *dropins.cases(),
]


def choose_call(draw: Draw) -> Callable[[Case], None]:
    """Draw a case of calls by its weight."""
    return draw.weighted(_CASES)


def choose_file(draw: Draw) -> Callable[[Case], None]:
    """Draw a kind of file by its weight."""
    return draw.weighted([*files.CASES, *quantized.FILES, *subwords.FILES])
