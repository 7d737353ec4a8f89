"""Any of K labels for every step of a sequence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnnfast._checks import check_int
from rnnfast.models.parts.codecs.steps import StepCodec, require_each
from rnnfast.models.parts.fitting.examples import Examples
from rnnfast.models.parts.networks.encoder_network import EncoderNetwork
from rnnfast.models.parts.reading.columns import restore_names, step_names
from rnnfast.models.parts.reading.inputs import Inputs
from rnnfast.models.parts.reading.labels import (
    named_weights,
    require_balanced,
    restore_weights,
    within_dtype,
)
from rnnfast.models.parts.reading.step_rows import known, read_rows, require_columns
from rnnfast.models.parts.reading.weights import StepWeights, Weights, spread
from rnnfast.nn.module import Array


@dataclass(frozen=True, eq=False)
class LabelSetCodec(StepCodec):
    """Any of K labels for each step, as rows of 0 and 1."""

    dtype: str
    class_weight: Any = None
    ignore_label: Any = None
    num_labels: int = 0
    class_weights: Array | None = None
    names: tuple[str, ...] | None = None  # of the columns of tables

    def __post_init__(self) -> None:
        if self.class_weight is not None and not isinstance(self.class_weight, Mapping):
            require_balanced(self.class_weight)

    def read(self, name: str, y: Any) -> list[Array]:
        targets = read_rows(name, y, none=True, ignored=self.ignore_label)
        for number, rows in enumerate(targets):
            wrong = rows[(rows != 0) & (rows != 1) & known(rows)]
            if wrong.size:
                raise ValueError(f"{name}[{number}]: expected 0 and 1, got {wrong[0]:g}")
        step_names(name, y, self.names)
        return targets

    def survey(self, y: Any, targets: list[Array]) -> LabelSetCodec:
        return replace(self, names=step_names("y", y))

    def check_known(self, name: str, targets: list[Array]) -> None:
        require_columns(name, targets, self.num_labels)

    def learn(self, targets: list[Array], weights: StepWeights | None = None) -> LabelSetCodec:
        size = targets[0].shape[1]
        require_each("y", targets, size)
        each = label_weights(self.class_weight, targets, self.dtype, spread(weights, targets))
        return replace(self, num_labels=size, class_weights=each)

    def learn_again(
        self, targets: list[Array], weights: StepWeights | None, extend: bool
    ) -> LabelSetCodec:
        """Weigh the labels anew."""
        each = label_weights(self.class_weight, targets, self.dtype, spread(weights, targets))
        return replace(self, class_weights=each)

    def encode(self, name: str, targets: list[Array], x: object) -> list[Array]:
        return [rows.astype(self.dtype, copy=False) for rows in targets]

    def compare(self, network: EncoderNetwork, examples: Examples) -> dict[str, float]:
        """Return how well labels are foreseen, as `MultiLabelTagger.evaluate` tells it."""
        loss = self.mean_loss(network, examples)
        right = true = given = 0.0
        predicted = network.steps_of(examples.x, network.predict)
        weights = [1.0] * len(predicted) if examples.weights is None else list(examples.weights)
        for t, p, w in zip(examples.y, predicted, weights, strict=True):
            found, positive = p & known(t), t > 0
            counts = (found & positive, positive, found)
            each = [float(np.sum(w * count.sum(axis=1))) for count in counts]
            right, true, given = right + each[0], true + each[1], given + each[2]
        either = true + given - right
        return {
            "loss": loss,
            "f1": 2 * right / (true + given) if either else 1.0,
            "accuracy": right / either if either else 1.0,
        }

    def measures(self) -> tuple[str, ...]:
        return ("loss", "f1", "accuracy")

    def baseline(self, examples: Examples) -> float:
        """Return the loss of equal chances, of labels that are true if that weighs more."""
        each = 1.0 if self.class_weights is None else np.maximum(self.class_weights, 1)
        return float(np.broadcast_to(each, self.num_labels).sum() * math.log(2))

    def to_dict(self) -> dict[str, Any]:
        described: dict[str, Any] = {"num_labels": self.num_labels}
        if self.class_weights is not None:
            described["class_weights"] = self.class_weights.tolist()
        if self.names is not None:
            described["target_names"] = [*self.names]
        return described

    def restore(self, learned: Mapping[str, Any], inputs: Inputs) -> LabelSetCodec:
        size, weights = check_int("num_labels", learned["num_labels"], 1), None
        if learned.get("class_weights") is not None:  # files of before have none
            weights = restore_weights(learned["class_weights"], (size,), self.dtype)
        names = restore_names(learned, "target_names", size)
        return replace(self, num_labels=size, class_weights=weights, names=names)


def label_weights(
    class_weight: Any, targets: list[Array], dtype: str, weights: Weights | None
) -> Array | None:
    """Return how much more each label counts where it is true, ``(K,)``; None: no more.

    ``"balanced"`` is how often it is false over how often it is true, so that both weigh the same
    together; 1 of a label that is always the same. ``weights`` are those of the steps.
    """
    if class_weight is None:
        return None
    rows = np.concatenate(targets)
    labels = np.arange(rows.shape[1])
    if isinstance(class_weight, Mapping):
        return named_weights(class_weight, labels, dtype)
    each = np.ones(len(rows)) if weights is None else weights
    each = each[:, np.newaxis]
    true, false = (each * (rows > 0)).sum(axis=0), (each * (rows == 0)).sum(axis=0)
    constant = (true == 0) | (false == 0)
    balanced = np.where(constant, 1.0, false / np.where(constant, 1.0, true))
    return within_dtype(balanced, labels, dtype)
