"""What a training pass draws: dropout between layers, and noise within its steps."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from rnnfast.nn.module import Array
from rnnfast.nn.placement import Ints, drop_in_order, random_in_order
from rnnfast.nn.recurrent.spec import RecurrentSpec

# Of zoneout of h and of c, and of the candidate's dropout: (L*D, T, B, H) in a pass's own order.
Masks: TypeAlias = tuple[Array | None, Array | None, Array | None]
Rates: TypeAlias = tuple[float, float, float]


class Noise(NamedTuple):
    """Where the noise of passes of one network comes from.

    Attributes
    ----------
    spec : RecurrentSpec
        Of the network.
    dtype : numpy.dtype
        Of its numbers.
    rng : numpy.random.Generator
        What seeds are drawn from.
    training : bool
        False: there is no noise.
    dropout : float
        Between layers.
    variational : bool
        Whether one mask of that holds for all steps.
    rates : triple of float
        Probabilities with which a unit keeps its h and its c at a step, and with which its
        candidate is dropped.
    """

    spec: RecurrentSpec
    dtype: np.dtype[Any]
    rng: np.random.Generator
    training: bool
    dropout: float
    variational: bool
    rates: Rates

    @property
    def within_steps(self) -> bool:
        """Whether there is noise beside dropout between layers."""
        return any(self.rates)

    def seed(self) -> int | None:
        """Draw the seed of one pass; None if it has no noise."""
        between = self.spec.num_layers > 1 and self.dropout > 0.0
        if not self.training or not (between or self.within_steps):
            return None
        return int(self.rng.integers(2**63))

    def masks(
        self,
        seed: int | None,
        layers: int,
        directions: int,
        steps: int,
        batch: int,
        lengths: Ints | None = None,
    ) -> tuple[Masks | None, int | None]:
        """Return the masks of a pass's steps, and the seed of the dropout between its layers."""
        if seed is None or not self.within_steps:
            return None, seed
        rng = np.random.default_rng(seed)
        shape = (steps, batch, self.spec.hidden_size)
        keep_h, keep_c, dropped = (
            np.empty((layers * directions, *shape), self.dtype) if rate > 0 else None
            for rate in self.rates
        )
        between = 0
        for place in range(layers * directions):
            for mask, rate in ((keep_h, self.rates[0]), (keep_c, self.rates[1])):
                if mask is not None:
                    mask[place] = random_in_order(rng, shape, lengths) < rate
            if dropped is not None:
                ones = np.ones(shape, self.dtype)
                seed = int(rng.integers(2**63))
                dropped[place] = drop_in_order(ones, self.rates[2], seed, lengths)
            if (place + 1) % directions == 0:  # drawn after each layer, as seeds always did
                drawn = int(rng.integers(2**63))
                between = between or drawn
        return (keep_h, keep_c, dropped), between
