import copy
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnfast.text import Vocabulary
from rnnfast.text.vocabulary import encode_each

WORDS = ["the", "cat", "sat", "on", "the", "mat", "the", "cat"]
corpora = st.lists(st.text(max_size=4), min_size=1, max_size=40)


@pytest.fixture
def vocabulary():
    return Vocabulary.from_tokens(WORDS, pad="<PAD>")


# --- making one -------------------------------------------------------------------------------


def test_order_specials_then_frequency_then_the_token(vocabulary):
    assert vocabulary.tokens == ("<PAD>", "<UNK>", "<EOS>", "the", "cat", "mat", "on", "sat")
    assert (vocabulary.pad_id, vocabulary.unk_id, vocabulary.eos_id) == (0, 1, 2)
    assert vocabulary.counts.tolist() == [0, 0, 0, 3, 2, 1, 1, 1]
    assert vocabulary.counts.dtype == np.int64


def test_specials_can_be_left_out():
    bare = Vocabulary.from_tokens(WORDS, unk=None, eos=None)
    assert bare.tokens == ("the", "cat", "mat", "on", "sat")
    assert (bare.pad, bare.unk, bare.eos) == (None, None, None)
    assert (bare.pad_id, bare.unk_id, bare.eos_id) == (None, None, None)


def test_max_size_counts_no_specials_and_the_rest_is_unknown():
    vocabulary = Vocabulary.from_tokens(WORDS, max_size=2)
    assert vocabulary.tokens == ("<UNK>", "<EOS>", "the", "cat")
    assert vocabulary.counts.tolist() == [3, 0, 3, 2]


def test_min_count():
    assert Vocabulary.from_tokens(WORDS, min_count=2).tokens[2:] == ("the", "cat")
    assert Vocabulary.from_tokens(WORDS, min_count=3, max_size=2).tokens[2:] == ("the",)


def test_specials_in_the_corpus_are_counted_as_such():
    vocabulary = Vocabulary.from_tokens(["<unk>", "a", "<eos>", "<unk>"], unk="<unk>", eos="<eos>")
    assert vocabulary.tokens == ("<unk>", "<eos>", "a")
    assert vocabulary.counts.tolist() == [2, 1, 1]


@given(corpora, st.integers(1, 10), st.integers(1, 3))
def test_counts_are_those_of_the_encoded_corpus(corpus, max_size, min_count):
    try:
        vocabulary = Vocabulary.from_tokens(corpus, max_size=max_size, min_count=min_count)
    except ValueError as error:
        assert str(error).startswith("min_count: expected at most")
        return
    ids = vocabulary.encode(corpus)
    np.testing.assert_array_equal(np.bincount(ids, minlength=len(vocabulary)), vocabulary.counts)
    assert len(vocabulary) <= max_size + 2


@given(corpora, st.randoms())
def test_order_of_the_corpus_plays_no_part(corpus, random):
    shuffled = list(corpus)
    random.shuffle(shuffled)
    assert Vocabulary.from_tokens(iter(shuffled)) == Vocabulary.from_tokens(corpus)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(tokens=[]), "tokens: expected at least one token, got an empty corpus"),
        (dict(tokens=["<EOS>"]), "tokens: expected at least one token, got an empty corpus"),
        (dict(tokens=WORDS, max_size=0), "max_size: expected at least 1, got 0"),
        (dict(tokens=WORDS, min_count=0), "min_count: expected at least 1, got 0"),
        (
            dict(tokens=WORDS, min_count=4),
            "min_count: expected at most 3, what the most frequent token has, got 4",
        ),
        (dict(tokens=WORDS, unk="<S>", eos="<S>"), "pad, unk, eos: expected different tokens, got"),
        (dict(tokens=WORDS, pad=""), "pad: expected a token or None, got an empty str"),
    ],
)
def test_bad_values_of_from_tokens(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Vocabulary.from_tokens(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(tokens="text"), "tokens: expected a list of tokens, got one str"),
        (dict(tokens=b"text"), "tokens: expected a list of tokens, got one bytes"),
        (dict(tokens=["a", 3]), "tokens: expected every token to be a str, got 3"),
        (dict(tokens=[["a"]]), r"tokens: expected an iterable of str tokens \(.*unhashable"),
        (dict(tokens=7), r"tokens: expected an iterable of str tokens \(.*not iterable"),
        (dict(tokens=WORDS, max_size=2.0), "max_size: expected an integer, got float"),
        (dict(tokens=WORDS, min_count=True), "min_count: expected an integer, got a bool"),
        (dict(tokens=WORDS, eos=5), "eos: expected every token to be a str, got 5"),
    ],
)
def test_bad_types_of_from_tokens(arguments, message):
    with pytest.raises(TypeError, match=f"^{message}"):
        Vocabulary.from_tokens(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(tokens=[]), "tokens: expected at least one token, got none"),
        (dict(tokens=["a", "b", "a"]), "tokens: expected every token once, got 'a' again"),
        (dict(tokens=["a"], counts=[1, 2]), "counts: expected one a token, 1, got 2"),
        (dict(tokens=["a"], counts=[-1]), "counts: expected no negative number, got -1"),
        (dict(tokens=["a"], counts=[2**63]), "counts: expected 64-bit signed integers, got 9"),
        (dict(tokens=["a"], unk="b"), "unk: expected one of the tokens, got 'b'"),
    ],
)
def test_bad_values_of_the_constructor(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Vocabulary(**arguments)


def test_bad_types_of_the_constructor():
    with pytest.raises(TypeError, match=r"^tokens: expected every token to be a str, got None"):
        Vocabulary(["a", None])
    with pytest.raises(TypeError, match=r"^counts: expected integers, got dtype float64"):
        Vocabulary(["a"], counts=[1.0])


def test_counts_are_the_vocabularys_own():
    counts = np.array([1, 2])
    vocabulary = Vocabulary(["a", "b"], counts=counts)
    counts[0] = 9
    assert vocabulary.counts.tolist() == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        vocabulary.counts[0] = 9


# --- using it ---------------------------------------------------------------------------------


@given(corpora)
def test_decode_undoes_encode(corpus):
    vocabulary = Vocabulary.from_tokens(corpus)
    assert vocabulary.decode(vocabulary.encode(corpus)) == corpus


def test_encode(vocabulary):
    ids = vocabulary.encode(word for word in ["the", "dog", "sat", "<EOS>"])
    assert ids.dtype == np.int64
    assert ids.tolist() == [3, 1, 7, 2]
    assert vocabulary.encode([]).shape == (0,)
    assert vocabulary.encode(np.array(["cat", "dog"])).tolist() == [4, 1]


def test_encode_without_an_unknown_token_names_the_culprit():
    vocabulary = Vocabulary.from_tokens(WORDS, unk=None)
    with pytest.raises(ValueError, match=r"^tokens: .* none for unknown ones; got 'dog' at 1$"):
        vocabulary.encode(["the", "dog", "ran"])


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ("the", "tokens: expected a list of tokens, got one str; a tokenizer splits text"),
        (["the", 3], "tokens: expected every token to be a str, got 3"),
        (["the", ["cat"]], r"tokens: expected every token to be a str, got \['cat'\]"),
    ],
)
def test_encode_of_other_things(vocabulary, tokens, message):
    with pytest.raises(TypeError, match=f"^{message}$"):
        vocabulary.encode(tokens)


def test_decode_of_other_things(vocabulary):
    assert vocabulary.decode([]) == []
    with pytest.raises(ValueError, match=r"^ids: expected ids below 8, got 8$"):
        vocabulary.decode([0, 8])
    with pytest.raises(ValueError, match=r"^ids: expected no negative number, got -1$"):
        vocabulary.decode([-1])
    with pytest.raises(ValueError, match=r"^ids: expected an array with ndim 1, got shape \(1, 2"):
        vocabulary.decode([[1, 2]])
    with pytest.raises(ValueError, match=r"^ids: expected an array of integers, got a ragged list"):
        vocabulary.decode([[1, 2], [3]])
    with pytest.raises(TypeError, match=r"^ids: expected integers, got dtype float64$"):
        vocabulary.decode([1.0])
    with pytest.raises(TypeError, match=r"^ids: expected integers, got dtype bool$"):
        vocabulary.decode([True])


@pytest.mark.parametrize("dtype", ["float32", np.float64])
def test_one_hot(vocabulary, dtype):
    ids = np.array([[1, 7], [0, 3], [3, 3]], np.uint16)
    vectors = vocabulary.one_hot(ids, dtype)
    assert vectors.dtype == dtype
    np.testing.assert_array_equal(vectors, np.eye(8)[ids])
    assert vocabulary.one_hot(2).tolist() == [0, 0, 1, 0, 0, 0, 0, 0]
    assert vocabulary.one_hot([]).shape == (0, 8)


def test_one_hot_of_other_things(vocabulary):
    with pytest.raises(ValueError, match=r"^ids: expected ids below 8, got 9$"):
        vocabulary.one_hot([[9]])
    with pytest.raises(ValueError, match=r"^dtype: expected float32 or float64, got int64$"):
        vocabulary.one_hot([1], "int64")


def test_container(vocabulary):
    assert len(vocabulary) == 8
    assert list(vocabulary) == list(vocabulary.tokens)
    assert "cat" in vocabulary
    assert "dog" not in vocabulary
    assert ["cat"] not in vocabulary
    assert vocabulary["cat"] == 4
    assert vocabulary["dog"] == vocabulary.unk_id
    with pytest.raises(TypeError, match="expected every token to be a str, got 4"):
        vocabulary[4]
    assert repr(vocabulary) == "<Vocabulary of 8 tokens, pad='<PAD>', unk='<UNK>', eos='<EOS>'>"


def test_equality(vocabulary):
    assert vocabulary == copy.deepcopy(vocabulary)
    assert vocabulary == Vocabulary(vocabulary.tokens, pad="<PAD>", unk="<UNK>", eos="<EOS>")
    assert hash(vocabulary) == hash(copy.deepcopy(vocabulary))
    assert vocabulary != Vocabulary(vocabulary.tokens, unk="<UNK>", eos="<EOS>")
    assert vocabulary != Vocabulary.from_tokens([*WORDS, "dog"], pad="<PAD>")
    assert vocabulary != vocabulary.tokens


# --- keeping it -------------------------------------------------------------------------------


@given(st.lists(st.text(st.characters(), max_size=3), min_size=1), st.booleans())
def test_json_round_trip(corpus, with_pad):
    vocabulary = Vocabulary.from_tokens(corpus, pad="<PAD>" if with_pad else None)
    text = vocabulary.to_json()
    assert text.isascii()
    read = Vocabulary.from_json(text)
    assert read == vocabulary
    assert read.counts.tolist() == vocabulary.counts.tolist()


def test_json_keeps_what_utf8_cannot():
    vocabulary = Vocabulary(["\ud800", "é", "\n", ""])
    assert Vocabulary.from_json(vocabulary.to_json()).tokens == vocabulary.tokens


HEAD = '{"format": "rnnfast.vocabulary", "version": 1, '
NO_SPECIALS = '"pad": null, "unk": null, "eos": null, '


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a vocabulary: expected JSON, got other text"),
        ('{"format": "rnnfast.voc', "not a vocabulary: expected JSON, got other text"),
        ("[" * 100_000, "not a vocabulary: expected JSON, got other text"),
        ("[1, 2]", "not a vocabulary: expected a JSON object of the format 'rnnfast.vocabulary'"),
        ('{"a": 0}', "not a vocabulary: expected a JSON object of the format 'rnnfast.vocabulary'"),
        (
            '{"format": "rnnfast.vocabulary", "version": 2}',
            "vocabulary: expected version 1, got 2; a later rnnfast may have written it",
        ),
        (HEAD + '"tokens": ["a"]}', "damaged vocabulary: expected .*, got no pad"),
        (HEAD + NO_SPECIALS + '"tokens": ["a"]}', "damaged vocabulary: expected .*, got no counts"),
        (
            HEAD + NO_SPECIALS + '"tokens": "abc", "counts": [1, 1, 1]}',
            "damaged vocabulary: tokens: expected a list, got str",
        ),
        (
            HEAD + NO_SPECIALS + '"tokens": ["a", ["b"]], "counts": [1, 1]}',
            "damaged vocabulary: tokens: expected every token to be a str",
        ),
        (
            HEAD + NO_SPECIALS + '"tokens": ["a", "b"], "counts": [1, NaN]}',
            "damaged vocabulary: counts: expected integers, got dtype float64",
        ),
        (
            HEAD + NO_SPECIALS + '"tokens": ["a", "b"], "counts": [1]}',
            "damaged vocabulary: counts: expected one a token, 2, got 1",
        ),
        (
            HEAD + '"pad": null, "unk": [], "eos": null, "tokens": ["a"], "counts": [1]}',
            r"damaged vocabulary: unk: expected every token to be a str, got \[\]",
        ),
    ],
)
def test_damaged_or_foreign_json(text, message, tmp_path):
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        Vocabulary.from_json(text)
    assert "\n" not in str(caught.value)
    path = tmp_path / "vocabulary.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"vocabulary.json: {message}"):
        Vocabulary.load(path)


def test_every_cut_file_is_refused(vocabulary, tmp_path):
    whole = vocabulary.to_json()
    path = tmp_path / "vocabulary.json"
    for length in range(len(whole)):
        path.write_text(whole[:length])
        with pytest.raises(ValueError, match="not a vocabulary"):
            Vocabulary.load(path)


def test_save_and_load(vocabulary, tmp_path):
    path = tmp_path / "vocabulary.json"
    vocabulary.save(str(path))
    assert Vocabulary.load(path) == vocabulary
    assert os.listdir(tmp_path) == ["vocabulary.json"]


def test_load_of_what_is_no_text(tmp_path):
    (tmp_path / "model").write_bytes(b"\x10\x00{\xff")
    with pytest.raises(ValueError, match="model: expected UTF-8 text, got byte 0xff at offset 3"):
        Vocabulary.load(tmp_path / "model")
    with pytest.raises(FileNotFoundError, match=r"No such file or directory: .*nothing"):
        Vocabulary.load(tmp_path / "nothing")


@given(st.lists(st.lists(st.sampled_from([*WORDS, "dog", ""]))))
def test_many_lists_are_encoded_as_each(sequences):
    vocabulary = Vocabulary.from_tokens(WORDS)
    found = encode_each(vocabulary, sequences)
    assert [ids.tolist() for ids in found] == [vocabulary.encode(s).tolist() for s in sequences]
    assert all(ids.dtype == np.int64 for ids in found)


def test_one_of_many_names_the_culprit():
    vocabulary = Vocabulary.from_tokens(WORDS, unk=None)
    with pytest.raises(ValueError, match="got 'dog' at 1"):
        encode_each(vocabulary, [["cat"], ["the", "dog"]])
