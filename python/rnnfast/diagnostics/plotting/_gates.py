"""Figures of what gates, states and attention do, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_int, check_list
from rnnfast._checks.arrays import as_numbers
from rnnfast._checks.messages import listed, shown
from rnnfast.diagnostics._tokens import visible
from rnnfast.diagnostics.activations import text_activations
from rnnfast.diagnostics.plotting._parts import (
    Axes,
    axes_of,
    colours_of,
    import_matplotlib,
    labels_of,
    matrix_of,
    refuse_other_models,
)
from rnnfast.models.language_model import LanguageModel
from rnnfast.models.seq2seq import Seq2Seq

# The gate that is drawn where none is named: the first that a cell has.
_FIRST = ("f", "z", "h")


def plot_gates(
    activations: LanguageModel | npt.ArrayLike,
    tokens: Sequence[str] | None = None,
    *,
    gate: str | None = None,
    layer: int | None = None,
    units: Sequence[int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the values of a gate or state, a row for each unit and a column for each step.

    Parameters
    ----------
    activations : LanguageModel or array_like, shape (T, H)
        A fitted model, which reads ``tokens``, a text; or values, such as
        ``text_activations(lm, text).layers[0]["f"]``.
    tokens : str or sequence of str, optional
        What was read at each step.
    gate : str, optional
        Of a model: which gate or state; None: the forget gate ``f`` of an LSTM, the update gate
        ``z`` of a GRU, else ``h``.
    layer : int, optional
        Of a model: which layer; None: the first, 0.
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
        If shapes do not fit together, or a unit, layer or gate is not there.
    TypeError
        If a model is no `LanguageModel`, whose gates `model_page` may show, or is given no text.
    ImportError
        If matplotlib is not installed.
    """
    if isinstance(activations, LanguageModel):
        activations, tokens = _gate_of(activations, tokens, gate, layer)
    else:
        refuse_other_models("activations", activations, "LanguageModel")
        for name, given in (("gate", gate), ("layer", layer)):
            if given is not None:
                raise ValueError(f"{name}: expected None without a model, got {shown(given)}")
    array = matrix_of("activations", activations)
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
        tokens = labels_of("tokens", tokens, len(array))
    ax = axes_of(ax)
    image = ax.imshow(
        array[:, chosen].T, aspect="auto", interpolation="nearest", **colours_of(array)
    )
    ax.set_yticks(range(len(chosen)), [str(unit) for unit in chosen])
    ax.set_ylabel("unit")
    if tokens is None:
        ax.set_xlabel("step t")
    else:
        ax.set_xticks(range(len(tokens)), [*map(visible, tokens)], parse_math=False)
    ax.figure.colorbar(image, ax=ax)
    return ax


def _gate_of(
    lm: LanguageModel, text: Any, gate: str | None, layer: int | None
) -> tuple[npt.ArrayLike, list[str]]:
    """Return the values of one gate of a model that reads a text, and what it reads."""
    if gate is not None and not isinstance(gate, str):
        raise TypeError(f"gate: expected a str or None, got {type(gate).__name__}")
    number = 0 if layer is None else check_int("layer", layer, 0)
    if not isinstance(text, str):
        raise TypeError(f"tokens: expected a text with a model, got {type(text).__name__}")
    read, layers = text_activations(lm, text)
    if number >= len(layers):
        raise ValueError(f"layer: expected layers from 0 to {len(layers) - 1}, got {number}")
    gates = layers[number]
    name = next(n for n in _FIRST if n in gates) if gate is None else gate
    if name not in gates:
        raise ValueError(f"gate: expected one of {listed(gates)}, got {shown(gate)}")
    return gates[name], read


def plot_attention(
    weights: Seq2Seq | npt.ArrayLike,
    source: Any,
    target: Sequence[str] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw where each output looks in the input.

    Parameters
    ----------
    weights : Seq2Seq or array_like, shape (T_out, T_in)
        A fitted model with attention; or the attention of each output step: rows from 0 to 1 with
        the sum 1.
    source : sequence of str, or what the model reads
        Tokens of the input; of a model one sequence, as `Seq2Seq.attention_weights` takes it.
    target : sequence of str, optional
        Tokens of the output; of a model the output to look at, None: what it predicts.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The input from left to right, the output from top to bottom.

    Raises
    ------
    ValueError
        If shapes do not fit together, or the model has no attention.
    TypeError
        If a model is no `Seq2Seq`, or there is no target without a model.
    ImportError
        If matplotlib is not installed.
    """
    is_series = False
    if isinstance(weights, Seq2Seq):
        source, target, weights = weights.attention_weights(source, target)
        is_series = not source
    else:
        refuse_other_models("weights", weights, "Seq2Seq")
    array = matrix_of("weights", weights)
    rows = labels_of("target", target, len(array))
    columns = [] if is_series else labels_of("source", source, array.shape[1])
    ax = axes_of(ax)
    ax.imshow(array, aspect="auto", interpolation="nearest", cmap="Greys", vmin=0.0, vmax=1.0)
    if is_series:
        ax.set_xlabel("step t")
    else:
        ax.set_xticks(range(len(columns)), [*map(visible, columns)], rotation=90, parse_math=False)
    ax.set_yticks(range(len(rows)), [*map(visible, rows)], parse_math=False)
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
    tokens = labels_of("tokens", tokens)
    if len(tokens) == 0:
        raise ValueError("tokens: expected at least one, got none")
    if numbers.shape != (len(tokens),):
        raise ValueError(f"values: expected shape ({len(tokens)},), got {numbers.shape}")
    import_matplotlib()
    from matplotlib import colormaps
    from matplotlib.colors import Normalize
    from matplotlib.patches import Rectangle

    ax = axes_of(ax)
    colours = colours_of(numbers)
    scale = Normalize(colours["vmin"], colours["vmax"])
    gap = 1 if any(len(token) > 1 for token in tokens) else 0
    line = column = 0
    for token, value in zip(tokens, numbers, strict=True):
        shown = visible(token)
        if column and column + len(shown) > width:
            line, column = line + 1, 0
        colour = colormaps[colours["cmap"]](scale(value))
        ax.add_patch(Rectangle((column, line), len(shown) + gap, 1, facecolor=colour))
        ink = "white" if sum(np.multiply(colour[:3], (0.3, 0.6, 0.1))) < 0.5 else "black"
        for place, letter in enumerate(shown):
            ax.text(
                column + place + 0.5, line + 0.5, letter, color=ink, family="monospace",
                ha="center", va="center", parse_math=False,
            )  # fmt: skip
        column += len(shown) + gap
    ax.set(xlim=(0, width), ylim=(line + 1, 0), xticks=[], yticks=[])
    return ax
