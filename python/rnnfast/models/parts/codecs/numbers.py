"""Numbers to predict: standardised for the network, in their own units for everybody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast import metrics
from rnnfast._checks import check_bool
from rnnfast._checks.arrays import not_real, read_array, require_finite
from rnnfast.models.parts.codecs.base import Codec
from rnnfast.models.parts.fitting.examples import Examples
from rnnfast.models.parts.networks.encoder_network import EncoderNetwork
from rnnfast.models.parts.networks.heads import NUMBER_LOSSES, check_loss
from rnnfast.models.parts.reading.columns import names_of, require_order, restore_names
from rnnfast.models.parts.reading.inputs import Inputs, read_scaling
from rnnfast.models.parts.reading.scaling import mean_and_scale
from rnnfast.models.parts.reading.series import common_dtype
from rnnfast.models.parts.reading.step_rows import all_known, known
from rnnfast.models.parts.reading.weights import Weights
from rnnfast.nn.module import Array


@dataclass(frozen=True)
class NumberTargets:
    """The numbers that a network predicts, ``y = mean + scale * y_hat``.

    Attributes
    ----------
    mean, scale : ndarray of float64, shape (K,)
        The scale of a number that does not change is 0: it is predicted exactly, whatever the
        network says.
    dtype : {"float32", "float64"}
        Of what the network predicts.
    """

    mean: Array
    scale: Array
    dtype: str

    @property
    def size(self) -> int:
        """K, how many numbers there are."""
        return len(self.mean)

    @classmethod
    def learn(
        cls,
        arrays: Sequence[Array],
        standardize: bool,
        dtype: str,
        rounding: float | Array = 0.0,
        weights: Weights | None = None,
    ) -> NumberTargets:
        """Take mean and scale of every number over all rows ``(N_i, K)``, if they are to be taken.

        As `mean_and_scale` takes them; ``weights`` are those of the rows. NaN stands for a number
        that is missing; each is there at least once.
        """
        size = arrays[0].shape[1]
        if not standardize or not any(map(len, arrays)):
            return cls(np.zeros(size), np.ones(size), dtype)
        of = common_dtype(arrays)
        if all(map(all_known, arrays)):
            return cls(*mean_and_scale(arrays, of, rounding, weights), dtype)
        rows = np.concatenate([np.asarray(array, np.float64) for array in arrays])
        each = [
            mean_and_scale(
                [rows[k, n, np.newaxis]], of, 0.0, None if weights is None else weights[k]
            )
            for n, k in enumerate(known(rows).T)
        ]
        mean, scale = (np.concatenate(parts) for parts in zip(*each, strict=True))
        return cls(mean, scale, dtype)

    def encode(self, name: str, rows: Array) -> Array:
        """Return rows as the network is to predict them; ValueError if its dtype cannot.

        0 where a number does not change and is that one.
        """
        divisor = np.where(self.scale > 0, self.scale, 1.0)
        with np.errstate(over="ignore"):
            encoded: Array = ((rows - self.mean) / divisor).astype(self.dtype)
        if not np.isfinite(encoded[known(np.asarray(rows))]).all():
            raise ValueError(f"{name}: expected numbers within {self.dtype} when standardised")
        return encoded

    def settle(self, outputs: Array) -> Array:
        """Return the network's outputs, 0 where a number does not change: what they stand for."""
        return np.where(self.scale > 0, outputs, outputs.dtype.type(0))

    def decode(self, outputs: Array) -> Array:
        """Return the numbers that the network's outputs stand for, in float64."""
        numbers: Array = outputs * self.scale + self.mean
        return numbers

    def read_single(self, name: str, value: Any) -> bool:
        """Return whether a file says that its one number is given without an axis of its own."""
        single = check_bool(name, value)
        if single and self.size != 1:
            raise ValueError(f"{name}: expected False of {self.size} numbers, got True")
        return single

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads."""
        return {"mean": self.mean.tolist(), "scale": self.scale.tolist(), "dtype": self.dtype}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> NumberTargets:
        """Return the targets whose `to_dict` gave the settings, or raise as `read_scaling`."""
        return cls(*read_scaling(settings))


# What is known before anything was learned.
UNKNOWN = NumberTargets(np.empty(0), np.empty(0), "float64")


@dataclass(frozen=True, eq=False)
class NumberCodec(Codec):
    """Numbers of a sequence; `single`: ``y`` has one, without an axis of its own."""

    loss: str
    standardize: bool
    dtype: str
    numbers: NumberTargets = UNKNOWN
    single: bool = False
    names: tuple[str, ...] | None = None  # of the columns of a table

    def __post_init__(self) -> None:
        check_loss(self.loss)

    def read(self, name: str, y: Any) -> Array:
        targets = read_numbers(name, y)
        require_order(name, names_of(y), self.names)
        return targets

    def survey(self, y: Any, targets: Array) -> NumberCodec:
        return replace(self, single=targets.ndim == 1, names=names_of(y))

    def check_known(self, name: str, targets: Array) -> None:
        expected = () if self.single else (self.numbers.size,)
        if targets.shape[1:] != expected:
            shape = "(N,)" if self.single else f"(N, {self.numbers.size})"
            raise ValueError(f"{name}: expected shape {shape}, got {targets.shape}")

    def learn(self, targets: Array, weights: Weights | None = None) -> NumberCodec:
        rows = targets.reshape(len(targets), -1)
        rounding = self.target_rounding()
        numbers = NumberTargets.learn([rows], self.standardize, self.dtype, rounding, weights)
        return replace(self, numbers=numbers)

    def target_rounding(self) -> float | Array:
        """Return what calculations may have left in targets, as `mean_and_scale` takes it."""
        return 0.0

    def encode(self, name: str, targets: Array, x: object) -> Array:
        return self.numbers.encode(name, targets.reshape(len(targets), -1))

    def predict(self, network: EncoderNetwork, x: Sequence[Array]) -> npt.NDArray[np.float64]:
        """Return the numbers ``(N, k)`` for encoded sequences."""
        return self.numbers.decode(network.scores_of(x))

    def measures(self) -> tuple[str, ...]:
        return ("loss", "rmse")

    def figures(self, network: EncoderNetwork, examples: Examples) -> dict[str, float]:
        scores, y = self.numbers.settle(network.scores_of(examples.x)), examples.y
        scale = np.where(self.numbers.scale > 0, self.numbers.scale, 1.0)
        error = metrics.rmse(y * scale, scores * scale, sample_weight=examples.weights)
        return {"valid_loss": self._loss(scores, examples), "valid_rmse": error}

    def evaluate(
        self, network: Any, x: list[Array], targets: Array, weights: Any
    ) -> dict[str, float]:
        true = targets.reshape(len(targets), -1)
        predicted = self.predict(network, x)
        loss = super().evaluate(network, x, targets, weights)["loss"]
        return {"loss": loss, **compare_numbers(true, predicted, weights)}

    def _loss(self, scores: Array, examples: Examples) -> float:
        weights = None if examples.weights is None else examples.weights.astype(scores.dtype)
        loss, _ = NUMBER_LOSSES[self.loss](scores, examples.y, weights=weights, backward=False)
        return loss

    def baseline(self, examples: Examples) -> float | None:
        """Return the loss of the mean as the answer, where that is 0."""
        if not self.standardize:
            return None
        y = examples.y  # few examples may lie far from the mean
        return max(1.0, self._loss(np.zeros_like(y), examples))

    def to_dict(self) -> dict[str, Any]:
        mean, scale = self.numbers.mean.tolist(), self.numbers.scale.tolist()
        described = {"target_mean": mean, "target_scale": scale, "single": self.single}
        return described if self.names is None else {**described, "target_names": [*self.names]}

    def restore(self, learned: Mapping[str, Any], inputs: Inputs) -> NumberCodec:
        saved = {"mean": learned["target_mean"], "scale": learned["target_scale"]}
        numbers = NumberTargets(*read_scaling({**saved, "dtype": self.dtype}))
        single = numbers.read_single("single", learned["single"])
        names = restore_names(learned, "target_names", numbers.size)
        return replace(self, numbers=numbers, single=single, names=names)


def compare_numbers(true: Array, predicted: Array, weights: Any = None) -> dict[str, float]:
    """Return how far off the numbers ``(S, K)`` of all steps are, those that are missing left out.

    ``weights`` are those of the steps; None: all the same.
    """
    there = known(true)
    steps = there.any(axis=1)
    if not steps.any():
        raise ValueError("y: expected a number to compare with, got none")
    true, predicted, there = true[steps], predicted[steps], there[steps]
    weights = None if weights is None else weights[steps]
    if there.all():
        figures = {"rmse": metrics.rmse, "mae": metrics.mae, "r2": metrics.r2}
        return {n: f(true, predicted, sample_weight=weights) for n, f in figures.items()}
    each = None if weights is None else np.broadcast_to(weights[:, np.newaxis], true.shape)[there]
    of_columns = [
        metrics.r2(t[k], p[k], sample_weight=None if weights is None else weights[k])
        for t, p, k in zip(true.T, predicted.T, there.T, strict=True)
        if k.any()
    ]
    return {
        "rmse": metrics.rmse(true[there], predicted[there], sample_weight=each),
        "mae": metrics.mae(true[there], predicted[there], sample_weight=each),
        "r2": float(np.mean(of_columns)),
    }


def read_numbers(name: str, y: Any, shape: str = "(N,) or (N, k)") -> Array:
    """Return numbers with one axis or two, such as what is to be predicted; their dtype stays.

    Parameters
    ----------
    name : str
        The argument, for messages.
    y : array_like
        The numbers.
    shape : str
        What its shape may be, for messages.

    Raises
    ------
    TypeError
        If it does not hold real numbers, or is masked.
    ValueError
        If it has other axes, no number, or one that is not finite.
    """
    array = read_array(name, y, f"shape {shape}")
    if array.dtype.kind not in "fiu" and array.size:
        raise not_real(name, array)
    if array.ndim not in (1, 2) or array.shape[-1] == 0:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    axes = ("step", "channel") if shape.startswith("(T") else ("place", "number")
    require_finite(name, array, axes)
    return array
