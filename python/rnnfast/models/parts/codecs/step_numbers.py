"""Numbers for every step of a sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from rnnfast.data.batches import Ints
from rnnfast.models.parts.codecs.numbers import UNKNOWN, NumberTargets, compare_numbers
from rnnfast.models.parts.codecs.steps import StepCodec, require_each
from rnnfast.models.parts.fitting.examples import Examples
from rnnfast.models.parts.networks.encoder_network import EncoderNetwork
from rnnfast.models.parts.networks.heads import check_loss
from rnnfast.models.parts.reading.columns import restore_names, step_names
from rnnfast.models.parts.reading.inputs import Inputs
from rnnfast.models.parts.reading.step_rows import is_flat, known, read_rows, require_columns
from rnnfast.models.parts.reading.weights import StepWeights, spread
from rnnfast.nn.module import Array


@dataclass(frozen=True, eq=False)
class StepNumberCodec(StepCodec):
    """Numbers for each step; `flat`: ``y`` has one, without an axis of its own."""

    loss: str
    standardize: bool
    dtype: str
    ignore_label: Any = None
    numbers: NumberTargets = UNKNOWN
    flat: bool = False
    names: tuple[str, ...] | None = None  # of the columns of tables

    def __post_init__(self) -> None:
        check_loss(self.loss)

    def read(self, name: str, y: Any) -> list[Array]:
        missing = self.ignore_label is not None
        targets = read_rows(name, y, flat=True, none=missing, ignored=self.ignore_label)
        step_names(name, y, self.names)
        return targets

    def survey(self, y: Any, targets: list[Array]) -> StepNumberCodec:
        return replace(self, flat=is_flat("y", y), names=step_names("y", y))

    def check_known(self, name: str, targets: list[Array]) -> None:
        require_columns(name, targets, self.numbers.size)

    def learn(self, targets: list[Array], weights: StepWeights | None = None) -> StepNumberCodec:
        require_each("y", targets, targets[0].shape[1])
        each = spread(weights, targets)
        numbers = NumberTargets.learn(targets, self.standardize, self.dtype, weights=each)
        return replace(self, numbers=numbers)

    def encode(self, name: str, targets: list[Array], x: object) -> list[Array]:
        if len({rows.dtype for rows in targets}) == 1:
            ends = np.cumsum([0, *map(len, targets)]).tolist()
            with suppress(ValueError):  # which one it is, is said below
                rows = self.numbers.encode(name, np.concatenate(targets))
                return [rows[begin:end] for begin, end in pairwise(ends)]
        return [self.numbers.encode(f"{name}[{n}]", rows) for n, rows in enumerate(targets)]

    def predict(self, network: EncoderNetwork, x: Sequence[Array]) -> list[Array]:
        """Return the numbers ``(T_i, K)`` for encoded sequences."""

        def numbers_of(batch: Array, lengths: Ints) -> Array:
            return self.numbers.decode(network.predict(batch, lengths))

        # Copies: one that is kept would keep its whole batch.
        return [rows.copy() for rows in network.steps_of(x, numbers_of)]

    def compare(self, network: EncoderNetwork, examples: Examples) -> dict[str, float]:
        """Return how far off predictions are, as `StepRegressor.evaluate` tells it."""
        true = np.concatenate(examples.y)
        predicted = np.concatenate(self.predict(network, examples.x))
        loss = self.mean_loss(network, examples)
        weights = spread(examples.weights, examples.y)
        return {"loss": loss, **compare_numbers(true, predicted, weights)}

    def measures(self) -> tuple[str, ...]:
        return ("loss", "rmse", "mae", "r2")

    def baseline(self, examples: Examples) -> float | None:
        """Return the loss of the mean as the answer, where that is 0."""
        if not self.standardize:
            return None
        y = np.concatenate(examples.y).astype(np.float64)  # few may lie far from the mean
        counting, weights = known(y).any(axis=1), spread(examples.weights, examples.y)
        if not counting.any():
            return float(self.numbers.size)
        errors = np.nansum(np.square(y[counting]), axis=1)
        weights = None if weights is None else weights[counting]
        return max(float(self.numbers.size), float(np.average(errors, weights=weights)))

    def to_dict(self) -> dict[str, Any]:
        described = {"outputs": self.numbers.to_dict(), "flat": self.flat}
        return described if self.names is None else {**described, "target_names": [*self.names]}

    def restore(self, learned: Mapping[str, Any], inputs: Inputs) -> StepNumberCodec:
        numbers = NumberTargets.from_dict(learned["outputs"])
        flat = numbers.read_single("flat", learned["flat"])
        names = restore_names(learned, "target_names", numbers.size)
        return replace(self, numbers=numbers, flat=flat, names=names)
