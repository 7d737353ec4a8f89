"""One class for each sequence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rnnfast._checks.messages import shown, some_of
from rnnfast.data.batches import Ints
from rnnfast.metrics._pairs import require_alike
from rnnfast.models.parts.codecs.base import Codec, Read
from rnnfast.models.parts.fitting.examples import Examples, hold_out
from rnnfast.models.parts.fitting.warm_start import Axes, axes_of_rows
from rnnfast.models.parts.networks.encoder_network import EncoderNetwork
from rnnfast.models.parts.reading.extension import extend_classes
from rnnfast.models.parts.reading.inputs import Inputs
from rnnfast.models.parts.reading.labels import (
    chance_loss,
    class_numbers,
    class_weights,
    find_classes,
    read_classes,
    restore_classes,
)
from rnnfast.models.parts.reading.sequences import Sequences
from rnnfast.models.parts.reading.weights import Weights
from rnnfast.nn.losses import cross_entropy
from rnnfast.nn.module import Array


@dataclass(frozen=True, eq=False)
class ClassCodec(Codec):
    """Classes by number: all that occur, sorted; and how much each weighs, None: the same."""

    class_weight: Any
    dtype: str
    classes: Array = field(default_factory=lambda: np.empty(0))
    class_weights: Array | None = None

    def read(self, name: str, y: Any) -> list[Any]:
        return read_classes(name, y)

    def survey(self, y: Any, targets: list[Any]) -> ClassCodec:
        """Find the classes, also those that only what is held out has."""
        return replace(self, classes=find_classes("y", targets))

    def hold_out(self, targets: list[Any], fraction: float) -> tuple[Ints, Ints]:
        """Hold out a part of each class."""
        return hold_out(len(targets), fraction, self.encode("y", targets))

    def learn(self, targets: list[Any], weights: Weights | None = None) -> ClassCodec:
        numbers = self.encode("y", targets)
        each = class_weights(self.class_weight, self.classes, numbers, self.dtype, weights)
        return replace(self, class_weights=each)

    def survey_again(self, targets: list[Any], extend: bool) -> ClassCodec:
        return replace(self, classes=extend_classes("y", self.classes, targets, extend=extend))

    def learn_again(self, targets: list[Any], weights: Weights | None, extend: bool) -> ClassCodec:
        """Weigh the classes anew; one that does not occur weighs 1 if they are balanced."""
        return self.learn(targets, weights)

    def axes(self) -> Axes:
        return axes_of_rows("output", self.classes.tolist())

    def read_valid(self, read: Read, valid: Any) -> tuple[Sequences, list[Any]]:
        sequences, targets = super().read_valid(read, valid)
        self._require_alike("y of valid", targets)
        return sequences, targets

    def evaluate(
        self, network: Any, x: list[Array], targets: list[Any], weights: Any
    ) -> dict[str, float]:
        self._require_alike("y", targets)
        return super().evaluate(network, x, targets, weights)

    def _require_alike(self, name: str, targets: list[Any]) -> None:
        """Raise TypeError unless some labels are of a kind with the classes."""
        require_alike(name, targets, self.classes.tolist(), "classes as in fit")

    def encode(self, name: str, targets: list[Any], x: object = None) -> Ints:
        """Return the numbers of the classes, -1 for labels that are none."""
        return class_numbers(targets, self.classes)

    def unseen(self, targets: list[Any]) -> list[Any]:
        known = set(self.classes.tolist())
        return [label for label in targets if label not in known]

    def to_measure(self, suffix: str, targets: Any, examples: Examples) -> Examples:
        """Return the examples, if one of them has a loss."""
        if (examples.y < 0).all():
            known, got = some_of(self.classes.tolist()), shown(targets[0])
            raise ValueError(f"y{suffix}: expected some of {known} to validate on, got {got}")
        return examples

    def measures(self) -> tuple[str, ...]:
        return ("loss", "accuracy")

    def figures(self, network: EncoderNetwork, examples: Examples) -> dict[str, float]:
        """Return loss, without label smoothing, and accuracy, of which an unknown class is none."""
        scores, (_, y, weights) = network.scores_of(examples.x), examples
        known, loss = y >= 0, math.nan
        own = None if weights is None else weights[known].astype(scores.dtype)
        if known.any() and (own is None or own.any()):
            loss, _ = cross_entropy(
                scores[known],
                y[known],
                weights=own,
                class_weights=self.class_weights,
                backward=False,
            )
        right = scores.argmax(axis=1) == y
        return {"valid_loss": loss, "valid_accuracy": float(np.average(right, weights=weights))}

    def baseline(self, examples: Examples) -> float:
        """Return the loss of equal chances."""
        return chance_loss(self.classes, self.class_weights)

    def to_dict(self) -> dict[str, Any]:
        weights = None if self.class_weights is None else self.class_weights.tolist()
        return {"classes": self.classes.tolist(), "class_weights": weights}

    def restore(self, learned: Mapping[str, Any], inputs: Inputs) -> ClassCodec:
        found = restore_classes(learned["classes"], learned["class_weights"], self.dtype)
        return replace(self, classes=found[0], class_weights=found[1])
