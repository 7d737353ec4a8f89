"""Targets that are tables keep to the columns of `fit`, by name and order."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf

pd = pytest.importorskip("pandas")
rng = np.random.default_rng(0)
SMALL: dict[str, Any] = {"hidden_size": 4, "epochs": 1, "seed": 0, "verbose": 0}
SERIES = [rng.normal(size=(5, 2)) for _ in range(12)]
ORDER = r"expected the columns of fit in their order, 'a' at 0, got 'b'$"


def table(rows: int) -> Any:
    return pd.DataFrame(rng.normal(size=(rows, 2)), columns=["a", "b"])


def again(model: Any, path: Path | None) -> Any:
    if path is None:
        return model
    rf.save(path / "model.safetensors", model)
    return rf.load(path / "model.safetensors")


@pytest.mark.parametrize("saved", [False, True])
def test_of_whole_series(saved: bool, tmp_path: Path) -> None:
    y = table(12)
    turned = y[["b", "a"]]
    model = again(rf.SequenceRegressor(**SMALL).fit(SERIES, y), tmp_path if saved else None)
    for call in (
        lambda: model.score(SERIES, turned),
        lambda: model.evaluate(SERIES, turned),
        lambda: model.fit(SERIES, turned, warm_start=True),
    ):
        with pytest.raises(ValueError, match=f"^y: {ORDER}"):
            call()
    with pytest.raises(ValueError, match=f"^y of valid: {ORDER}"):
        rf.SequenceRegressor(**SMALL).fit(SERIES, y, valid=(SERIES, turned))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.score(SERIES, y) == model.score(SERIES, y.to_numpy())


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("kind", [rf.StepRegressor, rf.MultiLabelTagger])
def test_of_steps(kind: Any, saved: bool, tmp_path: Path) -> None:
    y = [(table(5) > 0).astype(float) for _ in SERIES]
    mixed = [*y[:-1], y[-1][["b", "a"]]]
    with pytest.raises(
        ValueError, match=r"^y\[11\]: expected 'a' as column 0, as others have, got"
    ):
        kind(**SMALL).fit(SERIES, mixed)
    model = again(kind(**SMALL).fit(SERIES, y), tmp_path if saved else None)
    with pytest.raises(ValueError, match=r"^y\[11\]: expected 'a' as column 0"):
        model.score(SERIES, mixed)
    with pytest.raises(ValueError, match=r"^y\[0\]: expected 'a' as column 0"):
        model.evaluate(SERIES, [one[["b", "a"]] for one in y])
    assert model.score(SERIES, y) == model.score(SERIES, [one.to_numpy() for one in y])


@pytest.mark.parametrize("saved", [False, True])
def test_of_what_lines_are_conditioned_on(saved: bool, tmp_path: Path) -> None:
    lines, vectors = ["ab", "ba", "aa"] * 4, table(12)
    model = rf.LanguageModel(lines=True, **SMALL).fit(lines, condition=vectors)
    model = again(model, tmp_path if saved else None)
    turned = vectors[["b", "a"]]
    with pytest.raises(ValueError, match=f"^condition: {ORDER}"):
        model.evaluate(lines, condition=turned)
    with pytest.raises(ValueError, match=f"^condition: {ORDER}"):
        model.log_prob("ab", condition=turned.iloc[0])
    found = model.log_prob("ab", condition=vectors.iloc[0])
    assert found == model.log_prob("ab", condition=vectors.iloc[0].to_numpy())


def test_integers_are_neither_labels_nor_vectors() -> None:
    with pytest.raises(
        TypeError, match=r"^condition: expected labels \(str\) or vectors \(N, F\), got"
    ):
        rf.LanguageModel(lines=True, **SMALL).fit(["ab", "ba"] * 6, condition=[0, 1] * 6)


def test_a_short_answer_does_not_keep_its_batch() -> None:
    model = rf.StepRegressor(**SMALL).fit(SERIES, [one[:, 0] for one in SERIES])
    for one in model.predict([one[:1] for one in SERIES]):
        whole = one if one.base is None else one.base
        assert whole.size == 1
