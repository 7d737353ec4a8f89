"""One class for each sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rnnfast.data.batches import Ints
from rnnfast.models.parts.codecs.base import Codec
from rnnfast.models.parts.encoder_network import EncoderNetwork
from rnnfast.models.parts.examples import Examples, hold_out
from rnnfast.models.parts.extension import extend_classes
from rnnfast.models.parts.inputs import Inputs
from rnnfast.models.parts.labels import (
    chance_loss,
    class_numbers,
    class_weights,
    find_classes,
    read_classes,
    restore_classes,
)
from rnnfast.models.parts.warm_start import Axes, axes_of_rows
from rnnfast.models.parts.weights import Weights
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

    def encode(self, name: str, targets: list[Any], x: object = None) -> Ints:
        """Return the numbers of the classes; ValueError for a label that is none."""
        return class_numbers(name, targets, self.classes)

    def figures(self, network: EncoderNetwork, examples: Examples) -> dict[str, float]:
        """Return loss, without label smoothing, and accuracy."""
        scores, (_, y, weights) = network.scores_of(examples.x), examples
        loss, _ = cross_entropy(
            scores,
            y,
            weights=None if weights is None else weights.astype(scores.dtype),
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
