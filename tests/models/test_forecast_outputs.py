"""Points, quantiles and distributions: losses, gradients, and what is drawn of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from forecast_cases import NOISE, SEASONAL, small
from rnnfast.models.forecasting.gamma import digamma, log_gamma
from rnnfast.models.forecasting.head import ForecastHead
from rnnfast.models.forecasting.outputs import (
    Gaussian,
    NegativeBinomial,
    Output,
    Point,
    Quantiles,
    StudentT,
)

OUTPUTS: dict[str, Output] = {
    "mse": Point(True), "mae": Point(False), "quantile": Quantiles([0.1, 0.5, 0.9]),
    "gaussian": Gaussian(), "student_t": StudentT(), "counts": NegativeBinomial([3.0, 10.0]),
}  # fmt: skip


@pytest.mark.parametrize("name", [*OUTPUTS])
def test_gradients_are_differences(name: str) -> None:
    output, rng = OUTPUTS[name], np.random.default_rng(0)
    s, y = rng.normal(size=(5, 2, output.width)), rng.poisson(3.0, (5, 2)).astype(np.float64)
    gradient = output.loss(s, y)[1]
    for place in np.ndindex(s.shape):
        near = [s.copy(), s.copy()]
        near[0][place] += 1e-6
        near[1][place] -= 1e-6
        above, below = (output.loss(one, y)[0].sum() for one in near)
        assert gradient[place] == pytest.approx((above - below) / 2e-6, rel=1e-5, abs=1e-7)


def test_losses_are_minus_log_probabilities() -> None:
    """Each sums up, or integrates, to one over all numbers, with the mean that it says."""
    rng = np.random.default_rng(2)
    grid = np.linspace(-400, 400, 800_001)
    for output in (Gaussian(), StudentT()):
        s = rng.normal(size=output.width)
        p = np.exp(-output.loss(np.tile(s, (len(grid), 1)), grid)[0])
        assert p.sum() * 0.001 == pytest.approx(1, abs=1e-4)
        assert (p * grid).sum() * 0.001 == pytest.approx(s[0], abs=1e-2)
    counts, s = np.arange(3000.0), rng.normal(size=(1, 1, 2))
    output = NegativeBinomial([7.0])
    p = np.exp(-output.loss(np.tile(s[0], (3000, 1)), counts)[0])
    assert p.sum() == pytest.approx(1, abs=1e-9)
    assert (p * counts).sum() == pytest.approx(output.point(s)[0, 0], rel=1e-6)


@pytest.mark.parametrize("name", ["gaussian", "student_t", "counts"])
def test_draws_are_of_the_distribution(name: str) -> None:
    output, rng = OUTPUTS[name], np.random.default_rng(3)
    s = np.tile(rng.normal(size=(1, 2, output.width)), (200_000, 1, 1))
    drawn = output.draw(s, rng)
    np.testing.assert_allclose(drawn.mean(axis=0), output.point(s)[0], rtol=0.05, atol=0.03)
    if name == "counts":
        assert (drawn == np.floor(drawn)).all() and (drawn >= 0).all()


def test_gamma_functions() -> None:
    for x in (1e-4, 0.1, 0.5, 1.0, 1.5, 7.9, 8.0, 30.0, 1e4):
        assert log_gamma(np.array(x)) == pytest.approx(math.lgamma(x), rel=1e-13, abs=1e-14)
        step = 1e-6 * max(x, 1e-2)
        slope = (math.lgamma(x + step) - math.lgamma(x - step)) / (2 * step)
        assert digamma(np.array(x)) == pytest.approx(slope, rel=1e-5)


def test_missing_numbers_count_nothing() -> None:
    head = ForecastHead(3, 2, Gaussian(), dtype="float64", rng=np.random.default_rng(0))
    h, y = NOISE[:6, :3].reshape(1, 6, 3), NOISE[:6, 3:5].reshape(1, 6, 2).copy()
    whole, dh = head.loss(h, y, np.ones(6, np.int64), backward=True)
    y[0, 2] = math.nan
    less, dless = head.loss(h, y, np.ones(6, np.int64), backward=True)
    rest = [0, 1, 3, 4, 5]
    only, _ = head.loss(h[:, rest], y[:, rest], np.ones(5, np.int64), backward=True)
    assert less == pytest.approx(only, rel=1e-12) and less != whole
    assert dh is not None and dless is not None and (dless[0, 2] == 0).all()
    np.testing.assert_allclose(dless[0, rest], dh[0, rest])
    assert head.size_of(y) == 10


COUNTS = np.random.default_rng(4).poisson(4 + 3 * np.sin(np.arange(120) / 3)).astype(np.float64)


@pytest.mark.parametrize("loss", ["gaussian", "student_t", "negative_binomial"])
def test_paths(loss: str, tmp_path: Path) -> None:
    series = COUNTS if loss == "negative_binomial" else SEASONAL
    model = small(loss=loss, lags=6, horizon=2, epochs=3).fit(series)
    paths = model.sample_paths(50, 5, seed=1)
    assert paths.shape == (50, 5) and np.isfinite(paths).all()
    np.testing.assert_array_equal(paths, model.sample_paths(50, 5, seed=1))
    assert (paths != model.sample_paths(50, 5, seed=2)).any() and paths.std(axis=0).min() > 0
    low, high = model.predict_interval(5, coverage=0.8)
    assert low.shape == (5,) and (low < high).all()
    assert np.isfinite(model.predict(5)).all() and np.isfinite(model.score(series))
    model.save(tmp_path / "m")
    read = rf.load(tmp_path / "m")
    np.testing.assert_array_equal(read.sample_paths(50, 5, seed=1), paths)
    assert model.sample_paths(1500, 1).shape == (1500, 1)
    many = small(loss=loss, lags=6, epochs=1).fit([series, series[:80]])
    assert many.sample_paths(7, 3).shape == (2, 7, 3)
    if loss == "negative_binomial":
        assert (paths == np.floor(paths)).all() and (paths >= 0).all()


def test_a_deviation_is_learned() -> None:
    noise = np.random.default_rng(6).normal(10, 2, 600)
    for loss in ("gaussian", "student_t"):
        model = small(loss=loss, lags=3, epochs=15, learning_rate=0.01).fit(noise)
        paths = model.sample_paths(2000, 1, seed=0)
        assert paths.mean() == pytest.approx(10, abs=0.6)
        assert paths.std() == pytest.approx(2, rel=0.2)


@pytest.mark.parametrize(
    ("options", "X", "message"),
    [
        ({}, NOISE[:, 0], "^X: expected counts with loss='negative_binomial', got -?[0-9.]+$"),
        ({"differences": [1]}, COUNTS, r"^differences: expected none with counts, got \[1\]$"),
        ({"logarithm": True}, COUNTS, "^logarithm: expected none with counts, got True$"),
    ],
    ids=["floats", "differences", "logarithm"],
)
def test_counts_only(options: dict[str, Any], X: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(loss="negative_binomial", lags=3, **options).fit(X)


def test_paths_of_no_distribution() -> None:
    with pytest.raises(ValueError, match=r"^sample_paths: expected a loss of gaussian, .*'mse'$"):
        small(lags=3).fit(SEASONAL).sample_paths(3)
    with pytest.raises(ValueError, match=r"^n: expected at least 1, got 0$"):
        small(lags=3, loss="gaussian").fit(SEASONAL).sample_paths(0)
    model = small(lags=3, loss="gaussian").fit(SEASONAL)
    for n, steps in ((2**62, 3), (3, 2**62)):
        with pytest.raises(MemoryError):
            model.sample_paths(n, steps)
