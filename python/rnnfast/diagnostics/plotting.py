"""Figures of what training and `rnnfast.diagnostics` tell; needs matplotlib, ``rnnfast[plot]``.

Each function draws into the axes that it is given, or new ones, and returns them: to save a figure,
``plot_history(lm).figure.savefig("history.png")``. Nothing is shown by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_int, check_list, check_mapping
from rnnfast._checks.arrays import as_numbers
from rnnfast._checks.messages import listed, shown
from rnnfast.text._tokens import require_strings

Axes: TypeAlias = Any  # matplotlib.axes.Axes

__all__ = [
    "plot_attention",
    "plot_gates",
    "plot_gradient_norms",
    "plot_history",
    "plot_text_activations",
]


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
    ax = _axes(ax)
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
    ax = _axes(ax)
    for name, line in lines.items():
        ax.plot(np.arange(1, len(line) + 1), np.where(line > 0, line, np.nan), label=name)
    ax.set_yscale("log")
    ax.set_xlabel("step t")
    ax.set_ylabel("norm of dL/dh<t>")
    if any(lines):
        ax.legend()
    return ax


def plot_gates(
    activations: npt.ArrayLike,
    tokens: Sequence[str] | None = None,
    *,
    units: Sequence[int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the values of a gate or state, a row for each unit and a column for each step.

    Parameters
    ----------
    activations : array_like, shape (T, H)
        Such as ``text_activations(lm, text).layers[0]["f"]``.
    tokens : sequence of str, optional
        What was read at each step.
    units : sequence of int, optional
        Which units, in this order; None: all.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        From white to dark for values from 0 to 1, else from blue to red around 0.

    Raises
    ------
    ValueError
        If shapes do not fit together, or a unit is out of range.
    ImportError
        If matplotlib is not installed.
    """
    array = _matrix("activations", activations)
    chosen = (
        list(range(array.shape[1]))
        if units is None
        else [check_int("units", u, 0) for u in check_list("units", units, "integers")]
    )
    if not chosen:
        raise ValueError("units: expected at least one, got none")
    for unit in chosen:
        if unit >= array.shape[1]:
            raise ValueError(f"units: expected units from 0 to {array.shape[1] - 1}, got {unit}")
    if tokens is not None:
        tokens = _labels("tokens", tokens, len(array))
    ax = _axes(ax)
    image = ax.imshow(array[:, chosen].T, aspect="auto", interpolation="nearest", **_colours(array))
    ax.set_yticks(range(len(chosen)), [str(unit) for unit in chosen])
    ax.set_ylabel("unit")
    if tokens is None:
        ax.set_xlabel("step t")
    else:
        ax.set_xticks(range(len(tokens)), [_visible(token) for token in tokens])
    ax.figure.colorbar(image, ax=ax)
    return ax


def plot_attention(
    weights: npt.ArrayLike,
    source: Sequence[str],
    target: Sequence[str],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw where each output looks in the input.

    Parameters
    ----------
    weights : array_like, shape (T_out, T_in)
        Attention of each output step: rows from 0 to 1 with the sum 1.
    source, target : sequence of str
        Tokens of the input and of the output.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The input from left to right, the output from top to bottom.

    Raises
    ------
    ValueError
        If shapes do not fit together.
    ImportError
        If matplotlib is not installed.
    """
    array = _matrix("weights", weights)
    target = _labels("target", target, len(array))
    source = _labels("source", source, array.shape[1])
    ax = _axes(ax)
    ax.imshow(array, aspect="auto", interpolation="nearest", cmap="Greys", vmin=0.0, vmax=1.0)
    ax.set_xticks(range(len(source)), [_visible(token) for token in source], rotation=90)
    ax.set_yticks(range(len(target)), [_visible(token) for token in target])
    return ax


def plot_text_activations(
    tokens: Sequence[str],
    values: npt.ArrayLike,
    *,
    width: int = 60,
    ax: Axes | None = None,
) -> Axes:
    """Draw a text in lines, behind each token the colour of a unit's value there.

    The picture of Karpathy, Johnson and Fei-Fei (2015, figure 2).

    Parameters
    ----------
    tokens : sequence of str
        Characters, or words.
    values : array_like, shape (T,)
        Such as ``text_activations(lm, text).layers[0]["c"][:, unit]``.
    width : int
        Characters in a line, at most; a longer token stands alone.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        Without ticks; from white to dark for values from 0 to 1, else from blue to red around 0.

    Raises
    ------
    ValueError
        If there is no token, or not a value for each.
    ImportError
        If matplotlib is not installed.
    """
    width = check_int("width", width, 1)
    numbers = as_numbers("values", values)
    tokens = _labels("tokens", tokens)
    if len(tokens) == 0:
        raise ValueError("tokens: expected at least one, got none")
    if numbers.shape != (len(tokens),):
        raise ValueError(f"values: expected shape ({len(tokens)},), got {numbers.shape}")
    import_matplotlib()
    from matplotlib import colormaps
    from matplotlib.colors import Normalize
    from matplotlib.patches import Rectangle

    ax = _axes(ax)
    colours = _colours(numbers)
    scale = Normalize(colours["vmin"], colours["vmax"])
    gap = 1 if any(len(token) > 1 for token in tokens) else 0
    line = column = 0
    for token, value in zip(tokens, numbers, strict=True):
        shown = _visible(token)
        if column and column + len(shown) > width:
            line, column = line + 1, 0
        colour = colormaps[colours["cmap"]](scale(value))
        ax.add_patch(Rectangle((column, line), len(shown) + gap, 1, facecolor=colour))
        ink = "white" if np.dot(colour[:3], (0.3, 0.6, 0.1)) < 0.5 else "black"
        for place, letter in enumerate(shown):
            ax.text(
                column + place + 0.5, line + 0.5, letter, color=ink, family="monospace",
                ha="center", va="center",
            )  # fmt: skip
        column += len(shown) + gap
    ax.set(xlim=(0, width), ylim=(line + 1, 0), xticks=[], yticks=[])
    return ax


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


def _axes(ax: Axes | None) -> Axes:
    pyplot = import_matplotlib()
    if ax is None:
        return pyplot.subplots(layout="constrained")[1]
    from matplotlib.axes import Axes as Known

    if not isinstance(ax, Known):
        raise TypeError(f"ax: expected a matplotlib.axes.Axes, got {type(ax).__name__}")
    return ax


def _matrix(name: str, given: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = as_numbers(name, given)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name}: expected 2 axes of at least one number, got {array.shape}")
    return array


def _labels(name: str, labels: Any, count: int | None = None) -> list[str]:
    """Return labels as a list, of this length if one is given."""
    listed = list(labels) if isinstance(labels, str) else check_list(name, labels, "str")
    require_strings(name, listed)
    if count is not None and len(listed) != count:
        raise ValueError(f"{name}: expected {count} of them, got {len(listed)}")
    return listed


def _colours(values: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Return the colours of gates, from 0 to 1, or of states, around 0."""
    if values.min() >= 0 and values.max() <= 1:
        return {"cmap": "Greys", "vmin": 0.0, "vmax": 1.0}
    bound = float(np.abs(values).max())
    return {"cmap": "coolwarm", "vmin": -bound, "vmax": bound}


def _visible(token: str) -> str:
    """Return a token with signs for what cannot be seen."""
    return {" ": "␣", "\n": "¶", "\t": "→"}.get(token, token)
