"""The network of most supervised models: layers that read a sequence, and a head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast.data.batches import Ints
from rnnfast.models.parts.encoder import EncoderLayers
from rnnfast.models.parts.examples import ExampleBatch, Examples, pad_batch, scoring_batches
from rnnfast.models.parts.heads import Head
from rnnfast.models.parts.network import Network
from rnnfast.nn.module import Array


class EncoderNetwork(Network):
    """Layers that read sequences, and a head that makes outputs of what they give.

    Parameters
    ----------
    encoder : EncoderLayers
        Reads sequences.
    head : Head
        Makes outputs, and knows their loss.
    """

    def __init__(self, encoder: EncoderLayers, head: Head) -> None:
        self.encoder, self.head = encoder, head

    @property
    def output(self) -> Any:
        """The head's linear layer."""
        return self.head.output

    def add_gradients(self, batch: ExampleBatch) -> tuple[float, int]:
        """Add the gradients of the summed loss of one batch.

        Returns
        -------
        loss : float
            The sum.
        count : int
            How many terms it has.
        """
        count = self.head.count(batch.y, batch.lengths)
        if count == 0:
            return 0.0, 0
        (h, _), backprop = self.encoder.forward(batch.x, lengths=batch.lengths)
        loss, dh = self.head.loss(h, batch.y, batch.lengths, backward=True)
        backprop(dh)
        return loss, count

    def loss(self, batch: ExampleBatch) -> float:
        """Return the summed loss of a batch, without dropout."""
        h, _ = self.encoder(batch.x, lengths=batch.lengths)
        return self.head.loss(h, batch.y, batch.lengths, backward=False)[0]

    def scores(self, x: Array, lengths: Ints) -> Array:
        """Return what the head's linear layer gives for a batch."""
        return self.head.scores(self.encoder(x, lengths=lengths)[0], lengths)

    def predict(self, x: Array, lengths: Ints, **options: Any) -> Array:
        """Return what the head predicts for a batch; options as it takes them."""
        return self.head.predict(self.encoder(x, lengths=lengths)[0], lengths, **options)

    def probabilities(self, x: Array, lengths: Ints) -> Array:
        """Return the head's probabilities for a batch."""
        return self.head.probabilities(self.encoder(x, lengths=lengths)[0], lengths)

    # Of many sequences, in batches of similar lengths

    def mean_loss(self, examples: Examples) -> float:
        """Return the mean loss of all terms of encoded examples with targets for each step."""
        loss, count = 0.0, 0
        for chosen, x, lengths in scoring_batches(examples.x):
            batch = ExampleBatch(x, lengths, pad_batch(examples.y, chosen)[0])
            loss += self.loss(batch)
            count += self.head.count(batch.y, lengths)
        return loss / count

    def scores_of(self, x: list[Array]) -> Array:
        """Return the scores ``(N, K)`` of sequences that have one output each."""
        scores = np.empty((len(x), self.output.out_features), self.output.dtype)
        for chosen, batch, lengths in scoring_batches(x):
            scores[chosen] = self.scores(batch, lengths)
        return scores

    def steps_of(self, x: list[Array], of_batch: Callable[..., Array]) -> list[Array]:
        """Return what a method gives for each step of sequences, ``(T_i, ...)``."""
        outputs: list[Array] = [np.empty(0)] * len(x)
        for chosen, batch, lengths in scoring_batches(x):
            result = of_batch(batch, lengths)
            for column, number in enumerate(chosen):
                outputs[number] = result[: lengths[column], column]
        return outputs
