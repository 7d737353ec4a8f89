"""The network of the models with an output at every step."""

from __future__ import annotations

from typing import Any

from rnnfast.data.batches import Ints
from rnnfast.models.parts.encoder import EncoderLayers
from rnnfast.models.parts.examples import ExampleBatch
from rnnfast.models.parts.labels import counts
from rnnfast.models.parts.network import Network
from rnnfast.models.parts.step_heads import StepHead, within
from rnnfast.nn.module import Array


class StepNetwork(Network):
    """Layers that read a sequence, and a head that has an output at every step.

    Parameters
    ----------
    encoder : EncoderLayers
        Reads sequences.
    head : StepHead
        Makes outputs, and knows their loss.
    """

    def __init__(self, encoder: EncoderLayers, head: StepHead) -> None:
        self.encoder, self.head = encoder, head

    def add_gradients(self, batch: ExampleBatch) -> tuple[float, int]:
        """Add the gradients of the summed loss of one batch.

        Returns
        -------
        loss : float
            The sum.
        count : int
            How many steps it is of.
        """
        count = self.count(batch)
        if count == 0:
            return 0.0, 0
        (h, _), backprop = self.encoder.forward(batch.x, lengths=batch.lengths)
        loss, dh = self.head.loss(h, batch.y, batch.lengths, backward=True)
        backprop(dh)
        return loss, count

    @staticmethod
    def count(batch: ExampleBatch) -> int:
        """Return how many steps of a batch count: those with a label, where there are labels."""
        y = batch.y
        if y.dtype.kind != "i":
            return int(batch.lengths.sum())
        return int((within(batch.lengths, len(y)) & counts(y)).sum())

    def loss(self, batch: ExampleBatch) -> float:
        """Return the summed loss of a batch, without dropout."""
        h, _ = self.encoder(batch.x, lengths=batch.lengths)
        return self.head.loss(h, batch.y, batch.lengths, backward=False)[0]

    def predict(self, x: Array, lengths: Ints, **options: Any) -> Array:
        """Return what the head predicts for a batch; options as it takes them."""
        h, _ = self.encoder(x, lengths=lengths)
        return self.head.predict(h, lengths, **options)

    def probabilities(self, x: Array, lengths: Ints) -> Array:
        """Return the head's probabilities for a batch."""
        h, _ = self.encoder(x, lengths=lengths)
        return self.head.probabilities(h, lengths)
