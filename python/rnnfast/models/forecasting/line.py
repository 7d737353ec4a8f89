"""A linear forecast of the same windows: ridge regression, solved at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast._checks.arrays import as_numbers
from rnnfast._products import product
from rnnfast.models.forecasting.windows import Floats, Windows

# Beyond this a product with what is read overflows.
_LARGEST = 1e280
# What the squared weights of standardised numbers cost, in squared errors of one example.
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)


@dataclass(frozen=True, eq=False)
class Line:
    """``y = x weight + bias``.

    Attributes
    ----------
    weight : ndarray, shape (p, q)
        Of what is read, all its steps one after another.
    bias : ndarray, shape (q,)
    """

    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        """Return the forecasts ``(N, q)`` for windows ``(N, ...)``."""
        y: Floats = product(x.reshape(len(x), len(self.weight)), self.weight) + self.bias
        return y

    @classmethod
    def again(cls, windows: Windows, width: int) -> Line:
        """Return the one that foretells the last ``lags`` levels again, of ``width`` numbers read.

        With one lag that is the last number, with those of a season the season before.
        """
        ahead, targets = np.indices((windows.horizon, len(windows.targets))).reshape(2, -1)
        read = ahead % windows.lags * width + np.take(windows.targets, targets)
        weight = np.zeros((windows.lags * width, len(read)))
        weight[read, np.arange(len(read))] = 1.0
        return cls(weight, np.zeros(len(read)))

    @property
    def bounded(self) -> bool:
        """Whether all of it is small enough for a product, and for `from_dict`."""
        return all((np.abs(array) < _LARGEST).all() for array in (self.weight, self.bias))

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads."""
        return {"weight": self.weight.tolist(), "bias": self.bias.tolist()}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any], size: int, outputs: int) -> Line:
        """Return the line that a file describes; raise if it describes none of these sizes."""
        weight, bias = (as_numbers(f"line.{name}", settings[name]) for name in ("weight", "bias"))
        for name, array, shape in (("weight", weight, (size, outputs)), ("bias", bias, (outputs,))):
            if array.shape != shape or not (np.abs(array) < _LARGEST).all():
                raise ValueError(
                    f"line.{name}: expected finite numbers of shape {shape}, got {array.shape}"
                )
        return cls(weight, bias)


def ridge(
    x: Floats, y: Floats, penalties: Sequence[float], counts: Floats | None = None
) -> list[Line]:
    """Return the line of least squared error and weights for each penalty.

    Parameters
    ----------
    x : ndarray, shape (N, p)
    y : ndarray, shape (N, q)
        Rows with a number that is missing are left out.
    penalties : sequence of float
        Above 0.
    counts : ndarray, shape (N,), optional
        How much each row counts, above 0, beside the others.
    """
    whole = np.isfinite(y).all(axis=1)
    x, y = x[whole], y[whole]
    own = None if counts is None else counts[whole]
    if own is not None and (own == own[:1]).all():
        own = None  # to the bit as without
    if not len(x):
        return [Line(np.zeros((x.shape[1], y.shape[1])), np.zeros(y.shape[1]))] * len(penalties)
    x_unit, y_unit = _units(x), _units(y)
    x, y = x / x_unit, y / y_unit
    center, level = (np.average(one, axis=0, weights=own) for one in (x, y))
    moved = x - center
    if own is None:
        scale = moved.std(axis=0)
    else:
        scale = np.sqrt(np.average(moved**2, axis=0, weights=own))
    scale = np.where(scale > 1e-9 * np.abs(x).max(axis=0), scale, np.inf)
    z, rest = moved / scale, y - level
    if own is not None:
        roots = np.sqrt(own / own.mean())[:, np.newaxis]
        z, rest = z * roots, rest * roots
    turned = np.ascontiguousarray(z.T)
    values, vectors = np.linalg.eigh(product(turned, z))
    back = np.ascontiguousarray(vectors.T)
    moments = product(back, product(turned, rest))
    lines = []
    for penalty in penalties:
        sizes = np.maximum(values, 0)[:, np.newaxis] + penalty
        weight = product(np.ascontiguousarray(vectors), moments / sizes)
        weight /= scale[:, np.newaxis]
        bias = (level - product(center[np.newaxis], weight)[0]) * y_unit
        lines.append(Line(weight * (y_unit / x_unit[:, np.newaxis]), bias))
    return lines


def _units(numbers: Floats) -> Floats:
    """Return powers of 2 by which columns are divided, so that no square is too large or small."""
    largest = np.abs(numbers).max(axis=0)
    units: Floats = np.ldexp(1.0, np.clip(np.frexp(largest)[1], -1000, 1000))
    return units
