"""Numbers to predict: standardised for the network, in their own units for everybody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast._checks import check_bool
from rnnfast.models.parts.inputs import mean_and_scale, read_scaling
from rnnfast.models.parts.sequences import common_dtype
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
    ) -> NumberTargets:
        """Take mean and scale of every number over all rows ``(N_i, K)``, if they are to be taken.

        As `mean_and_scale` takes them.
        """
        rows = np.concatenate([np.asarray(array, np.float64) for array in arrays])
        if not standardize or not len(rows):
            return cls(np.zeros(rows.shape[1]), np.ones(rows.shape[1]), dtype)
        return cls(*mean_and_scale(rows, common_dtype(arrays), rounding), dtype)

    def encode(self, name: str, rows: Array) -> Array:
        """Return rows as the network is to predict them; ValueError if its dtype cannot.

        0 where a number does not change and is that one.
        """
        divisor = np.where(self.scale > 0, self.scale, 1.0)
        with np.errstate(over="ignore"):
            encoded: Array = ((rows - self.mean) / divisor).astype(self.dtype)
        if not np.isfinite(encoded).all():
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
