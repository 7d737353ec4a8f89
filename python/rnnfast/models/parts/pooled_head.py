"""What stands above the recurrent layers where a sequence has one output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast._checks import among
from rnnfast._checks.messages import shown
from rnnfast.data.batches import Ints
from rnnfast.models.parts.encoder import EncoderLayers
from rnnfast.models.parts.heads import NUMBER_LOSSES, LinearHead
from rnnfast.nn.compose import chain
from rnnfast.nn.dropout import Dropout
from rnnfast.nn.linear import Linear
from rnnfast.nn.losses import linear_cross_entropy
from rnnfast.nn.module import Array
from rnnfast.nn.pooling import POOLINGS, Pooling, pooled_size

# Takes the linear layer, its input (B, W), what is to be predicted and whether gradients are
# wanted. Returns the summed loss and the gradient of that input, and adds to the layer's.
PooledLoss = Callable[[Linear, Array, Any, bool], tuple[float, Array | None]]


class PooledHead(LinearHead):
    """Pooling over time, dropout, a linear layer: one output of a sequence.

    Parameters
    ----------
    encoder : EncoderLayers
        What gives h<t>; has no dropout after its last layer.
    num_outputs : int
        How many scores.
    pooling : {"last", "mean", "max", "concat"}
        As `pool` takes it.
    dropout : float
        Probability with which numbers of the pooled vector are set to zero in training.
    loss : callable
        See `PooledLoss`.
    dtype, rng
        As the layers take them.
    """

    def __init__(
        self,
        encoder: EncoderLayers,
        num_outputs: int,
        *,
        pooling: str,
        dropout: float,
        loss: PooledLoss,
        dtype: str,
        rng: np.random.Generator,
    ) -> None:
        size = pooled_size(pooling, encoder.output_size)
        super().__init__(size, num_outputs, dtype=dtype, rng=rng)
        self._pool = chain(
            Pooling(pooling, num_directions=encoder.num_directions), Dropout(dropout, seed=rng)
        )
        self._loss = loss

    def count(self, y: Any, lengths: Ints) -> int:
        """Return how many numbers were to be predicted."""
        return int(y.size)

    def loss(
        self, h: Array, y: Any, lengths: Ints, *, backward: bool
    ) -> tuple[float, Array | None]:
        """Return the summed loss of the pooled vectors, in training with dropout."""
        v, backprop = self._pool.forward(h, lengths) if backward else (self._pool(h, lengths), None)
        loss, dv = self._loss(self.output, v, y, backward)
        return loss, None if backprop is None else backprop(dv)

    def scores(self, h: Array, lengths: Ints) -> Array:
        """Return the linear layer's outputs ``(B, num_outputs)``."""
        return self.output(self._pool(h, lengths))


def check_pooling(pooling: Any) -> None:
    """Raise ValueError unless a hyperparameter is one of the poolings."""
    if not among(pooling, POOLINGS):
        raise ValueError(f"pooling: expected one of {', '.join(POOLINGS)}, got {shown(pooling)}")


def check_loss(loss: Any) -> None:
    """Raise ValueError unless a hyperparameter is one of the losses of numbers."""
    if not among(loss, NUMBER_LOSSES):
        raise ValueError(f"loss: expected one of {', '.join(NUMBER_LOSSES)}, got {shown(loss)}")


def class_loss(
    linear: Linear,
    v: Array,
    y: Array,
    backward: bool,
    *,
    class_weights: Array | None,
    label_smoothing: float,
) -> tuple[float, Array | None]:
    """Return the cross-entropy of classes by number, smoothed in training; see `PooledLoss`."""
    return linear_cross_entropy(
        linear,
        v,
        y,
        class_weights=class_weights,
        label_smoothing=label_smoothing if backward else 0.0,
        reduction="sum",
        backward=backward,
    )


def number_loss(
    linear: Linear, v: Array, y: Array, backward: bool, *, loss: str
) -> tuple[float, Array | None]:
    """Return the error of numbers, one of `NUMBER_LOSSES`; see `PooledLoss`."""
    scores, backprop = linear.forward(v)
    value, dscores = NUMBER_LOSSES[loss](scores, y, reduction="sum", backward=backward)
    return value, None if dscores is None else backprop(dscores)
