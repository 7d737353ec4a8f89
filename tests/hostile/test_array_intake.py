"""Arrays from outside: masks, integers beyond int64, dtypes, places of what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast import metrics
from rnnfast.data import audio
from rnnfast.data.batches import StreamBatches, bucket_by_length, pad_sequences
from rnnfast.diagnostics import gradient_norms
from rnnfast.nn.dropout_masks import VariationalDropout
from rnnfast.nn.losses import linear_cross_entropy
from rnnfast.nn.penalties import activation_penalty
from rnnfast.nn.recurrent.base import LAYERS
from rnnfast.text import Vocabulary

INDICES = np.array([[0, 1], [2, 0], [1, 1]])
SERIES = [np.arange(8.0).reshape(4, 2) + n for n in range(12)]
X = np.linspace(-1, 1, 18, dtype=np.float32).reshape(3, 2, 3)
STATE = np.zeros((1, 2, 4), np.float32)
LSTM, GRU = rf.LSTM(3, 4, seed=0), rf.GRU(3, 4, seed=0)
NORMED = rf.LayerNormGRU(3, 4, seed=0)
LINEAR, EMBEDDING, CRF = rf.Linear(3, 4, seed=0), rf.Embedding(5, 3, seed=0), rf.CRF(3)
ADAPTIVE = rf.AdaptiveSoftmax(3, 9, [2, 5], seed=0)
ATTENTION = rf.DotAttention(3, 3, seed=0)
VOCABULARY = Vocabulary(["a", "b", "c"])
TEXTS, LABELS = ["ab", "ba", "aa", "bb"] * 3, np.array(["x", "y"] * 6)
OPTIONS = {"epochs": 1, "verbose": 0, "hidden_size": 4, "seed": 0}


def masked(array: Any) -> Any:
    """Return an array of which the first number is masked: 1e9 lies beneath, or the like."""
    hidden = np.ma.array(array, copy=True)
    hidden[(0,) * hidden.ndim] = np.ma.masked
    return hidden


def backward(layer: Any) -> Any:
    return layer.forward(X)[1]


# Every way in for an array, and the name by which it is refused.
ENTRIES: dict[str, Callable[[], Any]] = {
    "x: layer": lambda: LSTM(masked(X)),
    "x: layer, forward": lambda: GRU.forward(masked(X)),
    "x: layer, recompute": lambda: GRU.forward(masked(X), recompute=True),
    "x: layer, indices": lambda: LSTM(masked(INDICES)),
    "x: layer, one sequence": lambda: LSTM(masked(X[:, 0])),
    "x: normed layer": lambda: NORMED(masked(X)),
    "h0": lambda: GRU(X, masked(STATE)),
    "c0": lambda: LSTM(X, (STATE, masked(STATE))),
    "h0: normed layer": lambda: NORMED(X, masked(STATE)),
    "lengths": lambda: GRU(X, lengths=masked(np.array([1, 2]))),
    "reset": lambda: GRU(X, reset=masked(np.zeros((3, 2), bool))),
    "dy": lambda: backward(GRU)(masked(np.zeros((3, 2, 4), np.float32))),
    "dy: normed layer": lambda: backward(NORMED)(masked(np.zeros((3, 2, 4), np.float32))),
    "dstate": lambda: backward(GRU)(None, masked(STATE)),
    "x: step": lambda: LSTM.stream(2)(masked(X[0])),
    "x: step, indices": lambda: LSTM.stream(2)(masked(INDICES[0])),
    "x: steps": lambda: LSTM.stream(2).run(masked(X)),
    "x: normed step": lambda: NORMED.stream(2)(masked(X[0])),
    "out": lambda: LSTM.stream(2)(X[0], out=masked(STATE[0])),
    "h: state": lambda: setattr(GRU.stream(2), "state", masked(STATE)),
    "x: linear": lambda: LINEAR(masked(X)),
    "dy: linear": lambda: LINEAR.forward(X)[1](masked(np.zeros((3, 2, 4), np.float32))),
    "indices": lambda: EMBEDDING(masked(INDICES)),
    "indices: list": lambda: EMBEDDING([masked(INDICES[0]), INDICES[1]]),
    "indices: masked constant": lambda: EMBEDDING([1, np.ma.masked]),
    "dy: embedding": lambda: EMBEDDING.forward(INDICES)[1](masked(np.zeros((3, 2, 3), np.float32))),
    "x: dropout": lambda: rf.Dropout(0.5, seed=0).forward(masked(X)),
    "x: variational dropout": lambda: VariationalDropout(0.5, seed=0).forward(masked(X)),
    "query": lambda: ATTENTION(masked(X), X),
    "memory": lambda: ATTENTION(X, masked(X)),
    "logits: cross-entropy": lambda: rf.cross_entropy(masked(X), INDICES),
    "targets: cross-entropy": lambda: rf.cross_entropy(X, masked(INDICES)),
    "weights": lambda: rf.cross_entropy(X, INDICES, weights=masked(np.ones((3, 2), np.float32))),
    "class_weights": lambda: rf.cross_entropy(
        X, INDICES, class_weights=masked(np.ones(3, np.float32))
    ),
    "h: linear cross-entropy": lambda: linear_cross_entropy(LINEAR, masked(X), INDICES),
    "predictions": lambda: rf.mse(masked(X), X),
    "targets: mse": lambda: rf.mse(X, masked(X)),
    "targets: l1": lambda: rf.l1(X, masked(X)),
    "logits: bce": lambda: rf.binary_cross_entropy_with_logits(masked(X), abs(X)),
    "targets: bce": lambda: rf.binary_cross_entropy_with_logits(X, masked(abs(X))),
    "targets: bce, bool": lambda: rf.binary_cross_entropy_with_logits(X, masked(X > 0)),
    "pos_weight": lambda: rf.binary_cross_entropy_with_logits(
        X, abs(X), pos_weight=masked(np.ones(3, np.float32))
    ),
    "x: softmax": lambda: rf.softmax(masked(X)),
    "h: penalty": lambda: activation_penalty(masked(X), 1.0),
    "logits: ctc": lambda: rf.ctc_loss(masked(X), [[1], [1]]),
    "targets[0]: ctc": lambda: rf.ctc_loss(X, masked(np.ones((2, 1), int))),
    "h: adaptive": lambda: ADAPTIVE.loss(masked(X), INDICES),
    "targets: adaptive": lambda: ADAPTIVE.loss(X, masked(INDICES)),
    "emissions": lambda: CRF.loss(masked(X), INDICES),
    "targets: crf": lambda: CRF.loss(X, masked(INDICES)),
    "logits: draw": lambda: rf.generation.draw(masked(X[0]), seed=0),
    "value": lambda: LINEAR.parameters()["bias"].assign(masked(np.zeros(4))),
    "bias: state": lambda: LINEAR.load_state_dict(
        {"weight": np.zeros((4, 3)), "bias": masked(np.zeros(4))}
    ),
    "x: diagnostics": lambda: gradient_norms(GRU, masked(X)),
    "ids: decode": lambda: VOCABULARY.decode(masked(INDICES[0])),
    "ids: one-hot": lambda: VOCABULARY.one_hot(masked(INDICES)),
    "tokens: encode": lambda: VOCABULARY.encode(masked(np.array(["a", "b"]))),
    "tokens: from_tokens": lambda: Vocabulary.from_tokens(masked(np.array(["a", "b"]))),
    "counts": lambda: Vocabulary(["a", "b"], counts=masked(np.array([1, 2]))),
    "ids: batches": lambda: StreamBatches(masked(np.arange(9)), 2, 2),
    "lengths: buckets": lambda: bucket_by_length(masked(np.arange(9)), 2),
    "sequences[1]": lambda: pad_sequences([np.arange(3), masked(np.arange(3))]),
    "samples": lambda: audio.mfcc(masked(np.ones(4000)), 8000),
    "features": lambda: audio.deltas(masked(np.ones((9, 2)))),
    "true: r2": lambda: metrics.r2(masked(np.arange(3.0)), np.arange(3.0)),
    "predicted: mae": lambda: metrics.mae(np.arange(3.0), masked(np.arange(3.0))),
    "true: accuracy": lambda: metrics.accuracy(masked(INDICES[0]), INDICES[0]),
    "predicted: f1": lambda: metrics.macro_f1(INDICES[0], masked(INDICES[0])),
    "true[0]": lambda: metrics.error_rate([masked(INDICES[0])], [INDICES[0]]),
    "X: series": lambda: rf.SequenceRegressor(**OPTIONS).fit(masked(np.array(SERIES)), np.ones(12)),
    "X[0]: series": lambda: rf.SequenceRegressor(**OPTIONS).fit(
        [masked(SERIES[0]), *SERIES[1:]], np.ones(12)
    ),
    "X: texts": lambda: rf.SequenceClassifier(**OPTIONS).fit(masked(np.array(TEXTS)), LABELS),
    "y: numbers": lambda: rf.SequenceRegressor(**OPTIONS).fit(SERIES, masked(np.arange(12.0))),
    "y: labels": lambda: rf.SequenceClassifier(**OPTIONS).fit(TEXTS, masked(LABELS)),
    "y[0]: labels": lambda: rf.SequenceTagger(**OPTIONS).fit(
        SERIES, [masked(np.arange(4)), *[np.arange(4)] * 11]
    ),
    "y[0]: steps": lambda: rf.StepRegressor(**OPTIONS).fit(
        SERIES, [masked(np.arange(4.0)), *[np.arange(4.0)] * 11]
    ),
    "y[0]: sets": lambda: rf.MultiLabelTagger(**OPTIONS).fit(
        SERIES, [masked(np.ones((4, 2))), *[np.ones((4, 2))] * 11]
    ),
    "y: sequences": lambda: rf.Seq2Seq(**OPTIONS).fit(TEXTS, masked(np.array(TEXTS))),
    "X: forecaster": lambda: rf.Forecaster(lags=3, **OPTIONS).fit(masked(np.arange(40.0))),
    "condition": lambda: rf.LanguageModel(lines=True, seed=0).fit(
        TEXTS, condition=masked(np.ones((12, 2))), verbose=0
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ENTRIES)
def test_masked_arrays(name: str) -> None:
    argument = re.escape(name.split(":")[0])
    with pytest.raises(
        TypeError,
        match=rf"^{argument}(\[\d\])*: expected an array without a mask, got a masked one; "
        rf"{argument}(\[\d\])*\.filled\(number\) says what stands where it is masked$",
    ):
        ENTRIES[name]()


class Foreign(np.ndarray):
    """An array with operators and functions of its own, as a matrix has them."""

    def __array_ufunc__(self, *arguments: Any, **options: Any) -> Any:
        raise AssertionError(f"a ufunc of {arguments[0].__name__} met a subclass")

    def __array_function__(self, *arguments: Any, **options: Any) -> Any:
        raise AssertionError(f"{arguments[0].__name__} met a subclass")


def answer(name: str, monkeypatch: pytest.MonkeyPatch, wrap: Callable[[Any], Any]) -> list[Any]:
    """Return what an entry makes of its array, wrapped; of models, what they predict."""
    monkeypatch.setattr(f"{__name__}.masked", wrap)
    found = ENTRIES[name]()
    if hasattr(found, "predict"):
        found = found.predict(EXAMPLES.get(name, SERIES))
    return leaves(found)


def leaves(found: Any) -> list[Any]:
    if isinstance(found, (list, tuple)):
        return [leaf for item in found for leaf in leaves(item)]
    if isinstance(found, dict):
        return leaves(list(found.values()))
    return [found] if isinstance(found, (np.ndarray, float, int, str)) else []


# What models of texts, and one of a single series, answer to.
EXAMPLES: dict[str, Any] = {
    "X: texts": TEXTS, "y: labels": TEXTS, "y: sequences": TEXTS, "X: forecaster": 2,
}  # fmt: skip


@pytest.mark.parametrize("name", ENTRIES)
def test_subclasses_are_the_arrays_beneath(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "indices: masked constant":
        pytest.skip("no array")

    def foreign(array: Any) -> Any:
        return np.array(array).view(Foreign)

    expected, got = (answer(name, monkeypatch, wrap) for wrap in (np.array, foreign))
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
        assert not isinstance(one, Foreign) or name == "out"


def test_a_matrix_is_an_array() -> None:
    matrix = np.asarray(INDICES).view(np.matrix)
    np.testing.assert_array_equal(VOCABULARY.one_hot(matrix), VOCABULARY.one_hot(INDICES))
    np.testing.assert_array_equal(LSTM(X[:, 0].view(np.matrix))[0], LSTM(X[:, 0])[0])
    y = np.arange(40.0).reshape(20, 2)
    fitted = [rf.Forecaster(lags=3, **OPTIONS).fit(kind) for kind in (y, y.view(np.matrix))]
    np.testing.assert_array_equal(*(model.predict(2) for model in fitted))


BEYOND: dict[str, Callable[[Any], Any]] = {
    "indices": EMBEDDING,
    "ids": VOCABULARY.decode,
    "targets": lambda big: rf.cross_entropy(X[0], [big, 0]),
    "counts": lambda big: Vocabulary(["a"], counts=[big]),
    "lengths": lambda big: bucket_by_length([big], 2),
    "prefix": lambda big: rf.sample(LSTM.stream(), rf.Linear(4, 3), max_length=1, prefix=[big]),
    "forbidden": lambda big: rf.generation.draw(X[0], forbidden=[big]),
}


@pytest.mark.parametrize("big", [2**63, 2**64 - 100, 2**64, 10**30, -(10**30)])
@pytest.mark.parametrize("name", BEYOND)
def test_integers_beyond_int64(name: str, big: int) -> None:
    given = big if name in ("targets", "counts", "lengths", "prefix", "forbidden") else [0, big]
    with pytest.raises(ValueError, match=rf"^{name}: expected 64-bit signed integers, got {big}$"):
        BEYOND[name](given)


@pytest.mark.parametrize("batch_first", [False, True])
def test_unsigned_indices_of_padding_are_not_read(batch_first: bool) -> None:
    layer = rf.GRU(3, 4, batch_first=batch_first, seed=0)
    x = np.array([[0, 1], [2**64 - 1, 2]], np.uint64)
    x = x.T if batch_first else x
    lengths = np.array([1, 2])
    y, _ = layer(x, lengths=lengths)
    clean, _ = layer(np.where(x > 2, 0, x).astype(np.int64), lengths=lengths)
    np.testing.assert_array_equal(y, clean)
    with pytest.raises(ValueError, match=f"got {2**64 - 1} at time 1 of sequence 0$"):
        layer(x)


def test_unsigned_targets_do_not_wrap() -> None:
    # As int64 the first would be -100, which counts nothing.
    targets = np.array([2**64 - 100, 0], np.uint64)
    got = r"^targets: expected 64-bit signed integers, got 18446744073709551516$"
    with pytest.raises(ValueError, match=got):
        rf.cross_entropy(X[0], targets)
    with pytest.raises(ValueError, match=got):
        CRF.loss(X[:2, 0], targets)
    loss, _ = rf.cross_entropy(X[0], np.array([1, 0], np.uint64))
    assert loss == rf.cross_entropy(X[0], [1, 0])[0]


WIDE = X.astype(np.float64)
CURES: dict[str, Callable[[], Any]] = {
    "x: layer": lambda: LSTM(WIDE),
    "x: normed": lambda: NORMED(WIDE),
    "x: step": lambda: LSTM.stream(2)(WIDE[0]),
    "x: normed step": lambda: NORMED.stream(2)(WIDE[0]),
    "x: linear": lambda: LINEAR(WIDE),
    "h0": lambda: GRU(X, STATE.astype(np.float64)),
    "dy": lambda: backward(GRU)(np.zeros((3, 2, 4))),
    "dy: linear": lambda: LINEAR.forward(X)[1](np.zeros((3, 2, 4))),
    "query": lambda: ATTENTION(WIDE, X),
    "emissions": lambda: CRF.decode(WIDE),
    "targets: mse": lambda: rf.mse(X, WIDE),
    "targets: l1": lambda: rf.l1(X, WIDE),
    "targets: bce": lambda: rf.binary_cross_entropy_with_logits(X, WIDE),
    "weights": lambda: rf.cross_entropy(X, INDICES, weights=np.ones((3, 2))),
    "class_weights": lambda: rf.cross_entropy(X, INDICES, class_weights=np.ones(3)),
    "h": lambda: linear_cross_entropy(LINEAR, WIDE, INDICES),
}


@pytest.mark.parametrize("name", CURES)
def test_float64_names_the_cure(name: str) -> None:
    argument = name.split(":")[0]
    with pytest.raises(
        TypeError,
        match=rf"^{argument}: expected dtype float32( or integers)?, got float64; use "
        rf'{argument}\.astype\(np\.float32\), or a layer of dtype="float64"$',
    ):
        CURES[name]()


def one_feature(kind: Any) -> Any:
    return kind(1, 4, seed=0)


@pytest.mark.parametrize("kind", LAYERS.values())
@pytest.mark.parametrize("dtype", ["int8", "int16", "uint8", "int64"])
def test_integers_that_are_numbers(kind: Any, dtype: Any) -> None:
    """Samples of sound in int16, with one feature, are no indices of it."""
    frames = np.zeros((5, 1), dtype)
    layer = one_feature(kind)
    message = rf"^x: expected dtype float32( with input_size 1)?, got {dtype}; .*astype\(np\.float"
    for call in (
        lambda: layer(frames),
        lambda: layer.forward(frames),
        lambda: layer(frames[:, 0]),
        lambda: layer.stream()(frames[0]),
        lambda: layer.stream(5)(frames[:, 0]),
        lambda: layer.stream().run(frames),
    ):
        with pytest.raises(TypeError, match=message):
            call()
    with pytest.raises(TypeError, match=r"^x: expected an array of \(1, 1\) numbers or of"):
        layer.stream()(0)
    wide = kind(3, 4, seed=0)
    message = r"^x: expected .*; integers are indices; for numbers use x\.astype\(np\.float32\)$"
    for call in (
        lambda: wide(np.zeros((5, 2, 3), dtype)),
        lambda: wide.stream(2).run(np.zeros((5, 2, 3), dtype)),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(ValueError, match=r"^x: expected shape \(2,\), got \(2, 3\)$"):
        wide.stream(2)(np.zeros((2, 3), dtype))


PLACES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "regressor": (r"X\[2\]", lambda X: rf.SequenceRegressor(**OPTIONS).fit(X, np.ones(12))),
    "classifier": (r"X\[2\]", lambda X: rf.SequenceClassifier(**OPTIONS).fit(X, LABELS)),
    "tagger": (
        r"X\[2\]",
        lambda X: rf.SequenceTagger(**OPTIONS).fit(X, [[0, 1, 0, 1]] * 12),
    ),
    "steps": (r"X\[2\]", lambda X: rf.StepRegressor(**OPTIONS).fit(X, [np.ones(4)] * 12)),
    "targets": (r"y\[2\]", lambda X: rf.StepRegressor(**OPTIONS).fit(SERIES, X)),
    "seq2seq": (r"X\[2\]", lambda X: rf.Seq2Seq(**OPTIONS).fit(X, TEXTS)),
    "forecaster": ("X", lambda X: rf.Forecaster(lags=1, **OPTIONS).fit(X[2])),
    "predict": (
        r"X\[2\]",
        lambda X: rf.SequenceRegressor(**OPTIONS).fit(SERIES, np.arange(12.0)).predict(X),
    ),
}


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_has_a_place(name: str, bad: float) -> None:
    series = [array.copy() for array in SERIES]
    series[2][3, 1] = bad
    argument, call = PLACES[name]
    column = r"(feature|channel|number)"
    cure = (
        "; missing='mask' leaves out what is nan" if name == "forecaster" and np.isnan(bad) else ""
    )
    with pytest.raises(
        ValueError,
        match=rf"^{argument}: expected finite numbers, got {bad} at step 3, {column} 1{cure}$",
    ):
        call(series)


def test_time_is_the_first_axis() -> None:
    """Sound as (channels, time), of one length or of several."""
    y = np.arange(4.0)
    stereo = [np.ones((2, 16000)) * n for n in range(4)]
    message = r"^X\[0\]: expected shape \(T, F\), got \(2, 16000\), .*; time is the first axis, X\["
    for X in (stereo, np.array(stereo)):
        with pytest.raises(ValueError, match=message):
            rf.SequenceRegressor(**OPTIONS).fit(X, y)
    several = [np.ones((2, 100 + n)) for n in range(4)]
    with pytest.raises(
        ValueError,
        match=r"^X\[1\]: expected shape \(T, 100\) as X\[0\] has, got \(2, 101\); time is "
        r"the first axis, X\[1\]\.T turns \(channels, time\)$",
    ):
        rf.SequenceRegressor(**OPTIONS).fit(several, y)
    with pytest.raises(ValueError, match=r"got 2; time is the first axis, X\.T turns \(channels"):
        rf.Forecaster(lags=10, **OPTIONS).fit(np.ones((2, 1000)))
    with pytest.raises(ValueError, match=r"^features: .*features\.T turns \(channels, time\)$"):
        audio.deltas(np.ones((2, 16000)))
    for shape, cure in (((2, 8000), r"samples\[0\]"), ((8000, 2), r"samples\[:, 0\]")):
        with pytest.raises(ValueError, match=rf"^samples: .*one channel, got .*; {cure} is one, "):
            audio.mfcc(np.ones(shape), 8000)
    # Few steps of many numbers are what they say: words by their embeddings, frames by features.
    words = [np.random.default_rng(n).normal(size=(1 + n % 3, 1024)) for n in range(4)]
    assert rf.SequenceRegressor(**OPTIONS).fit(words, y).predict(words).shape == (4,)


class Frame:
    """What a DataFrame of pandas or polars shows of itself."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self.columns = list(columns)
        self._values = np.array(list(columns.values()), dtype=object).T

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self._values if dtype is None else self._values.astype(dtype)

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Any:
        return iter(self.columns)


def test_tables() -> None:
    texts = Frame({"text": TEXTS})
    message = r"^X: expected a list of str, .*, got a Frame; one of its columns is, X\['text'\]$"
    with pytest.raises(TypeError, match=message):
        rf.SequenceClassifier(**OPTIONS).fit(texts, LABELS)
    with pytest.warns(
        UserWarning, match=r"^A column-vector y was passed when a 1d array was expect"
    ):
        rf.SequenceClassifier(**OPTIONS).fit(TEXTS, Frame({"y": list(LABELS)}))
    with pytest.raises(TypeError, match=r"^y: expected a list of labels, got a Frame; .*y\['y'\]$"):
        two = Frame({"y": list(LABELS), "z": list(LABELS)})
        rf.SequenceClassifier(**OPTIONS).fit(TEXTS, two)
    with pytest.raises(TypeError, match=r"^tokens: expected a list of tokens, got a Frame$"):
        Vocabulary.from_tokens(texts)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^true: expected a list, got a Frame$"):
        metrics.accuracy(texts, TEXTS)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^X: expected one axis of texts, got shape \(12, 1\);"):
        rf.SequenceClassifier(**OPTIONS).fit(np.array(TEXTS)[:, np.newaxis], LABELS)
    with pytest.raises(ValueError, match=r"X\[:, 0\] has one, X\.tolist\(\) are lists of one tok"):
        rf.SequenceClassifier(**OPTIONS).fit(np.array(TEXTS, object).reshape(-1, 1), LABELS)
    tokens = np.array([list(text) for text in TEXTS])  # a token each
    model: Any = rf.SequenceClassifier(**OPTIONS).fit(tokens, LABELS)
    assert set(model.inputs_.vocabulary.tokens) == {"<UNK>", "a", "b"}
    # A table of numbers is a series of its columns.
    numbers = Frame({"a": list(np.arange(40.0)), "b": [1.0] * 40})
    model = rf.Forecaster(lags=3, **OPTIONS).fit(np.asarray(numbers, np.float64))
    assert model.predict(1).shape == (1, 2)


def test_pandas() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"text": TEXTS, "label": LABELS})
    with pytest.raises(TypeError, match=r"^X: .*, got a DataFrame; one of its columns is, X\['tex"):
        rf.SequenceClassifier(**OPTIONS).fit(frame[["text"]], frame["label"])
    model = rf.SequenceClassifier(**OPTIONS).fit(frame["text"], frame["label"])
    assert set(model.inputs_.vocabulary.tokens) == {"<UNK>", *TEXTS}  # of a word each
    with pytest.raises(TypeError, match=r"^X\[1\]: expected a str, tokens or an array, got float$"):
        model.predict(pandas.Series(["ab", None, "b"]).fillna(np.nan))


def test_draw_of_lists() -> None:
    with pytest.raises(TypeError, match=r"^logits: expected a NumPy array, got list$"):
        rf.generation.draw([[1.0]])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^logits: expected shape \(R, V\), got \(3,\)$"):
        rf.generation.draw(X[0, 0])


def test_a_masked_row_has_its_place() -> None:
    rows = [[np.zeros(2)], [np.zeros(2), np.ma.masked_array([1.0, 2.0], [0, 1])]]
    with pytest.raises(TypeError, match=r"^true\[1\]\[1\]: expected an array without a mask"):
        metrics.rmse(rows, rows)


def test_integers_among_floats_are_floats_however_large() -> None:
    """Only where all are integers is one beyond 64 bits told, or where NumPy takes objects."""
    assert metrics.rmse([1.0, 2**62], [1.0, 2**62]) == 0.0
    for big in (2**63, -(2**63) - 1):
        with pytest.raises(ValueError, match=r"^true: expected 64-bit signed integers, got -?9223"):
            metrics.rmse([big, -1], [1.0, 1.0])
