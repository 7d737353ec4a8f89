"""Figure of which label was taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnfast._checks import check_bool
from rnnfast.diagnostics._tokens import visible
from rnnfast.diagnostics.plotting._parts import Axes, axes_of
from rnnfast.metrics import confusion

_MOST_NUMBERS = 20  # labels with which the cells still have room for a number


def plot_confusion(
    true: Sequence[Any],
    predicted: Sequence[Any],
    *,
    labels: Sequence[Any] | None = None,
    normalize: bool = False,
    ignore_label: Any = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how often each label was taken for each.

    ``plot_confusion(y, model.predict(X))``, of a classifier or a tagger.

    Parameters
    ----------
    true, predicted : sequence or ndarray
        Labels, ``(N,)``; or lists of labels, one for each sequence, whose steps are counted.
    labels : sequence, optional
        The order of rows and columns; None: all that occur, sorted.
    normalize : bool
        Whether to draw the shares of each row rather than counts.
    ignore_label : label, optional
        What stands in ``true`` for no label besides None, such as -100; it is left out.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The true labels from top to bottom, the predicted ones from left to right.

    Raises
    ------
    ValueError
        If there is nothing, lengths differ, or a label is not among ``labels``, or twice.
    TypeError
        If labels are of several kinds, or none that can be counted.
    ImportError
        If matplotlib is not installed.
    """
    normalize = check_bool("normalize", normalize)
    counts, names = confusion(*_flat(true, predicted), labels, ignore_label=ignore_label)
    sums = counts.sum(axis=1, keepdims=True)
    drawn = counts / np.maximum(sums, 1) if normalize else counts
    ax = axes_of(ax)
    most = 1.0 if normalize else max(int(counts.max()), 1)
    ax.imshow(drawn, interpolation="nearest", cmap="Blues", vmin=0, vmax=most)
    places = range(len(names))
    shown_names = [visible(str(name)) for name in names]
    ax.set_xticks(places, shown_names, rotation=90, parse_math=False)
    ax.set_yticks(places, shown_names, parse_math=False)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    if len(names) <= _MOST_NUMBERS:
        for (row, column), value in np.ndenumerate(drawn):
            ax.text(
                column, row, f"{value:.2f}" if normalize else f"{value:,}",
                ha="center", va="center", color="white" if value > most / 2 else "black",
            )  # fmt: skip
    return ax


def _flat(true: Any, predicted: Any) -> tuple[Any, Any]:
    """Return the labels of all steps where there is a list of them for each sequence."""
    if _has_rows(predicted, 2 if _has_lists(true) else 1):
        raise TypeError(
            "predicted: expected labels, as predict gives them, got rows of numbers, such as the "
            "probabilities of predict_proba"
        )
    if not (_has_lists(true) and _has_lists(predicted)):
        return true, predicted
    if len(true) != len(predicted):
        raise ValueError(f"predicted: expected {len(true)} sequences, got {len(predicted)}")
    for number, (one, other) in enumerate(zip(true, predicted, strict=True)):
        if len(one) != len(other):
            raise ValueError(f"predicted[{number}]: expected {len(one)} labels, got {len(other)}")
    flat = [[label for item in given for label in item] for given in (true, predicted)]
    return flat[0], flat[1]


def _has_rows(given: Any, axes: int) -> bool:
    """Whether the first item has floats with so many axes, where a label or labels would be."""
    if isinstance(given, np.ndarray):
        return given.ndim > axes and given.dtype.kind == "f"
    first = given[0] if isinstance(given, (list, tuple)) and given else None
    return isinstance(first, np.ndarray) and first.ndim >= axes and first.dtype.kind == "f"


def _has_lists(given: Any) -> bool:
    """Whether it is a list of at least one list of labels, and of nothing else."""
    if isinstance(given, np.ndarray):
        given = list(given) if given.ndim else []
    is_list = isinstance(given, (list, tuple)) and len(given) > 0
    return is_list and all(
        isinstance(item, (list, tuple)) or (isinstance(item, np.ndarray) and item.ndim > 0)
        for item in given
    )
