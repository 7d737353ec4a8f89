"""Short series are standardised together: each as it would be alone, refusals included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rnnfast import _core
from rnnfast.models.parts.reading.inputs import SeriesInputs
from rnnfast.models.parts.reading.sequences import read_sequences
from rnnfast.text import CharTokenizer

F = 3
rng = np.random.default_rng(0)
INPUTS = SeriesInputs(rng.normal(size=F), rng.uniform(0.5, 2, F), "float32")
LONG = rng.normal(size=(40_000, F))  # more than is taken at once
SERIES: dict[str, Any] = {
    "one": [rng.normal(size=(4, F))],
    "lengths": [rng.normal(size=(T, F)) for T in (4, 0, 1, 9, 0)],
    "dtypes": [
        rng.integers(-9, 9, (5, F)).astype(dtype)
        for dtype in (
            "float64",
            "float64",
            "float32",
            "float32",
            "longdouble",
            "int8",
            "uint64",
            "?",
        )
    ],
    "lists": [[], [[1.0, 2.0, 3.0]], [], [[4, 5, 6]] * 3],
    "long ones among them": [LONG[:5], LONG, LONG[7:9], LONG[::2], LONG[:30_000], LONG[:1]],
    "many": [*rng.normal(size=(9000, 2, F))],
    "views": [*rng.normal(size=(7, F, 5)).transpose(0, 2, 1)],
    "array": rng.normal(size=(300, 4, F)),
    "an array of integers": rng.integers(9, size=(300, 4, F)),
    "an array of no steps": np.zeros((3, 0, F)),
}


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_as_alone(name: str, dtype: str) -> None:
    inputs = SeriesInputs(INPUTS.mean, INPUTS.scale, dtype)
    found = inputs.encode("X", SERIES[name])
    read = read_sequences("X", SERIES[name], CharTokenizer())
    assert len(found) == len(read) == len(SERIES[name])
    for one, item in zip(found, read, strict=True):
        rows = np.zeros((0, F)) if isinstance(item, list) else np.asarray(item)
        expected = ((rows - inputs.mean) / inputs.scale).astype(dtype)
        assert one.dtype == dtype and one.flags.c_contiguous
        np.testing.assert_array_equal(one, expected)


@pytest.mark.parametrize("place", [0, 3, 799])
@pytest.mark.parametrize("form", [list, np.array])
def test_what_is_refused_is_told_of_the_series_itself(place: int, form: Any) -> None:
    series = rng.normal(size=(800, 2, F))
    series[place, 1, 2] = 1e300
    message = rf"X\[{place}\]: expected numbers within float32 when standardised"
    with pytest.raises(ValueError, match=message):
        INPUTS.encode("X", form(series))
    series[place, 1, 2] = np.nan
    message = rf"X\[{place}\]: expected finite numbers, got nan at step 1, feature 2"
    with pytest.raises(ValueError, match=message):
        INPUTS.encode("X", form(series))


def test_another_width_is_told_of_the_first_that_has_it() -> None:
    with pytest.raises(ValueError, match=r"X\[0\]: expected shape \(T, 3\), got \(4, 2\)"):
        INPUTS.encode("X", np.zeros((20, 4, 2)))
    with pytest.raises(ValueError, match=r"X\[1\]: expected shape \(T, 3\) as X\[0\] has, got"):
        INPUTS.encode("X", [np.zeros((4, 3)), np.zeros((4, 2))])
    with pytest.raises(ValueError, match=r"X: expected at least one sequence, got none"):
        INPUTS.encode("X", np.zeros((0, 4, 3)))


def test_what_was_given_is_not_what_comes_back() -> None:
    series = np.zeros((5, 4, F), np.float32)
    plain = SeriesInputs(np.zeros(F), np.ones(F), "float32")
    for one in plain.encode("X", series):
        assert not np.shares_memory(one, series)


@pytest.mark.parametrize("size", [1, 3, 17, 33, 65])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_as_written(size: int, dtype: str) -> None:
    rng = np.random.default_rng(size)
    mean, scale = rng.normal(size=size), rng.uniform(0.1, 3, size)
    whole = rng.normal(size=(70, 2 * size))
    given = [
        whole[:33, :size].copy(),
        whole[:, ::2].astype(np.float32),
        whole[::-2, size:],
        whole[:0, :size],
        np.asfortranarray(whole[:, :size]),
    ]
    found = _core.standardised(given, mean, scale, np.dtype(dtype))
    for one, item in zip(found, given, strict=True):
        assert one is not None and one.dtype == dtype
        np.testing.assert_array_equal(one, ((item - mean) / scale).astype(dtype))


def test_what_the_compiled_one_leaves() -> None:
    mean, scale = np.zeros(2), np.full(2, 1e-3)
    rows = np.ones((100, 2))
    beyond, missing = rows.copy(), rows.copy()
    beyond[99, 1], missing[0, 0] = 1e36, np.nan
    others = [rows[:, :1], rows[0], rows.astype(int), rows.astype(">f8"), [], "ab", None]
    found = _core.standardised([rows, beyond, missing, *others], mean, scale, np.dtype("f4"))
    assert found[0] is not None and found[1:] == [None] * (2 + len(others))
    with pytest.raises(TypeError, match="dtype"):
        _core.standardised([rows], mean, scale, np.dtype("i4"))
    with pytest.raises(ValueError, match="scale"):
        _core.standardised([rows], mean, scale[:1], np.dtype("f4"))
