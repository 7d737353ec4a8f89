"""What stands above the recurrent layers where every step has an output: scores and their loss."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from rnnfast.data.batches import Ints
from rnnfast.models.parts.labels import IGNORED
from rnnfast.models.parts.network import Network
from rnnfast.nn.crf import CRF, Constraints
from rnnfast.nn.linear import Linear
from rnnfast.nn.losses import (
    l1,
    linear_cross_entropy,
    mse,
    softmax,
)
from rnnfast.nn.module import Array
from rnnfast.nn.sigmoid_losses import binary_cross_entropy_with_logits

NUMBER_LOSSES = {"mse": mse, "mae": l1}


class StepHead(Protocol):
    """An output at every step, from the layers' outputs ``h`` ``(T, B, W)``."""

    def loss(
        self, h: Array, y: Array, lengths: Ints, *, backward: bool
    ) -> tuple[float, Array | None]:
        """Return the loss summed over the steps, and the gradient of ``h``."""
        ...

    def predict(self, h: Array, lengths: Ints) -> Array:
        """Return the outputs: tags ``(T, B)``, or ``(T, B, K)`` of 0 and 1 or of numbers."""
        ...

    def probabilities(self, h: Array, lengths: Ints) -> Array:
        """Return the probabilities ``(T, B, K)``, or what else `predict` decides by."""
        ...


class SoftmaxHead(Network):
    """``y_hat<t> = softmax(W_y h<t> + b_y)``, each step by itself.

    Parameters
    ----------
    in_features, num_tags : int
        Sizes of h<t> and of y_hat<t>.
    class_weights : ndarray, optional
        ``(num_tags,)``.
    label_smoothing : float
        As `linear_cross_entropy` takes it; in training only.
    dtype, rng
        As the layers take them.
    """

    def __init__(
        self,
        in_features: int,
        num_tags: int,
        *,
        class_weights: Array | None,
        label_smoothing: float,
        dtype: str,
        rng: np.random.Generator,
    ) -> None:
        self.output = Linear(in_features, num_tags, dtype=dtype, seed=rng)
        self._class_weights, self._label_smoothing = class_weights, label_smoothing

    def loss(
        self, h: Array, y: Array, lengths: Ints, *, backward: bool
    ) -> tuple[float, Array | None]:
        """Return ``- sum_t w log y_hat<t>[y<t>]``."""
        return linear_cross_entropy(
            self.output,
            h,
            np.where(within(lengths, len(h)), y, IGNORED),
            class_weights=self._class_weights,
            label_smoothing=self._label_smoothing if backward else 0.0,
            reduction="sum",
            backward=backward,
        )

    def predict(self, h: Array, lengths: Ints) -> Array:
        """Return the likeliest tag of every step."""
        best: Array = self.output(h).argmax(axis=-1)
        return best

    def probabilities(self, h: Array, lengths: Ints) -> Array:
        """Return ``y_hat<t>``."""
        return softmax(self.output(h))


class CrfHead(Network):
    """Emissions ``e<t> = W_y h<t> + b_y`` and a `CRF` over all steps together.

    Parameters
    ----------
    in_features, num_tags, dtype, rng
        As `SoftmaxHead` takes them.
    constraints : Constraints, optional
        As `CRF` takes them.
    """

    def __init__(
        self,
        in_features: int,
        num_tags: int,
        *,
        constraints: Constraints | None,
        dtype: str,
        rng: np.random.Generator,
    ) -> None:
        self.output = Linear(in_features, num_tags, dtype=dtype, seed=rng)
        self.crf = CRF(num_tags, constraints=constraints, dtype=dtype, seed=rng)

    def loss(
        self, h: Array, y: Array, lengths: Ints, *, backward: bool
    ) -> tuple[float, Array | None]:
        """Return ``-log P(y<1> ... y<T>)``."""
        emissions, backprop = self.output.forward(h)
        loss, de = self.crf.loss(emissions, y, lengths, reduction="sum", backward=backward)
        return loss, None if de is None else backprop(de)

    def predict(self, h: Array, lengths: Ints) -> Array:
        """Return the likeliest sequence of tags."""
        return self.crf.decode(self.output(h), lengths)

    def probabilities(self, h: Array, lengths: Ints) -> Array:
        """Return the probability of each tag at each step over all sequences of tags."""
        return self.crf.marginals(self.output(h), lengths)


class SigmoidHead(Network):
    """``y_hat<t> = sigmoid(W_y h<t> + b_y)``, each of K labels by itself.

    Parameters
    ----------
    in_features, num_labels : int
        Sizes of h<t> and of y_hat<t>.
    dtype, rng
        As the layers take them.
    """

    def __init__(
        self, in_features: int, num_labels: int, *, dtype: str, rng: np.random.Generator
    ) -> None:
        self.output = Linear(in_features, num_labels, dtype=dtype, seed=rng)

    def loss(
        self, h: Array, y: Array, lengths: Ints, *, backward: bool
    ) -> tuple[float, Array | None]:
        """Return ``- sum_t sum_k y log y_hat + (1 - y) log(1 - y_hat)``."""
        scores, backprop = self.output.forward(h)
        loss, dscores = binary_cross_entropy_with_logits(
            scores, y, weights=within(lengths, len(h)), reduction="sum", backward=backward
        )
        return loss, None if dscores is None else backprop(dscores)

    def predict(self, h: Array, lengths: Ints) -> Array:
        """Return True where a label is likelier than not."""
        likely: Array = self.output(h) > 0
        return likely

    def probabilities(self, h: Array, lengths: Ints) -> Array:
        """Return ``y_hat<t>``."""
        scores = self.output(h)
        # sigmoid(x) = softmax([x, 0])[0]
        pairs = np.stack([scores, np.zeros_like(scores)], axis=-1)
        return softmax(pairs)[..., 0]


class NumberHead(Network):
    """``y_hat<t> = W_y h<t> + b_y``.

    Parameters
    ----------
    in_features, num_outputs : int
        Sizes of h<t> and of y_hat<t>.
    loss : {"mse", "mae"}
        Squared or absolute error.
    dtype, rng
        As the layers take them.
    """

    def __init__(
        self,
        in_features: int,
        num_outputs: int,
        *,
        loss: str,
        dtype: str,
        rng: np.random.Generator,
    ) -> None:
        self._error = NUMBER_LOSSES[loss]
        self.output = Linear(in_features, num_outputs, dtype=dtype, seed=rng)

    def loss(
        self, h: Array, y: Array, lengths: Ints, *, backward: bool
    ) -> tuple[float, Array | None]:
        """Return ``sum_t |y_hat<t> - y<t>|^2``, or the sum of absolute values."""
        numbers, backprop = self.output.forward(h)
        loss, dnumbers = self._error(
            numbers, y, weights=within(lengths, len(h)), reduction="sum", backward=backward
        )
        return loss, None if dnumbers is None else backprop(dnumbers)

    def predict(self, h: Array, lengths: Ints) -> Array:
        """Return ``y_hat<t>``."""
        return self.output(h)

    def probabilities(self, h: Array, lengths: Ints) -> Array:
        """Return ``y_hat<t>``."""
        return self.output(h)


def within(lengths: Ints, steps: int) -> Array:
    """Return True where a step counts, ``(T, B)``."""
    inside: Array = np.arange(steps)[:, np.newaxis] < lengths
    return inside
