"""What the network says of a number that is to come: a point, quantiles or a distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast.models.forecasting.gamma import digamma, log_gamma
from rnnfast.models.forecasting.windows import Floats

# The least deviation and dispersion: nothing is certain.
_LEAST = 1e-4


class Output:
    """Base: P scores ``s`` of each number y, the loss of y and what they stand for.

    Attributes
    ----------
    width : int
        P.
    """

    width: int = 1

    def loss(self, s: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return the loss of numbers ``(..., n)``, and its gradient of scores ``(..., n, P)``."""
        raise NotImplementedError

    def point(self, s: Floats) -> Floats:
        """Return the forecast ``(..., n)``: a mean, or a median."""
        return s[..., 0]

    def draw(self, s: Floats, rng: np.random.Generator) -> Floats:
        """Return numbers ``(..., n)`` drawn at random."""
        raise NotImplementedError


class Point(Output):
    """A number by itself, of squared or absolute error."""

    def __init__(self, squared: bool) -> None:
        self._squared = squared

    def loss(self, s: Floats, y: Floats) -> tuple[Floats, Floats]:
        missed = s[..., 0] - y
        if self._squared:
            return missed**2, 2 * missed[..., np.newaxis]
        return np.abs(missed), np.sign(missed)[..., np.newaxis]


class Quantiles(Output):
    """The quantiles of some levels q, each by ``max(q (y - s), (q - 1) (y - s))``."""

    def __init__(self, levels: Sequence[float]) -> None:
        self.levels = np.asarray(levels, np.float64)
        self.width = len(self.levels)
        self._middle = int(np.abs(self.levels - 0.5).argmin())

    def loss(self, s: Floats, y: Floats) -> tuple[Floats, Floats]:
        missed = y[..., np.newaxis] - s
        slope = np.where(missed > 0, self.levels, self.levels - 1.0)
        return (slope * missed).sum(axis=-1), -np.where(missed == 0, 0.0, slope)

    def point(self, s: Floats) -> Floats:
        return s[..., self._middle]


class Distribution(Output):
    """Base of the distributions."""

    width = 2


class Gaussian(Distribution):
    """Mean ``s1`` and deviation ``softplus(s2)``."""

    def loss(self, s: Floats, y: Floats) -> tuple[Floats, Floats]:
        sigma = _softplus(s[..., 1]) + _LEAST
        z = (y - s[..., 0]) / sigma
        loss = np.log(sigma) + z**2 / 2 + np.log(2 * np.pi) / 2
        dsigma = (1 - z**2) / sigma
        return loss, np.stack([-z / sigma, dsigma * _sigmoid(s[..., 1])], axis=-1)

    def draw(self, s: Floats, rng: np.random.Generator) -> Floats:
        drawn: Floats = s[..., 0] + (_softplus(s[..., 1]) + _LEAST) * rng.normal(size=s.shape[:-1])
        return drawn


class StudentT(Distribution):
    """Mean ``s1``, scale ``softplus(s2)`` and ``2 + softplus(s3)`` degrees of freedom."""

    width = 3

    def _parameters(self, s: Floats) -> tuple[Floats, Floats, Floats]:
        return s[..., 0], _softplus(s[..., 1]) + _LEAST, 2.0 + _LEAST + _softplus(s[..., 2])

    def loss(self, s: Floats, y: Floats) -> tuple[Floats, Floats]:
        mean, sigma, nu = self._parameters(s)
        z = (y - mean) / sigma
        r = z**2 / nu
        loss = (
            np.log(sigma) + np.log(nu * np.pi) / 2 + log_gamma(nu / 2) - log_gamma((nu + 1) / 2)
            + (nu + 1) / 2 * np.log1p(r)
        )  # fmt: skip
        pull = (nu + 1) * z / (nu * (1 + r))  # of z
        dnu = (
            1 / nu + digamma(nu / 2) - digamma((nu + 1) / 2) + np.log1p(r)
            - (nu + 1) / nu * r / (1 + r)
        ) / 2  # fmt: skip
        slopes = [-pull / sigma, (1 - pull * z) / sigma * _sigmoid(s[..., 1])]
        return loss, np.stack([*slopes, dnu * _sigmoid(s[..., 2])], axis=-1)

    def draw(self, s: Floats, rng: np.random.Generator) -> Floats:
        mean, sigma, nu = self._parameters(s)
        drawn: Floats = mean + sigma * rng.standard_t(nu)
        return drawn


class NegativeBinomial(Distribution):
    """Counts of mean ``m = level softplus(s1)`` and variance ``m + a m^2``, ``a = softplus(s2)``.

    Parameters
    ----------
    level : ndarray, shape (n,)
        Of the size of the counts.
    """

    def __init__(self, level: Any) -> None:
        self.level = np.asarray(level, np.float64)

    def _parameters(self, s: Floats) -> tuple[Floats, Floats]:
        return self.level * (_softplus(s[..., 0]) + _LEAST), _softplus(s[..., 1]) + _LEAST

    def loss(self, s: Floats, y: Floats) -> tuple[Floats, Floats]:
        mean, a = self._parameters(s)
        r = 1 / a
        spread = np.log1p(a * mean)
        loss = (
            log_gamma(r) + log_gamma(y + 1) - log_gamma(y + r)
            + (r + y) * spread - y * np.log(a * mean)
        )  # fmt: skip
        dmean = (r + y) * a / (1 + a * mean) - y / mean
        dr = digamma(r) - digamma(y + r) + spread
        da = -dr * r**2 + (r + y) * mean / (1 + a * mean) - y / a
        slopes = [dmean * self.level * _sigmoid(s[..., 0]), da * _sigmoid(s[..., 1])]
        return loss, np.stack(slopes, axis=-1)

    def point(self, s: Floats) -> Floats:
        return self._parameters(s)[0]

    def draw(self, s: Floats, rng: np.random.Generator) -> Floats:
        mean, a = self._parameters(s)
        return rng.poisson(np.minimum(rng.gamma(1 / a, a * mean), 1e18)).astype(np.float64)


DISTRIBUTIONS: dict[str, type[Distribution]] = {
    "gaussian": Gaussian,
    "student_t": StudentT,
    "negative_binomial": NegativeBinomial,
}
LOSSES = ("mse", "mae", "quantile", *DISTRIBUTIONS)


def make_output(loss: str, quantiles: Sequence[float], level: npt.ArrayLike) -> Output:
    """Return the output of a loss's name."""
    if loss == "quantile":
        return Quantiles(quantiles)
    if loss == "negative_binomial":
        return NegativeBinomial(level)
    if loss in DISTRIBUTIONS:
        return DISTRIBUTIONS[loss]()
    return Point(loss == "mse")


def _softplus(x: Floats) -> Floats:
    result: Floats = np.logaddexp(0.0, x)
    return result


def _sigmoid(x: Floats) -> Floats:
    result: Floats = 0.5 * (1 + np.tanh(0.5 * x))
    return result
