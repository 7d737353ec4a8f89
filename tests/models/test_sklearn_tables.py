"""Tables ``(N, T)``, names of columns, and how many features a model has read."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.models.parts.reading.columns import restore_names
from sklearn_cases import CASES, LETTERS, SERIES, Table, fit, make

FLAT = SERIES[..., 0]
NAMES = [f"t{step}" for step in range(5)]
TABLES = ["classifier", "regressor"]


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_series_of_one_feature(name: str, tmp_path: Path) -> None:
    y = CASES[name][2][1]
    series, table = make(name).fit(FLAT[..., np.newaxis], y), make(name).fit(FLAT, y)
    np.testing.assert_array_equal(table.predict(FLAT), series.predict(FLAT[..., np.newaxis]))
    assert table.score(FLAT, y) == series.score(FLAT[..., np.newaxis], y)
    assert table.n_features_in_ == 5 and series.n_features_in_ == 1
    # Those that read series still do, of any length.
    np.testing.assert_array_equal(table.predict(FLAT[..., np.newaxis]), table.predict(FLAT))
    assert len(table.predict([np.ones((2, 1)), np.ones((9, 1))])) == 2
    table.save(tmp_path / "m")
    loaded = rf.load(tmp_path / "m")
    assert loaded.n_features_in_ == 5 and not hasattr(loaded, "feature_names_in_")
    np.testing.assert_array_equal(loaded.predict(FLAT), table.predict(FLAT))


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_other_columns_is_refused(name: str) -> None:
    y = CASES[name][2][1]
    model = make(name).fit(FLAT, y)
    expected = (
        r"^X: expected 5 columns as in fit, got shape \(24, 4\); X\[\.\.\., np\.newaxis\] are"
    )
    with pytest.raises(ValueError, match=expected):
        model.predict(FLAT[:, :4])
    with pytest.raises(ValueError, match=r"^X of valid: expected 5 columns as in fit, got shape"):
        make(name).fit(FLAT, y, valid=(FLAT[:, :4], y))
    with pytest.raises(ValueError, match=r"^X: expected shape \(N, T\), T at least 1, got \(24, 0"):
        make(name).fit(FLAT[:, :0], y)
    masked = np.ma.masked_less(FLAT, 0)
    with pytest.raises(TypeError, match=r"^X: expected an array without a mask, got a masked one"):
        make(name).fit(masked, y)


@pytest.mark.parametrize("name", TABLES)
def test_a_row_alone_is_told(name: str) -> None:
    model = make(name).fit(FLAT, CASES[name][2][1])
    with pytest.raises(ValueError, match=r"^X: expected shape \(N, 5\), got \(5,\)$"):
        model.predict(FLAT[0])
    assert len(model.predict(FLAT[0][np.newaxis])) == 1


@pytest.mark.parametrize("name", TABLES)
def test_rows_in_a_list_have_as_many_columns(name: str) -> None:
    model = make(name).fit(FLAT, CASES[name][2][1])
    np.testing.assert_array_equal(model.predict(FLAT.tolist()), model.predict(FLAT))
    np.testing.assert_array_equal(model.predict(list(FLAT)), model.predict(FLAT))
    for rows in (FLAT[:, :3].tolist(), list(FLAT[:, :3])):
        with pytest.raises(ValueError, match=r"^X\[0\]: expected 5 columns as in fit, got 3; as"):
            model.predict(rows)
        assert len(model.predict([np.reshape(row, (3, 1)) for row in rows])) == 24
    with pytest.raises(ValueError, match=r"^X\[0\]: expected shape \(T, F\), got a ragged list"):
        model.predict([[[1.0, 2.0], [3.0]]])


@pytest.mark.parametrize("name", sorted(set(CASES) - {"forecaster", "language", "pairs"}))
def test_one_series_is_never_taken_for_a_table(name: str) -> None:
    """Once a model has read series, an array with two axes may be one of them."""
    model = fit(name)
    expected = r"^X: expected an array of shape \(N, T, F\), got \(5, 2\); X\[\.\.\., np\.newaxis\]"
    with pytest.raises(ValueError, match=expected):
        model.predict(SERIES[0])
    if name not in TABLES:
        with pytest.raises(ValueError, match=expected):
            make(name).fit(SERIES[0], [*"ababa"])


@pytest.mark.parametrize("name", TABLES)
def test_names_of_columns(name: str, tmp_path: Path) -> None:
    y = CASES[name][2][1]
    model = make(name).fit(Table(FLAT, NAMES), y)
    assert model.feature_names_in_.tolist() == NAMES and model.n_features_in_ == 5
    assert model.feature_names_in_.dtype == object
    model.save(tmp_path / "m")
    loaded = rf.load(tmp_path / "m")
    for one in (model, loaded):
        np.testing.assert_array_equal(
            one.predict(Table(FLAT, NAMES)), make(name).fit(FLAT, y).predict(FLAT)
        )
        expected = r"^X: expected the columns of fit in their order, 't0' at 0, got 't1'$"
        with pytest.raises(ValueError, match=expected):
            one.predict(Table(FLAT, [NAMES[1], NAMES[0], *NAMES[2:]]))
        with pytest.warns(UserWarning, match=r"^X: expected columns with names, as in fit, got an"):
            one.predict(FLAT)
    numbered = make(name).fit(Table(FLAT, [*range(5)]), y)
    assert not hasattr(numbered, "feature_names_in_")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        numbered.predict(FLAT)


@pytest.mark.parametrize(
    "name", ["classifier", "regressor", "tagger", "labels", "steps", "symbols"]
)
def test_names_of_columns_of_a_list_of_tables(name: str, tmp_path: Path) -> None:
    y = CASES[name][2][1]
    tables = [Table(x, ["p", "q"]) for x in SERIES]
    turned = [Table(x[:, ::-1], ["q", "p"]) for x in SERIES]
    expected = r"^X\[1\]: expected 'p' as column 0, as others have, got 'q'$"
    with pytest.raises(ValueError, match=expected):
        make(name).fit([tables[0], *turned[1:]], y)
    with pytest.raises(ValueError, match=r"^X of valid\[0\]: expected 'p' as column 0"):
        make(name).fit(tables, y, valid=(turned, y))
    model = make(name).fit(tables, y)
    model.save(tmp_path / "m")
    for one in (model, rf.load(tmp_path / "m")):
        assert one.feature_names_in_.tolist() == ["p", "q"] and one.n_features_in_ == 2
        assert str(one.predict(tables)) == str(fit(name).predict(SERIES))
        for X in (SERIES, [*SERIES]):
            assert str(one.predict(X)) == str(one.predict(tables))
        with pytest.raises(ValueError, match=expected):
            one.predict([tables[0], *turned[1:]])
        with pytest.raises(ValueError, match=expected):
            one.score([SERIES[0], *turned[1:]], y)
    with pytest.raises(ValueError, match=expected):
        fit(name).predict([tables[0], *turned[1:]])


@pytest.mark.parametrize("names", ["pq", ["p"], ["p", 3], None, {}])
def test_names_that_a_file_cannot_have(names: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^step_names: expected "):
        restore_names({"step_names": names}, "step_names", 2)


def test_a_table_of_text_is_still_refused() -> None:
    words = np.array([["a", "b"]] * 24, object)
    with pytest.raises(TypeError, match=r"^X: expected a list of str, .*, got a Table; one of its"):
        make("classifier").fit(Table(words, ["p", "q"]), CASES["classifier"][2][1])


def test_channels_of_a_forecaster() -> None:
    waves = np.stack([np.sin(np.arange(60) / 3), np.cos(np.arange(60) / 3)], axis=1)
    table = Table(waves, ["sine", "cosine"])
    model = make("forecaster").fit(table)
    assert model.feature_names_in_.tolist() == ["sine", "cosine"] and model.n_features_in_ == 2
    np.testing.assert_array_equal(model.predict(3), make("forecaster").fit(waves).predict(3))
    assert np.isfinite(model.score(table))
    turned = Table(waves[:, ::-1], ["cosine", "sine"])
    calls: dict[str, Any] = {
        "X": lambda: model.score(turned),
        "after": lambda: model.predict(after=turned),
        "valid": lambda: make("forecaster").fit(table, valid=turned),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=rf"^{name}: expected the columns of fit in their ord"):
            call()


@pytest.mark.parametrize("name", sorted(set(CASES) - {"language"}))
def test_features(name: str) -> None:
    with pytest.raises(ValueError, match="has not been fitted"):
        _ = make(name).n_features_in_
    model = fit(name)
    expected = {"forecaster": 1, "pairs": None}.get(name, 2)
    assert getattr(model, "n_features_in_", None) == expected
    assert not hasattr(model, "feature_names_in_")


def test_text_has_no_features() -> None:
    model = make("classifier").fit(LETTERS, ["+", "-"] * 12)
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize(
    "change",
    [
        {"count": 0}, {"count": "5"}, {"names": ["a"]}, {"names": [1, 2, 3, 4, 5]},
        {"names": "abcde"},
    ],
    ids=str,
)  # fmt: skip
def test_columns_of_a_file_are_checked(change: dict[str, Any]) -> None:
    model = make("classifier").fit(Table(FLAT, NAMES), CASES["classifier"][2][1])
    learned = model._learned()
    fresh = make("classifier")
    fresh._restore(learned)
    assert fresh.feature_names_in_.tolist() == NAMES
    with pytest.raises((TypeError, ValueError), match=r"^columns\."):
        fresh._restore({**learned, "columns": {**learned["columns"], **change}})
    assert "columns" not in fit("classifier")._learned()


def test_scikit_learn_splits_tables() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    selection = pytest.importorskip("sklearn.model_selection", reason="scikit-learn is not instal")
    frame = pandas.DataFrame(FLAT, columns=NAMES)
    y = pandas.Series(CASES["classifier"][2][1])
    assert len(selection.cross_val_score(make("classifier"), frame, y, cv=3)) == 3
    assert make("classifier").fit(frame, y).feature_names_in_.tolist() == NAMES
