"""Word and character error rates."""

from __future__ import annotations

import sys

import pytest

import rnnfast as rf
from rnnfast.metrics import error_rate

TRUE = ["the quick brown fox", "jumps over", "the lazy dog"]
SAID = ["the quik brown", "jumps over it", "the lazy dog"]


def test_rates_are_those_of_edits() -> None:
    pytest.importorskip("jiwer", reason="jiwer is not installed")
    assert rf.word_error_rate(TRUE, SAID) == pytest.approx(3 / 9)
    words = [[text.split() for text in texts] for texts in (TRUE, SAID)]
    assert rf.word_error_rate(TRUE, SAID) == pytest.approx(error_rate(*words))
    assert rf.character_error_rate(TRUE, SAID) == pytest.approx(error_rate(TRUE, SAID))
    assert rf.character_error_rate(["abc", "de"], ["abd", ""]) == pytest.approx(3 / 5)
    assert rf.word_error_rate(["a", ""], ["a", "b"]) == 1.0


@pytest.mark.parametrize("rate", [rf.word_error_rate, rf.character_error_rate])
def test_wrong_texts(rate: object) -> None:
    assert callable(rate)
    for true, predicted, error, message in (
        (["a"], ["a", "b"], ValueError, r"predicted: expected 1 as in true, got 2"),
        ([], [], ValueError, r"true: expected at least one, got none"),
        (["", " "], ["a", "b"], ValueError, r"true: expected at least one word, got none"),
        ([["a"]], ["a"], TypeError, r"true\[0\]: expected a str, got list"),
        (["a"], [3], TypeError, r"predicted\[0\]: expected a str, got int"),
        ("ab", "ab", TypeError, r"true: expected a list, got str"),
    ):
        with pytest.raises(error, match=f"^{message}$"):
            rate(true, predicted)


def test_without_jiwer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jiwer", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"^word_error_rate needs the package jiwer; pip install jiwer$"
    ):
        rf.word_error_rate(["a"], ["a"])
