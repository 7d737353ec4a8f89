"""Figures of a training: its history, and how far back gradients reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_list, check_mapping
from rnnfast._checks.arrays import as_numbers
from rnnfast._checks.messages import listed, shown
from rnnfast.diagnostics.plotting._parts import Axes, axes_of
from rnnfast.models.base import Model
from rnnfast.text._tokens import require_strings


def plot_history(
    history: Any, figures: Iterable[str] = ("loss", "valid_loss"), *, ax: Axes | None = None
) -> Axes:
    """Draw figures of a training by epoch.

    Parameters
    ----------
    history : model or list of dict
        A fitted model, or its ``history_``, or a trainer's ``history``.
    figures : iterable of str
        Which; those that a record lacks are left out.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        With a line for each figure; the best epoch of a model is marked.

    Raises
    ------
    ValueError
        If there is no epoch, or none of the figures.
    TypeError
        If it is no history, or the model has not been fitted.
    ImportError
        If matplotlib is not installed.
    """
    records = getattr(history, "history_", history)
    if not isinstance(records, list):
        got = type(history).__name__
        if isinstance(history, Model):
            got = f"a {got} that has not been fitted"
        raise TypeError(f"history: expected a fitted model or its history_, got {got}")
    if not records:
        raise ValueError("history: expected at least one epoch, got none")
    for record in records:
        check_mapping("history", record)
    wanted = check_list("figures", figures, "str")
    require_strings("figures", wanted)
    names = [name for name in wanted if any(name in record for record in records)]
    if not names:
        raise ValueError(f"figures: expected some of {listed(records[0])}, got {shown(wanted)}")
    ax = axes_of(ax)
    for name in names:
        points = [(record["epoch"], record[name]) for record in records if name in record]
        ax.plot(*zip(*points, strict=True), marker=".", label=name)
    best = getattr(history, "best_epoch_", 0)
    if best:
        ax.axvline(best, color="0.7", linestyle=":", label="best epoch")
    ax.set_xlabel("epoch")
    ax.legend()
    return ax


def plot_gradient_norms(
    norms: npt.ArrayLike | Mapping[str, npt.ArrayLike], *, ax: Axes | None = None
) -> Axes:
    """Draw how far back gradients reach, on a logarithmic scale.

    Parameters
    ----------
    norms : array_like or mapping of str to array_like
        What `rnnfast.diagnostics.gradient_norms` gave, ``(L, T)`` or one layer's ``(T,)``; or
        several of them by name, such as by cell.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        A line for each name and layer; norms of zero are left out.

    Raises
    ------
    ValueError
        If an array has neither one nor two axes.
    ImportError
        If matplotlib is not installed.
    """
    named = norms if isinstance(norms, Mapping) else {"": norms}
    lines: dict[str, npt.NDArray[np.float64]] = {}
    for name, given in named.items():
        array = as_numbers("norms", given)
        if array.ndim not in (1, 2):
            raise ValueError(f"norms: expected shape (L, T) or (T,), got {array.shape}")
        for k, line in enumerate(np.atleast_2d(array)):
            layer = f"layer {k}" if array.ndim == 2 and (len(array) > 1 or not name) else ""
            lines[f"{name} {layer}".strip()] = line
    ax = axes_of(ax)
    for name, line in lines.items():
        ax.plot(np.arange(1, len(line) + 1), np.where(line > 0, line, np.nan), label=name)
    ax.set_yscale("log")
    ax.set_xlabel("step t")
    ax.set_ylabel("norm of dL/dh<t>")
    if any(lines):
        ax.legend()
    return ax
