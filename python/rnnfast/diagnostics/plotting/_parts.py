"""What figures share: axes, labels, colours."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_list
from rnnfast._checks.arrays import as_numbers
from rnnfast.models.base import Model
from rnnfast.nn.module import Module
from rnnfast.text._tokens import require_strings

Axes: TypeAlias = Any  # matplotlib.axes.Axes


def import_matplotlib() -> Any:
    """Return `matplotlib.pyplot`.

    Raises
    ------
    ImportError
        If matplotlib is not installed, with the command that installs it.
    """
    try:
        import matplotlib.pyplot
    except ImportError:
        raise ImportError(
            "plotting needs matplotlib, which is not installed: pip install rnnfast[plot]"
        ) from None
    return matplotlib.pyplot


def axes_of(ax: Axes | None) -> Axes:
    pyplot = import_matplotlib()
    if ax is None:
        return pyplot.subplots(layout="constrained")[1]
    from matplotlib.axes import Axes as Known

    if not isinstance(ax, Known):
        raise TypeError(f"ax: expected a matplotlib.axes.Axes, got {type(ax).__name__}")
    return ax


def refuse_other_models(name: str, given: Any, kind: str) -> None:
    """Raise TypeError for a model, layer or path, where values or this kind of model are wanted."""
    if isinstance(given, (Model, Module, str, os.PathLike)):
        cure = "; rf.load reads a model's file" if isinstance(given, (str, os.PathLike)) else ""
        raise TypeError(f"{name}: expected a {kind} or an array, got {type(given).__name__}{cure}")


def matrix_of(name: str, given: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = as_numbers(name, given)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name}: expected 2 axes of at least one number, got {array.shape}")
    return array


def labels_of(name: str, labels: Any, count: int | None = None) -> list[str]:
    """Return labels as a list, of this length if one is given."""
    listed = list(labels) if isinstance(labels, str) else check_list(name, labels, "str")
    require_strings(name, listed)
    if count is not None and len(listed) != count:
        raise ValueError(f"{name}: expected {count} of them, got {len(listed)}")
    return listed


def colours_of(values: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Return the colours of gates, from 0 to 1, or of states, around 0."""
    if values.min() >= 0 and values.max() <= 1:
        return {"cmap": "Greys", "vmin": 0.0, "vmax": 1.0}
    bound = float(np.abs(values).max())
    return {"cmap": "coolwarm", "vmin": -bound, "vmax": bound}
