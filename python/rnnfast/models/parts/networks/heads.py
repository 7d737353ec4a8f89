"""What stands above the recurrent layers: scores and their loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast._checks import among
from rnnfast._checks.messages import shown
from rnnfast.data.batches import Ints
from rnnfast.models.parts.networks.input_parts import Network
from rnnfast.models.parts.reading.labels import IGNORED
from rnnfast.models.parts.reading.step_labels import counts
from rnnfast.models.parts.reading.step_rows import all_known, known
from rnnfast.nn.crf import CRF, Constraints
from rnnfast.nn.ctc import ctc_loss
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


def check_loss(loss: Any) -> None:
    """Raise ValueError unless a hyperparameter is one of the losses of numbers."""
    if not among(loss, NUMBER_LOSSES):
        raise ValueError(f"loss: expected one of {', '.join(NUMBER_LOSSES)}, got {shown(loss)}")


class Head(Network):
    """Base of the heads: outputs of what the layers give, ``h`` ``(T, B, W)``, and their loss.

    Parameters
    ----------
    in_features, num_outputs : int
        Sizes of h<t> and of y_hat<t>.
    dtype, rng
        As the layers take them.
    """

    def __init__(
        self, in_features: int, num_outputs: int, *, dtype: str, rng: np.random.Generator
    ) -> None:
        self.output = Linear(in_features, num_outputs, dtype=dtype, seed=rng)

    def counts(self, y: Any, lengths: Ints) -> Ints:
        """Return how many terms the loss of each sequence has, ``(B,)``."""
        number: Ints = self.counting(y, lengths).sum(axis=0)
        return number

    def counting(self, y: Any, lengths: Ints) -> Array:
        """Return which steps have a term of the loss, ``(T, B)``: those with a target."""
        raise NotImplementedError

    def size_of(self, y: Array) -> int:
        """Return how many terms the loss has where sequences have one output each."""
        return int(y.size)

    def loss(
        self,
        h: Array,
        y: Any,
        lengths: Ints,
        *,
        backward: bool,
        weights: Array | None = None,
    ) -> tuple[float, Array | None]:
        """Return the summed loss, each sequence's times its weight, and the gradient of ``h``."""
        if not backward:
            return self._loss_of(self.output(h), y, lengths, backward, weights)
        scores, backprop = self.output.forward(h)
        loss, dscores = self._loss_of(scores, y, lengths, backward, weights)
        return loss, None if dscores is None else backprop(dscores)

    def _loss_of(
        self, scores: Array, y: Any, lengths: Ints, backward: bool, weights: Array | None
    ) -> tuple[float, Array | None]:
        raise NotImplementedError

    def scores(self, h: Array, lengths: Ints) -> Array:
        """Return what the linear layer gives, ``(T, B, K)``."""
        return self.output(h)

    def predict(self, h: Array, lengths: Ints) -> Array:
        """Return the outputs: tags ``(T, B)``, or ``(T, B, K)``; here the scores."""
        return self.scores(h, lengths)

    def probabilities(self, h: Array, lengths: Ints) -> Array:
        """Return the probabilities ``(T, B, K)`` that `predict` decides by; here the scores."""
        return self.scores(h, lengths)


class SoftmaxHead(Head):
    """``y_hat<t> = softmax(W_y h<t> + b_y)``, each step by itself; smoothed in training only."""

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
        super().__init__(in_features, num_tags, dtype=dtype, rng=rng)
        self._class_weights, self._label_smoothing = class_weights, label_smoothing

    def counting(self, y: Array, lengths: Ints) -> Array:
        """Return which steps have a label that counts."""
        counting: Array = within(lengths, len(y)) & counts(y)
        return counting

    def loss(
        self,
        h: Array,
        y: Array,
        lengths: Ints,
        *,
        backward: bool,
        weights: Array | None = None,
    ) -> tuple[float, Array | None]:
        """Return ``- sum_t w log y_hat<t>[y<t>]``."""
        return linear_cross_entropy(
            self.output,
            h,
            np.where(within(lengths, len(h)), y, IGNORED),
            weights=None if weights is None else np.broadcast_to(weights, y.shape),
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


class CrfHead(Head):
    """Emissions ``e<t> = W_y h<t> + b_y`` and a `CRF` over all steps together."""

    def __init__(
        self,
        in_features: int,
        num_tags: int,
        *,
        constraints: Constraints | None,
        dtype: str,
        rng: np.random.Generator,
    ) -> None:
        super().__init__(in_features, num_tags, dtype=dtype, rng=rng)
        self.crf = CRF(num_tags, constraints=constraints, dtype=dtype, seed=rng)

    def counting(self, y: Array, lengths: Ints) -> Array:
        """Return which steps have a label that counts."""
        counting: Array = within(lengths, len(y)) & counts(y)
        return counting

    def _loss_of(
        self, scores: Array, y: Array, lengths: Ints, backward: bool, weights: Array | None
    ) -> tuple[float, Array | None]:  # -log P(y<1> ... y<T>), of all that agree with what is known
        return self.crf.loss(
            scores,
            y,
            lengths,
            weights=weights,
            ignore_index=IGNORED,
            reduction="sum",
            backward=backward,
        )

    def predict(self, h: Array, lengths: Ints) -> Array:
        """Return the likeliest sequence of tags."""
        return self.crf.decode(self.output(h), lengths)

    def probabilities(self, h: Array, lengths: Ints) -> Array:
        """Return the probability of each tag at each step over all sequences of tags."""
        return self.crf.marginals(self.output(h), lengths)


class ValueHead(Head):
    """Base of heads of numbers, of which some may be missing."""

    def counts(self, y: Array, lengths: Ints) -> Ints:
        """Return how many steps of each sequence have a number, ``(B,)``."""
        return lengths if all_known(y) else super().counts(y, lengths)

    def counting(self, y: Array, lengths: Ints) -> Array:
        """Return which steps have a number, ``(T, B)``."""
        inside = within(lengths, len(y))
        return inside if all_known(y) else inside & known(y).any(axis=-1)


class SigmoidHead(ValueHead):
    """``y_hat<t> = sigmoid(W_y h<t> + b_y)``, each of K labels by itself.

    `class_weights` are how much more each counts where it is true.
    """

    def __init__(
        self,
        in_features: int,
        num_labels: int,
        *,
        class_weights: Array | None = None,
        dtype: str,
        rng: np.random.Generator,
    ) -> None:
        super().__init__(in_features, num_labels, dtype=dtype, rng=rng)
        self._class_weights = class_weights

    def _loss_of(
        self, scores: Array, y: Array, lengths: Ints, backward: bool, weights: Array | None
    ) -> tuple[float, Array | None]:  # - sum_t sum_k c_k y log y_hat + (1 - y) log(1 - y_hat)
        targets, weights = _of_known(y, lengths, weights)
        return binary_cross_entropy_with_logits(
            scores,
            targets,
            weights=weights,
            pos_weight=self._class_weights,
            reduction="sum",
            backward=backward,
        )

    def predict(self, h: Array, lengths: Ints) -> Array:
        """Return True where a label is likelier than not."""
        likely: Array = self.output(h) > 0
        return likely

    def probabilities(self, h: Array, lengths: Ints) -> Array:
        """Return ``y_hat<t>``."""
        return self.probabilities_of(self.output(h))

    def probabilities_of(self, scores: Array) -> Array:
        """Return the sigmoid of scores: sigmoid(x) = softmax([x, 0])[0]."""
        pairs = np.stack([scores, np.zeros_like(scores)], axis=-1)
        return softmax(pairs)[..., 0]


class NumberHead(ValueHead):
    """``y_hat<t> = W_y h<t> + b_y``, with one of `NUMBER_LOSSES`."""

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
        super().__init__(in_features, num_outputs, dtype=dtype, rng=rng)

    def _loss_of(
        self, scores: Array, y: Array, lengths: Ints, backward: bool, weights: Array | None
    ) -> tuple[float, Array | None]:  # sum_t |y_hat<t> - y<t>|^2, or the sum of absolute values
        targets, weights = _of_known(y, lengths, weights)
        return self._error(scores, targets, weights=weights, reduction="sum", backward=backward)


def number_head(codec: Any, in_features: int, rng: np.random.Generator) -> NumberHead:
    """Return the head that predicts the numbers that a codec has learned of."""
    return NumberHead(in_features, codec.numbers.size, loss=codec.loss, dtype=codec.dtype, rng=rng)


class CTCHead(Head):
    """Scores of the symbols and, as the class after them, of the blank, at every step."""

    def __init__(
        self, in_features: int, num_symbols: int, *, dtype: str, rng: np.random.Generator
    ) -> None:
        super().__init__(in_features, num_symbols + 1, dtype=dtype, rng=rng)
        self.blank = num_symbols

    def counts(self, y: Any, lengths: Ints) -> Ints:
        """Return 1 for each sequence."""
        return np.ones(len(y), np.int64)

    def _loss_of(
        self, scores: Array, y: Any, lengths: Ints, backward: bool, weights: Array | None
    ) -> tuple[float, Array | None]:
        return ctc_loss(
            scores,
            y,
            lengths,
            blank=self.blank,
            weights=weights,
            reduction="sum",
            backward=backward,
        )


def _of_known(y: Array, lengths: Ints, weights: Array | None) -> tuple[Array, Array | None]:
    """Return targets, and what each step weighs, ``(T, B)``: nothing past a length.

    Where a target is missing, 0 in its place, and what each number weighs, ``(T, B, K)``. None
    where all weigh 1.
    """
    there = None if all_known(y) else known(y)
    if weights is None and there is None and lengths.min() == len(y):
        return y, None
    inside = within(lengths, len(y))
    each = inside if weights is None else inside * weights
    if there is None:
        return y, each
    return np.where(there, y, y.dtype.type(0)), each[..., np.newaxis] * there


def within(lengths: Ints, steps: int) -> Array:
    """Return True where a step counts, ``(T, B)``."""
    inside: Array = np.arange(steps)[:, np.newaxis] < lengths
    return inside
