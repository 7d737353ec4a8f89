"""Hyperparameters and classes come back from files with their types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.io.packing import pack, unpack

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(4, 2)) for _ in range(12)]
OPTIONS = {"epochs": 1, "verbose": 0, "hidden_size": 4, "seed": 0}


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return bool(one == other)


VALUES = [
    None, True, False, 0, -7, 2**80, 0.1, -0.0, 1e308, "", "\N{GREEK SMALL LETTER PI}", [], (), {},
    [1, [2.0, (3, "x")]], (1,), ((), []), {"a": (1, 2)}, {1: "a", 2: "b"}, {True: 1.0, False: 2.0},
    {(1, "x"): [None]}, {None: 1}, {0.5: 1}, {1: {"1": {2: 3}}}, {"__type__": "tuple"},
    {"__type__": "dict", "items": [[1, 2]]}, np.int8(3), np.int64(-1), np.uint64(2**64 - 1),
    np.float32(0.1), np.float64(0.1), np.float16(0.1), np.bool_(True), np.str_("abc"),
    {np.int64(0): np.float32(2.0), np.int64(1): 1}, {np.bool_(True): 1}, (np.int32(1), 1),
    np.arange(3, dtype="uint8"), np.array([0.1, -0.0], "float32"), np.array(["a", "bcd"]),
    np.array([[True], [False]]), np.zeros((0, 3)), np.array(7), [np.array([1]), (np.array([2]),)],
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_round_trip(value: Any) -> None:
    assert same(unpack(json.loads(json.dumps(pack(value)))), value)


def test_not_a_number() -> None:
    read = unpack(json.loads(json.dumps(pack({"a": float("nan"), "b": np.float32("inf")}))))
    assert np.isnan(read["a"]) and read["b"] == np.inf and type(read["b"]) is np.float32


@pytest.mark.parametrize("value", [print, b"x", {1, 2}, np.zeros(3, complex), [1j],
                                   np.complex64(1), {1: np.array([print])}])  # fmt: skip
def test_what_json_cannot_hold(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^\w+ is nothing that JSON can hold$"):
        pack(value)


@pytest.mark.parametrize("packed", [{"__type__": "set"}, {"__type__": "tuple"}, {"__type__": None}])
def test_what_is_not_packed(packed: Any) -> None:
    with pytest.raises((ValueError, KeyError)):
        unpack(packed)


WEIGHTS: list[tuple[Any, list[Any]]] = [
    ({0: 2.0, 1: 1.0}, [0, 1]),
    ({np.int64(0): 2.0, np.int64(1): np.float32(0.5)}, [0, 1]),
    ({np.int8(0): 2}, np.array([0, 1], np.int8)),
    ({False: 2.0, True: 0.5}, [False, True]),
    ({np.bool_(True): 2.0}, np.array([False, True])),
    ({"x": 2.0}, ["x", "y"]),
    ({np.str_("x"): 2.0}, np.array(["x", "y"])),
    ({"1": 2.0}, ["1", "0"]),
    ("balanced", [0, 1]),
]


@pytest.mark.parametrize(("class_weight", "classes"), WEIGHTS, ids=repr)
@pytest.mark.parametrize("kind", [rf.SequenceClassifier, rf.SequenceTagger])
def test_class_weights(kind: Any, class_weight: Any, classes: Any, tmp_path: Path) -> None:
    first, second = classes
    y = [first, second, second] * 4
    if kind is rf.SequenceTagger:
        y = [[label] * 4 for label in y]
    model = kind(class_weight=class_weight, **OPTIONS).fit(X, y)
    model.save(tmp_path / "m")
    again = rf.load(tmp_path / "m")
    assert same(again.class_weight, class_weight)
    assert same(again.classes_.tolist(), model.classes_.tolist())
    assert again.classes_.dtype == model.classes_.dtype
    assert type(again.classes_.tolist()[0]) is type(np.array(classes).tolist()[0])
    np.testing.assert_array_equal(again.class_weights_, model.class_weights_)
    refitted = again.fit(X, y)  # what was read can be used again
    np.testing.assert_array_equal(refitted.class_weights_, model.class_weights_)


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        (rf.Forecaster, {"differences": (1, 2), "targets": (0,), "lags": 3}),
        (rf.Forecaster, {"differences": [1], "targets": None, "lags": np.int64(3)}),
        (
            rf.SequenceRegressor,
            {"cell": "layer_norm_lstm", "cell_options": {"zoneout": (0.1, 0.2)}},
        ),
        (rf.SequenceRegressor, {"dropout": np.float32(0.25), "standardize": np.bool_(True)}),
    ],
)
def test_hyperparameters(kind: Any, params: dict[str, Any], tmp_path: Path) -> None:
    model = kind(**OPTIONS, **params)
    data = (np.stack([np.arange(40.0), np.ones(40)], 1),)
    if kind is rf.SequenceRegressor:
        data = (X, np.arange(12.0))
    model.fit(*data).save(tmp_path / "m")
    assert same(rf.load(tmp_path / "m").get_params(), model.get_params())


def test_files_of_before(tmp_path: Path) -> None:
    """Integer classes whose weights a file names by their str, as JSON alone has them."""
    y = [0, 1] * 6
    model = rf.SequenceClassifier(class_weight={"0": 2.0, "1": 1.0}, **OPTIONS).fit(X, y)
    assert model.class_weights_.tolist() == [2.0, 1.0]


def test_resumption_asks_for_values_not_types(tmp_path: Path) -> None:
    checkpoint = tmp_path / "c"
    series = np.sin(np.arange(40.0))
    weights = {np.int64(0): 2.0, np.int64(1): 1}
    y = [0, 1] * 6
    first = rf.SequenceClassifier(class_weight=weights, **OPTIONS)
    first.fit(X, y, checkpoint=checkpoint)
    again = rf.SequenceClassifier(class_weight={0: 2, 1: 1.0}, **OPTIONS).set_params(epochs=2)
    assert len(again.fit(X, y, checkpoint=checkpoint, resume=True).history_) == 2
    other = rf.SequenceClassifier(class_weight={0: 3.0, 1: 1.0}, **OPTIONS)
    with pytest.raises(ValueError, match="class_weight"):
        other.fit(X, y, checkpoint=checkpoint, resume=True)
    rf.Forecaster(lags=3, differences=(1,), **OPTIONS).fit(series, checkpoint=checkpoint)
    model = rf.Forecaster(lags=np.int64(3), differences=[np.int64(1)], **OPTIONS)
    model.set_params(epochs=2).fit(series, checkpoint=checkpoint, resume=True)
    assert len(model.history_) == 2
