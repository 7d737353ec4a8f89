"""Entities in IOB1, BIO, IOBES and BILOU: recognised, read and written."""

from __future__ import annotations

import numpy as np
import pytest

from rnnfast import metrics
from rnnfast.nn.crf import Constraints

# One text, written out by hand in each: a person of two tokens, at once another of one; then a
# place of three, at once an organisation of one.
SAME = {
    "iob1": ["O", "I-P", "I-P", "B-P", "O", "I-L", "I-L", "I-L", "I-G"],
    "bio": ["O", "B-P", "I-P", "B-P", "O", "B-L", "I-L", "I-L", "B-G"],
    "iobes": ["O", "B-P", "E-P", "S-P", "O", "B-L", "I-L", "E-L", "S-G"],
    "bilou": ["O", "B-P", "L-P", "U-P", "O", "B-L", "I-L", "L-L", "U-G"],
}
ENTITIES = [("P", 1, 3), ("P", 3, 4), ("L", 5, 8), ("G", 8, 9)]


@pytest.mark.parametrize("scheme", SAME)
def test_one_text_in_each_scheme(scheme: str) -> None:
    assert metrics.entities(SAME[scheme]) == ENTITIES
    assert metrics.find_scheme([SAME[scheme], ["O"]]) == scheme
    for other, labels in SAME.items():
        assert metrics.convert_labels([SAME[scheme], []], other) == [labels, []]
        assert metrics.entity_scores([labels], [SAME[scheme]]).f1 == 1.0


@pytest.mark.parametrize(
    ("labels", "scheme"),
    [
        ([["O"], []], "bio"),
        ([["B-x", "O"]], "bio"),  # bio, and damaged iobes and iob1
        ([["B-x", "I-x"]], "bio"),
        ([["I-x", "I-x"]], "iob1"),
        ([["I-x", "B-x"]], "iob1"),
        ([["I-x", "I-y"]], "iob1"),
        ([["B-x", "B-x"]], "bio"),  # the first B is none of iob1's
        ([["I-x"], ["O", "B-x"]], "bio"),  # damaged: neither
        ([["S-x"]], "iobes"),
        ([["I-x", "E-x"]], "iobes"),
        ([["O"], ["U-x"]], "bilou"),
        ([["B-x", "L-x"]], "bilou"),
    ],
    ids=str,
)
def test_find_scheme(labels: list[list[str]], scheme: str) -> None:
    assert metrics.find_scheme(labels) == scheme


@pytest.mark.parametrize(
    ("damaged", "bio"),
    [
        (["I-x", "O", "I-x", "I-y"], ["B-x", "O", "B-x", "B-y"]),
        (["O", "E-x", "E-x"], ["O", "B-x", "B-x"]),
        (["B-x", "O", "I-x", "E-x"], ["B-x", "O", "B-x", "I-x"]),
        (["S-x", "I-x", "B-x"], ["B-x", "B-x", "B-x"]),
        (["B-x", "E-y"], ["B-x", "B-y"]),
        (["B-x", "E-x", "I-x"], ["B-x", "I-x", "B-x"]),
    ],
    ids=str,
)
def test_damaged_sequences_are_read_as_conlleval_does(damaged: list[str], bio: list[str]) -> None:
    assert metrics.convert_labels([damaged], "bio") == [bio]
    assert metrics.entities(damaged) == metrics.entities(bio)


def test_what_is_no_label_is_named() -> None:
    for call, kind, message in (
        (lambda: metrics.find_scheme([["O"], ["X-a"]]), ValueError,
         r"^labels\[1\]: expected O, B-type or I-type, got 'X-a' at 0$"),
        (lambda: metrics.find_scheme(["O"]), TypeError, r"^labels\[0\]: expected a list"),
        (lambda: metrics.find_scheme([[1]]), TypeError, r"^labels\[0\]: expected a str, got int"),
        (lambda: metrics.find_scheme("O"), TypeError, "^labels: expected a list"),
        (lambda: metrics.find_scheme([["S-x"], ["L-x"]]), ValueError,
         "^labels: expected those of one scheme, got 'S-x' of iobes and 'L-x' of bilou$"),
        (lambda: metrics.convert_labels([["O"]], "iob2"), ValueError,
         "^scheme: expected one of iob1, bio, iobes, bilou, got 'iob2'$"),
        (lambda: Constraints.iobes(["O", "x"]), ValueError, "^labels: .*, got 'x'$"),
    ):  # fmt: skip
        with pytest.raises(kind, match=message):
            call()


def test_rules_of_iobes() -> None:
    labels = ["O", "B-x", "I-x", "E-x", "S-x", "E-y"]
    rules = Constraints.iobes(labels)
    np.testing.assert_array_equal(rules.start, [1, 1, 0, 0, 1, 0])
    np.testing.assert_array_equal(rules.end, [1, 0, 0, 1, 1, 1])
    allowed = [
        [1, 1, 0, 0, 1, 0],  # after O
        [0, 0, 1, 1, 0, 0],  # after B-x
        [0, 0, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 1, 0],
    ]
    np.testing.assert_array_equal(rules.transitions, allowed)
    others = Constraints.iobes(["O", "B-x", "I-x", "L-x", "U-x", "L-y"])
    np.testing.assert_array_equal(rules.transitions, others.transitions)
