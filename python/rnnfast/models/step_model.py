"""What the models with an output at every step share: their base."""

from __future__ import annotations

from rnnfast.models.estimator import Estimator
from rnnfast.models.parts.contract import Weighed


class StepModel(Weighed, Estimator, base=True):
    """Base of the models with as many outputs as inputs, ``T_x = T_y``."""
