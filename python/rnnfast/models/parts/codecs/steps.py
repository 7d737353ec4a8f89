"""Targets for every step of a sequence: what they share."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from rnnfast._checks.weights import read_step_weights
from rnnfast.data.batches import Ints
from rnnfast.models.parts.codecs.base import Codec
from rnnfast.models.parts.fitting.examples import (
    ExampleBatch,
    Examples,
    check_same_length,
    pad_batch,
    require_steps,
    weights_of,
)
from rnnfast.models.parts.networks.encoder_network import EncoderNetwork
from rnnfast.models.parts.reading.sequences import Sequences, lengths_of
from rnnfast.models.parts.reading.step_rows import all_known, known
from rnnfast.models.parts.reading.weights import StepWeights
from rnnfast.nn.module import Array

Bools = npt.NDArray[np.bool_]


class StepCodec(Codec):
    """Base of the codecs of models with as many outputs as inputs, ``T_x = T_y``.

    Targets are a list of arrays, ``(T_i, ...)``. Figures are of targets as they were read.
    """

    unit: ClassVar[str] = "step"
    of_steps: ClassVar[bool] = True

    def check_pairs(self, X: Sequences, targets: list[Array], suffix: str) -> None:
        check_same_length(X, targets, suffix)
        for number, (length, own) in enumerate(zip(lengths_of(X).tolist(), targets, strict=True)):
            if length != len(own):
                raise ValueError(
                    f"y{suffix}[{number}]: expected {length}, one for each step of "
                    f"X{suffix}[{number}], got {len(own)}"
                )

    # What counts

    def labelled(self, target: Array) -> Bools:
        """Return which steps of a sequence have something to predict, ``(T_i,)``."""
        if all_known(target):
            return np.ones(len(target), np.bool_)
        return np.asarray(known(target).any(axis=1))

    def only(self, target: Array, counting: Bools) -> Array:
        """Return the target of a sequence of which only some steps count."""
        if counting.all():
            return target
        floats = target if target.dtype.kind == "f" else target.astype(np.float64)
        return np.where(counting[:, np.newaxis], floats, floats.dtype.type(math.nan))

    def weigh(
        self, targets: list[Array], sample_weight: Any
    ) -> tuple[list[Array], StepWeights | None]:
        """Read the weights of sequences or of steps: a step of weight 0 has no target then."""
        lengths = [len(target) for target in targets]
        weights = read_step_weights("sample_weight", sample_weight, lengths)
        if not isinstance(weights, list):
            return targets, weights
        weights = [own * self.labelled(t) for own, t in zip(weights, targets, strict=True)]
        if not any(own.any() for own in weights):
            raise ValueError(
                "sample_weight: expected a number above 0 at a step that counts, got none"
            )
        return [self.only(t, own > 0) for own, t in zip(weights, targets, strict=True)], weights

    def counting(self, targets: list[Array], weights: StepWeights | None) -> Ints:
        """Return the numbers of the sequences that count: of those with steps, the labelled."""
        number = len(targets)
        labelled = np.array([self.labelled(target).any() for target in targets], np.bool_)
        if isinstance(weights, list):
            labelled &= np.array([own.any() for own in weights], np.bool_)
        empty = np.array([len(target) == 0 for target in targets], np.bool_)
        chosen = weights > 0 if isinstance(weights, np.ndarray) else np.ones(number, np.bool_)
        if not (labelled & chosen).any() and not empty.all():
            raise ValueError("y: expected a step that counts, got none")
        return np.flatnonzero((labelled | empty) & chosen)

    def terms(self, examples: Examples) -> Ints:
        return np.array([self.labelled(own).sum() for own in examples.y], np.int64)

    # Measuring

    def to_measure(self, suffix: str, targets: list[Array], examples: Examples) -> Examples:
        """Return targets as they were read, if there is a step that counts."""
        require_steps(f"X{suffix}", examples.x)
        if not any(self.labelled(target).any() for target in targets):
            cure = "" if suffix else "; or set validation_fraction=0"
            raise ValueError(f"y{suffix}: expected a step to validate on, got none{cure}")
        return examples._replace(y=targets)

    def batch(self, examples: Examples, chosen: Ints) -> ExampleBatch:
        x, lengths = pad_batch(examples.x, chosen)
        y, weights = pad_batch(examples.y, chosen)[0], weights_of(examples, chosen)
        return ExampleBatch(x, lengths, y, weights)

    def split_targets(self, y: Array, rows: slice) -> Array:
        return np.ascontiguousarray(y[:, rows])

    def compare(self, network: EncoderNetwork, examples: Examples) -> dict[str, float]:
        """Return the figures of examples whose targets are as they were read, by name."""
        raise NotImplementedError

    def figures(self, network: EncoderNetwork, examples: Examples) -> dict[str, float]:
        return {f"valid_{name}": value for name, value in self.compare(network, examples).items()}

    def evaluate(
        self, network: Any, x: list[Array], targets: list[Array], weights: StepWeights | None
    ) -> dict[str, float]:
        return self.compare(network, Examples(x, targets, weights))

    def mean_loss(self, network: EncoderNetwork, examples: Examples) -> float:
        """Return the mean loss of a step of examples whose targets are not encoded."""
        require_steps("X", examples.x)
        y = self.encode("y", examples.y, examples.x)
        return network.mean_loss(examples._replace(y=y))


def require_each(name: str, targets: list[Array], columns: int) -> None:
    """Raise ValueError unless each number, or label, is there at a step; none of no steps is."""
    there = np.zeros(columns, np.bool_)
    for rows in targets:
        there |= bool(len(rows)) if all_known(rows) else known(rows).any(axis=0)
    if any(map(len, targets)) and not there.all():
        raise ValueError(
            f"{name}: expected a step with number {there.argmin()} to learn from, got none"
        )
