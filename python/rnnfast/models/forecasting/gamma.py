"""The logarithm of the gamma function and its derivative, of numbers above 0."""

from __future__ import annotations

import numpy as np

from rnnfast.models.forecasting.windows import Floats

# Beyond this the series in 1 / x^2 are as good as float64.
_FAR = 8


def log_gamma(x: Floats) -> Floats:
    """Return ``log(gamma(x))``: Stirling's series, of ``x`` moved up by its recurrence."""
    x = np.asarray(x, np.float64)
    small = x < _FAR
    lifted = np.where(small, x + _FAR, x)
    inverse = 1 / lifted**2
    tail = 1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse * (
        1 / 1188 - inverse * 691 / 360360))))  # fmt: skip
    result = (lifted - 0.5) * np.log(lifted) - lifted + np.log(2 * np.pi) / 2 + tail / lifted
    rising = sum(np.log(np.where(small, x + step, 1.0)) for step in range(_FAR))
    moved: Floats = result - rising
    return moved


def digamma(x: Floats) -> Floats:
    """Return the derivative of `log_gamma`."""
    x = np.asarray(x, np.float64)
    small = x < _FAR
    lifted = np.where(small, x + _FAR, x)
    inverse = 1 / lifted**2
    tail = 1 / 12 - inverse * (1 / 120 - inverse * (1 / 252 - inverse * (1 / 240 - inverse * (
        1 / 132 - inverse * 691 / 32760))))  # fmt: skip
    result = np.log(lifted) - 0.5 / lifted - inverse * tail
    rising = sum(np.where(small, 1 / (x + step), 0.0) for step in range(_FAR))
    moved: Floats = result - rising
    return moved
