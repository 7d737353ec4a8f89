"""Tables of pandas whose columns are of several dtypes, or of those that know what is missing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf

pandas = pytest.importorskip("pandas", reason="pandas is not installed")

X = np.random.default_rng(0).normal(size=(12, 4)).round(3)
Y = np.arange(12) % 2
SMALL: dict[str, Any] = {"hidden_size": 3, "epochs": 1, "verbose": 0, "seed": 0}


def plain(dtype: Any = np.float64) -> Any:
    return pandas.DataFrame(X.astype(dtype), columns=list("abcd"))


def arrow(frame: Any) -> Any:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    return frame.convert_dtypes(dtype_backend="pyarrow")


def with_bools(frame: Any) -> Any:
    return frame.assign(b=frame["b"] > 0)


KINDS: dict[str, Callable[[Any], Any]] = {
    "nullable": lambda frame: frame.convert_dtypes(),
    "arrow": arrow,
    "bools beside floats": with_bools,
    "nullable bools beside floats": lambda frame: with_bools(frame).convert_dtypes(),
    "nullable beside floats": lambda frame: frame.assign(b=frame["b"].astype("Float64")),
    "integers beside floats": lambda frame: frame.assign(c=np.arange(12)).convert_dtypes(),
}


def numbers(frame: Any) -> Any:
    return np.stack([frame[c].to_numpy(dtype=float) for c in frame.columns], axis=1)


@pytest.mark.parametrize("kind", KINDS)
def test_models_read_them_as_their_numbers(kind: str) -> None:
    frame = KINDS[kind](plain())
    wanted = numbers(frame)
    for given, same in ((frame, wanted), ([frame] * 12, [wanted] * 12)):
        model = rf.SequenceClassifier(**SMALL).fit(given, Y)
        other = rf.SequenceClassifier(**SMALL).fit(same, Y)
        assert model.history_[-1]["loss"] == other.history_[-1]["loss"]
        np.testing.assert_array_equal(model.predict_proba(given), other.predict_proba(same))
    assert list(rf.SequenceClassifier(**SMALL).fit(frame, Y).feature_names_in_) == list("abcd")
    targets = rf.SequenceRegressor(**SMALL).fit(X, frame)
    expected = rf.SequenceRegressor(**SMALL).fit(X, wanted)
    np.testing.assert_array_equal(targets.predict(X), expected.predict(X))
    forecaster = rf.Forecaster(lags=2, horizon=1, **SMALL)
    foretold = forecaster.fit(frame).predict(3)
    np.testing.assert_array_equal(foretold, forecaster.fit(wanted).predict(3))


@pytest.mark.parametrize("kind", ["Float32", "float[pyarrow]"])
def test_layers_read_them_in_their_dtype(kind: str) -> None:
    if "arrow" in kind:
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    layer = rf.GRU(4, 3, seed=0)
    y, _ = layer(plain(np.float32).astype(kind))
    np.testing.assert_array_equal(y, layer(X.astype(np.float32))[0])
    with pytest.raises(TypeError, match="x: expected dtype float32 or integers"):
        layer(plain().convert_dtypes())


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean"])
def test_what_is_missing_is_told_with_its_place(dtype: str) -> None:
    column = pandas.array([1, None, *[0] * 10], dtype=dtype)
    frame = plain().assign(c=column)
    with pytest.raises(ValueError, match=r"^X.*: expected finite numbers, got nan at step 2"):
        rf.SequenceClassifier(**SMALL).fit(frame, Y)
    with pytest.raises(ValueError, match=r"^X\[0\]: expected finite numbers, got nan at step 1"):
        rf.SequenceClassifier(**SMALL).fit([frame] * 12, Y)


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        (np.arange(12).astype("datetime64[D]"), "Timestamp"),
        (pandas.array([1] * 11 + [None], dtype=object), "None"),
    ],
)
def test_what_is_no_number_is_told_with_its_column(column: Any, shown: str) -> None:
    pattern = f"^X: expected .*, got a DataFrame, .*{re.escape(shown)}.* in column 'c'$"
    with pytest.raises(TypeError, match=pattern):
        rf.SequenceClassifier(**SMALL).fit(plain().assign(c=column), Y)


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "int64[pyarrow]"])
def test_a_missing_index_is_told_from_a_shape(dtype: str) -> None:
    if "arrow" in dtype:
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    layer = rf.GRU(5, 3, seed=0)
    pattern = (
        r"^x: expected 2 or 3 axes, got shape \(3,\); one axis is of indices, integers, got "
        "float64 with missing values$"
    )
    with pytest.raises(ValueError, match=pattern):
        layer(pandas.Series([1, None, 3], dtype=dtype))
