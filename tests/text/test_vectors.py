"""Vectors of words from text files."""

from __future__ import annotations

import gzip
import re

import numpy as np
import pytest

import rnnfast as rf
from hostile import linux_only, outputs
from rnnfast.text import Vocabulary, read_vectors

LINES = ["the 0.5 -1 2e-1", "owls .25 +3.0 1", "hunt 1. 0 -0.125", "sleep 7 8 9"]
GLOVE = "".join(f"{line}\n" for line in LINES)
WORD2VEC = "4 3\n" + "".join(f"{line} \n" for line in LINES)  # with a space at the ends of lines
WORDS = Vocabulary(["hunt", "mice", "owls", "night"])
BINARY = np.random.default_rng(0).normal(size=99).astype("<f4").tobytes()  # word2vec's other form
ROWS = {"hunt": [1, 0, -0.125], "owls": [0.25, 3, 1]}


@pytest.fixture
def write(tmp_path):
    def write(content, name="vectors.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "content",
    [
        GLOVE,
        WORD2VEC,
        GLOVE.replace("\n", "\r\n"),
        GLOVE.rstrip(),
        "\ufeff" + GLOVE,
        gzip.compress(WORD2VEC.encode(), mtime=0),
    ],
    ids=["GloVe", "word2vec", "Windows", "no last line end", "mark", "gzip"],
)
def test_rows_of_tokens(write, content, dtype):
    table, missing = read_vectors(write(content), WORDS, dtype=dtype, seed=0)
    assert (table.shape, table.dtype, missing) == ((4, 3), dtype, ("mice", "night"))
    for word, row in ROWS.items():
        np.testing.assert_array_equal(table[WORDS[word]], np.array(row, dtype))


def test_missing_tokens_are_drawn_as_those_found_are_distributed(write):
    rng = np.random.default_rng(0)
    rows = rng.normal([3.0, -1.0], [0.5, 2.0], size=(50, 2))
    text = "".join(f"w{i} {a!r} {b!r}\n" for i, (a, b) in enumerate(rows.tolist()))
    known = [f"w{i}" for i in range(40)]  # the last ten are not of the vocabulary
    vocabulary = Vocabulary([*known, *(f"v{i}" for i in range(20000))])
    table, missing = read_vectors(write(text), vocabulary, dtype="float64", seed=1)
    np.testing.assert_array_equal(table[:40], rows[:40])
    assert len(missing) == 20000
    np.testing.assert_allclose(table[40:].mean(axis=0), rows[:40].mean(axis=0), atol=0.05)
    np.testing.assert_allclose(table[40:].std(axis=0), rows[:40].std(axis=0), rtol=0.03)
    again, _ = read_vectors(write(text), vocabulary, dtype="float64", seed=1)
    np.testing.assert_array_equal(table, again)
    other, _ = read_vectors(write(text), vocabulary, dtype="float64", seed=2)
    assert not np.array_equal(table, other)


def test_missing_tokens_stay_as_initial_has_them(write):
    initial = np.arange(12, dtype=np.float32).reshape(4, 3)
    before = initial.copy()
    table, missing = read_vectors(write(GLOVE), WORDS, initial=initial)
    np.testing.assert_array_equal(table[[1, 3]], initial[[1, 3]])
    np.testing.assert_array_equal(table[2], np.float32(ROWS["owls"]))
    np.testing.assert_array_equal(initial, before)
    assert missing == ("mice", "night")


def test_row_of_padding_is_zero_and_it_is_not_missing(write):
    vocabulary = Vocabulary.from_tokens(["owls", "mice"], pad="<PAD>", eos=None)
    for text in (GLOVE, GLOVE + "<PAD> 1 1 1\n"):
        for initial in (None, np.ones((4, 3), np.float32)):
            table, missing = read_vectors(write(text), vocabulary, initial=initial, seed=0)
            assert missing == ("<UNK>", "mice")
            assert not table[vocabulary.pad_id].any() and table[vocabulary.unk_id].any()


def test_words_are_what_stands_before_the_numbers(write):
    text = ". . . 1 2\nat home 3 4\nnaïve 5 6\n\u00a0 7 8\na\u2028b 9 10\n  11 12\nowls 13 14\n"
    tokens = [". . .", "at home", "naïve", "\u00a0", "a\u2028b", " ", "owls"]
    table, missing = read_vectors(write(b"\xe9\xfd 0 0\n" + text.encode()), Vocabulary(tokens))
    assert not missing
    np.testing.assert_array_equal(table.ravel(), np.arange(1, 15))


def test_of_a_word_that_comes_twice_the_first_line_counts(write):
    table, _ = read_vectors(write(GLOVE + "owls 0 0 0\n"), WORDS, seed=0)
    np.testing.assert_array_equal(table[WORDS["owls"]], ROWS["owls"])


def test_embedding_takes_the_table(write):
    vocabulary = Vocabulary.from_tokens(["owls", "mice"], pad="<PAD>")
    table, _ = read_vectors(write(GLOVE), vocabulary, seed=0)
    embedding = rf.Embedding(*table.shape, padding_idx=vocabulary.pad_id)
    embedding.parameters()["weight"].assign(table)
    np.testing.assert_array_equal(embedding(vocabulary.encode(["owls"])), [ROWS["owls"]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected vectors of tokens of the vocabulary, got none"),
        ("cat 1 2\n", "expected vectors of tokens of the vocabulary, got none"),
        ("4 3\n", "expected 4 words, as line 1 says, got 0"),
        ("owls\n", "line 1: expected a word and its numbers, parted by single spaces, got 'owls'"),
        ("a text of words\n", "line 1: expected finite numbers, got 'text'"),
        ("owls\t1\t2\n", r"line 1: expected a word and its numbers, .* got 'owls\\t1\\t2'"),
        ("owls 1 2\nhunt 3\n", "line 2: expected a word and 2 numbers, .* got 'hunt 3'"),
        ("owls 1 2\nhunt 3 4 5\n", "line 2: expected a word and 2 numbers, .* got 'hunt 3 4 5'"),
        ("a 1 2\nowls  1 2\n", "line 2: expected a word and 2 numbers, .* got 'owls  1 2'"),
        ("a 1 2\nowls 1  2\n", "line 2: expected a word and 2 numbers, .* got 'owls 1  2'"),
        ("owls 1 2\n\nhunt 3 4\n", "line 2: expected a word and 2 numbers, .* got ''"),
        ("owls 1 2\nhunt 3 x\n", "line 2: expected finite numbers, got 'x'"),
        ("owls 1 2\nhunt 3 nan\n", "line 2: expected finite numbers, got 'nan'"),
        ("owls 1 2\nhunt 3 -inf\n", "line 2: expected finite numbers, got '-inf'"),
        ("owls 1 2\nhunt 3 1_0\n", "line 2: expected finite numbers, got '1_0'"),
        ("owls 1 2\nhunt 3 1e400\n", "line 2: expected numbers from .* got '1e400'"),
        ("owls 1 2\nhunt 3 -1e19\n", r"line 2: expected numbers from -1e\+18 to .* '-1e19'"),
        ("3 2\nowls 1 2\nhunt 3 4\n", "expected 3 words, as line 1 says, got 2"),
        ("1 2\nowls 1 2\nhunt 3 4\n", "expected 1 word, as line 1 says, got more"),
        ("2 3\nowls 1 2\nhunt 3 4\n", "line 2: expected a word and 3 numbers, .* got 'owls 1 2'"),
        ("2 0\nowls\nhunt\n", "line 2: expected a word and its numbers"),
        ("1 999999999999999999\nowls 1 2\n", "line 2: expected a word and 999,999,999,999,999,999"),
        (b"owls 1 2\n" + b"x" * 2**21, "line 2: expected at most 1048576 bytes, got more"),
        (b"2 2\nowls \x00\x00\x80? 1\n", "expected UTF-8 text, got word2vec's binary form, .*text"),
        (b"owls 1 2\nhunt \xff 1\n", "line 2: .* which is not UTF-8; a binary file, .*text"),
        (GLOVE.encode() * 4 + b"x \0\n", "line 17: .* got zero bytes; a binary file, .*text"),
        (b"9 99\nowls " + BINARY, "expected UTF-8 text, got word2vec's binary form"),
        (gzip.compress(GLOVE.encode(), mtime=0)[:-9], "expected a whole gzip archive, got: "),
        (gzip.compress(GLOVE.encode(), mtime=0)[:12] + b"\x00" * 40, "a whole gzip archive, got: "),
        (b"\x1f\x8b\x00\x00", "expected a whole gzip archive, got: "),
        (b"PK\x03\x04\x14\x00\x00\x00", "expected UTF-8 text, got a ZIP archive"),
        (GLOVE.encode("utf-16"), "expected UTF-8 text, got UTF-16"),
        (gzip.compress(GLOVE.encode("utf-16"), mtime=0), "expected UTF-8 text, got UTF-16"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_refused_in_one_line(write, content, message):
    path = write(content)
    place = rf"{re.escape(str(path))}(: |, )"
    with pytest.raises(ValueError, match=rf"^{place}.*{message}") as caught:
        read_vectors(path, WORDS)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < len(str(path)) + 250


def test_arguments_that_do_not_fit(write, tmp_path):
    path = write(GLOVE)
    with pytest.raises(TypeError, match=r"^vocabulary: expected a Vocabulary, got list"):
        read_vectors(path, ["owls"])
    with pytest.raises(ValueError, match=r"^dtype: expected float32 or float64, got int8"):
        read_vectors(path, WORDS, dtype="int8")
    with pytest.raises(TypeError, match=r"^initial: expected dtype float32, got float64"):
        read_vectors(path, WORDS, initial=np.zeros((4, 3)))
    for shape in ((4, 2), (3, 3)):
        with pytest.raises(ValueError, match=r"^initial: expected shape \(4, .\).* got \(. ?, .\)"):
            read_vectors(path, WORDS, initial=np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match=r"^initial: expected shape \(4, D\), got \(4,\)"):
        read_vectors(path, WORDS, initial=np.zeros(4, np.float32))
    with pytest.raises(ValueError, match=r"^initial: expected finite numbers, got nan at row 0"):
        read_vectors(path, WORDS, initial=np.full((4, 3), np.nan, np.float32))
    with pytest.raises(TypeError, match=r"^path: expected a path, got int"):
        read_vectors(3, WORDS)
    with pytest.raises(IsADirectoryError):
        read_vectors(tmp_path, WORDS)
    with pytest.raises(FileNotFoundError):
        read_vectors(tmp_path / "none.txt", WORDS)


@linux_only
def test_memory_is_that_of_the_rows_that_are_wanted(write):
    """40 MB of lines, packed, in a process that may have little more than the interpreter."""
    line = b" ".join([b"0.5"] * 1000)
    with gzip.open(write(b"", "large.gz"), "wb", compresslevel=1) as file:
        for start in range(0, 10_000, 1000):
            file.write(b"".join(b"w%d %s\n" % (start + k, line) for k in range(1000)))
    code = f"""
import resource
import rnnfast as rf
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
table, missing = rf.text.read_vectors({file.name!r}, rf.Vocabulary(["w7", "w9999", "v"]), seed=0)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(table.shape, missing, bool((table == 0.5).all()), after - before < 10_000)
"""
    assert outputs(code) == "(3, 1000) ('v',) True True\n"


def test_a_table_beyond_the_memory_is_refused_before_it_is_made(write, monkeypatch):
    monkeypatch.setattr("rnnfast._core.memory_limit", lambda: 40)
    with pytest.raises(MemoryError, match=r"a table of 4 x 3 numbers needs 48"):
        read_vectors(write(GLOVE), WORDS)
