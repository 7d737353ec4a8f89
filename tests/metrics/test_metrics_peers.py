"""Metrics and patterns of our own, which keep the package small, against the libraries for them."""

import random
import unicodedata

import numpy as np
import pytest

from rnnfast import metrics
from rnnfast.text import tokenizers

KINDS = ("PER", "LOC", "a-b")


def sentences(labels, count, seed):
    """Return sentences of random labels: whatever a tagger may predict."""
    draw = random.Random(seed)
    return [draw.choices(labels, k=draw.randint(1, 12)) for _ in range(count)]


@pytest.mark.parametrize("prefixes", ["BI", "BIES"])
def test_entities_as_seqeval(prefixes):
    labelling = pytest.importorskip(
        "seqeval.metrics.sequence_labeling", reason="seqeval is not installed"
    )
    labels = ["O", *(f"{prefix}-{kind}" for prefix in prefixes for kind in KINDS)]
    true = sentences(labels, 400, seed=1)
    draw = random.Random(2)
    predicted = [[draw.choice([label, *labels]) for label in sentence] for sentence in true]
    for sentence in true:
        theirs = [(kind, first, last + 1) for kind, first, last in labelling.get_entities(sentence)]
        assert metrics.entities(sentence) == theirs, sentence
    ours = metrics.entity_scores(true, predicted)
    assert 0 < ours.f1 < 1
    for name, of_all in (("precision", ours.precision), ("recall", ours.recall), ("f1", ours.f1)):
        score = getattr(labelling, f"{name}_score")
        assert of_all == pytest.approx(score(true, predicted), rel=1e-12)
    of_types = labelling.precision_recall_fscore_support(true, predicted, average=None)
    assert list(ours.by_type) == sorted(KINDS)
    np.testing.assert_allclose(list(ours.by_type.values()), np.transpose(of_types[:3]), rtol=1e-12)


def test_edit_distance_as_rapidfuzz():
    levenshtein = pytest.importorskip(
        "rapidfuzz.distance.Levenshtein", reason="RapidFuzz is not installed"
    )
    draw = random.Random(1)
    for _ in range(500):
        true, predicted = ("".join(draw.choices("abcé", k=draw.randint(0, 30))) for _ in "tp")
        expected = levenshtein.distance(true, predicted)
        assert metrics.edit_distance(true, predicted) == expected, (true, predicted)
        assert metrics.edit_distance(list(true), list(predicted)) == expected
        numbers = [np.array([ord(symbol) for symbol in text], int) for text in (true, predicted)]
        assert metrics.edit_distance(*numbers) == expected


def test_combining_marks_as_regex():
    regex = pytest.importorskip("regex", reason="regex is not installed")
    ours = regex.compile(f"[{tokenizers._combining_marks()}]")
    theirs = regex.compile(r"[\p{M}\p{Join_Control}]")
    # Each knows one edition of Unicode: what one has not yet is no difference.
    unknown = regex.compile(r"\p{Cn}")
    planes = map(chr, range(0x20000))
    known = [c for c in planes if unicodedata.category(c) != "Cn" and not unknown.match(c)]
    different = [hex(ord(c)) for c in known if bool(ours.match(c)) != bool(theirs.match(c))]
    assert len(known) > 50000 and different == []
