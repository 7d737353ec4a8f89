"""Metrics against counts by hand, scikit-learn and sacreBLEU."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast import metrics

RNG = np.random.default_rng(0)


def test_accuracy() -> None:
    assert metrics.accuracy(["a", "b", "b"], np.array(["a", "b", "c"])) == pytest.approx(2 / 3)
    assert metrics.accuracy([1], [1.0]) == 1.0
    assert metrics.accuracy([["a", "b"], ["c"]], [["a", "b"], ["d"]]) == 0.5
    assert metrics.accuracy([np.array([1, 2])], [np.array([1, 2])]) == 1.0


def test_confusion_and_macro_f1() -> None:
    true, predicted = RNG.integers(5, size=(2, 300))
    counts, labels = metrics.confusion(true, predicted)
    assert labels == [0, 1, 2, 3, 4]
    for i in range(5):
        for j in range(5):
            assert counts[i, j] == ((true == i) & (predicted == j)).sum()
    by_name, names = metrics.confusion(["x", "y"], ["y", "y"], ["y", "x", "z"])
    assert names == ["y", "x", "z"] and by_name.tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert metrics.macro_f1(["x", "y"], ["y", "y"]) == pytest.approx((0 + 2 / 3) / 2)


def test_as_scikit_learn() -> None:
    scores = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    true, predicted = RNG.integers(4, size=(2, 50))
    assert metrics.accuracy(true, predicted) == scores.accuracy_score(true, predicted)
    expected = scores.f1_score(true, predicted, average="macro")
    assert metrics.macro_f1(true, predicted) == pytest.approx(expected, rel=1e-12)
    np.testing.assert_array_equal(
        metrics.confusion(true, predicted)[0], scores.confusion_matrix(true, predicted)
    )
    t, p = RNG.normal(size=(2, 30, 3))
    t[:, 2] = p[:, 2] = 1.5
    assert metrics.r2(t, p) == pytest.approx(scores.r2_score(t, p), rel=1e-12)
    assert metrics.r2(t[:, 0], p[:, 0]) == pytest.approx(scores.r2_score(t[:, 0], p[:, 0]))


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ([], []),
        (["O", "O"], []),
        (["B-x"], [("x", 0, 1)]),
        (["B-x", "I-x", "I-x", "O"], [("x", 0, 3)]),
        (["B-x", "B-x"], [("x", 0, 1), ("x", 1, 2)]),
        (["I-x", "I-x"], [("x", 0, 2)]),  # no B: begins an entity all the same
        (["B-x", "I-y"], [("x", 0, 1), ("y", 1, 2)]),
        (["I-x", "O", "I-x"], [("x", 0, 1), ("x", 2, 3)]),
        (["B-x", "I-x", "B-x", "I-x"], [("x", 0, 2), ("x", 2, 4)]),
        (["S-x", "S-x", "B-x", "E-x", "E-x"],
         [("x", 0, 1), ("x", 1, 2), ("x", 2, 4), ("x", 4, 5)]),
        (["B-a-b", "I-a-b"], [("a-b", 0, 2)]),
    ],
    ids=str,
)  # fmt: skip
def test_entities(labels: list[str], found: list[tuple[str, int, int]]) -> None:
    assert metrics.entities(labels) == found


def test_entity_scores() -> None:
    true = [["B-x", "I-x", "O", "B-y"], ["O", "B-y"], ["B-x"]]
    ours = [["B-x", "I-x", "O", "B-x"], ["B-y", "I-y"], ["B-x"]]
    scores = metrics.entity_scores(true, ours)
    assert scores.precision == pytest.approx(2 / 4)
    assert scores.recall == pytest.approx(2 / 4)
    assert scores.f1 == pytest.approx(0.5)
    assert scores.by_type == {"x": (2 / 3, 1.0, 0.8), "y": (0.0, 0.0, 0.0)}
    assert metrics.entity_scores([["O"]], [["O"]])[:3] == (0.0, 0.0, 0.0)
    assert metrics.entity_scores([["B-x"]], [["O"]])[:3] == (0.0, 0.0, 0.0)
    assert metrics.entity_scores(true, true)[:3] == (1.0, 1.0, 1.0)


def test_errors_of_numbers() -> None:
    assert metrics.rmse([1, 2], [1, 4]) == pytest.approx(math.sqrt(2))
    assert metrics.mae([[1, 2]], [[0, 4]]) == 1.5
    assert metrics.r2([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) == 1.0
    assert metrics.r2([1.0, 2.0, 3.0], [2.0, 2.0, 2.0]) == 0.0
    assert metrics.r2([2.0, 2.0], [2.0, 2.0]) == 1.0 and metrics.r2([2.0, 2.0], [2.0, 1.0]) == 0.0


def test_errors_of_large_numbers() -> None:
    """Differences and sums beyond float64 are no NaN, and no warning."""
    large = 1.7e308
    assert metrics.rmse([large, -large], [large, -large]) == 0.0
    assert metrics.rmse([1e308, 0.0], [0.0, 0.0]) == pytest.approx(1e308 / math.sqrt(2))
    assert metrics.mae([1e308] * 3, [0.5e308] * 3) == pytest.approx(0.5e308)
    assert metrics.rmse([large], [-large]) == metrics.mae([large], [-large]) == math.inf
    assert metrics.r2([large, -large, 0], [large, -large, 0]) == 1.0
    assert metrics.r2([large, -large, 0], [-large, large, 0]) == pytest.approx(-3.0)
    assert metrics.r2([[large, 1.0], [-large, 2.0]], [[0, 1.0], [0, 2.0]]) == pytest.approx(0.5)
    assert metrics.r2([1e-9, 2e-9], [large, -large]) == -math.inf


def test_perplexity_and_bits() -> None:
    assert metrics.perplexity(math.log(7)) == pytest.approx(7)
    assert metrics.perplexity(1e4) == math.inf
    assert metrics.bits_per_character(math.log(8)) == pytest.approx(3)


def test_bleu() -> None:
    sacrebleu = pytest.importorskip("sacrebleu", reason="sacreBLEU is not installed")
    true = ["the cat sat on the mat .", "he reads a long book"]
    ours = ["the cat sat on a mat .", "he reads the long book"]
    assert metrics.bleu(true, true) == pytest.approx(100)
    expected = sacrebleu.corpus_bleu(ours, [true]).score
    assert 0 < expected < 100 and metrics.bleu(true, ours) == expected
    assert metrics.bleu(["A b c d"], ["a B c d"], lowercase=True) == pytest.approx(100)


def test_bleu_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(ModuleNotFoundError, match=r"^bleu needs the package sacrebleu; pip inst"):
        metrics.bleu(["a"], ["a"])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: metrics.accuracy([], []), ValueError, "^true: expected at least one, got none$"),
        (lambda: metrics.accuracy([1], [1, 2]), ValueError, "^predicted: expected 1 as in true, g"),
        (lambda: metrics.accuracy("ab", "ab"), TypeError, "^true: expected a list, got str$"),
        (lambda: metrics.macro_f1([1], 1), TypeError, "^predicted: expected a list, got int$"),
        (lambda: metrics.confusion([1], [2], [1]), ValueError,
         "^predicted: expected one of the labels, got 2$"),
        (lambda: metrics.entities(["X-a"]), ValueError,
         "^labels: expected O, B-type or I-type, got 'X-a' at 0$"),
        (lambda: metrics.entities(["O", "B-"]), ValueError, "^labels: .*, got 'B-' at 1$"),
        (lambda: metrics.entities([""]), ValueError, "^labels: .*, got '' at 0$"),
        (lambda: metrics.entity_scores([["O"]], [["O", "O"]]), ValueError,
         r"^predicted\[0\]: expected 1 labels, got 2$"),
        (lambda: metrics.mae([1.0], [math.nan]), ValueError,
         r"^predicted: expected finite numbers, got nan at place 0$"),
        (lambda: metrics.rmse([1.0], [1.0, 2.0]), ValueError,
         r"^predicted: expected shape \(1,\), got \(2,\)$"),
        (lambda: metrics.mae([], []), ValueError, "^true: expected at least one number, got none$"),
        (lambda: metrics.perplexity(math.nan), ValueError, "^loss: expected a finite number, got"),
        (lambda: metrics.bits_per_character("1"), TypeError, "^loss: expected a number, got str$"),
    ],
)  # fmt: skip
def test_bad_input(call: Callable[[], Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_where_nothing_stands() -> None:
    """As scikit-learn, conlleval and sacreBLEU have it; never NaN."""
    nothing = metrics.entity_scores([["O", "O"]], [["O", "O"]])
    assert nothing[:3] == (0.0, 0.0, 0.0) and nothing.by_type == {}
    assert metrics.entity_scores([["B-x"]], [["O"]])[:3] == (0.0, 0.0, 0.0)
    assert metrics.entity_scores([[], ["B-x"]], [[], ["B-x"]]).f1 == 1.0
    assert metrics.macro_f1(["x", "x"], ["y", "y"]) == 0.0
    assert metrics.macro_f1(["x"], ["x"]) == 1.0
    assert metrics.error_rate(["", "ab"], ["c", "ab"]) == 0.5  # one insertion, two symbols
    assert metrics.error_rate(["ab"], [""]) == 1.0
    assert metrics.edit_distance("", "") == 0 == metrics.edit_distance([], [])
    with pytest.raises(ValueError, match=r"^true: expected at least one symbol, got none$"):
        metrics.error_rate(["", ""], ["a", ""])
    assert metrics.perplexity(0.0) == 1.0 and metrics.perplexity(1e6) == math.inf
    assert metrics.perplexity(-0.0) == 1.0 and metrics.bits_per_character(0.0) == 0.0
    assert metrics.r2([1.0], [1.0]) == 1.0 and metrics.r2([1.0], [2.0]) == 0.0


def test_bleu_of_empty_texts() -> None:
    pytest.importorskip("sacrebleu", reason="sacreBLEU is not installed")
    for true, ours in (("", ""), ("a b c d", ""), ("", "a b c d")):
        assert metrics.bleu([true], [ours]) == 0.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: metrics.confusion([1, "a"], [1, "a"]), TypeError,
         "^true: expected labels of one kind, such as str, got int and str$"),
        (lambda: metrics.accuracy([0, 1], [0.3, 0.7]), TypeError,
         "^predicted: expected labels as in true, such as 0, got 0.3$"),
        (lambda: metrics.macro_f1(np.array([0, 1]), np.array([1.0, 0.7])), TypeError,
         "^predicted: expected labels as in true, such as 0, got 0.7$"),
        (lambda: metrics.macro_f1([0, 1], [0, math.nan]), TypeError, "got nan$"),
        (lambda: metrics.confusion(["a", "b"], [0.2, 0.9]), TypeError,
         "^predicted: expected labels as in true, such as 'a', got 0.2$"),
        (lambda: metrics.macro_f1([[1]], [[1]]), TypeError, "^true: expected labels of one kind,"),
        (lambda: metrics.confusion([1], [1], [1, 2, 1]), ValueError,
         "^labels: expected each once, got 1 again$"),
        (lambda: metrics.accuracy({1, 2}, {1, 2}), TypeError, "^true: expected a list, got set$"),
        (lambda: metrics.edit_distance(3, "a"), TypeError, "^true: expected a sequence, got int$"),
        (lambda: metrics.r2(["a"], [1.0]), TypeError, "^true: expected real numbers, got dtype"),
        (lambda: metrics.mae([1.0, 2.0], [1.0, math.inf]), ValueError,
         "^predicted: expected finite numbers, got inf at place 1$"),
        (lambda: metrics.rmse([[1.0], [1.0, 2.0]], [1.0]), ValueError,
         "^true: expected an array of numbers, got a ragged list$"),
    ],
)  # fmt: skip
def test_more_bad_input(call: Callable[[], Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


class Column:
    """A column of a table, as pandas and others have them: neither a list nor an array."""

    def __init__(self, values: list[str]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Any:
        return iter(self.values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.values, dtype)


def test_columns_of_tables() -> None:
    true, predicted = Column(["a", "b"]), Column(["a", "a"])
    of_columns: Any = metrics.accuracy
    assert of_columns(true, predicted) == 0.5
    assert metrics.macro_f1(true, ["a", "b"]) == 1.0  # type: ignore[arg-type]


def test_a_single_number_is_a_constant_target() -> None:
    assert metrics.r2(1.0, 2.0) == 0.0
    assert metrics.r2(2.0, 2.0) == 1.0


@pytest.mark.parametrize(
    ("true", "predicted", "told"),
    [
        ([1, 0], ["1", "0"], "1, got '1'"),
        (["a", "b"], np.array([0, 1]), "'a', got 0"),
        ([1, None], [[0.1, 0.9], [0.8, 0.2]], r"1, got \[0.1, 0.9\]"),
        (["a", "b"], np.full((2, 2), 0.5), r"'a', got "),
    ],
)
def test_accuracy_of_what_is_no_such_label(true: Any, predicted: Any, told: str) -> None:
    message = f"^predicted: expected labels as in true, such as {told}"
    with pytest.raises(TypeError, match=message):
        metrics.accuracy(true, predicted)


def test_the_score_of_labels_of_another_kind() -> None:
    model = rf.SequenceClassifier(hidden_size=2, epochs=1, seed=0, verbose=0)
    model.fit(["a", "b"] * 4, [1, 0] * 4)
    with pytest.raises(TypeError, match=r"^y: expected classes as in fit, such as 0, got '1'$"):
        model.score(["a", "b"], ["1", "0"])
    assert model.score(["a"], [7]) == 0.0  # a class that training did not know


def test_accuracy_of_mixed_labels() -> None:
    assert metrics.accuracy([1, "b", None], ["1", "b", None]) == pytest.approx(2 / 3)
    assert metrics.accuracy([1, True], np.array([1.0, 0.0])) == 0.5
    assert metrics.accuracy([["a"], ["b"]], [("a",), ["b"]]) == 0.5
    assert metrics.accuracy([None, None], ["a", None]) == 0.5
