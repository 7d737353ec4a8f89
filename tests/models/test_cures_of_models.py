"""What newcomers give models by mistake: the message says so, and what to do instead."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.text import CharTokenizer, WordTokenizer

SMALL: dict[str, Any] = {"hidden_size": 3, "epochs": 1, "verbose": 0, "seed": 0}
RNG = np.random.default_rng(0)
NAMES = ["ann", "bo", "cy", "dan", "eve", "flo"] * 2
SERIES = [RNG.normal(size=(3 + n % 3, 2)) for n in range(8)]
EQUAL = np.stack([x[:3] for x in SERIES])
WAVE = np.sin(np.arange(60.0) / 3)


def language_model(**options: Any) -> rf.LanguageModel:
    return rf.LanguageModel(**{**SMALL, "lines": True, **options})


@pytest.mark.parametrize("y", [np.arange(12), [*range(12)], [0.5] * 12, ([["a"]], ["b"])])
def test_targets_of_a_language_model_are_not_text(y: Any) -> None:
    message = r"^valid\[0\]: expected a str, got \w+; it is text to measure on: a language model t"
    with pytest.raises(TypeError, match=message):
        language_model().fit(NAMES, y)
    with pytest.raises(TypeError, match=message):
        language_model(lines=False, batch_size=1, sequence_length=9).fit("".join(NAMES), y)


def test_labels_where_text_to_measure_on_belongs() -> None:
    labels = ["a", "b"] * 6  # of letters that the names have
    with pytest.warns(RuntimeWarning, match=r"^valid: expected text .* 2 different ones; a langu"):
        language_model().fit(NAMES, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for valid in (None, ["ann", "bo"], NAMES, [*NAMES[:-1], "dana"], "ann\nbo"):
            language_model().fit(NAMES, valid)


def test_a_pipeline_gives_no_targets() -> None:
    pipeline = pytest.importorskip("sklearn.pipeline", reason="scikit-learn is not installed")
    fitted = pipeline.make_pipeline(language_model()).fit(NAMES)
    assert np.isfinite(fitted.score(NAMES))


@pytest.mark.parametrize("kind", [rf.LanguageModel, rf.SequenceClassifier])
def test_a_level_beside_a_tokenizer_has_no_effect(kind: Any) -> None:
    default = kind().level
    other = {"char": "word", "word": "char"}[default]

    def fit(**options: Any) -> Any:
        given = (NAMES,) if kind is rf.LanguageModel else (NAMES, [0, 1] * 6)
        more = {"lines": True} if kind is rf.LanguageModel else {}
        return kind(**{**SMALL, **more, **options}).fit(*given)

    message = rf"^level: expected '{default}', the default, with a tokenizer, .*, got '{other}'; it"
    with pytest.warns(RuntimeWarning, match=message):
        fit(level=other, tokenizer=CharTokenizer())
    fit(level=default, tokenizer=WordTokenizer())
    fit(level=other)


@pytest.mark.parametrize("X", [EQUAL, SERIES], ids=["array", "list"])
def test_a_tokenizer_beside_series_is_refused(X: Any) -> None:
    message = r"^X: expected text, tokens or ids with a tokenizer, got series$"
    fits: list[tuple[Any, Any]] = [
        (rf.SequenceClassifier, [0, 1] * 4),
        (rf.SequenceRegressor, np.arange(8.0)),
        (rf.SequenceTagger, [[0] * len(x) for x in X]),
        (rf.StepRegressor, [x[:, 0] for x in X]),
        (rf.MultiLabelTagger, [(x > 0).astype(int) for x in X]),
    ]
    for kind, y in fits:
        with pytest.raises(ValueError, match=message):
            kind(**SMALL, tokenizer=CharTokenizer()).fit(X, y)
    # Of these it splits y.
    rf.Seq2Seq(**SMALL, tokenizer=CharTokenizer()).fit(X, ["ab", "b"] * 4)
    sound = [np.tile(x, (4, 1)) for x in X]
    rf.CTCRecognizer(**SMALL, tokenizer=CharTokenizer()).fit(sound, ["ab", "b"] * 4)


@pytest.mark.parametrize("X", [WAVE, np.stack([WAVE, WAVE**2], 1)], ids=["single", "two"])
def test_a_tokenizer_is_nothing_to_a_forecaster(X: Any) -> None:
    with pytest.raises(ValueError, match=r"^X: expected text, tokens or ids with a tokenizer, got"):
        rf.Forecaster(**SMALL, lags=3, tokenizer=CharTokenizer()).fit(X)


def test_several_series_of_a_forecaster_are_arrays() -> None:
    model = rf.Forecaster(**SMALL, lags=3)
    arrays = r"; several series are a list of arrays, \[np\.array\(one\) for one in X\]$"
    for X in ((WAVE.tolist(), WAVE.tolist()), [WAVE.tolist(), WAVE[:-1].tolist()]):
        with pytest.raises(ValueError, match=rf"^X: expected .*{arrays}"):
            model.fit(X)
    for several in ([WAVE, WAVE], (WAVE[:, None], WAVE[:, None]), [WAVE, WAVE[:-1]]):
        assert model.fit(several).predict().shape[:2] == (2, 1)
    rows = np.stack([WAVE, WAVE**2], 1).tolist()  # steps of two channels each
    assert model.fit(rows).predict().shape == (1, 2)
    with pytest.raises(ValueError, match=r"^X: expected at least \d+ steps, [^;]*, got 2$"):
        model.fit([1.0, 2.0])


@pytest.mark.parametrize("dtype", ["int64", "uint8"])
def test_options_may_be_arrays(dtype: str, tmp_path: Path) -> None:
    X = np.stack([WAVE, WAVE**2, np.cos(WAVE)], 1)
    lists = rf.Forecaster(**SMALL, lags=3, targets=[2, 0], differences=[1, 2]).fit(X)
    options = {"targets": np.array([2, 0], dtype), "differences": np.array([1, 2], dtype)}
    arrays = rf.Forecaster(**SMALL, lags=3, **options).fit(X)
    expected = lists.predict(1)
    assert np.array_equal(arrays.predict(1), expected)
    arrays.save(tmp_path / "m")
    read = rf.load(tmp_path / "m")
    assert np.array_equal(read.predict(1), expected)
    for name, value in options.items():
        kept = getattr(read, name)
        assert kept.dtype == value.dtype and np.array_equal(kept, value)
    assert "targets=array([2, 0]" in repr(read)
    # A checkpoint of the one is a checkpoint of the other: equal values are the same training.
    arrays.fit(X, checkpoint=tmp_path / "c", epochs=2, callbacks=[lambda p: p.step == 1])
    assert lists.fit(X, checkpoint=tmp_path / "c", epochs=2, resume=True).stopped_ == "finished"


@pytest.mark.parametrize(
    ("value", "error", "got"),
    [
        (np.array([[1]]), ValueError, r"one axis of integers, got shape \(1, 1\)"),
        (np.array(1), ValueError, r"one axis of integers, got shape \(\)"),
        (np.array([1.0]), TypeError, "an integer, got float64"),
        (np.array([True]), TypeError, "an integer, got a bool"),
        (np.array([-1]), ValueError, r"at least \d, got -1"),
        (np.ma.masked_array([1], [True]), TypeError, "an array without a mask"),
        ("12", TypeError, "a list of integers(, or of names)?, got str"),
        (3, TypeError, "a list of integers(, or of names)?, got int"),
    ],
)
@pytest.mark.parametrize("name", ["targets", "differences"])
def test_arrays_that_are_no_such_options(name: str, value: Any, error: Any, got: str) -> None:
    with pytest.raises(error, match=rf"^{name}(\[0\])?: expected {got}"):
        rf.Forecaster(**SMALL, lags=3, **{name: value}).fit(WAVE)
