"""Numbers of a training that are not finite: seen before they are kept, and told of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from rnnfast.io.tensors import Array
from rnnfast.training.batch_numbers import BatchError
from rnnfast.training.checkpointer import TrainingState
from rnnfast.training.messages import describe_divergence


def are_finite(arrays: Mapping[str, Array]) -> bool:
    """Whether all numbers are."""
    return all(np.isfinite(array).all() for array in arrays.values())


# How layers and metrics refuse what has grown too large.
_REFUSALS = ("expected finite numbers", "expected numbers whose products fit into")


class FiniteNumbers:
    """Raises where numbers of a training are not finite, and says where they stand.

    Parameters
    ----------
    state : TrainingState
        The training.
    """

    def __init__(self, state: TrainingState) -> None:
        self._state = state

    def require(self, weights: Mapping[str, Array]) -> None:
        """Raise FloatingPointError before weights that are not finite are written or given out."""
        if not are_finite(weights):
            raise FloatingPointError(self._blame("a weight is not finite"))

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Raise FloatingPointError, with what is not finite, where numbers have grown too large."""
        try:
            yield
        except BatchError:
            raise
        except (FloatingPointError, ValueError) as error:
            # What layers and metrics refuse is what an earlier layer made of too large weights.
            if isinstance(error, ValueError) and not any(w in str(error) for w in _REFUSALS):
                raise
            raise FloatingPointError(self._blame(str(error))) from error

    def _blame(self, what: str) -> str:
        state, at = self._state, self._state.at
        return describe_divergence(
            state.modules, what, at.step + 1, at.epoch + 1, state.optimizer.lr
        )
