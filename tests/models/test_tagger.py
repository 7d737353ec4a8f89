"""SequenceTagger: learning, asking, files, resumption, scikit-learn, bad input."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import rnnfast as rf
from rnnfast.models.base import NotFittedError
from rnnfast.training import Progress

Array = npt.NDArray[Any]

QUICK: dict[str, Any] = {"hidden_size": 12, "embedding_size": 8, "learning_rate": 0.03, "seed": 1,
                         "verbose": 0, "epochs": 20, "batch_size": 8,
                         "validation_fraction": 0.1}  # fmt: skip

NAMES = ["Ann", "Bo", "Cy", "Dee", "Eli", "Flo", "Gus", "Hal"]
PLACES = ["Rome", "Oslo", "Kiev", "Lima", "Bonn", "Riga"]


def sentences(count: int, seed: int = 0) -> tuple[list[list[str]], list[list[str]]]:
    """Names and places, and what tells them from each other: a word before or after."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(count):
        name, place = rng.choice(NAMES), rng.choice(PLACES)
        words, labels = [str(name), "lives"], ["B-PER", "O"]
        if rng.random() < 0.5:
            words, labels = [str(name), "Van", "Lee", "lives"], ["B-PER", "I-PER", "I-PER", "O"]
        words += ["in", "New", str(place)] if rng.random() < 0.5 else ["in", str(place)]
        labels += ["O", "B-LOC", "I-LOC"] if "New" in words else ["O", "B-LOC"]
        X.append(words)
        y.append(labels)
    return X, y


X, Y = sentences(80)
X_TEST, Y_TEST = sentences(30, seed=1)

KINDS: dict[str, dict[str, Any]] = {
    "softmax": {},
    "crf": {"crf": True, "scheme": "bio"},
    "feed": {"feed_labels": True, "scheme": "bio", "cell": "gru"},
    "characters": {"char_encoder": True, "shape_features": True, "lowercase": True,
                   "word_dropout": 0.2, "dropout": 0.1},
}  # fmt: skip


@pytest.fixture(scope="module", params=list(KINDS))
def fitted(request: pytest.FixtureRequest) -> rf.SequenceTagger:
    return rf.SequenceTagger(**QUICK, **KINDS[request.param]).fit(X, Y)


def test_learns(fitted: rf.SequenceTagger) -> None:
    assert fitted.score(X_TEST, Y_TEST) == 1.0
    assert fitted.predict(X_TEST) == Y_TEST
    assert fitted.classes_.tolist() == ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]
    name = "valid_f1" if fitted.scheme else "valid_accuracy"
    values = [record[name] for record in fitted.history_]
    assert fitted.best_epoch_ == 1 + int(np.argmax(values))


def test_probabilities(fitted: rf.SequenceTagger) -> None:
    p = fitted.predict_proba([*X_TEST, []])
    assert [rows.shape for rows in p] == [(len(words), 5) for words in [*X_TEST, []]]
    assert p[0].dtype == np.float32
    for rows, labels in zip(p, fitted.predict(X_TEST), strict=False):
        np.testing.assert_allclose(rows.sum(axis=1), 1.0, atol=1e-5)
        if not fitted.crf:
            assert fitted.classes_[rows.argmax(axis=1)].tolist() == labels


def test_a_sentence_alone_has_the_same_labels(fitted: rf.SequenceTagger) -> None:
    alone = [fitted.predict([words])[0] for words in X_TEST[:5]]
    assert alone == fitted.predict(X_TEST)[:5]
    for one, rows in zip(X_TEST[:5], fitted.predict_proba(X_TEST), strict=False):
        np.testing.assert_array_equal(fitted.predict_proba([one])[0], rows)


def test_files(fitted: rf.SequenceTagger, tmp_path: Path) -> None:
    fitted.save(tmp_path / "tagger.safetensors")
    loaded = rf.load(tmp_path / "tagger.safetensors")
    assert loaded.get_params() == fitted.get_params()
    assert loaded.history_ == fitted.history_
    new = [["Zed", "Van", "lives", "iN", "Oslo"], []]
    assert loaded.predict(new) == fitted.predict(new)
    for one, other in zip(loaded.predict_proba(X), fitted.predict_proba(X), strict=True):
        np.testing.assert_array_equal(one, other)
    loaded.fit(X, Y)  # and may be fitted again
    assert loaded.predict(X_TEST) == fitted.predict(X_TEST)


def test_unknown_words_only(fitted: rf.SequenceTagger) -> None:
    labels = fitted.predict([["qwx", "rty"], ["!", "?", "§"]])
    assert [len(row) for row in labels] == [2, 3]
    assert {label for row in labels for label in row} <= set(fitted.classes_.tolist())


def test_characters_tell_words_never_seen() -> None:
    """Words in -a are of one kind, words in -o of the other: their ids are new."""
    rng = np.random.default_rng(0)

    def words(count: int) -> list[list[str]]:
        stems = ["".join(rng.choice(list("bcdfgklmnprst"), 4)) for _ in range(3 * count)]
        ends = rng.choice(["a", "o"], 3 * count)
        made = [stem + end for stem, end in zip(stems, ends, strict=True)]
        return [made[3 * n : 3 * n + 3] for n in range(count)]

    train, test = words(120), words(30)
    tagger = rf.SequenceTagger(
        **{**QUICK, "learning_rate": 0.01}, char_encoder=True, word_dropout=0.3
    )
    tagger.fit(train, [[word[-1] for word in row] for row in train])
    assert tagger.score(test, [[word[-1] for word in row] for row in test]) > 0.95


def test_the_crf_sees_what_softmax_cannot() -> None:
    """Steps that look alike must have the same label: only a sequence's probability knows it."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(4, 2)) for _ in range(60)]
    y = [[int(rng.integers(2))] * 4 for _ in range(60)]
    options: dict[str, Any] = {**QUICK, "epochs": 8, "bidirectional": False}
    plain = rf.SequenceTagger(**options).fit(x, y)
    crf = rf.SequenceTagger(**options, crf=True).fit(x, y)
    assert all(len(set(row)) == 1 for row in crf.predict(x))
    assert any(len(set(row)) > 1 for row in plain.predict(x))


def test_bio_is_kept_by_the_crf() -> None:
    tagger = rf.SequenceTagger(**{**QUICK, "epochs": 1}, crf=True, scheme="bio").fit(X, Y)
    inside = {"I-PER": "PER", "I-LOC": "LOC"}
    for row in tagger.predict([["in", "Van", "New", "lives", "Oslo", "qwx"] * 3] * 3):
        for before, label in zip(["O", *row], row, strict=False):
            assert label not in inside or before[2:] == inside[label]


def test_series_and_text_as_inputs() -> None:
    rng = np.random.default_rng(0)
    series = rng.normal(size=(100, 5, 2))
    above = [[bool(v) for v in row] for row in series[..., 0] > 0]
    tagger = rf.SequenceTagger(**QUICK).fit(series, above)
    assert tagger.score(series, above) > 0.9
    assert type(tagger.predict(series)[0][0]) is bool
    text = ["ab cd", "cd ab ab", "ab"] * 8
    labels = [[1, 2], [2, 1, 1], [1]] * 8
    by_word = rf.SequenceTagger(**QUICK).fit(text, labels)
    assert by_word.predict(["cd cd ab"]) == [[2, 2, 1]]
    by_char = rf.SequenceTagger(**QUICK, level="char")
    by_char.fit(["aba", "bb"] * 12, [["v", "c", "v"], ["c", "c"]] * 12)
    assert by_char.predict(["ba"]) == [["c", "v"]]


def test_empty_sentences_may_stand_anywhere() -> None:
    some, labels = [[], *X[:20], []], [[], *Y[:20], []]
    tagger = rf.SequenceTagger(**{**QUICK, "epochs": 2}, char_encoder=True).fit(some, labels)
    assert tagger.predict([[], X[0], []])[::2] == [[], []]
    assert 0 <= tagger.score(some, labels) <= 1


def test_labels_never_seen_count_as_errors() -> None:
    tagger = rf.SequenceTagger(**QUICK, crf=True, scheme="bio").fit(X, Y)
    strange = [["B-NEW" if label == "B-PER" else label for label in row] for row in Y_TEST]
    figures = tagger.evaluate(X_TEST, strange)
    wrong = sum(label == "B-NEW" for row in strange for label in row)
    assert figures["accuracy"] == pytest.approx(1 - wrong / sum(map(len, Y_TEST)))
    assert 0 < figures["f1"] < 1
    valid = (X_TEST, [strange[0], *Y_TEST[1:]])
    other = rf.SequenceTagger(**{**QUICK, "epochs": 2}, crf=True, scheme="bio")
    with pytest.warns(RuntimeWarning, match=r"^y of valid: 1 of 30 have what training has not s"):
        other.fit(X, Y, valid=valid)
    rest = rf.SequenceTagger(**{**QUICK, "epochs": 2}, crf=True, scheme="bio")
    rest.fit(X, Y, valid=(X_TEST[1:], Y_TEST[1:]))
    losses = [[r["valid_loss"] for r in model.history_] for model in (other, rest)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-12)


def test_class_weights() -> None:
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(6, 2)) for _ in range(50)]
    y = [["rare" if v > 1.2 else "often" for v in row[:, 0] + rng.normal(size=6)] for row in x]
    options: dict[str, Any] = {**QUICK, "validation_fraction": 0.0}
    plain = rf.SequenceTagger(**options).fit(x, y)
    balanced = rf.SequenceTagger(**options, class_weight="balanced").fit(x, y)
    weights = balanced.class_weights_
    counts = np.unique([label for row in y for label in row], return_counts=True)[1]
    np.testing.assert_allclose(weights, counts.sum() / (2 * counts), rtol=1e-6)
    rare = [sum(row.count("rare") for row in t.predict(x)) for t in (plain, balanced)]
    assert rare[0] < rare[1]


def test_beam_size_may_be_set_after_training() -> None:
    tagger = rf.SequenceTagger(**{**QUICK, "epochs": 2}, feed_labels=True).fit(X, Y)
    tagger.set_params(beam_size=3)
    assert [len(row) for row in tagger.predict(X_TEST)] == [len(row) for row in X_TEST]


@pytest.mark.parametrize("kind", list(KINDS))
def test_resumption_gives_the_same_bits(kind: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {**QUICK, **KINDS[kind], "dropout": 0.2, "word_dropout": 0.1,
                               "epochs": 3}  # fmt: skip
    whole = rf.SequenceTagger(**options).fit(X, Y)

    def stop(progress: Progress) -> bool:
        return progress.step == 13

    path = tmp_path / "checkpoint"
    model = rf.SequenceTagger(**options)
    model.fit(X, Y, checkpoint=path, callbacks=[stop])
    assert model.stopped_ == "callback"
    model.fit(X, Y, checkpoint=path, resume=True)
    for name, module in whole._modules().items():
        for key, array in module.state_dict().items():
            np.testing.assert_array_equal(model._modules()[name].state_dict()[key], array)
    other = [*Y[:-1], ["O"] * len(Y[-1])]
    with pytest.raises(ValueError, match=r"checkpoint"):
        model.fit(X, other, checkpoint=path, resume=True)


def test_scikit_learn() -> None:
    base = pytest.importorskip("sklearn.base")
    selection = pytest.importorskip("sklearn.model_selection")
    tagger = rf.SequenceTagger(**{**QUICK, "epochs": 4}, crf=True, scheme="bio", dropout=0.1)
    clone = base.clone(tagger)
    assert clone.get_params() == tagger.get_params()
    assert not hasattr(clone, "network_")
    scores = selection.cross_val_score(tagger, X, Y, cv=3)
    assert scores.shape == (3,)
    assert (scores > 0.3).all()
    search = selection.GridSearchCV(
        rf.SequenceTagger(**{**QUICK, "epochs": 2}), {"hidden_size": [2, 12]}, cv=2
    )
    search.fit(X, Y)
    assert search.best_params_ == {"hidden_size": 12}


BAD: list[tuple[dict[str, Any], Any, Any, type[Exception], str]] = [
    ({}, [], [], ValueError, "X: expected at least one sequence, got none"),
    ({}, X, [], ValueError, "y: expected at least one label, got none"),
    ({}, X, Y[:-1], ValueError, "y: expected one for each of the 80 in X, got 79"),
    (
        {},
        [["a", "b"], ["a"]],
        [["x", "y"], ["x", "y"]],
        ValueError,
        "y[1]: expected 1, one for each step of X[1], got 2",
    ),
    (
        {},
        "text",
        Y,
        TypeError,
        "X: expected a list of str, of token lists or of arrays, got str; a single one stands in "
        "a list, [text]",
    ),
    ({}, X, ["BIO"] * 80, TypeError, "y[0]: expected a list of labels, got str"),
    ({}, [["a"], [1.0]], [["x"], ["y"]], TypeError, "X[1]: expected a token list as X[0] is"),
    ({}, [["a"], ["b", 3]], [["x"], ["y", "x"]], TypeError, "X[1][1]: expected a str, got int"),
    ({}, [["a"], ["b"]], [["x"], [1]], TypeError, "y[1]: expected a str as y[0] has, got an int"),
    (
        {},
        [["a"], ["b", "c"]],
        [["x"], ["x", 1]],
        TypeError,
        "y[1][1]: expected a str as y[1][0] is, got an int",
    ),
    (
        {},
        [["a"], ["b"]],
        [["x"], [1.5]],
        TypeError,
        "y[1][0]: expected a label, a str or an int, got 1.5",
    ),
    (
        {},
        [["a"], ["b"]],
        [[[0, 1]], [[1, 0]]],
        TypeError,
        "y[0][0]: expected a label, a str or an int, got list; np.argmax(y[0], axis=-1) has the "
        "labels of one-hot rows",
    ),
    (
        {},
        [["a"], ["b"]],
        [[[1, 1]], [[1, 0]]],
        TypeError,
        "y[0][0]: expected a label, a str or an int, got list; MultiLabelTagger learns any of "
        "several labels of a step",
    ),
    ({}, [["a"]] * 9, [["x"]] * 9, ValueError, "y: expected at least 2 classes, got only 'x'"),
    ({}, [[], []], [[], []], ValueError, "y: expected at least one label, got none"),
    (
        {"scheme": "bio"},
        [["a", "b"]] * 9,
        [["NOUN", "VERB"]] * 9,
        ValueError,
        "y: labels: expected O, B-... or I-..., got 'NOUN'",
    ),
    ({"scheme": "bio"}, [["a", "b"]] * 9, [[1, 2]] * 9, TypeError, "y: expected BIO labels, got 1"),
    (
        {"scheme": "bio", "crf": True},
        [["a", "b"]] * 9,
        [["O", "I-X"]] * 9,
        ValueError,
        "y: expected labels that BIO allows, got I-X after O, in O I-X",
    ),
    (
        {"scheme": "bio", "crf": True},
        [["a", "b"]] * 9,
        [["I-X", "O"]] * 9,
        ValueError,
        "y: expected labels that BIO allows, got I-X after the start, in I-X O",
    ),
    (
        {"crf": True, "feed_labels": True},
        X,
        Y,
        ValueError,
        "feed_labels: expected False with crf=True, got True",
    ),
    (
        {"crf": True, "label_smoothing": 0.1},
        X,
        Y,
        ValueError,
        "label_smoothing: expected 0 with crf=True, got 0.1",
    ),
    (
        {"crf": True, "class_weight": "balanced"},
        X,
        Y,
        ValueError,
        "class_weight: expected None with crf=True, got 'balanced'",
    ),
    (
        {"scheme": "iob"},
        X,
        Y,
        ValueError,
        "scheme: expected None, 'auto', 'bio', 'iobes' or 'bilou', got 'iob'",
    ),
    ({"beam_size": 0}, X, Y, ValueError, "beam_size: expected at least 1, got 0"),
    ({"crf": 1}, X, Y, TypeError, "crf: expected a bool, got int"),
    ({"char_hidden_size": 0}, X, Y, ValueError, "char_hidden_size: expected at least 1, got 0"),
    (
        {"char_encoder": True},
        np.zeros((9, 2, 3)),
        [[0, 1]] * 9,
        ValueError,
        "char_encoder: expected False where X has no words, got True",
    ),
]


@pytest.mark.parametrize(("options", "inputs", "labels", "error", "message"), BAD)
def test_bad_input(
    options: dict[str, Any], inputs: Any, labels: Any, error: type[Exception], message: str
) -> None:
    tagger = rf.SequenceTagger(**{**QUICK, **options})
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        tagger.fit(inputs, labels)
    assert not hasattr(tagger, "network_")


def test_bad_input_later() -> None:
    tagger = rf.SequenceTagger(**{**QUICK, "epochs": 1})
    message = r"^this SequenceTagger has not been fitted; call fit, or rf.load a file$"
    for ask in (tagger.predict, tagger.predict_proba):
        with pytest.raises(NotFittedError, match=message):
            ask(X)
    tagger.fit(X, Y)
    with pytest.raises(ValueError, match=r"^X: expected at least one sequence, got none$"):
        tagger.predict([])
    with pytest.raises(TypeError, match=r"^X: expected text or tokens as in training, got arrays$"):
        tagger.predict(np.zeros((1, 2, 3)))
    with pytest.raises(ValueError, match=r"^y\[0\]: expected 6, one for each step of X\[0\], got"):
        tagger.score([["a"] * 6], [["O"]])
    with pytest.raises(ValueError, match=r"^y: expected at least one label, got none$"):
        tagger.score([[]], [[]])
    before = tagger.network_
    with pytest.raises(
        ValueError, match=r"^y of valid\[0\]: expected 1, one for each step of X of valid\[0\]"
    ):
        tagger.fit(X, Y, valid=([["a"]], [["O", "O"]]))
    with pytest.raises(TypeError, match=r"^valid: expected a pair \(X, y\), got int$"):
        tagger.fit(X, Y, valid=3)  # type: ignore[arg-type]
    strange = [["NEW"] * len(row) for row in Y]
    with pytest.raises(ValueError, match=r"^y of valid: expected a sequence to validate on of"):
        tagger.fit(X, Y, valid=(X, strange))
    assert tagger.network_ is before
