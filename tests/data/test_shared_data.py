"""The readers of text on real corpora, which are not part of the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnfast.data import StreamBatches, read_text, split_text
from rnnfast.text import CharTokenizer, Vocabulary, split_lines

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the corpora (../shared/data beside the repository) are missing"
)


def test_tiny_shakespeare():
    text = read_text(DATA / "tiny-shakespeare" / "input.txt")
    assert len(text) == 1_115_394
    train, held_out = split_text(text, (0.9, 0.1))
    assert train + held_out == text
    tokens = CharTokenizer().tokenize(text)
    vocabulary = Vocabulary.from_tokens(tokens, unk=None, eos=None)
    assert len(vocabulary) == 65
    ids = vocabulary.encode(tokens)
    assert vocabulary.decode(ids) == tokens
    batches = StreamBatches(ids, batch_size=50, steps=50)
    assert sum(batch.num_targets for batch in batches) == len(text) - 1


def test_names():
    names = split_lines(read_text(DATA / "names-makemore" / "names.txt"))
    assert len(names) == 32_033
    assert set("".join(names)) == set("abcdefghijklmnopqrstuvwxyz")
