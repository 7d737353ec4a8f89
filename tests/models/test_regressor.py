"""Numbers from sequences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from gradcheck import assert_gradients
from rnnfast.models.parts.fitting.examples import ExampleBatch

RNG = np.random.default_rng(0)
SERIES = [RNG.normal(3, 2, size=(length, 2)) for length in RNG.integers(2, 8, 120)]
SUMS = np.array([x[:, 0].sum() for x in SERIES])
BOTH = np.array([[x[:, 0].sum(), 1000 * x[-1, 1]] for x in SERIES])


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


def small(**options: Any) -> rf.SequenceRegressor:
    defaults: dict[str, Any] = {
        "cell": "gru", "hidden_size": 16, "embedding_size": 4, "batch_size": 8, "epochs": 2,
        "learning_rate": 0.02, "seed": 3, "verbose": 0,
    }  # fmt: skip
    return rf.SequenceRegressor(**{**defaults, **options})


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_learns_sums(loss: str) -> None:
    model = small(epochs=30, loss=loss).fit(SERIES[:100], SUMS[:100])
    assert model.score(SERIES[100:], SUMS[100:]) > 0.97
    assert model.predict(SERIES).shape == (120,)


def test_several_numbers_of_different_size() -> None:
    model = small(epochs=30).fit(SERIES[:100], BOTH[:100])
    predicted = model.predict(SERIES[100:])
    assert predicted.shape == (20, 2) and predicted.dtype == np.float64
    for column in range(2):
        assert rf.metrics.r2(BOTH[100:, column], predicted[:, column]) > 0.9
    assert model.score(SERIES[100:], BOTH[100:]) == rf.metrics.r2(BOTH[100:], predicted)
    assert model.fit(SERIES, BOTH[:, :1]).predict(SERIES).shape == (120, 1)


def test_absolute_error_aims_at_the_median() -> None:
    """With nothing to go by, squared error gives the mean, absolute error the median."""
    X, y = ["x"] * 40, np.array([0.0, 0.0, 0.0, 100.0] * 10)
    options: dict[str, Any] = {"epochs": 60, "validation_fraction": 0}
    assert small(**options).fit(X, y).predict(["x"])[0] == pytest.approx(25, abs=3)
    assert small(loss="mae", **options).fit(X, y).predict(["x"])[0] == pytest.approx(0, abs=3)


def test_units_do_not_matter() -> None:
    one = small(dtype="float64").fit(SERIES, SUMS)
    other = small(dtype="float64").fit([1e6 * x - 5 for x in SERIES], 1e-3 * SUMS + 7)
    np.testing.assert_allclose(
        other.predict([1e6 * x - 5 for x in SERIES]), 1e-3 * one.predict(SERIES) + 7, rtol=1e-8
    )
    plain = small(standardize=False).fit(SERIES, SUMS)
    np.testing.assert_array_equal(plain.target_mean_, [0])
    np.testing.assert_array_equal(plain.target_scale_, [1])


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_equations(loss: str) -> None:
    model = small(dtype="float64", loss=loss, pooling="last").fit(SERIES, BOTH)
    network = model.network_
    x = model.inputs_.encode("X", SERIES[:1])[0]
    a, _ = network.encoder.recurrent(x)
    weights = network.output.state_dict()
    y_hat = weights["weight"] @ a[-1] + weights["bias"]
    np.testing.assert_allclose(
        model.predict(SERIES[:1])[0], model.target_mean_ + model.target_scale_ * y_hat, rtol=1e-12
    )
    # Gradients of the summed loss.
    xs, lengths = rf.data.pad_sequences(model.inputs_.encode("X", SERIES[:3]))
    batch = ExampleBatch(xs, lengths, RNG.normal(size=(3, 2)))
    parameter = network.output.parameters()["weight"]
    value = parameter.data.copy()

    def total() -> float:
        parameter.assign(value)
        return network.add_gradients(batch)[0]

    network.output.zero_grad()
    summed, count = network.add_gradients(batch)
    error = network.scores(xs, lengths) - batch.y
    assert count == 6
    assert summed == pytest.approx((error**2 if loss == "mse" else np.abs(error)).sum())
    assert_gradients(total, {"w": value}, {"w": parameter.grad.copy()}, tolerance=1e-6)


def test_history() -> None:
    model = small().fit(SERIES[:100], SUMS[:100], valid=(SERIES[100:], SUMS[100:]))
    best = model.history_[model.best_epoch_ - 1]
    missed = model.predict(SERIES[100:]) - SUMS[100:]
    assert best["valid_rmse"] == pytest.approx(np.sqrt((missed**2).mean()), rel=1e-5)
    scaled = (missed / model.target_scale_) ** 2
    assert best["valid_loss"] == pytest.approx(scaled.mean(), rel=1e-4)


@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        ([], [], ValueError, "^X: expected at least one sequence, got none$"),
        (SERIES, SUMS[1:], ValueError, "^y: expected one for each of the 120 in X, got 119$"),
        (SERIES, ["a"] * 120, TypeError, "^y: expected real numbers, got dtype <U1$"),
        (SERIES, [None] * 120, TypeError, "^y: expected real numbers, got None at 0$"),
        (SERIES, [[1], [1, 2]], ValueError, r"^y: expected shape \(N,\) or \(N, k\), got a ragged"),
        (SERIES, np.ones((120, 1, 1)), ValueError, r"^y: expected shape .*, got \(120, 1, 1\)$"),
        (SERIES, np.ones((120, 0)), ValueError, r"^y: expected shape .*, got \(120, 0\)$"),
        (SERIES, 1.0, ValueError, r"^y: expected shape .*, got \(\)$"),
        (SERIES, np.where(SUMS > 5, math.nan, 1), ValueError, "^y: expected finite numbers, got"),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_bad_examples(X: Any, y: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        small().fit(X, y)


def test_other_bad_input() -> None:
    with pytest.raises(ValueError, match=r"^loss: expected one of mse, mae, got 'huber'$"):
        small(loss="huber").fit(SERIES, SUMS)
    with pytest.raises(ValueError, match=r"^y of valid: expected shape \(N,\), got \(120, 2\)$"):
        small().fit(SERIES, SUMS, valid=(SERIES, BOTH))
    model = small().fit(SERIES, BOTH)
    with pytest.raises(ValueError, match=r"^y: expected shape \(120, 2\), got \(120,\)$"):
        model.score(SERIES, SUMS)
    with pytest.raises(ValueError, match=r"^y: expected one for each of the 120 in X, got 3$"):
        model.score(SERIES, BOTH[:3])
    with pytest.raises(ValueError, match=r"^X\[0\]: expected shape \(T, 2\), got \(1, 3\)$"):
        model.predict([np.ones((1, 3))])
