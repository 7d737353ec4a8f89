"""Seeing inside recurrent layers: how far gradients reach, and what gates and states do.

Functions return plain arrays and records; `rnnfast.diagnostics.plotting` draws them, and
`model_page` shows a whole model.
"""

import sys

from rnnfast._checks.calls import explain_packages
from rnnfast.diagnostics import plotting
from rnnfast.diagnostics.activations import TextActivations, gate_activations, text_activations
from rnnfast.diagnostics.gradients import gradient_norms, text_gradient_norms
from rnnfast.diagnostics.page import model_page
from rnnfast.diagnostics.units import UnitCorrelation, find_units, gate_summary, inside_quotes

__all__ = [
    "TextActivations",
    "UnitCorrelation",
    "find_units",
    "gate_activations",
    "gate_summary",
    "gradient_norms",
    "inside_quotes",
    "model_page",
    "plotting",
    "text_activations",
    "text_gradient_norms",
]

explain_packages((sys.modules[__name__],))
