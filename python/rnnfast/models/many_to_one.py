"""Many to one: a sequence in, one vector of scores out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from rnnfast._checks import among
from rnnfast._checks.messages import shown
from rnnfast.data.batches import Ints
from rnnfast.models.estimator import Estimator
from rnnfast.models.parts.encoder import EncoderLayers
from rnnfast.models.parts.examples import (
    ExampleBatch,
    Examples,
    check_same_length,
    hold_out,
    split_valid,
)
from rnnfast.models.parts.network import Network
from rnnfast.models.parts.sequences import Sequences
from rnnfast.nn.compose import chain
from rnnfast.nn.dropout import Dropout
from rnnfast.nn.linear import Linear
from rnnfast.nn.module import Array
from rnnfast.nn.pooling import POOLINGS, Pooling, pooled_size

# Takes the linear layer, its input (B, W) and what is to be predicted. Returns the summed loss and
# the gradient of that input, and adds to the layer's gradients.
Loss = Callable[[Linear, Array, Array], tuple[float, Array | None]]


class ManyToOneNetwork(Network):
    """Encoder layers, pooling over time, dropout, a linear layer.

    Parameters
    ----------
    encoder : EncoderLayers
        Reads the sequences; has no dropout after its last layer.
    num_outputs : int
        How many scores.
    pooling : {"last", "mean", "max", "concat"}
        As `pool` takes it.
    dropout : float
        Probability with which numbers of the pooled vector are set to zero in training.
    loss : callable
        See `Loss`.
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
        loss: Loss,
        dtype: str,
        rng: np.random.Generator,
    ) -> None:
        self.encoder = encoder
        self.output = Linear(
            pooled_size(pooling, encoder.output_size), num_outputs, dtype=dtype, seed=rng
        )
        self._layers = chain(
            encoder,
            Pooling(pooling, num_directions=encoder.num_directions),
            Dropout(dropout, seed=rng),
        )
        self._loss = loss

    def add_gradients(self, batch: ExampleBatch) -> tuple[float, int]:
        """Add the gradients of the summed loss of one batch.

        Returns
        -------
        loss : float
            The sum.
        count : int
            How many numbers were to be predicted.
        """
        v, backprop = self._layers.forward(batch.x, batch.lengths)
        loss, dv = self._loss(self.output, v, batch.y)
        backprop(dv)
        return loss, batch.y.size

    def scores(self, x: Array, lengths: Array) -> Array:
        """Return the linear layer's outputs ``(B, num_outputs)``, without dropout."""
        return self.output(self._layers(x, lengths))


@dataclass(kw_only=True, eq=False, repr=False)
class ManyToOne(Estimator, base=True):
    """Base of the many-to-one models.

    Parameters
    ----------
    pooling : {"last", "mean", "max", "concat"}
        As `rnnfast.nn.pooling.pool` takes it.
    embedding_scale : float
        As `Estimator` has it; smaller here, since there is one label to a sequence to learn from.
    """

    pooling: Literal["last", "mean", "max", "concat"] = "last"
    embedding_scale: float = 0.1

    network_: ManyToOneNetwork = field(init=False)

    def _check_hyperparameters(self) -> None:
        super()._check_hyperparameters()
        if not among(self.pooling, POOLINGS):
            known = ", ".join(POOLINGS)
            raise ValueError(f"pooling: expected one of {known}, got {shown(self.pooling)}")

    def _prepare_parts(
        self,
        sequences: Sequences,
        targets: Array,
        valid: Any,
        read_targets: Callable[[str, Any], Array],
        classes: Array | None = None,
    ) -> tuple[Examples, Examples | None]:
        """Hold examples out or read those given, learn `inputs_` from the others, encode both.

        Parameters
        ----------
        sequences : list
            What `_read` gave.
        targets : ndarray
            What is to be predicted, ``(N, ...)``.
        valid : pair, optional
            As `fit` takes it.
        read_targets : callable
            Takes the name of an argument and its value, and returns targets.
        classes : ndarray of int, optional
            As `hold_out` takes it.
        """
        train, held_out = np.arange(len(sequences)), np.arange(0)
        if valid is None:
            train, held_out = self._hold_out(len(sequences), classes)
        learned_from = [sequences[number] for number in train]
        self.inputs_ = self._learn_inputs(learned_from)
        examples = Examples(self.inputs_.encode("X", learned_from), targets[train])
        if valid is not None:
            X, y = split_valid(valid)
            others = Examples(self.inputs_.encode("X of valid", X), read_targets("y of valid", y))
            check_same_length(*others, " of valid")
            return examples, others
        if len(held_out) == 0:
            return examples, None
        kept = self.inputs_.encode("X", [sequences[number] for number in held_out])
        return examples, Examples(kept, targets[held_out])

    def _hold_out(self, count: int, classes: Array | None) -> tuple[Ints, Ints]:
        return hold_out(count, self.validation_fraction, classes)

    def _make_many_to_one(
        self, num_outputs: int, loss: Loss, rng: np.random.Generator
    ) -> ManyToOneNetwork:
        return ManyToOneNetwork(
            self._make_encoder(self.inputs_, rng, drop_outputs=False),
            num_outputs,
            pooling=self.pooling,
            dropout=self.dropout,
            loss=loss,
            dtype=self.dtype,
            rng=rng,
        )

    def _scores(self, x: list[Array]) -> Array:
        """Return the network's outputs ``(N, num_outputs)`` for encoded sequences."""
        scores = np.empty((len(x), self.network_.output.out_features), self.network_.output.dtype)
        for chosen, batch, lengths in self._scoring_batches(x):
            scores[chosen] = self.network_.scores(batch, lengths)
        return scores
