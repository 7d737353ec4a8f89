"""Which weights a training leaves: those of its best epoch, or finite ones to fall back to."""

from __future__ import annotations

from collections.abc import Mapping

from rnnfast._checks.messages import shown
from rnnfast.io.tensors import Array, collect_arrays, spread_arrays
from rnnfast.training.checkpointer import TrainingState
from rnnfast.training.finite_numbers import are_finite


class KeptWeights:
    """Keeps weights of epochs that have ended.

    Parameters
    ----------
    state : TrainingState
        The training, as it begins or goes on.
    monitor, maximize, patience
        As `TrainingLoop` takes them.
    """

    def __init__(
        self, state: TrainingState, monitor: str, maximize: bool, patience: int | None
    ) -> None:
        self._state = state
        self._monitor, self._maximize, self._patience = monitor, maximize, patience
        # Finite weights to fall back to where there are no best ones.
        self._good = {} if state.best else collect_arrays(state.modules)

    def enter(self, arrays: dict[str, Array], figures: Mapping[str, float]) -> None:
        """Keep the weights of an epoch if it is the best so far, or none has been."""
        state, at = self._state, self._state.at
        if figures:
            if self._monitor not in figures:
                known = ", ".join(figures)
                raise ValueError(f"monitor: expected one of {known}, got {shown(self._monitor)}")
            value = figures[self._monitor]
            if at.best_value is None or (
                value > at.best_value if self._maximize else value < at.best_value
            ):
                at.best_epoch, at.best_value, state.best = at.epoch + 1, float(value), arrays
        self._good = {} if state.best else arrays

    def out_of_patience(self) -> bool:
        """Whether there have been as many epochs as may be without a new best one."""
        at = self._state.at
        return self._patience is not None and at.epoch - at.best_epoch >= self._patience

    def put_back(self, failed: bool) -> None:
        """Give the layers the weights that they are to have after training."""
        state = self._state
        if state.best:
            spread_arrays(state.modules, state.best)
        elif not failed:
            if state.average is not None:
                state.average.apply()
        elif not are_finite(collect_arrays(state.modules)):
            spread_arrays(state.modules, self._good)
