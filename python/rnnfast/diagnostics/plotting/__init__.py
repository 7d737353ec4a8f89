"""Figures of what training and `rnnfast.diagnostics` tell; needs matplotlib, ``rnnfast[plot]``.

Each function draws into the axes that it is given, or new ones, and returns them: to save a figure,
``plot_history(lm).figure.savefig("history.png")``. Nothing is shown by itself.
"""

from rnnfast.diagnostics.plotting._confusion import plot_confusion
from rnnfast.diagnostics.plotting._forecast import plot_forecast
from rnnfast.diagnostics.plotting._gates import (
    plot_attention,
    plot_gates,
    plot_text_activations,
)
from rnnfast.diagnostics.plotting._training import plot_gradient_norms, plot_history

__all__ = [
    "plot_attention",
    "plot_confusion",
    "plot_forecast",
    "plot_gates",
    "plot_gradient_norms",
    "plot_history",
    "plot_text_activations",
]
