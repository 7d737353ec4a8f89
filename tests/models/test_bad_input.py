"""What every model answers to inputs that it cannot learn from, or has not learned from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.models.base import NotFittedError

RNG = np.random.default_rng(0)
SERIES = [RNG.normal(size=(6, 2)) for _ in range(12)]
TEXTS = ["a good film", "a bad film", "good", "bad bad"] * 3
TOKENS = [text.split() for text in TEXTS]


class Case(NamedTuple):
    kind: Any
    X: Any
    y: Any
    options: Mapping[str, Any] = MappingProxyType({})


def tags(X: Any, of: Callable[[int], Any]) -> list[Any]:
    return [[of(t) for t in range(len(x))] for x in X]


CASES = {
    "classifier, text": Case(rf.SequenceClassifier, TEXTS, ["+", "-"] * 6),
    "classifier, series": Case(rf.SequenceClassifier, SERIES, ["+", "-"] * 6),
    "regressor, text": Case(rf.SequenceRegressor, TEXTS, np.arange(12.0)),
    "regressor, series": Case(rf.SequenceRegressor, SERIES, np.arange(12.0)),
    "tagger, words": Case(rf.SequenceTagger, TOKENS, tags(TOKENS, lambda t: "OX"[t % 2])),
    "tagger, series": Case(rf.SequenceTagger, SERIES, tags(SERIES, lambda t: t % 2)),
    "tagger, CRF": Case(
        rf.SequenceTagger,
        TOKENS,
        tags(TOKENS, lambda t: "O" if t else "B-X"),
        {"crf": True, "scheme": "bio", "char_encoder": True},
    ),
    "tagger, labels fed back": Case(
        rf.SequenceTagger,
        TOKENS,
        tags(TOKENS, lambda t: "OX"[t % 2]),
        {"feed_labels": True, "beam_size": 2},
    ),
    "several labels": Case(
        rf.MultiLabelTagger, SERIES, tags(SERIES, lambda t: [t % 2, (t + 1) % 2])
    ),
    "numbers of steps": Case(
        rf.StepRegressor, SERIES, [[[t, 2.0 * t] for t in range(6)] for _ in SERIES]
    ),
    "seq2seq, text": Case(
        rf.Seq2Seq, TEXTS, [t[::-1] for t in TEXTS], {"level": "char", "attention": "additive"}
    ),
    "seq2seq, series": Case(rf.Seq2Seq, SERIES, TOKENS, {"attention": "dot"}),
    "ctc": Case(rf.CTCRecognizer, SERIES, ["ab", "ba", "a"] * 4),
}
OF_TEXT = [name for name, case in CASES.items() if not isinstance(case.X[0], np.ndarray)]
OF_SERIES = [name for name in CASES if name not in OF_TEXT]
OF_CLASSES = [name for name in CASES if name.startswith(("classifier", "tagger"))]


def make(name: str, **options: Any) -> Any:
    kind, _, _, own = CASES[name]
    defaults = {"hidden_size": 3, "embedding_size": 3, "epochs": 1, "batch_size": 4}
    return kind(**{**defaults, "seed": 1, "verbose": 0, **own, **options})


def fitted(name: str) -> Any:
    return make(name).fit(CASES[name].X, CASES[name].y)


def fit_others(name: str, X: Any, y: Any) -> Any:
    return make(name).fit(X, y)


@pytest.mark.parametrize("name", CASES)
def test_not_one_y_for_every_x(name: str) -> None:
    _, X, y, _ = CASES[name]
    with pytest.raises(ValueError, match=r"^y: expected one for each of the 12 in X, got 11$"):
        fit_others(name, X, y[:-1])
    with pytest.raises(ValueError, match=r"^y of valid: expected one for each of the 12 in X, g"):
        make(name).fit(X, y, valid=(X, y[:-1]))
    with pytest.raises(ValueError, match=r"^y: expected one for each of the 2 in X, got 3$"):
        fitted(name).score(X[:2], y[:3])


@pytest.mark.parametrize("name", CASES)
def test_nothing(name: str) -> None:
    _, X, y, _ = CASES[name]
    with pytest.raises(ValueError, match=r"^X: expected at least one sequence, got none$"):
        fit_others(name, [], y)
    with pytest.raises((ValueError, TypeError), match=r"^y: expected "):
        fit_others(name, X, [])
    with pytest.raises(TypeError, match=r"^X: expected a list of str, .*, got NoneType$"):
        fit_others(name, None, y)
    with pytest.raises(TypeError, match=r"^y: expected .*, got (NoneType|None|dtype object)$"):
        fit_others(name, X, None)
    with pytest.raises(ValueError, match=r"^X: expected at least one sequence, got none$"):
        fitted(name).predict([])


@pytest.mark.parametrize("name", CASES)
def test_empty_sequences_only(name: str) -> None:
    per_step = name.startswith(("tagger", "several", "numbers"))
    y = [[]] * 12 if per_step else CASES[name].y
    what = "y" if per_step else "[Xy]"  # no step, no label
    with pytest.raises(ValueError, match=rf"^{what}(\[0\])?: expected .*, got "):
        fit_others(name, [[]] * 12, y)


@pytest.mark.parametrize("name", CASES)
def test_mixtures(name: str) -> None:
    _, X, y, _ = CASES[name]
    others: list[Any] = [SERIES[0] if name in OF_TEXT else "ab", 3, None, float("nan"), b"ab"]
    for other in others:
        with pytest.raises(TypeError, match=r"^X\[11\]: expected an? .*, got "):
            fit_others(name, [*X[:-1], other], y)
    model = fitted(name)
    with pytest.raises(TypeError, match=r"^X(\[0\])?: expected .* as in training, got "):
        model.predict(SERIES if name in OF_TEXT else ["ab"])


@pytest.mark.parametrize("name", OF_SERIES)
def test_series_that_do_not_fit(name: str) -> None:
    _, X, y, _ = CASES[name]
    model = fitted(name)
    for number in (np.nan, np.inf):
        with pytest.raises(
            ValueError, match=rf"^X\[11\]: expected finite numbers, got {number} at step"
        ):
            fit_others(name, [*X[:-1], np.full((6, 2), number)], y)
        with pytest.raises(
            ValueError, match=rf"^X\[0\]: expected finite numbers, got {number} at step"
        ):
            model.predict([np.full((6, 2), number)])
    with pytest.raises(ValueError, match=r"^X\[0\]: expected numbers within float32 when standar"):
        model.predict([np.full((6, 2), 1e300)])
    with pytest.raises(ValueError, match=r"^X\[0\]: expected shape \(T, 2\), got \(6, 3\)$"):
        model.predict([np.zeros((6, 3))])
    with pytest.raises(ValueError, match=r"^X: expected an array of shape \(N, T, F\), got \(6, "):
        model.predict(X[0])
    with pytest.raises(TypeError, match=r"^X\[0\]: expected real numbers"):
        model.predict([X[0] * 1j])


@pytest.mark.parametrize("name", OF_TEXT)
def test_unknown_words_and_empty_texts_have_an_answer(name: str) -> None:
    model = fitted(name)
    tokens = isinstance(CASES[name].X[0], list)
    X: list[Any] = [["xyz"], []] if tokens else ["xyz", ""]
    answers = model.predict(X)
    assert len(answers) == 2
    if hasattr(model, "predict_proba"):
        for p in model.predict_proba(X):
            np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=1e-6)
    if name == "regressor, text":
        assert np.isfinite(answers).all()
    if name.startswith("tagger"):
        assert [len(labels) for labels in answers] == [1, 0]


@pytest.mark.parametrize("name", OF_CLASSES)
def test_classes(name: str) -> None:
    _, X, y, _ = CASES[name]
    single = [["O"] * len(x) for x in X] if name.startswith("tagger") else ["O"] * 12
    with pytest.raises(ValueError, match=r"^y: expected at least 2 classes, got only 'O'$"):
        fit_others(name, X, single)
    for other in (None, 0.5, ["a"]):
        if name.startswith("tagger") and other is None:  # a step without a label
            continue
        item = [other] * len(X[11]) if name.startswith("tagger") else other
        with pytest.raises(TypeError, match=r"^y\[11\](\[0\])?: expected a label, a str or an int"):
            fit_others(name, X, [*y[:-1], item])
    if name.startswith("tagger"):
        with pytest.raises(
            ValueError, match=r"^y\[0\]: expected \d, one for each step of X\[0\], "
        ):
            fit_others(name, X, [y[0][:-1], *y[1:]])


def test_labels_that_training_has_not_seen() -> None:
    _, X, y, _ = CASES["classifier, text"]
    with pytest.warns(RuntimeWarning, match=r"^y of valid: 1 of 2 have what training has not seen"):
        make("classifier, text").fit(X, y, valid=(X[:2], ["+", "?"]))
    assert fitted("classifier, text").score(X[:2], ["?", "?"]) == 0
    _, X, y, _ = CASES["tagger, words"]
    assert fitted("tagger, words").score(X[:1], [["?"] * 3]) == 0
    with pytest.raises(ValueError, match=r"^y of valid: expected a sequence to validate on of la"):
        make("tagger, words").fit(X, y, valid=(X[:1], [["?"] * 3]))
    with pytest.raises(ValueError, match=r"^y: labels: expected O, B-\.\.\. or I-\.\.\., got 'X'$"):
        make("tagger, words", scheme="bio").fit(X, y)


@pytest.mark.parametrize("name", ["seq2seq, text", "seq2seq, series", "ctc"])
def test_targets_that_are_no_tokens(name: str) -> None:
    X = CASES[name].X
    for y, message in (
        ([1] * 12, r"^y\[0\]: expected a str or a list of str, got int$"),
        ([[1, 2]] * 12, r"^y\[0\]\[0\]: expected a str, got int$"),
        ([np.zeros((2, 2))] * 12, r"^y\[0\]\[0\]: expected a str, got ndarray$"),
        (np.zeros((12, 3)), r"^y: expected a list of str or of token lists, got numbers$"),
        (["ab"] * 11 + [["a"]], r"^y\[11\]: expected a str as y\[0\] is, got list$"),
    ):
        with pytest.raises(TypeError, match=message):
            fit_others(name, X, y)
    with pytest.raises(ValueError, match=r"^y: expected sequences with something in them, got emp"):
        fit_others(name, X, [""] * 12)


def test_numbers_to_predict_that_do_not_fit() -> None:
    X, y = TEXTS, np.arange(12.0)
    with pytest.raises(ValueError, match=r"^y: expected numbers within float32 when standardised$"):
        make("regressor, text", standardize=False).fit(X, y * 1e300)
    with pytest.raises(ValueError, match=r"^y of valid: expected shape \(N,\), got \(12, 2\)$"):
        make("regressor, text").fit(X, y, valid=(X, np.zeros((12, 2))))
    two = make("regressor, text").fit(X, np.zeros((12, 2)))
    with pytest.raises(ValueError, match=r"^y: expected shape \(12, 2\), got \(12,\)$"):
        two.score(X, y)
    forecaster = rf.Forecaster(lags=3, epochs=1, verbose=0)
    for series in ([], np.zeros((2, 3, 4))):
        with pytest.raises(ValueError, match=r"^X: expected shape \(T,\) or \(T, F\), got \("):
            forecaster.fit(series)
    with pytest.raises(ValueError, match=r"^X: expected at least 5 steps, lags \+ horizon \+ diff"):
        forecaster.fit(np.arange(4.0))


@pytest.mark.parametrize("name", CASES)
def test_asked_before_it_has_learned(name: str) -> None:
    _, X, y, _ = CASES[name]
    model = make(name)
    asked = [lambda: model.predict(X), lambda: model.score(X, y), lambda: model.save("never")]
    if hasattr(model, "predict_proba"):
        asked.append(lambda: model.predict_proba(X))
    for call in asked:
        with pytest.raises(NotFittedError, match=r"has not been fitted; call fit, or rf.load a fi"):
            call()
