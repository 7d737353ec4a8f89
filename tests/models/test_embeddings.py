"""``fit(embeddings=...)``: vectors of words from files, mappings and arrays."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf

X = [["The", "owl", "hunts"], ["the", "mice", "Sleep"], ["NASA", "hunts"], ["owl", "Sleep"]]
TAGS = [["D", "N", "V"], ["D", "N", "V"], ["N", "V"], ["N", "V"]]
ROWS = {
    "the": [1.0, 2.0, -3.0],
    "owl": [0.5, 0.25, 0.125],
    "nasa": [7.0, 8.0, 9.0],
    "NASA": [-1.0, -2.0, -4.0],
    "sleep": [0.0, 0.5, 1e-3],
    "elsewhere": [4.0, 4.0, 4.0],
}
# By hand: what each token of X begins with; None: as without.
EXPECTED = {
    "The": ROWS["the"], "the": ROWS["the"], "owl": ROWS["owl"], "NASA": ROWS["NASA"],
    "Sleep": ROWS["sleep"], "mice": None, "hunts": None,
}  # fmt: skip
GLOVE = "".join(f"{word} {' '.join(map(str, row))}\n" for word, row in ROWS.items())
# So small a rate that weights stay as they were.
STAY: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 1e-30, "epochs": 1, "verbose": 0}


class KeyedVectors:  # has no more of a mapping
    """What gensim's vectors can do."""

    def __init__(self) -> None:
        self.key_to_index = {word: number for number, word in enumerate(ROWS)}

    def __contains__(self, word: str) -> bool:
        return word in ROWS

    def __getitem__(self, word: str) -> np.ndarray:
        return np.array(ROWS[word], np.float32)


def tagger(**options: Any) -> rf.SequenceTagger:
    given = {"hidden_size": 4, "embedding_size": 3, "seed": 0, "dtype": "float64", **STAY}
    return rf.SequenceTagger(validation_fraction=0, **{**given, **options})


def table(model: Any, layer: str = "embedding") -> np.ndarray:
    found: np.ndarray = model.network_.modules[layer].parameters()["weight"].data
    return found


def check_rows(model: rf.SequenceTagger, plain: rf.SequenceTagger) -> None:
    vocabulary = model.inputs_.vocabulary
    for token, row in EXPECTED.items():
        number = vocabulary.encode([token])[0]
        expected = table(plain)[number] if row is None else row
        np.testing.assert_allclose(table(model)[number], expected, rtol=1e-12, atol=1e-25)


def sources(folder: Path) -> dict[str, Any]:
    files = {
        "glove.txt": GLOVE.encode(),
        "word2vec.txt": f"{len(ROWS)} 3\n{GLOVE}".encode(),
        "glove.txt.gz": gzip.compress(GLOVE.encode()),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return {
        **{name: folder / name for name in files},
        "str": str(folder / "glove.txt"),
        "mapping": {word: np.array(row) for word, row in ROWS.items()},
        "lists": ROWS,
        "pair": (list(ROWS), np.array([*ROWS.values()], np.float64)),
        "gensim": KeyedVectors(),
    }


@pytest.mark.parametrize(
    "kind",
    ["glove.txt", "word2vec.txt", "glove.txt.gz", "str", "mapping", "lists", "pair", "gensim"],
)
@pytest.mark.parametrize("options", [{}, {"char_encoder": True, "shape_features": True}], ids=str)
def test_rows_by_hand(kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    source = sources(tmp_path)[kind]
    plain = tagger(**options).fit(X, TAGS)
    model = tagger(**options).fit(X, TAGS, embeddings=source)
    if kind == "gensim":
        vocabulary = model.inputs_.vocabulary
        np.testing.assert_array_equal(table(model)[vocabulary.encode(["NASA"])[0]], ROWS["NASA"])
    else:
        check_rows(model, plain)
    unknown = model.inputs_.vocabulary.unk_id
    np.testing.assert_array_equal(abs(table(model)[unknown]) < 1e-20, True)


def test_how_many_were_found_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(GLOVE + "owl 9 9 9\nelsewhere 1 1 1\n")
    tagger().fit(X, TAGS, embeddings=path, verbose=2)
    told = capsys.readouterr().err
    assert (
        "embeddings: 5 of 7 tokens have a vector, 2 of them in lower case; 2 begin without; "
        in told
    )
    assert f"1 word came twice and the first counts, as 'owl' in {path}, line 7\n" in told
    tagger().fit(X, TAGS, embeddings=(["owl", "owl"], np.eye(3)[:2]), verbose=2)
    told = capsys.readouterr().err
    assert "embeddings: 1 of 7 tokens have a vector; 6 begin without; 1 word came twice" in told


def test_frozen_or_tuned(tmp_path: Path) -> None:
    fast = {"learning_rate": 0.1, "optimizer": "adam", "epochs": 3}
    frozen = tagger(**fast).fit(X, TAGS, embeddings=ROWS, freeze="embedding")
    check_rows(frozen, tagger(**fast).fit(X, TAGS, freeze="embedding"))
    tuned = tagger(**fast).fit(X, TAGS, embeddings=ROWS)
    number = tuned.inputs_.vocabulary.encode(["owl"])[0]
    assert abs(table(tuned)[number] - ROWS["owl"]).max() > 0.01


def test_files_need_no_others(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(GLOVE)
    model = tagger().fit(X, TAGS, embeddings=path)
    model.save(tmp_path / "model.safetensors")
    path.unlink()
    loaded = rf.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(table(loaded), table(model))
    assert loaded.predict(X) == model.predict(X)


def test_a_checkpoint_has_them(tmp_path: Path) -> None:
    fast = {"learning_rate": 0.1, "optimizer": "adam", "epochs": 4, "batch_size": 2}
    path = tmp_path / "checkpoint"
    whole = tagger(**fast).fit(X, TAGS, embeddings=ROWS)
    stopped = tagger(**fast)
    stopped.fit(X, TAGS, embeddings=ROWS, checkpoint=path, callbacks=[lambda p: p.step == 3])
    resumed = tagger(**fast).fit(X, TAGS, checkpoint=path, resume=True)
    np.testing.assert_array_equal(table(resumed), table(whole))


def test_warm_starts_take_those_of_new_tokens() -> None:
    model = tagger(warm_start=True).fit(X, TAGS)
    before = table(model)[model.inputs_.vocabulary.encode(["owl"])[0]].copy()
    model.fit([["elsewhere", "owl"]] * 2, [["N", "V"]] * 2, embeddings=ROWS)
    places = model.inputs_.vocabulary.encode(["owl", "elsewhere"])
    np.testing.assert_allclose(table(model)[places], [before, [4.0] * 3], atol=1e-25)


@pytest.mark.parametrize("tie_weights", [False, True])
def test_language_models(tie_weights: bool) -> None:
    lm = rf.LanguageModel(
        level="word",
        hidden_size=3,
        embedding_size=3,
        tie_weights=tie_weights,
        seed=0,
        batch_size=2,
        sequence_length=10,
        **STAY,
    )
    lm.fit("the owl hunts the mice " * 30, embeddings=ROWS)
    place = lm.vocabulary_.encode(["owl"])[0]
    np.testing.assert_allclose(table(lm)[place], ROWS["owl"])
    if tie_weights:
        np.testing.assert_allclose(
            lm.network_.output.parameters()["weight"].data[place], ROWS["owl"]
        )
    assert not table(lm)[lm.network_.start].any()


def test_classifiers_regressors_and_sequence_to_sequence() -> None:
    options = {"hidden_size": 4, "embedding_size": 3, **STAY}
    model = rf.SequenceClassifier(**options).fit(X, [0, 1, 0, 1], embeddings=ROWS)
    place = model.inputs_.vocabulary.encode(["owl"])[0]
    np.testing.assert_allclose(table(model)[place], ROWS["owl"])
    rf.SequenceRegressor(**options).fit(X, [0.0, 1, 0, 1], embeddings=ROWS)
    pairs = rf.Seq2Seq(**options).fit(X, X, embeddings=ROWS)
    place = pairs.inputs_.vocabulary.encode(["owl"])[0]
    np.testing.assert_allclose(table(pairs, "encoder_embedding")[place], ROWS["owl"])
    place = pairs.targets_.vocabulary.encode(["owl"])[0]
    assert abs(table(pairs, "decoder_embedding")[place] - ROWS["owl"]).max() > 1e-3
    pairs.fit(X, X, embeddings={"decoder_embedding": ROWS})
    np.testing.assert_allclose(table(pairs, "decoder_embedding")[place], ROWS["owl"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("owl 1 2\n", "^embedding_size: expected 2, as many numbers as .*, got 3$"),
        ("owl 1 2 3\nhunts 1 2\n", "line 2: expected a word and 3 numbers"),
        ("owl 1 2 3\nhunts 1 nan 2\n", "line 2: expected finite numbers, got 'nan'$"),
        ("owl 1 x 3\n", "line 1: expected finite numbers, got 'x'$"),
        ("a text of words\n", "line 1: expected finite numbers, got 'text'$"),
        ("", "^embeddings: expected vectors of tokens of the training, got none of them$"),
        ("bat 1 2 3\n", "^embeddings: expected vectors of tokens of the training, got none"),
        (b"2 3\nowl \x9a\x99\x99>\xcd\xccL\xbf\n", "line 2: .* word2vec's .bin, has to be"),
        (b"2 3\nowl \x00\x00\x80?\x00\x00\x00\x00\n", "got word2vec's binary form, which has to"),
    ],
)  # fmt: skip
def test_damaged_files_are_named(content: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=message) as caught:
        tagger().fit(X, TAGS, embeddings=path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (3, TypeError, "^embeddings: expected a path, a mapping of words to vectors, or"),
        ([1, 2, 3], TypeError, "^embeddings: expected a path, a mapping"),
        ({"owl": [1, np.nan, 2]}, ValueError, r"^embeddings\['owl'\]: expected finite numbers"),
        ({"owl": [1e300] * 3, "the": [1, 2]}, ValueError, "^embeddings: expected as many numbers"),
        ({"owl": "abc"}, ValueError, r"^embeddings\['owl'\]: expected one axis of real"),
        ({"owl": [[1, 2, 3]]}, ValueError, r"^embeddings\['owl'\]: expected one axis of real"),
        ({}, ValueError, "^embeddings: expected vectors of tokens of the training, got none"),
        ((["owl"], np.eye(3)), ValueError, r"^embeddings\[1\]: expected shape \(1, D\), got"),
        (([1], np.eye(3)[:1]), TypeError, r"^embeddings\[0\]\[0\]: expected a str, got int$"),
        ({"owl": [1.0, 2.0]}, ValueError, "^embedding_size: expected 2, .*, got 3$"),
        ("no such file", FileNotFoundError, "no such file"),
    ],
)  # fmt: skip
def test_bad_input(given: Any, error: type[Exception], message: str) -> None:
    model = tagger()
    with pytest.raises(error, match=message):
        model.fit(X, TAGS, embeddings=given)
    assert not hasattr(model, "network_")


def test_models_without_words_or_embeddings() -> None:
    series = np.zeros((4, 3, 2)) + np.arange(4)[:, None, None]
    with pytest.raises(ValueError, match=r"^embeddings: expected None where X has no wor"):
        rf.SequenceClassifier(**STAY).fit(series, [0, 1, 0, 1], embeddings=ROWS)
    with pytest.raises(ValueError, match=r"^embeddings: expected a model with an embedding"):
        tagger(embedding_size=None).fit(X, TAGS, embeddings=ROWS)
    with pytest.raises(ValueError, match=r"^embeddings\['owl'\]: expected finite numbers, got inf"):
        tagger(dtype="float32").fit(X, TAGS, embeddings={"owl": [1e300, 0, 0]})
