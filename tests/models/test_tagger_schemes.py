"""A tagger of entities in IOB1, BIO, IOBES and BILOU."""

from __future__ import annotations

from pathlib import Path

import pytest

import rnnfast as rf
from rnnfast.metrics import convert_labels

X = [["Ann", "Lee", "sees", "Rome"], ["Bo", "Ann", "likes", "Rome"], ["Rome", "sleeps"]] * 4
BIO = [["B-P", "I-P", "O", "B-L"], ["B-P", "B-P", "O", "B-L"], ["B-L", "O"]] * 4


def make(**options: object) -> rf.SequenceTagger:
    return rf.SequenceTagger(
        hidden_size=8, learning_rate=0.05, epochs=20, seed=1, verbose=0, **options
    )


@pytest.mark.parametrize("crf", [False, True])
@pytest.mark.parametrize(
    ("scheme", "learned"),
    [("iob1", "bio"), ("bio", "bio"), ("iobes", "iobes"), ("bilou", "bilou")],
)
def test_recognised_learned_and_measured(
    scheme: str, learned: str, crf: bool, tmp_path: Path
) -> None:
    model = make(scheme="auto", crf=crf).fit(X, convert_labels(BIO, scheme))
    assert model.scheme_ == learned
    expected = convert_labels(BIO, learned)
    assert set(model.classes_) == {label for labels in expected for label in labels}
    assert model.predict(X[:3]) == expected[:3]
    model.save(tmp_path / "model.safetensors")
    for asked in (model, rf.load(tmp_path / "model.safetensors")):
        assert asked.scheme_ == learned
        for given in ("iob1", "bio", "iobes", "bilou"):  # all are read as the one
            figures = asked.evaluate(X, convert_labels(BIO, given))
            assert figures.pop("loss") < 0.1
            assert figures == {"accuracy": 1.0, "precision": 1.0, "recall": 1.0, "f1": 1.0}
    again = make(scheme="auto", crf=crf, warm_start=True)
    again.fit(X, convert_labels(BIO, "iobes"), epochs=1)
    classes = list(again.classes_)
    again.fit(X, convert_labels(BIO, "bilou"), epochs=1)
    assert list(again.classes_) == classes


def test_labels_of_iob1_give_the_model_of_bio() -> None:
    models = [make(scheme="auto", crf=True).fit(X, y) for y in (BIO, convert_labels(BIO, "iob1"))]
    assert models[0].history_[-1]["loss"] == models[1].history_[-1]["loss"]


def test_a_scheme_that_is_given_is_taken_at_its_word() -> None:
    with pytest.raises(ValueError, match=r"^y: expected labels that IOBES allows, got O after B-P"):
        make(scheme="iobes", crf=True).fit([["a", "b"]] * 4, [["B-P", "O"], ["S-P", "O"]] * 2)
    with pytest.raises(
        ValueError, match=r"^y: expected labels that BILOU allows, got the end after"
    ):
        make(scheme="bilou", crf=True).fit([["a", "b"]] * 4, [["O", "B-P"], ["U-P", "O"]] * 2)
    with pytest.raises(ValueError, match=r"^y: expected labels that BIO allows, got I-P after O"):
        make(scheme="bio", crf=True).fit([["a", "b"]] * 4, [["O", "I-P"], ["B-P", "O"]] * 2)
    assert make(scheme="bilou").fit(X, convert_labels(BIO, "bilou")).scheme_ == "bilou"
    assert make().fit(X, BIO).scheme_ is None


def test_damaged_labels_are_those_that_conlleval_finds() -> None:
    damaged = [["I-P", "I-P", "O", "I-L"], ["B-P", "B-P", "O", "B-L"], ["I-L", "O"]] * 4
    model = make(scheme="auto", crf=True).fit(X, damaged)
    assert model.predict(X[:3]) == BIO[:3]


def test_labels_without_any_that_stands_alone_forbid_nothing() -> None:
    y = [["B-P", "E-P"], ["B-Q", "E-Q"]] * 2
    model = make(scheme="auto", crf=True).fit([["a", "b"]] * 4, y)
    assert len(model.predict([["a"]])[0]) == 1


def test_bad_labels_are_named() -> None:
    tagger = make(scheme="auto")
    for y, kind, message in (
        ([["X"], ["O"]], ValueError, r"^y\[0\]: expected O, B-type or I-type, got 'X' at 0$"),
        ([[1], [2]], TypeError, r"^y\[0\]: expected a str, got int at 0$"),
        ([["S-x"], ["U-x"]], ValueError, "^y: expected those of one scheme, got 'S-x' of iobes"),
    ):
        with pytest.raises(kind, match=message):
            tagger.fit([["a"], ["b"]], y)
    with pytest.raises(ValueError, match=r"^scheme: expected None, 'auto', 'bio', 'iobes' or 'bil"):
        make(scheme="iob2").fit(X, BIO)


@pytest.mark.parametrize("crf", [False, True])
def test_steps_without_a_label_are_left_out(crf: bool) -> None:
    labels = [["I-P", None, "I-P", "B-P"], ["O", "I-L", None, None]] * 6
    words = [["a", "b", "c", "d"], ["e", "f", "g", "h"]] * 6
    model = make(scheme="auto", crf=crf).fit(words, labels)
    assert model.scheme_ == "bio"
    assert list(model.classes_) == ["B-L", "B-P", "I-P", "O"]
    found = model.predict(words[:2])
    assert [found[0][0], found[0][2], found[0][3]] == ["B-P", "I-P", "B-P"]
    assert found[1][:2] == ["O", "B-L"]
    assert model.score(words, labels) == 1.0


def test_no_way_to_an_end_that_is_allowed() -> None:
    with pytest.raises(
        ValueError, match=r"^y: expected labels that IOBES allows, got the end after"
    ):
        make(scheme="iobes", crf=True).fit([["a", "b"]] * 4, [[None, "B-P"], ["S-P", "O"]] * 2)
