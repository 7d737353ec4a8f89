"""Models read arrays, tables and texts of other libraries, ids of tokens, and files of text."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
import tokenizer_cases
from exporters import CONTAINERS, TABLES, Array, Exported, OverDLPack, named_table

RNG = np.random.default_rng(0)
SERIES = [RNG.normal(size=(3 + n % 3, 2)).astype("float32") for n in range(8)]
EQUAL = np.stack([x[:3] for x in SERIES])
NUMBERS, CLASSES = RNG.normal(size=8), np.arange(8) % 2
IDS = [RNG.integers(0, 9, 3 + n % 3) for n in range(8)]
SMALL: dict[str, Any] = {"hidden_size": 3, "epochs": 1, "verbose": 0, "seed": 0}
Wrap = Callable[[Array], Any]


def _fit(kind: Any, X: Any, y: Any, to_ask: Any = None) -> Any:
    return kind(**SMALL).fit(X, y).predict(X if to_ask is None else to_ask)


def _forecast(wrap: Wrap, series: Array) -> Any:
    model = rf.Forecaster(lags=3, horizon=1, **SMALL).fit(wrap(series))
    return [model.predict(2), model.predict(2, after=wrap(series[:9])), model.score(wrap(series))]


CALLS: dict[str, Callable[[Wrap], Any]] = {
    "list of series": lambda of: _fit(rf.SequenceClassifier, [*map(of, SERIES)], CLASSES),
    "list of ids": lambda of: _fit(rf.SequenceClassifier, [*map(of, IDS)], CLASSES),
    "classes": lambda of: _fit(rf.SequenceClassifier, SERIES, of(CLASSES)),
    "numbers": lambda of: _fit(rf.SequenceRegressor, SERIES, of(NUMBERS)),
    "tags": lambda of: _fit(rf.SequenceTagger, SERIES, [of(np.arange(len(x)) % 2) for x in SERIES]),
    "numbers of steps": lambda of: _fit(
        rf.StepRegressor, SERIES, [of(np.ascontiguousarray(x[:, 0])) for x in SERIES]
    ),
    "rows of steps": lambda of: _fit(rf.StepRegressor, SERIES, [*map(of, SERIES)]),
    "labels of steps": lambda of: _fit(
        rf.MultiLabelTagger, SERIES, [of((x > 0).astype(np.int64)) for x in SERIES]
    ),
    "sources": lambda of: _fit(rf.Seq2Seq, [*map(of, IDS)], ["a b"] * 8),
    "sound": lambda of: _fit(
        rf.CTCRecognizer, [of(np.tile(x, (3, 1))) for x in SERIES], ["ab"] * 8
    ),
    "one series": lambda of: _forecast(of, RNG_SERIES),
    "several series": lambda of: _forecast(of, np.stack([RNG_SERIES, RNG_SERIES**2], 1)),
}
RNG_SERIES = np.sin(np.arange(40.0))


def same(a: Any, b: Any) -> bool:
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and np.array_equal(a, b)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", CALLS)
def test_the_same_model_from_every_container(name: str, container: str) -> None:
    assert same(CALLS[name](CONTAINERS[container]), CALLS[name](lambda array: array))


@pytest.mark.parametrize("kind", [rf.StepRegressor, rf.SequenceTagger])
def test_how_numbers_lie_in_memory_changes_nothing(kind: Any) -> None:
    y = SERIES if kind is rf.StepRegressor else [np.arange(len(x)) % 2 for x in SERIES]
    turned = [np.asfortranarray(x) for x in SERIES]
    model, other = kind(**SMALL).fit(SERIES, y), kind(**SMALL).fit(turned, y)
    weights = model.network_.state_dict(), other.network_.state_dict()
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("container", [name for name in CONTAINERS if name not in TABLES])
def test_an_array_of_series(container: str) -> None:
    given = CONTAINERS[container](EQUAL)
    expected = _fit(rf.SequenceClassifier, EQUAL, CLASSES)
    assert same(_fit(rf.SequenceClassifier, given, CLASSES), expected)


@pytest.mark.filterwarnings("ignore:X. an array of integers is read as series")
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_a_table_is_one_of_every_container(container: str, dtype: Any) -> None:
    """Rows of integers are series of one feature, as NumPy's are, and no ids."""
    table, of = RNG.integers(0, 9, (8, 4)).astype(dtype), CONTAINERS[container]
    model = rf.SequenceClassifier(**SMALL).fit(of(table), CLASSES)
    expected = rf.SequenceClassifier(**SMALL).fit(table, CLASSES).predict_proba(table)
    assert same(model.predict_proba(of(table)), expected)
    assert model.n_features_in_ == 4
    tagger = rf.SequenceTagger(**SMALL)
    if container not in TABLES and dtype is np.float64:
        assert tagger.fit(of(table), table > 4).n_features_in_ == 1
    elif container not in TABLES:
        with pytest.raises(ValueError, match=r"^X: expected an array of shape \(N, T, F\), got"):
            tagger.fit(of(table), table)


@pytest.mark.parametrize("kind", ["pandas", "polars", "Table", "RecordBatch"])
def test_names_of_columns_of_every_table(kind: str) -> None:
    table = RNG.integers(-1, 9, (8, 3))
    model = rf.SequenceClassifier(**SMALL).fit(named_table(kind, table, [*"abc"]), CLASSES)
    assert model.feature_names_in_.tolist() == [*"abc"]
    expected = rf.SequenceClassifier(**SMALL).fit(table, CLASSES).predict_proba(table)
    assert same(model.predict_proba(named_table(kind, table, [*"abc"])), expected)
    with pytest.raises(ValueError, match=r"^X: expected the columns of fit in their order, 'a' at"):
        model.predict(named_table(kind, table[:, ::-1], [*"cba"]))
    with pytest.raises(TypeError, match=r"^X: .*, got a \w+ of numbers; \[X\] is one series, "):
        rf.SequenceTagger(**SMALL).fit(named_table(kind, table, [*"abc"]), table)


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_column_of_labels_of_every_container(container: str) -> None:
    column = CONTAINERS[container](CLASSES[:, np.newaxis])
    with pytest.warns(UserWarning, match="column-vector y was passed"):
        answers = _fit(rf.SequenceClassifier, SERIES, column)
    assert same(answers, _fit(rf.SequenceClassifier, SERIES, CLASSES))


def test_what_is_refused() -> None:
    model = rf.SequenceClassifier(**SMALL).fit(SERIES, CLASSES)
    with pytest.raises(TypeError, match=r"^X\[1\]: expected an array in the memory of the CPU"):
        model.predict([SERIES[0], OverDLPack(SERIES[1], (2, 0))])
    with pytest.raises(TypeError, match=r"^X: expected an array in the memory of the CPU"):
        model.predict(OverDLPack(EQUAL, (2, 0)))
    with pytest.raises(ValueError, match=r"^X\[0\]: expected finite numbers, got nan at step"):
        model.predict([Exported(np.full((3, 2), np.nan))])
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    tensor = torch.zeros(3, 2, requires_grad=True)
    with pytest.raises(TypeError, match=r"^X\[0\]: expected an array without a gradient"):
        model.predict([tensor])
    with pytest.raises(TypeError, match=r"^y: expected an array without a gradient"):
        rf.SequenceRegressor(**SMALL).fit(SERIES, torch.zeros(8, requires_grad=True))


def test_a_table_is_not_a_list_of_series() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    table = pandas.DataFrame({"a": [1.0, 2.0]})
    tagger = rf.SequenceTagger(**SMALL)
    with pytest.raises(
        TypeError, match=r"DataFrame of numbers; \[X\] is one series, a step a row$"
    ):
        tagger.fit(table, ["p", "q"])
    assert len(tagger.fit([table] * 2, [["p", "q"]] * 2).predict([table])[0]) == 2
    with pytest.raises(TypeError, match=r"a table of numbers has a dtype of numbers$"):
        rf.SequenceTagger(**SMALL).fit(table.astype(object), ["p", "q"])
    mixed = pandas.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    with pytest.raises(TypeError, match=r", got a DataFrame; one of its columns is, X\['b'\]$"):
        rf.SequenceClassifier(**SMALL).fit(mixed, ["p", "q"])
    missing = pandas.DataFrame({"a": pandas.array([1, None], dtype="Int64")})
    with pytest.raises((TypeError, ValueError), match=r"^X\[0\]: expected"):
        rf.SequenceClassifier(**SMALL).fit([missing, missing], ["p", "q"])


# Ids of tokens


def test_ids_are_those_of_the_vocabulary(tmp_path: Path) -> None:
    texts = ["a b c", "c d", "d d a", "b"] * 3
    model = rf.SequenceClassifier(**SMALL).fit(texts, ["p", "q"] * 6)
    vocabulary = model._reader.inputs.vocabulary  # type: ignore[union-attr]
    ids = [vocabulary.encode(text.split()) for text in texts]
    assert same(model.predict_proba(ids), model.predict_proba(texts))
    of_ids = rf.SequenceClassifier(**SMALL).fit(ids, ["p", "q"] * 6)
    path = tmp_path / "m.safetensors"
    of_ids.save(path)
    expected = of_ids.predict_proba(ids)
    assert same(rf.load(path).predict_proba(ids), expected)
    assert same(of_ids.predict_proba([i.astype(np.uint8) for i in ids]), expected)
    assert same(of_ids.predict_proba([" ".join(map(str, i)) for i in ids]), expected)
    assert len(of_ids.predict([[], np.zeros(0, np.int64), ids[0]])) == 3


def test_ids_of_a_tokenizer() -> None:
    pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    peer, texts = tokenizer_cases.word_level(), tokenizer_cases.LINES
    ids = [np.array(peer.encode(text).ids) for text in texts]
    labels = ["p", "q"] * (len(texts) // 2)
    table = np.array([(*i, 0, 0, 0)[:3] for i in ids])
    with pytest.raises(ValueError, match=r"^X: expected text, tokens or ids with a tokenizer, got"):
        rf.SequenceClassifier(tokenizer=peer, **SMALL).fit(table, labels)
    of_texts, of_ids = (
        rf.SequenceClassifier(tokenizer=peer, **SMALL).fit(X, labels) for X in (texts, ids)
    )
    assert same(of_texts.predict_proba(ids), of_ids.predict_proba(texts))


def test_ids_held_out_count() -> None:
    """All ids of X are known, whichever are learned from; those of valid have to be."""
    ids = [np.array([n]) for n in range(12)]
    labels = ["p", "q"] * 6
    model = rf.SequenceClassifier(validation_fraction=0.3, **SMALL).fit(ids, labels)
    assert len(model.predict(ids)) == 12
    with pytest.raises(ValueError, match=r"^X of valid\[0\]: expected ids of the vocabulary"):
        rf.SequenceClassifier(**SMALL).fit(ids, labels, valid=([np.array([12])], ["p"]))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([np.array([0, 9])], r"^X\[0\]: expected ids of the vocabulary, from 0 to 8, got 9"),
        ([np.array([-1])], r"^X\[0\]: expected no negative number, got -1"),
        ([np.array([2**64 - 1], np.uint64)], r"^X\[0\]: expected 64-bit signed integers"),
        ([np.array([1]), "a"], r"^X\[1\]: expected an array of ids as X\[0\] is, got str"),
        ([np.array([1.0])], "^X: expected text or tokens as in training, got arrays"),
        ([[1, 2]], r"^X\[0\]: expected shape \(T, F\), got \(2,\)"),
        (np.ones((3, 2), np.int64), r"^X: expected an array of .*, list\(X\) are ids of tokens$"),
    ],
)
def test_what_are_no_ids(X: Any, message: str) -> None:
    model = rf.SequenceClassifier(**SMALL).fit([np.arange(9)] * 8, CLASSES)
    with pytest.raises((TypeError, ValueError), match=message):
        model.predict(X)


def test_ids_where_they_do_not_belong() -> None:
    series = rf.SequenceClassifier(**SMALL).fit(SERIES, CLASSES)
    with pytest.raises(ValueError, match=r"^X\[0\]: expected shape \(T, 2\) as in training, got"):
        series.predict(IDS)
    with pytest.raises(ValueError, match=r"^char_encoder: expected False where X has no words"):
        rf.SequenceTagger(char_encoder=True, **SMALL).fit(IDS, [["O"] * len(x) for x in IDS])
    with pytest.raises(ValueError, match=r"^X: expected text or tokens, of which max_v"):
        rf.SequenceClassifier(max_vocabulary_size=3, **SMALL).fit(IDS, CLASSES)
    with pytest.raises(ValueError, match=r"^X: expected ids below 16777216, got 1000000000"):
        rf.SequenceClassifier(**SMALL).fit([np.array([10**9])] * 8, CLASSES)


# Texts


def _series_of_text(package: str, texts: list[str]) -> Any:
    module = pytest.importorskip(package, reason=f"{package} is not installed")
    return module.array(texts) if package == "pyarrow" else module.Series(texts)


def _strings(texts: list[str]) -> Any:
    if not hasattr(np, "dtypes") or not hasattr(np.dtypes, "StringDType"):
        pytest.skip("NumPy has no StringDType")
    return np.array(texts, np.dtypes.StringDType())


TEXTS: dict[str, Callable[[list[str]], Any]] = {
    "U": np.array,
    "object": lambda texts: np.array(texts, object),
    "StringDType": _strings,
    "tuple": tuple,
    "pandas": lambda texts: _series_of_text("pandas", texts),
    "polars": lambda texts: _series_of_text("polars", texts),
    "Arrow": lambda texts: _series_of_text("pyarrow", texts),
}
LINES = tokenizer_cases.LINES


@pytest.mark.parametrize("container", TEXTS)
def test_lines_and_texts_of_every_container(container: str) -> None:
    of = TEXTS[container]

    def train(lines: Any, valid: Any) -> rf.LanguageModel:
        lm = rf.LanguageModel(lines=True, hidden_size=3, seed=0)
        return lm.fit(lines, valid, epochs=1, verbose=0)

    lm, expected = train(of(LINES), of(LINES[:2])), train(LINES, LINES[:2])
    assert lm.evaluate(of(LINES)) == expected.evaluate(LINES)
    labels = ["p", "q", "r"] * 4
    model = rf.SequenceClassifier(**SMALL).fit(of(LINES), of(labels))
    assert same(model.predict_proba(of(LINES)), model.predict_proba(LINES))
    tokens = [line.split() for line in LINES]
    assert same(model.predict_proba([*map(of, tokens)]), model.predict_proba(LINES))
    translator = rf.Seq2Seq(**SMALL).fit(tokens, [*map(of, tokens)])
    assert translator.predict(tokens) == rf.Seq2Seq(**SMALL).fit(tokens, tokens).predict(tokens)


@pytest.mark.parametrize("container", TEXTS)
def test_labels_of_lines_of_every_container(container: str) -> None:
    of, labels = TEXTS[container], ["p", "q", "r"] * 4

    def train(condition: Any) -> rf.LanguageModel:
        lm = rf.LanguageModel(lines=True, hidden_size=3, seed=0)
        return lm.fit(LINES, condition=condition, epochs=1, verbose=0)

    lm, expected = train(of(labels)), train(labels)
    assert lm.evaluate(LINES, condition=of(labels)) == expected.evaluate(LINES, condition=labels)


@pytest.mark.parametrize("lines", [True, False])
def test_a_language_model_reads_files(lines: bool, tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    text = "\n".join(LINES)
    path.write_bytes(text.replace("\n", "\r\n").encode())
    lm, other = (
        rf.LanguageModel(lines=lines, hidden_size=3, sequence_length=4, batch_size=2, seed=0).fit(
            given, given, epochs=1, verbose=0
        )
        for given in (path, text)
    )
    assert lm.evaluate(path) == other.evaluate(text)
    assert lm.perplexity(path) == lm.perplexity(text)
    with pytest.raises(FileNotFoundError):
        lm.fit(tmp_path / "none.txt")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"corpus\.txt: expected UTF-8"):
        lm.evaluate(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
@pytest.mark.parametrize("options", [{}, {"lines": True}, {"level": "subword"}], ids=str)
def test_a_language_model_reads_pipes(options: dict[str, Any], tmp_path: Path) -> None:
    """Once, and knows no place in them."""
    if "level" in options:
        pytest.importorskip("tokenizers", reason="tokenizers is not installed")
        options = {**options, "max_vocabulary_size": 300}
    text = "\n".join(LINES * 8)
    sizes: dict[str, Any] = {"hidden_size": 3, "sequence_length": 4, "batch_size": 2, "seed": 0}

    def pipe(name: str) -> Path:
        path = tmp_path / name
        os.mkfifo(path)
        threading.Thread(target=path.write_text, args=(text,), daemon=True).start()
        return path

    lm = rf.LanguageModel(**options, **sizes).fit(pipe("a"), pipe("b"), epochs=2, verbose=0)
    other = rf.LanguageModel(**options, **sizes).fit(text, text, epochs=2, verbose=0)
    assert lm.evaluate(pipe("c")) == other.evaluate(text)


@pytest.mark.parametrize("lines", [False, True])
def test_what_is_no_text(lines: bool) -> None:
    lm = rf.LanguageModel(hidden_size=3, lines=lines)
    for bad in (b"abc", {"a": 1}, {"a"}, 3, np.array("abc")):
        with pytest.raises(TypeError, match=r"^text: expected a text, its path or lines of text, "):
            lm.fit(bad, verbose=0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^text\[0\]: expected a str, got int64"):
        lm.fit(np.arange(3, dtype=np.int64), verbose=0)


def test_a_table_of_other_than_numbers_for_a_model_of_tables() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    table = pandas.DataFrame(RNG.normal(size=(8, 3)), columns=[*"abc"])
    model = rf.SequenceClassifier(**SMALL).fit(table, CLASSES)
    with pytest.raises(TypeError, match=r"^X: expected numbers as in fit, got 'x' in column 'b'$"):
        model.predict(table.assign(b="x"))
    with pytest.raises(TypeError, match=r"^X: expected numbers as in fit, got dtype object; a tab"):
        model.predict(table.astype(object))
    series = rf.SequenceClassifier(**SMALL).fit(SERIES, CLASSES)
    with pytest.raises(TypeError, match=r"^X: .*a DataFrame of numbers; \[X\] is one series, a st"):
        series.predict(table)
