"""The network of most supervised models: layers that read a sequence, and a head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rnnfast.data.batches import Ints
from rnnfast.models.parts.fitting.examples import (
    ExampleBatch,
    Examples,
    own_scoring_batches,
    pad_batch,
    steps_of,
    weights_of,
)
from rnnfast.models.parts.networks.encoder import EncoderLayers
from rnnfast.models.parts.networks.heads import Head
from rnnfast.models.parts.networks.input_parts import Network
from rnnfast.nn.linear import Linear
from rnnfast.nn.module import Array, Module
from rnnfast.nn.placement import placement
from rnnfast.nn.pooling import Pooling
from rnnfast.training.ranks import measuring_ranks


class EncoderNetwork(Network):
    """Layers that read sequences, and a head that makes outputs of what they give.

    Parameters
    ----------
    encoder : EncoderLayers
        Reads sequences.
    head : Head
        Makes outputs, and knows their loss.
    pool : Module, optional
        Makes one vector of all steps, ``(B, W)``, which is the one step that the head then has; a
        batch's ``y`` is then ``(B, ...)``, and the loss has as many terms as that numbers.
    """

    def __init__(self, encoder: EncoderLayers, head: Head, pool: Module | None = None) -> None:
        self.encoder, self.head, self._pool = encoder, head, pool

    @property
    def output(self) -> Linear:
        """The head's linear layer."""
        return self.head.output

    @property
    def pooling(self) -> str | None:
        """How all steps become one vector; None: each step has an output."""
        if self._pool is None:
            return None
        parts = self._pool.children().values()
        return next(part.how for part in parts if isinstance(part, Pooling))

    def add_gradients(self, batch: ExampleBatch) -> tuple[float, int]:
        """Add the gradients of the summed loss of one batch.

        Returns
        -------
        loss : float
            The sum.
        count : int
            How many terms it has.
        """
        x, lengths, y, weights = batch
        count, here = self._count(batch), placement()
        if (count if here is None else self._count(here.whole)) == 0:
            return 0.0, 0
        ends = _if_shorter(lengths, len(x))
        (h, _), backprop = self.encoder.forward(x, lengths=ends)
        if self._pool is None:
            loss, dh = self.head.loss(h, y, lengths, backward=True, weights=weights)
        else:
            v, to_steps = self._pool.forward(h, ends)
            loss, dv = self.head.loss(
                v[np.newaxis], y[np.newaxis], _one_step(v), backward=True, weights=weights
            )
            assert dv is not None
            dh = to_steps(dv[0])
        backprop(dh)
        return loss, count

    def _count(self, batch: ExampleBatch) -> int:
        """Return how many terms the loss of a batch has."""
        if self._pool is not None:
            return self.head.size_of(batch.y)
        return int(self.head.counts(batch.y, batch.lengths).sum())

    def loss(self, batch: ExampleBatch) -> float:
        """Return the summed loss of a batch with outputs at its steps, without dropout."""
        h, _ = self.encoder(batch.x, lengths=_if_shorter(batch.lengths, len(batch.x)))
        y, lengths, weights = batch.y, batch.lengths, batch.weights
        return self.head.loss(h, y, lengths, backward=False, weights=weights)[0]

    def scores(self, x: Array, lengths: Ints) -> Array:
        """Return the scores of a batch, ``(T, B, K)`` or with pooling ``(B, K)``."""
        ends = _if_shorter(lengths, len(x))
        h, _ = self.encoder(x, lengths=ends)
        if self._pool is None:
            return self.head.scores(h, lengths)
        v = self._pool(h, ends)
        scores: Array = self.head.scores(v[np.newaxis], _one_step(v))[0]
        return scores

    def predict(self, x: Array, lengths: Ints, **options: Any) -> Array:
        """Return what the head predicts for the steps of a batch; options as it takes them."""
        h, _ = self.encoder(x, lengths=_if_shorter(lengths, len(x)))
        return self.head.predict(h, lengths, **options)

    def probabilities(self, x: Array, lengths: Ints) -> Array:
        """Return the head's probabilities for the steps of a batch."""
        h, _ = self.encoder(x, lengths=_if_shorter(lengths, len(x)))
        return self.head.probabilities(h, lengths)

    # Of many sequences, in batches of similar lengths

    def mean_loss(self, examples: Examples) -> float:
        """Return the mean loss of all terms of encoded examples with targets for each step."""
        loss, count = 0.0, 0.0
        for chosen, x, lengths in own_scoring_batches(examples.x):
            weights, terms = weights_of(examples, chosen), pad_batch(examples.y, chosen)[0]
            if weights is not None:
                weights = weights.astype(self.output.dtype)
            loss += self.loss(ExampleBatch(x, lengths, terms, weights))
            each = self.head.counting(terms, lengths)
            count += float((each if weights is None else each * weights).sum(dtype=np.float64))
        loss, count = measuring_ranks().total(loss, count)
        return loss / count

    def scores_of(self, x: Sequence[Array]) -> Array:
        """Return the scores ``(N, K)`` of sequences that have one output each."""
        scores = np.zeros((len(x), self.output.out_features), self.output.dtype)
        for chosen, batch, lengths in own_scoring_batches(x):
            scores[chosen] = self.scores(batch, lengths)
        return measuring_ranks().add(scores)

    def steps_of(self, x: Sequence[Array], of_batch: Callable[..., Array]) -> list[Array]:
        """Return what a method gives for each step of sequences, ``(T_i, ...)``."""
        return steps_of(x, of_batch)


def _if_shorter(lengths: Ints, steps: int) -> Ints | None:
    """Return the lengths of sequences, or None where all have as many steps as there are."""
    return lengths if lengths.min() < steps else None


def _one_step(v: Array) -> Ints:
    """Return the lengths of vectors ``(B, W)`` as sequences of one step."""
    return np.ones(len(v), np.int64)
