"""The head of a network whose numbers have several scores each, or may be missing."""

from __future__ import annotations

import numpy as np

from rnnfast.data.batches import Ints
from rnnfast.models.forecasting.outputs import Output
from rnnfast.models.parts.networks.heads import Head
from rnnfast.nn.module import Array


class ForecastHead(Head):
    """Scores ``W_y v + b_y`` and the loss of an `Output`; NaN among numbers counts nothing."""

    def __init__(
        self, in_features: int, size: int, output: Output, *, dtype: str, rng: np.random.Generator
    ) -> None:
        super().__init__(in_features, size * output.width, dtype=dtype, rng=rng)
        self.of = output

    def size_of(self, y: Array) -> int:
        return int(np.count_nonzero(~np.isnan(y)))

    def _loss_of(
        self, scores: Array, y: Array, lengths: Ints, backward: bool, weights: Array | None
    ) -> tuple[float, Array | None]:
        known = ~np.isnan(y)
        s = scores.astype(np.float64).reshape(*y.shape, self.of.width)
        loss, ds = self.of.loss(s, np.where(known, y, 0).astype(np.float64))
        count = known if weights is None else known * weights.astype(np.float64)[:, np.newaxis]
        total = float((loss * count).sum())
        if not np.isfinite(total):
            raise FloatingPointError(f"loss: expected a finite number, got {total:g}")
        if not backward:
            return total, None
        slopes = ds * count[..., np.newaxis]
        return total, slopes.reshape(scores.shape).astype(scores.dtype)
