"""Arrays ``(N, T)``: series of one number a step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast._checks.adjustments import AdjustmentWarning

X = np.random.default_rng(0).normal(size=(8, 5))
SMALL: dict[str, Any] = {"hidden_size": 4, "epochs": 2, "verbose": 0, "seed": 0}
CASES: dict[str, tuple[Any, Any]] = {
    "tagger": (rf.SequenceTagger, (X > 0).astype(int)),
    "steps": (rf.StepRegressor, X.cumsum(axis=1)),
    "labels": (rf.MultiLabelTagger, np.stack([X > 0, X < 0], axis=-1).astype(float)),
    "classifier": (rf.SequenceClassifier, [0, 1] * 4),
    "regressor": (rf.SequenceRegressor, X.sum(axis=1)),
}


def answers(model: Any, X: Any) -> Any:
    return [np.asarray(one).tolist() for one in model.predict(X)]


@pytest.mark.parametrize("kind", CASES)
def test_as_with_an_axis_more(kind: str, tmp_path: Path) -> None:
    make, y = CASES[kind]
    flat = make(**SMALL).fit(X, y, valid=(X, y))
    full = make(**SMALL).fit(X[..., np.newaxis], y, valid=(X[..., np.newaxis], y))
    assert flat.history_[-1]["loss"] == full.history_[-1]["loss"]
    flat.save(tmp_path / "model.safetensors")
    for model in (flat, rf.load(tmp_path / "model.safetensors")):
        assert answers(model, X) == answers(full, X[..., np.newaxis])
        assert model.score(X, y) == full.score(X[..., np.newaxis], y)
    assert flat.n_features_in_ == (5 if kind in ("classifier", "regressor") else 1)


def test_other_lengths_afterwards() -> None:
    make, y = CASES["tagger"]
    model = make(**SMALL).fit(X, y)
    assert [len(one) for one in model.predict(X[:2, :3])] == [3, 3]


@pytest.mark.parametrize("kind", ["tagger", "steps", "labels"])
def test_what_could_be_something_else_is_refused(kind: str) -> None:
    make, y = CASES[kind]
    model = make(**SMALL).fit(X, y)
    for one in (X[:, :1], X[:, :0]):
        with pytest.raises(
            ValueError, match=r"^X: expected an array of shape \(N, T, F\), got \(8, "
        ):
            model.predict(one)
    with pytest.raises(
        ValueError, match=r"^X: expected an array of .*list\(X\) are ids of tokens$"
    ):
        model.predict(X.astype(int))
    with pytest.raises(ValueError, match=r"^X\[0\]: expected finite numbers, got nan at step 0"):
        model.predict(np.where(X[0, 0] == X, np.nan, X))
    two = make(**SMALL).fit(np.stack([X, X], axis=-1), y)
    with pytest.raises(
        ValueError, match=r"^X: expected an array of .*X\[np.newaxis\] is one series$"
    ):
        two.predict(X[:, :2])


def test_a_table_for_a_model_of_one_number_a_step_is_told_what_fits() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    make, y = CASES["steps"]
    model, table = make(**SMALL).fit(X, y), pandas.DataFrame(X)
    with pytest.raises(
        TypeError, match=r"; np\.asarray\(X, float\) has a series of one number a r"
    ):
        model.predict(table)
    assert len(model.predict(np.asarray(table, float))) == len(X)
    with pytest.raises(TypeError, match=r"; \[X\] is one series, a step a row$"):
        model.predict(table[[0]])


def test_models_whose_targets_do_not_tell_want_the_axis() -> None:
    expected = r"^X: expected an array of .*X\[\.\.\., np\.newaxis\] are series of one feature, X\["
    for make, y in ((rf.CTCRecognizer, ["ab"] * 8), (rf.Seq2Seq, ["a b", "b"] * 4)):
        with pytest.raises(ValueError, match=expected):
            make(**SMALL).fit(X, y)
        model = make(**SMALL).fit(X[..., np.newaxis], y)
        assert answers(model, X) == answers(model, X[..., np.newaxis])
    with pytest.raises(ValueError, match=expected):  # one series of five features, and its labels
        rf.SequenceTagger(**SMALL).fit(X, [*"abababab"])


@pytest.mark.parametrize("make", [rf.SequenceClassifier, rf.SequenceRegressor])
def test_integers_that_may_be_ids_are_told(make: Any) -> None:
    ids, y = np.arange(40).reshape(8, 5) % 7, [0, 1] * 4
    with pytest.warns(AdjustmentWarning, match=r"^X: an array of integers .*list\(X\) are ids"):
        told = make(**SMALL).fit(ids, y)
    silent = make(**SMALL).fit(ids.astype(float), y)
    assert answers(told, ids) == answers(silent, ids)
    for clear in (list(ids), ids - 3, ids[..., np.newaxis]):
        make(**SMALL).fit(clear, y)


SERIES: dict[str, Any] = {
    "arrays": list,
    "lists": lambda X: [row.tolist() for row in X],
    "pandas": lambda X: [pytest.importorskip("pandas").Series(row) for row in X],
    "polars": lambda X: [pytest.importorskip("polars").Series(row) for row in X],
    "arrow": lambda X: [pytest.importorskip("pyarrow").array(row) for row in X],
    "tensors": lambda X: [pytest.importorskip("torch").from_numpy(row) for row in X],
}


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("container", SERIES)
def test_a_list_of_what_has_one_axis(kind: str, container: str) -> None:
    """Of floats: series of one number a step, of any lengths."""
    make, y = CASES[kind]
    ragged = [row[: 3 + n % 3] for n, row in enumerate(X)]
    y = [one[: len(row)] if np.ndim(one) else one for one, row in zip(y, ragged, strict=True)]
    flat = make(**SMALL).fit(SERIES[container](ragged), y)
    full = make(**SMALL).fit([row[:, np.newaxis] for row in ragged], y)
    assert flat.history_[-1]["loss"] == full.history_[-1]["loss"]
    assert answers(flat, SERIES[container](ragged)) == answers(full, [r[:, None] for r in ragged])
    assert flat.n_features_in_ == 1


def test_what_is_missing_in_one() -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    given = [polars.Series([1.0, None, 2.0]), polars.Series([0.5])] * 4
    with pytest.raises(ValueError, match=r"^X\[0\]: expected finite numbers, got nan at step 1"):
        rf.SequenceClassifier(**SMALL).fit(given, [0, 1] * 4)
    given = [polars.Series([1, None]), polars.Series([3])] * 4
    pattern = (
        r"^X\[1\]: expected an array .*, got an array of integers; X\[0\] has a missing value$"
    )
    with pytest.raises(TypeError, match=pattern):
        rf.SequenceClassifier(**SMALL).fit(given, [0, 1] * 4)


def test_one_without_steps_has_any_width() -> None:
    made = rf.SequenceClassifier(**SMALL).fit([np.zeros(0), np.ones((4, 2))] * 4, [0, 1] * 4)
    assert made.n_features_in_ == 2
    made = rf.SequenceClassifier(**SMALL).fit([np.zeros(0), np.ones(4)] * 4, [0, 1] * 4)
    assert made.n_features_in_ == 1


def test_a_step_alone_is_no_series_of_a_model_of_several() -> None:
    model = rf.SequenceClassifier(**SMALL).fit(np.stack([X, X], axis=-1), [0, 1] * 4)
    with pytest.raises(ValueError, match=r"^X\[0\]: expected shape \(T, 2\), got \(2, 1\)$"):
        model.predict([X[0, :2]])
