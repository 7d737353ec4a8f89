"""A forecaster that goes on from what it has learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rnnfast as rf
from forecast_cases import SEASONAL, small

COUNTS = np.random.default_rng(2).poisson(5, size=120).astype(float)
LOSSES = ["mse", "mae", "quantile", "gaussian", "student_t", "negative_binomial"]


@pytest.mark.parametrize("after", LOSSES)
@pytest.mark.parametrize("before", LOSSES)
def test_another_loss(before: str, after: str, tmp_path: Path) -> None:
    model = small(lags=4, horizon=2, loss=before).fit(COUNTS)
    kept = model.predict()
    model.set_params(loss=after)
    if before != after and not {before, after} <= {"mse", "mae"}:
        message = f"^loss: expected '{before}', with which the model was trained, got '{after}';"
        with pytest.raises(ValueError, match=message):
            model.fit(COUNTS, warm_start=True)
        np.testing.assert_array_equal(model.predict(), kept)
        return
    model.fit(COUNTS, warm_start=True)
    assert not np.array_equal(model.predict(), kept)
    path = tmp_path / "model.safetensors"
    model.save(path)
    loaded = rf.load(path)
    np.testing.assert_array_equal(loaded.predict(), model.predict())
    assert loaded.evaluate(COUNTS) == model.evaluate(COUNTS)


def test_figures_are_of_the_loss_that_trains() -> None:
    model = small(lags=4, loss="mse").fit(SEASONAL).set_params(loss="mae")
    model.fit(SEASONAL, warm_start=True)
    numbers = model._codec.numbers
    true, predicted = model.backtest(SEASONAL)
    absolute = float(np.abs(true - predicted).mean() / numbers.scale[0])
    assert model.evaluate(SEASONAL)["loss"] == pytest.approx(absolute, rel=1e-5)


def test_nothing_held_out_is_nothing_known_of_the_network() -> None:
    model = small(lags=4, horizon=2).fit(SEASONAL)
    model.predict_interval()
    known = dict(model.chosen_)
    model.set_params(validation_fraction=0.0)
    model.fit(SEASONAL, warm_start=True, epochs=0)  # the weights are the same
    model.predict_interval()
    assert model.chosen_ == known
    model.fit(SEASONAL, warm_start=True)
    with pytest.raises(ValueError, match=r"^predict_interval: expected a model fitted with"):
        model.predict_interval()
    assert model.chosen_.keys() == known.keys() - {"network", "windows", "errors"}


def test_a_network_that_was_left_out_comes_back() -> None:
    growing = np.arange(90) + 0.01 * np.random.default_rng(0).normal(size=90)
    model = small().fit(growing)
    assert model.chosen_["network"] is False
    output = model.network_.output.parameters()
    assert not output["weight"].data.any()
    model.fit(growing, warm_start=True)
    output = model.network_.output.parameters()
    assert output["weight"].data.any() and model.chosen_["network"] is True
