"""What stands above the recurrent layers of `CTCRecognizer`."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.data.batches import Ints
from rnnfast.models.parts.heads import LinearHead
from rnnfast.nn.ctc import ctc_loss
from rnnfast.nn.module import Array


class CTCHead(LinearHead):
    """Scores of the symbols and of the blank, at every step.

    Parameters
    ----------
    in_features, num_symbols : int
        The size of h<t>, and how many symbols there are; the blank is the class after them.
    dtype, rng
        As the layers take them.

    Attributes
    ----------
    blank : int
        The class that stands for no symbol.
    """

    def __init__(
        self, in_features: int, num_symbols: int, *, dtype: str, rng: np.random.Generator
    ) -> None:
        super().__init__(in_features, num_symbols + 1, dtype=dtype, rng=rng)
        self.blank = num_symbols

    def count(self, y: Any, lengths: Ints) -> int:
        """Return how many sequences there are."""
        return len(y)

    def _loss_of(
        self, scores: Array, y: Any, lengths: Ints, backward: bool
    ) -> tuple[float, Array | None]:
        return ctc_loss(scores, y, lengths, blank=self.blank, reduction="sum", backward=backward)
