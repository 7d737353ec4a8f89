"""What the models with an output at every step share: how they are measured."""

from __future__ import annotations

from typing import Any

from rnnfast.models.estimator import Estimator
from rnnfast.models.parts.contract import Weighed
from rnnfast.models.parts.examples import Examples


class StepModel(Weighed, Estimator, base=True):
    """Base of the models with as many outputs as inputs, ``T_x = T_y``."""

    def _to_measure(self, X: Any, y: Any, sample_weight: Any) -> Examples:
        """Return sequences, encoded, with targets as they were read, and how much each counts."""
        sequences, targets = self._codec.read_pair(self._reader.read, X, y)
        targets, weights = self._codec.weigh(targets, sample_weight)
        return Examples(self._reader.encode("X", sequences), targets, weights)
