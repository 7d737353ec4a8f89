"""Numbers for each sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast import metrics
from rnnfast._checks.arrays import read_array, require_finite
from rnnfast.models.parts.codecs.base import Codec
from rnnfast.models.parts.encoder_network import EncoderNetwork
from rnnfast.models.parts.examples import Examples
from rnnfast.models.parts.heads import NUMBER_LOSSES
from rnnfast.models.parts.inputs import Inputs, read_scaling
from rnnfast.models.parts.targets import UNKNOWN, NumberTargets
from rnnfast.nn.module import Array


@dataclass(frozen=True, eq=False)
class NumberCodec(Codec):
    """Numbers of a sequence, standardised for the network.

    Attributes
    ----------
    loss : {"mse", "mae"}
        Which error is figured.
    standardize : bool
        Whether they are standardised.
    dtype : {"float32", "float64"}
        Of the network.
    numbers : NumberTargets
        Mean and scale.
    single : bool
        Whether ``y`` has one number a sequence, without an axis of its own.
    """

    loss: str
    standardize: bool
    dtype: str
    numbers: NumberTargets = UNKNOWN
    single: bool = False

    def read(self, name: str, y: Any) -> Array:
        """Return the numbers, ``(N,)`` or ``(N, k)``."""
        return read_numbers(name, y)

    def survey(self, y: Any, targets: Array) -> NumberCodec:
        """Look at their shape."""
        return replace(self, single=targets.ndim == 1)

    def check_known(self, name: str, targets: Array) -> None:
        """Raise ValueError unless they have the shape of those learned from."""
        expected = () if self.single else (self.numbers.size,)
        if targets.shape[1:] != expected:
            shape = "(N,)" if self.single else f"(N, {self.numbers.size})"
            raise ValueError(f"{name}: expected shape {shape}, got {targets.shape}")

    def learn(self, targets: Array) -> NumberCodec:
        """Take mean and scale."""
        rows = targets.reshape(len(targets), -1)
        rounding = self.target_rounding()
        return replace(
            self, numbers=NumberTargets.learn([rows], self.standardize, self.dtype, rounding)
        )

    def target_rounding(self) -> float | Array:
        """Return what calculations may have left in targets, as `mean_and_scale` takes it."""
        return 0.0

    def encode(self, name: str, targets: Array, x: object) -> Array:
        """Return them standardised, ``(N, k)``."""
        return self.numbers.encode(name, targets.reshape(len(targets), -1))

    def predict(self, network: EncoderNetwork, x: list[Array]) -> npt.NDArray[np.float64]:
        """Return the numbers ``(N, k)`` for encoded sequences."""
        return self.numbers.decode(network.scores_of(x))

    def figures(self, network: EncoderNetwork, examples: Examples) -> dict[str, float]:
        """Return the loss of standardised numbers, and the error of those given."""
        scores, y = self.numbers.settle(network.scores_of(examples.x)), examples.y
        loss, _ = NUMBER_LOSSES[self.loss](scores, y, backward=False)
        scale = np.where(self.numbers.scale > 0, self.numbers.scale, 1.0)
        return {"valid_loss": loss, "valid_rmse": metrics.rmse(y * scale, scores * scale)}

    def baseline(self, examples: Examples) -> float | None:
        """Return the loss of the mean as the answer, where that is 0."""
        if not self.standardize:
            return None
        y = examples.y  # few examples may lie far from the mean
        loss, _ = NUMBER_LOSSES[self.loss](np.zeros_like(y), y, backward=False)
        return max(1.0, loss)

    def to_dict(self) -> dict[str, Any]:
        """Return what `restore` reads."""
        mean, scale = self.numbers.mean.tolist(), self.numbers.scale.tolist()
        return {"target_mean": mean, "target_scale": scale, "single": self.single}

    def restore(self, learned: Mapping[str, Any], inputs: Inputs) -> NumberCodec:
        """Take mean and scale, and whether there is one number."""
        saved = {"mean": learned["target_mean"], "scale": learned["target_scale"]}
        numbers = NumberTargets(*read_scaling({**saved, "dtype": self.dtype}))
        single = numbers.read_single("single", learned["single"])
        return replace(self, numbers=numbers, single=single)


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
        raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
    if array.ndim not in (1, 2) or array.shape[-1] == 0:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    axes = ("step", "channel") if shape.startswith("(T") else ("place", "number")
    require_finite(name, array, axes)
    return array
