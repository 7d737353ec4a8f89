"""With ``like`` what models answer is of the library that the sequences are of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from exporters import Array, Exported

RNG = np.random.default_rng(0)
SERIES = [RNG.normal(size=(3 + n % 3, 2)).astype("float32") for n in range(8)]
EQUAL = np.stack([x[:3] for x in SERIES])
TEXTS = ["a b", "b", "a a b", "b a", "a", "b b", "a b a", "b a b"]
TABLE = RNG.normal(size=(8, 4)).astype("float32")
SMALL: dict[str, Any] = {"hidden_size": 3, "epochs": 1, "verbose": 0, "seed": 0}
CLASSES, NUMBERS = np.arange(8) % 2, RNG.normal(size=8)
WORDS = np.array(["no", "yes"])[CLASSES]


def fitted(kind: Any, X: Any = SERIES, y: Any = CLASSES, **options: Any) -> Any:
    return kind(**SMALL, **options).fit(X, y)


CLASSIFIER, NAMING = fitted(rf.SequenceClassifier), fitted(rf.SequenceClassifier, y=WORDS)
REGRESSOR = fitted(rf.SequenceRegressor, y=NUMBERS)
STEPS = fitted(rf.StepRegressor, y=[x[:, 0] for x in SERIES])
TAGGER = fitted(rf.SequenceTagger, y=[np.arange(len(x)) % 2 for x in SERIES])
SETS = fitted(rf.MultiLabelTagger, y=[(x > 0).astype(int) for x in SERIES])
WAVE = np.sin(np.arange(60.0) / 3)
FORECASTER = rf.Forecaster(lags=4, horizon=2, **SMALL).fit(WAVE)
TWO = rf.Forecaster(lags=4, horizon=2, targets=[1], **SMALL).fit(np.stack([WAVE, WAVE**2], 1))


@pytest.fixture(name="torch")
def fixture_torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture(name="pandas")
def fixture_pandas() -> Any:
    return pytest.importorskip("pandas", reason="pandas is not installed")


@pytest.fixture(name="polars")
def fixture_polars() -> Any:
    return pytest.importorskip("polars", reason="polars is not installed")


@pytest.fixture(name="arrow")
def fixture_arrow() -> Any:
    return pytest.importorskip("pyarrow", reason="pyarrow is not installed")


def equal(found: Any, expected: Array) -> bool:
    array = np.asarray(found)
    return array.dtype == expected.dtype and np.array_equal(array, expected)


WHOLE = [CLASSIFIER.predict, CLASSIFIER.predict_proba, REGRESSOR.predict]
EACH = [STEPS.predict, SETS.predict, SETS.predict_proba, TAGGER.predict_proba]


def of(method: Any) -> str:
    return f"{type(method.__self__).__name__}.{method.__name__}"


@pytest.mark.parametrize("method", WHOLE, ids=of)
def test_a_tensor_of_all_for_tensors(method: Any, torch: Any) -> None:
    for X, plain in (
        ([*map(torch.from_numpy, SERIES)], SERIES),
        (torch.from_numpy(EQUAL), EQUAL),
    ):
        found = method(X, like=True)
        assert isinstance(found, torch.Tensor) and equal(found, method(plain))
        assert type(method(X)) is np.ndarray


@pytest.mark.parametrize("method", EACH, ids=of)
def test_a_tensor_of_each_for_tensors(method: Any, torch: Any) -> None:
    for X, plain in (
        ([*map(torch.from_numpy, SERIES)], SERIES),
        (torch.from_numpy(EQUAL), EQUAL),
    ):
        found = method(X, like=True)
        assert type(found) is list and all(isinstance(one, torch.Tensor) for one in found)
        assert all(map(equal, found, method(plain)))
    mixed: list[Any] = [*SERIES[:4], *map(torch.from_numpy, SERIES[4:])]
    kinds = [type(one) for one in method(mixed, like=True)]
    assert kinds == [np.ndarray] * 4 + [torch.Tensor] * 4


def test_labels_of_steps_are_lists_but_for_tensors(torch: Any) -> None:
    plain = TAGGER.predict(SERIES)
    assert TAGGER.predict(SERIES, like=True) == plain
    found = TAGGER.predict([*map(torch.from_numpy, SERIES)], like=True)
    assert [one.tolist() for one in found] == plain
    assert {one.dtype for one in found} == {torch.int64}


@pytest.mark.parametrize("method", [*WHOLE, *EACH, TAGGER.predict], ids=of)
def test_arrays_of_numpy_stay_so(method: Any) -> None:
    for X in (SERIES, EQUAL, [x.tolist() for x in SERIES]):
        found, plain = method(X, like=True), method(X)
        assert type(found) is type(plain)
        pairs = zip(found, plain, strict=True) if isinstance(found, list) else [(found, plain)]
        assert all(type(one) is type(other) and np.array_equal(one, other) for one, other in pairs)


def test_a_table_has_an_index_and_classes_as_columns(pandas: Any) -> None:
    index = [f"row {n}" for n in range(8)]
    texts = pandas.Series(TEXTS, index=index, name="text")
    model = fitted(rf.SequenceClassifier, texts, WORDS)
    named, chances = model.predict(texts, like=True), model.predict_proba(texts, like=True)
    assert isinstance(named, pandas.Series) and list(named.index) == index
    assert list(named) == list(model.predict(TEXTS)) and named.name is None
    assert isinstance(chances, pandas.DataFrame) and list(chances.index) == index
    assert list(chances.columns) == ["no", "yes"] and (chances.dtypes == "float32").all()
    assert equal(chances, model.predict_proba(TEXTS))
    frame = pandas.DataFrame(TABLE, index=index)
    numbers = fitted(rf.SequenceRegressor, frame, NUMBERS).predict(frame, like=True)
    assert isinstance(numbers, pandas.Series) and list(numbers.index) == index
    assert list(CLASSIFIER.predict_proba([pandas.DataFrame(x) for x in SERIES], like=True)) == [
        0,
        1,
    ]


def test_steps_keep_their_index(pandas: Any) -> None:
    X = [pandas.DataFrame(x, index=range(10, 10 + len(x))) for x in SERIES]
    for found in (STEPS.predict(X, like=True), TAGGER.predict(X, like=True)):
        assert all(isinstance(one, pandas.Series) for one in found)
        assert [list(one.index) for one in found] == [list(x.index) for x in X]
    chances = TAGGER.predict_proba(X, like=True)[0]
    assert list(chances.columns) == [0, 1] and list(chances.index) == list(X[0].index)


def test_polars(polars: Any) -> None:
    texts = polars.Series("text", TEXTS)
    model = fitted(rf.SequenceClassifier, texts, WORDS)
    named, chances = model.predict(texts, like=True), model.predict_proba(texts, like=True)
    assert isinstance(named, polars.Series) and named.to_list() == list(model.predict(TEXTS))
    assert isinstance(chances, polars.DataFrame) and chances.columns == ["no", "yes"]
    assert equal(chances.to_numpy(), model.predict_proba(TEXTS))
    X = [polars.DataFrame(x) for x in SERIES]
    assert all(isinstance(one, polars.Series) for one in STEPS.predict(X, like=True))
    assert CLASSIFIER.predict_proba(X, like=True).columns == ["0", "1"]


def test_arrow(arrow: Any) -> None:
    texts = arrow.array(TEXTS)
    model = fitted(rf.SequenceClassifier, texts, WORDS)
    named, chances = model.predict(texts, like=True), model.predict_proba(texts, like=True)
    assert named.equals(arrow.array(list(model.predict(TEXTS))))
    assert isinstance(chances, arrow.RecordBatch) and chances.column_names == ["no", "yes"]
    table = arrow.table({str(n): TABLE[:, n] for n in range(4)})
    made = fitted(rf.SequenceRegressor, table, NUMBERS).predict(table, like=True)
    assert isinstance(made, arrow.ChunkedArray) and len(made) == 8


def test_texts_come_back_in_a_series(pandas: Any, torch: Any) -> None:
    texts = pandas.Series(TEXTS, index=range(3, 11))
    plain = fitted(rf.Seq2Seq, TEXTS, TEXTS)
    found = plain.predict(texts, like=True)
    assert isinstance(found, pandas.Series) and list(found.index) == list(texts.index)
    assert list(found) == plain.predict(TEXTS) == plain.predict(TEXTS, like=True)
    tokens = fitted(rf.Seq2Seq, TEXTS, [text.split() for text in TEXTS])
    assert [list(one) for one in tokens.predict(texts, like=True)] == tokens.predict(TEXTS)
    sound = [np.tile(x, (3, 1)) for x in SERIES]
    recognizer = fitted(rf.CTCRecognizer, sound, ["ab"] * 8)
    frames = [pandas.DataFrame(x) for x in sound]
    assert list(recognizer.predict(frames, like=True)) == recognizer.predict(sound)
    with pytest.raises(TypeError, match=r"^like: expected numbers to make a Tensor of, got dtype"):
        recognizer.predict([*map(torch.from_numpy, sound)], like=True)


def test_a_forecast_is_like_what_it_follows(torch: Any, pandas: Any, polars: Any) -> None:
    after = WAVE[:20]
    plain = FORECASTER.predict(3, after=after)
    assert FORECASTER.predict(3, after=after, like=True).tolist() == plain.tolist()
    tensor = FORECASTER.predict(3, after=torch.from_numpy(after.copy()), like=True)
    assert isinstance(tensor, torch.Tensor) and equal(tensor, plain)
    series = pandas.Series(after, index=range(5, 25), name="load")
    found = FORECASTER.predict(3, after=series, like=True)
    assert found.name == "load" and list(found.index) == [25, 26, 27] and equal(found, plain)
    assert FORECASTER.predict(3, after=polars.Series("load", after), like=True).name == "load"
    both = pandas.DataFrame({"load": after, "heat": after**2})
    assert list(TWO.predict(2, after=both, like=True).columns) == ["heat"]
    true, predicted = FORECASTER.backtest(series, like=True)
    assert isinstance(true, pandas.DataFrame) and isinstance(predicted, pandas.DataFrame)
    assert equal(predicted, FORECASTER.backtest(after)[1])
    with pytest.raises(
        ValueError, match=r"^like: expected False without after, as fit was given no index"
    ):
        FORECASTER.predict(3, like=True)
    with pytest.raises(ValueError, match=r"^like: expected an output of at most 2 axes for a Data"):
        TWO.backtest(both, like=True)


def test_what_cannot_be_made_is_refused(torch: Any, pandas: Any) -> None:
    tensors = [*map(torch.from_numpy, SERIES)]
    message = r"^like: expected numbers to make a Tensor of, got dtype <U3$"
    with pytest.raises(TypeError, match=message):
        NAMING.predict(tensors, like=True)
    assert NAMING.predict_proba(tensors, like=True).shape == (8, 2)
    message = r"^like: expected sequences of one kind, got ndarray and Tensor$"
    with pytest.raises(TypeError, match=message):
        CLASSIFIER.predict([*SERIES[:4], *tensors[4:]], like=True)
    frames = [pandas.DataFrame(SERIES[0]), *tensors]
    with pytest.raises(TypeError, match=r"^like: .* one kind, got .*DataFrame.*$"):
        CLASSIFIER.predict(frames, like=True)
    for method in (*WHOLE, *EACH, TAGGER.predict):
        with pytest.raises(TypeError, match=r"^like: expected an input of NumPy, .*got a Exported"):
            method([*map(Exported, SERIES)], like=True)
        with pytest.raises(TypeError, match=r"^like: expected a bool, got str$"):
            method(SERIES, like="torch")
