"""Targets for every step of a sequence: what they share, labels by the K, and numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from rnnfast._checks import check_int
from rnnfast._checks.arrays import read_array, require_finite
from rnnfast.data.batches import Ints
from rnnfast.metrics import mae, r2, rmse
from rnnfast.models.parts.codecs.base import Codec
from rnnfast.models.parts.codecs.numbers import UNKNOWN, NumberTargets
from rnnfast.models.parts.encoder_network import EncoderNetwork
from rnnfast.models.parts.examples import (
    ExampleBatch,
    Examples,
    check_same_length,
    pad_batch,
    require_steps,
    weights_of,
)
from rnnfast.models.parts.heads import check_loss
from rnnfast.models.parts.inputs import Inputs
from rnnfast.models.parts.sequences import Sequences, as_list
from rnnfast.models.parts.weights import Weights, spread
from rnnfast.nn.module import Array


class StepCodec(Codec):
    """Base of the codecs of models with as many outputs as inputs, ``T_x = T_y``.

    Targets are a list of arrays, ``(T_i, ...)``. Figures are of targets as they were read.
    """

    unit: ClassVar[str] = "step"

    def check_pairs(self, X: Sequences, targets: list[Array], suffix: str) -> None:
        check_same_length(X, targets, suffix)
        for number, (sequence, own) in enumerate(zip(X, targets, strict=True)):
            if len(sequence) != len(own):
                raise ValueError(
                    f"y{suffix}[{number}]: expected {len(sequence)}, one for each step of "
                    f"X{suffix}[{number}], got {len(own)}"
                )

    def to_measure(self, suffix: str, targets: list[Array], examples: Examples) -> Examples:
        """Return targets as they were read, if there is a step."""
        require_steps(f"X{suffix}", examples.x)
        return examples._replace(y=targets)

    def terms(self, examples: Examples) -> Ints:
        return np.array([len(own) for own in examples.y], np.int64)

    def batch(self, examples: Examples, chosen: Ints) -> ExampleBatch:
        x, lengths = pad_batch(examples.x, chosen)
        y, weights = pad_batch(examples.y, chosen)[0], weights_of(examples, chosen)
        return ExampleBatch(x, lengths, y, weights)

    def split_targets(self, y: Array, rows: slice) -> Array:
        return np.ascontiguousarray(y[:, rows])

    def mean_loss(self, network: EncoderNetwork, examples: Examples) -> float:
        """Return the mean loss of a step of examples whose targets are not encoded."""
        require_steps("X", examples.x)
        y = self.encode("y", examples.y, examples.x)
        return network.mean_loss(examples._replace(y=y))


@dataclass(frozen=True, eq=False)
class LabelSetCodec(StepCodec):
    """Any of K labels for each step, as rows of 0 and 1."""

    dtype: str
    num_labels: int = 0

    def read(self, name: str, y: Any) -> list[Array]:
        targets = read_rows(name, y)
        for number, rows in enumerate(targets):
            wrong = rows[(rows != 0) & (rows != 1)]
            if wrong.size:
                raise ValueError(f"{name}[{number}]: expected 0 and 1, got {wrong[0]:g}")
        return targets

    def check_known(self, name: str, targets: list[Array]) -> None:
        require_columns(name, targets, self.num_labels)

    def learn(self, targets: list[Array], weights: Weights | None = None) -> LabelSetCodec:
        return replace(self, num_labels=targets[0].shape[1])

    def encode(self, name: str, targets: list[Array], x: object) -> list[Array]:
        return [rows.astype(self.dtype) for rows in targets]

    def compare(self, network: EncoderNetwork, examples: Examples) -> dict[str, float]:
        """Return how well labels are foreseen, as `MultiLabelTagger.evaluate` tells it."""
        loss = self.mean_loss(network, examples)
        right = true = given = 0.0
        predicted = network.steps_of(examples.x, network.predict)
        weights = [1.0] * len(predicted) if examples.weights is None else examples.weights.tolist()
        for t, p, w in zip(examples.y, predicted, weights, strict=True):
            right += w * int((p & (t > 0)).sum())
            true, given = true + w * int((t > 0).sum()), given + w * int(p.sum())
        either = true + given - right
        return {
            "loss": loss,
            "f1": 2 * right / (true + given) if either else 1.0,
            "accuracy": right / either if either else 1.0,
        }

    def figures(self, network: EncoderNetwork, examples: Examples) -> dict[str, float]:
        return {f"valid_{name}": value for name, value in self.compare(network, examples).items()}

    def baseline(self, examples: Examples) -> float:
        """Return the loss of equal chances."""
        return float(self.num_labels * math.log(2))

    def to_dict(self) -> dict[str, Any]:
        return {"num_labels": self.num_labels}

    def restore(self, learned: Mapping[str, Any], inputs: Inputs) -> LabelSetCodec:
        return replace(self, num_labels=check_int("num_labels", learned["num_labels"], 1))


@dataclass(frozen=True, eq=False)
class StepNumberCodec(StepCodec):
    """Numbers for each step; `flat`: ``y`` has one, without an axis of its own."""

    loss: str
    standardize: bool
    dtype: str
    numbers: NumberTargets = UNKNOWN
    flat: bool = False

    def __post_init__(self) -> None:
        check_loss(self.loss)

    def read(self, name: str, y: Any) -> list[Array]:
        return read_rows(name, [_as_column(item) for item in as_list(name, y, "a list of arrays")])

    def survey(self, y: Any, targets: list[Array]) -> StepNumberCodec:
        items = as_list("y", y, "a list of arrays")
        return replace(self, flat=any(_as_column(item) is not item for item in items))

    def check_known(self, name: str, targets: list[Array]) -> None:
        require_columns(name, targets, self.numbers.size)

    def learn(self, targets: list[Array], weights: Weights | None = None) -> StepNumberCodec:
        weights = spread(weights, targets)
        numbers = NumberTargets.learn(targets, self.standardize, self.dtype, weights=weights)
        return replace(self, numbers=numbers)

    def encode(self, name: str, targets: list[Array], x: object) -> list[Array]:
        return [self.numbers.encode(f"{name}[{n}]", rows) for n, rows in enumerate(targets)]

    def predict(self, network: EncoderNetwork, x: list[Array]) -> list[Array]:
        """Return the numbers ``(T_i, K)`` for encoded sequences."""
        return [self.numbers.decode(rows) for rows in network.steps_of(x, network.predict)]

    def compare(self, network: EncoderNetwork, examples: Examples) -> dict[str, float]:
        """Return how far off predictions are, as `StepRegressor.evaluate` tells it."""
        true = np.concatenate(examples.y)
        predicted = np.concatenate(self.predict(network, examples.x))
        weights = spread(examples.weights, examples.y)
        figures = {"rmse": rmse, "mae": mae, "r2": r2}
        return {
            name: figure(true, predicted, sample_weight=weights) for name, figure in figures.items()
        }

    def figures(self, network: EncoderNetwork, examples: Examples) -> dict[str, float]:
        figures = {"loss": self.mean_loss(network, examples), **self.compare(network, examples)}
        return {f"valid_{name}": value for name, value in figures.items()}

    def baseline(self, examples: Examples) -> float | None:
        """Return the loss of the mean as the answer, where that is 0."""
        if not self.standardize:
            return None
        y = np.concatenate(examples.y).astype(np.float64)  # few may lie far from the mean
        if not len(y):
            return float(self.numbers.size)
        errors, weights = np.square(y).sum(axis=1), spread(examples.weights, examples.y)
        return max(float(self.numbers.size), float(np.average(errors, weights=weights)))

    def to_dict(self) -> dict[str, Any]:
        return {"outputs": self.numbers.to_dict(), "flat": self.flat}

    def restore(self, learned: Mapping[str, Any], inputs: Inputs) -> StepNumberCodec:
        numbers = NumberTargets.from_dict(learned["outputs"])
        return replace(self, numbers=numbers, flat=numbers.read_single("flat", learned["flat"]))


def read_rows(name: str, y: Any) -> list[Array]:
    """Return the numbers that belong to the steps of sequences, ``(T_i, K)`` each.

    An empty list stands for a sequence of no steps.

    Raises
    ------
    TypeError
        If they are not real numbers.
    ValueError
        If there is nothing, an array has not two axes, widths differ, or a number is not finite.
    """
    rows: list[Array] = []
    for number, item in enumerate(as_list(name, y, "a list of arrays")):
        label = f"{name}[{number}]"
        array = read_array(label, item, "shape (T, K)")
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{label}: expected real numbers, got dtype {array.dtype}")
        if array.shape != (0,) and (array.ndim != 2 or array.shape[1] == 0):
            raise ValueError(f"{label}: expected shape (T, K), got {array.shape}")
        require_finite(label, array, ("step", "number"))
        rows.append(array)
    columns = next((array.shape[1] for array in rows if array.ndim == 2), None)
    if columns is None:
        raise ValueError(f"{name}: expected at least one array with something in it, got none")
    rows = [array.reshape(-1, columns) if array.shape == (0,) else array for array in rows]
    require_columns(name, rows, columns)
    return rows


def require_columns(name: str, rows: list[Array], columns: int) -> None:
    """Raise ValueError unless all arrays have so many columns."""
    for number, array in enumerate(rows):
        if array.shape[1] != columns:
            raise ValueError(f"{name}[{number}]: expected shape (T, {columns}), got {array.shape}")


def _as_column(item: Any) -> Any:
    """Return numbers ``(T,)`` as ``(T, 1)``, and anything else as it is."""
    try:
        array = read_array("y", item)
    except (TypeError, ValueError):  # for `read_rows` to name
        return item
    return array[:, np.newaxis] if array.ndim == 1 and array.size else item
