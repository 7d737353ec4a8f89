"""Classification of sequences: what it learns, what it answers, and bad input."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from gradcheck import assert_gradients
from rnnfast.models.parts.fitting.examples import ExampleBatch

TEXTS = ["good film", "a bad film", "good", "bad bad", "so good", "so very bad"] * 4
MOODS = ["+", "-", "+", "-", "+", "-"] * 4


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


def small(**options: Any) -> rf.SequenceClassifier:
    defaults: dict[str, Any] = {
        "hidden_size": 6, "embedding_size": 4, "batch_size": 8, "epochs": 2, "seed": 3,
        "verbose": 0,
    }  # fmt: skip
    return rf.SequenceClassifier(**{**defaults, **options})


def first_matters(count: int, seed: int) -> tuple[list[str], list[bool]]:
    """Strings whose class is that of their first letter."""
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(list("abc"), length)) for length in rng.integers(1, 20, count)]
    return texts, [text[0] == "a" for text in texts]


# Learning


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_remembers_the_first_letter(cell: str) -> None:
    model = small(level="char", cell=cell, hidden_size=16, learning_rate=0.02, epochs=15,
                  pooling="last")  # fmt: skip
    model.fit(*first_matters(300, 0))
    assert model.score(*first_matters(200, 1)) > (0.9 if cell == "rnn" else 0.98)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "concat"])
def test_finds_the_word_that_tells(pooling: str) -> None:
    model = small(learning_rate=0.02, epochs=20, pooling=pooling, bidirectional=True)
    model.set_params(validation_fraction=0.1).fit(TEXTS, MOODS)
    assert model.predict(["film so good", "so bad", "good"]).tolist() == ["+", "-", "+"]
    assert model.history_[-1]["valid_accuracy"] == 1.0


def test_series() -> None:
    """Which of two channels swings faster."""
    rng = np.random.default_rng(0)
    X, y = [], []
    for _ in range(120):
        steps, label = np.arange(rng.integers(20, 40)), int(rng.integers(2))
        speeds = [0.9, 0.3] if label else [0.3, 0.9]
        X.append(5 + np.sin(steps[:, np.newaxis] * speeds + rng.uniform(0, 6, 2)))
        y.append(label)
    model = small(cell="gru", hidden_size=12, learning_rate=0.02, epochs=15).fit(X[:100], y[:100])
    assert model.score(X[100:], y[100:]) > 0.9
    assert model.predict(X[:1]).dtype == np.int64


@pytest.mark.parametrize(
    ("weight", "probability"), [(None, 0.1), ("balanced", 0.5), ({"rare": 4.0}, 4 / 13)], ids=str
)
def test_class_weights_shift_the_balance(weight: Any, probability: float) -> None:
    """Where the text says nothing, a class is as likely as its examples weigh."""
    model = small(class_weight=weight, epochs=20, learning_rate=0.02, validation_fraction=0)
    model.fit(["x"] * 100, ["common"] * 90 + ["rare"] * 10)
    assert model.predict_proba(["x"])[0, 1] == pytest.approx(probability, abs=0.03)


# What is computed


def test_probabilities_are_the_equations() -> None:
    model = small(cell="gru", dtype="float64", pooling="mean", dropout=0.5).fit(TEXTS, MOODS)
    network = model.network_
    for text in ("good bad", "film"):
        ids = model.inputs_.encode("X", [text])[0]
        a, _ = network.encoder.recurrent(network.encoder.embedding(ids))
        z = network.output.state_dict()["weight"] @ a.mean(axis=0)
        z += network.output.state_dict()["bias"]
        expected = np.exp(z) / np.exp(z).sum()
        np.testing.assert_allclose(model.predict_proba([text])[0], expected, rtol=1e-12)


@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "pooling": "concat"}], ids=str)
def test_company_and_order_do_not_change_bits(options: dict[str, Any]) -> None:
    model = small(**options).fit(TEXTS, MOODS)
    texts = [*TEXTS[:6], "", "good " * 30]
    together = model.predict_proba(texts)
    assert together.shape == (8, 2) and together.dtype == np.float32
    np.testing.assert_allclose(together.sum(axis=1), 1, rtol=1e-6)
    alone = np.concatenate([model.predict_proba([text]) for text in texts])
    np.testing.assert_array_equal(alone, together)
    np.testing.assert_array_equal(model.predict_proba(texts[::-1])[::-1], together)
    np.testing.assert_array_equal(model.predict(texts), model.classes_[together.argmax(axis=1)])


@pytest.mark.parametrize(
    "options",
    [
        {"pooling": "last"},
        {"pooling": "concat", "bidirectional": True, "class_weight": {"+": 3}},
        {"pooling": "max", "label_smoothing": 0.2, "embedding_size": None},
    ],
    ids=str,
)
def test_gradients(options: dict[str, Any]) -> None:
    model = small(dtype="float64", cell="gru", **options).fit(TEXTS, MOODS)
    network = model.network_
    ids = model.inputs_.encode("X", TEXTS[:4])
    x, lengths = rf.data.pad_sequences(ids)
    batch = ExampleBatch(x, lengths, np.array([0, 1, 0, 1]))
    modules = network.modules
    values = {
        f"{m}.{n}": p.data.copy() for m in modules for n, p in modules[m].parameters().items()
    }

    def value() -> float:
        for name, array in values.items():
            module, _, parameter = name.partition(".")
            modules[module].parameters()[parameter].assign(array)
        return network.add_gradients(batch)[0]

    for module in modules.values():
        module.zero_grad()
    assert network.add_gradients(batch)[1] == 4
    gradients = {
        f"{m}.{n}": p.grad.copy() for m in modules for n, p in modules[m].parameters().items()
    }
    assert_gradients(value, values, gradients, directions=3, tolerance=1e-6)


def test_history_measures_without_smoothing_but_with_weights() -> None:
    options: dict[str, Any] = {"class_weight": {"-": 3.0}, "label_smoothing": 0.3}
    model = small(**options).fit(TEXTS, MOODS, valid=(TEXTS[:5], MOODS[:5]))
    right = [list(model.classes_).index(mood) for mood in MOODS[:5]]
    losses = -np.log(model.predict_proba(TEXTS[:5])[np.arange(5), right])
    weights = np.where(np.array(MOODS[:5]) == "-", 3, 1)
    best = model.history_[model.best_epoch_ - 1]
    assert best["valid_loss"] == pytest.approx((losses * weights).sum() / weights.sum(), rel=1e-5)


def test_balanced_weights() -> None:
    labels = ["a"] * 6 + ["b"] * 3 + ["c"] * 3
    model = small(class_weight="balanced", validation_fraction=0).fit(["x"] * 12, labels)
    np.testing.assert_allclose(model.class_weights_, [12 / 18, 12 / 9, 12 / 9], rtol=1e-6)


def test_a_class_named_twice() -> None:
    """By the class and by its text, which older files have: one of the weights would be lost."""
    labels = [int(mood == "+") for mood in MOODS]
    message = r"^class_weight: expected each class once, got 0 and '0'$"
    with pytest.raises(ValueError, match=message):
        small(class_weight={0: 2.0, "0": 3.0}).fit(TEXTS, labels)
    assert small(class_weight={"0": 2.0}).fit(TEXTS, labels).class_weights_.tolist() == [2, 1]


def test_class_weight_of_integers_in_files(tmp_path: Path) -> None:
    model = small(class_weight={1: 2.0}).fit(TEXTS, [mood == "+" for mood in MOODS])
    model = small(class_weight={1: 2.0}).fit(TEXTS, [int(mood == "+") for mood in MOODS])
    model.save(tmp_path / "m")
    loaded = rf.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.class_weights_, [1, 2])
    loaded.fit(TEXTS, [int(mood == "+") for mood in MOODS])
    np.testing.assert_array_equal(loaded.predict_proba(TEXTS), model.predict_proba(TEXTS))


@pytest.mark.parametrize(
    "labels", [["b", "a"], [3, -1], [True, False], np.array([5, 2], "u1"), np.array(["x", "yy"])],
    ids=repr,
)  # fmt: skip
def test_classes(labels: Any, tmp_path: Path) -> None:
    model = small().fit(TEXTS, [labels[number % 2] for number in range(24)])
    assert model.classes_.tolist() == sorted(np.asarray(labels).tolist())
    assert set(model.predict(TEXTS).tolist()) <= set(model.classes_.tolist())
    model.save(tmp_path / "m")
    assert rf.load(tmp_path / "m").classes_.dtype == model.classes_.dtype


# What the model has not seen


def test_unknown_words_only() -> None:
    model = small(word_dropout=0.2).fit(TEXTS, MOODS)
    ours = model.predict_proba(["never seen"])
    np.testing.assert_array_equal(ours, model.predict_proba(["other words"]))
    np.testing.assert_array_equal(ours, model.predict_proba([["<UNK>", "<UNK>"]]))
    assert (ours != model.predict_proba(["unseen"])).any()
    embedding = small(epochs=1).fit(TEXTS, MOODS).network_.modules["embedding"]
    np.testing.assert_array_equal(embedding.state_dict()["weight"][0], 0)


def test_empty_text_has_the_answer_of_the_bias() -> None:
    model = small().fit(TEXTS, MOODS)
    bias = model.network_.output.state_dict()["bias"]
    np.testing.assert_allclose(model.predict_proba([""])[0], rf.softmax(bias), rtol=1e-6)
    with_empty = small().fit([*TEXTS, "", "   "], [*MOODS, "+", "-"])
    assert np.isfinite(with_empty.predict_proba(["", "good"])).all()


def test_one_to_one() -> None:
    """Sequences of one step: a plain network."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 1, 3))
    y = (X[:, 0, 0] > X[:, 0, 1]).astype(int)
    model = small(hidden_size=16, epochs=40, learning_rate=0.02).fit(X[:150], y[:150])
    assert model.score(X[150:], y[150:]) > 0.9


# Bad input


@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        ([], [], ValueError, "^X: expected at least one sequence, got none$"),
        (TEXTS, [], ValueError, "^y: expected at least one label, got none$"),
        (TEXTS, MOODS[1:], ValueError, "^y: expected one for each of the 24 in X, got 23$"),
        (TEXTS, ["+"] * 24, ValueError, r"^y: expected at least 2 classes, got only '\+'$"),
        (TEXTS, "+-" * 12, TypeError, "^y: expected a list of labels, got str$"),
        (TEXTS, 1, TypeError, "^y: expected a list of labels, got int$"),
        (TEXTS, [0.5] * 24, TypeError, r"^y\[0\]: expected a label, a str or an int, got 0\.5$"),
        (TEXTS, ["+", None] * 12, TypeError, r"^y\[1\]: expected a label, .*, got NoneType$"),
        (TEXTS, ["+", 1] * 12, TypeError, r"^y\[1\]: expected a str as y\[0\] is, got an int$"),
        (TEXTS, [1, True] * 12, TypeError, r"^y\[1\]: expected an int as y\[0\] is, got a bool$"),
        (TEXTS, np.ones((24, 2), int), TypeError, r"^y\[0\]: expected a label, .* got ndarray$"),
        (TEXTS, np.eye(2)[[0, 1] * 12], TypeError,
         r"^y\[0\]: .* got ndarray; np.argmax\(y, axis=-1\) has the labels of one-hot rows$"),
        (TEXTS, [[0, 1], [1, 0]] * 12, TypeError,
         r"^y\[0\]: .* got list; np.argmax\(y, axis=-1\) has the labels of one-hot rows$"),
        (["a", 3] * 12, MOODS, TypeError, r"^X\[1\]: expected a str, tokens or an array, got int$"),
        (["a", ["b"]] * 12, MOODS, TypeError, r"^X\[1\]: expected a str as X\[0\] is, got list$"),
        ([[1, 2, 3], [4, 5]] * 12, MOODS, ValueError,
         r"^X\[0\]: .* got \(3,\); np.array\(X\[0\]\).astype\(float\) is one of a single feature, "
         r"np.array\(X\[0\]\) one of ids of tokens$"),
        (["", " "] * 12, MOODS, ValueError, "^X: expected sequences with something in them, got e"),
        (["a"], ["+"], ValueError, r"^y: expected at least 2 classes, got only '\+'$"),
        (["a", "b"], ["+", "-"], ValueError, "^X: expected at least 2 examples of a class, to hol"),
    ],
    ids=repr,
)  # fmt: skip
def test_bad_examples(X: Any, y: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        small(validation_fraction=0.1).fit(X, y)


@pytest.mark.parametrize(
    ("valid", "error", "message"),
    [
        ("ab", TypeError, r"^valid: expected a pair \(X, y\), got str$"),
        ((TEXTS,), TypeError, r"^valid: expected a pair \(X, y\), got a tuple of 1$"),
        ((TEXTS, MOODS[1:]), ValueError, "^y of valid: expected one for each of the 24 in X, go"),
        ((["a"], ["?"]), ValueError, r"^y of valid: expected some of '\+', '-' to validate on, go"),
        ((["a"], [1]), TypeError, r"^y of valid: expected classes as in fit, such as '\+', got 1$"),
        (([], []), ValueError, "^X of valid: expected at least one sequence, got none$"),
        (([np.ones((1, 2))], ["+"]), TypeError, "^X of valid: expected text or tokens as in trai"),
    ],
    ids=repr,
)  # fmt: skip
def test_bad_validation_part(valid: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        small().fit(TEXTS, MOODS, valid=valid)


def test_an_unknown_class_to_validate_on_has_no_loss() -> None:
    with pytest.warns(RuntimeWarning, match=r"^y of valid: 2 of 7 have what training has not seen"):
        model = small().fit(TEXTS, MOODS, valid=(TEXTS[:7], [*MOODS[:5], "?", "!"]))
    record = model.history_[model.best_epoch_ - 1]
    known = model.evaluate(TEXTS[:5], MOODS[:5])
    assert record["valid_loss"] == pytest.approx(known["loss"], rel=1e-5)
    assert record["valid_accuracy"] == pytest.approx(known["accuracy"] * 5 / 7)
    figures = model.evaluate(TEXTS[:1], ["?"])
    assert np.isnan(figures["loss"]) and figures["accuracy"] == 0.0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"label_smoothing": 1}, ValueError, "^label_smoothing: expected a finite number of at le"),
        ({"class_weight": "even"}, ValueError, "^class_weight: expected None, 'balanced' or a dic"),
        ({"class_weight": [1, 2]}, ValueError, r"^class_weight: .* a dict, got \[1, 2\]$"),
        ({"class_weight": {"?": 1}}, ValueError, r"^class_weight: .* classes of y \(.*, got '\?'"),
        ({"class_weight": {"+": 0}}, ValueError, r"^class_weight\['\+'\]: .*above 0.*, got 0$"),
        ({"class_weight": {"+": 1e39}}, ValueError, r"\]: .*of at most 3.40282e\+38, got 1e\+39$"),
        ({"class_weight": {"+": 1e-50}}, ValueError, r"\]: .*float32 can tell from 0, got 1e-50$"),
        ({"class_weight": {"+": "1"}}, TypeError, r"^class_weight\['\+'\]: .*, got str$"),
    ],
    ids=str,
)  # fmt: skip
def test_bad_hyperparameters(options: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        small(**options).fit(TEXTS, MOODS)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: m.predict("good"), TypeError, "^X: .*, got str; a single one stands in a "),
        (lambda m: m.predict([]), ValueError, "^X: expected at least one sequence, got none$"),
        (lambda m: m.predict([np.ones((2, 3))]), TypeError, "^X: expected text or tokens as in tr"),
        (lambda m: m.predict_proba([3]), TypeError, r"^X\[0\]: expected a str, tokens or an array"),
        (lambda m: m.score(["a"], []), ValueError, "^y: expected at least one label, got none$"),
        (lambda m: m.score(["a"], ["+", "-"]), ValueError, "^y: expected one for each of the 1 in"),
        (lambda m: m.score(["a"], [math.nan]), TypeError, r"^y\[0\]: expected a label, .* nan$"),
    ],
)  # fmt: skip
def test_bad_questions(call: Callable[[Any], Any], error: type, message: str) -> None:
    model = small().fit(TEXTS, MOODS)
    with pytest.raises(error, match=message):
        call(model)


def test_an_unseen_label_counts_as_wrong() -> None:
    model = small().fit(TEXTS, MOODS)
    assert model.score(["good", "good"], ["?", "?"]) == 0.0


def test_the_cell_is_a_gru_unless_it_is_said(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], type]] = [({}, rf.GRU), ({"cell": "lstm"}, rf.LSTM)]
    for options, layer in cases:
        model = rf.SequenceClassifier(hidden_size=3, epochs=1, seed=0, verbose=0, **options)
        model.fit(["a b", "b a"] * 4, [0, 1] * 4).save(tmp_path / "m")
        read = rf.load(tmp_path / "m")
        assert isinstance(model.network_.encoder.recurrent, layer)
        assert isinstance(read.network_.encoder.recurrent, layer)
        np.testing.assert_array_equal(read.predict_proba(["a b"]), model.predict_proba(["a b"]))
