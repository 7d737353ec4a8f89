"""Models in C: texts, labels and samples are those of Python."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from c_library import (
    BAD_FILE,
    INVALID_ARGUMENT,
    NOT_FINITE,
    UNSUPPORTED,
    WRONG_TYPE,
    CError,
    CModel,
    pointer,
    size,
)
from rnnfast.models.parts.fitting.warm_start import FREE

TEXT = "The cat sat on the mat. It didn't cost $3.50, U.S. money -- or so; ça va?\n" * 30
RNG = np.random.default_rng(0)
SERIES = [RNG.normal(3, 2, size=(n, 3)).astype("f4") for n in (5, 9, 4, 7)] * 5
QUICK: dict[str, Any] = {"hidden_size": 8, "epochs": 1, "seed": 0, "verbose": 0}


def with_rules(scheme: str, labels: list[str]) -> Any:
    """Return a tagger that has learned these labels, by turns, and that sequences end with O."""
    tags = [[*itertools.islice(itertools.cycle(labels), len(x) - 1), "O"] for x in SERIES]
    return rf.SequenceTagger(crf=True, scheme=scheme, **QUICK).fit(SERIES, tags)


@functools.cache
def fitted(name: str) -> Any:
    ascii_text = TEXT.replace("ç", "c")
    words = [line.split() for line in ascii_text.splitlines()]
    tags = [["X" if len(word) > 3 else "Y" for word in one] for one in words]
    makers: dict[str, Any] = {
        "characters": lambda: rf.LanguageModel(**QUICK).fit(TEXT),
        "embedded": lambda: rf.LanguageModel(
            cell="gru", embedding_size=6, dtype="float64", **QUICK
        ).fit(TEXT),
        "tied": lambda: rf.LanguageModel(embedding_size=8, tie_weights=True, **QUICK).fit(TEXT),
        "words": lambda: rf.LanguageModel(
            level="word", batch_size=4, sequence_length=20, **QUICK
        ).fit(ascii_text),
        "lines": lambda: rf.LanguageModel(level="word", lines=True, min_count=2, **QUICK).fit(
            ascii_text.splitlines()
        ),
        "classes": lambda: rf.SequenceClassifier(**QUICK).fit(SERIES, ["up", "down"] * 10),
        "last": lambda: rf.SequenceClassifier(
            pooling="last", bidirectional=True, **QUICK
        ).fit(SERIES, [3, 4] * 10),
        "texts": lambda: rf.SequenceClassifier(**QUICK).fit(
            ["good film", "bad, bad"] * 5, [1, 2] * 5
        ),
        "tags": lambda: rf.SequenceTagger(**QUICK).fit(words, tags),
        "crf": lambda: rf.SequenceTagger(crf=True, dtype="float64", **QUICK).fit(
            SERIES, [["A", "B"] * 4 + ["A"] * (len(x) - 8) if len(x) > 8 else ["A"] * len(x)
                     for x in SERIES]
        ),
        "bio": lambda: with_rules("bio", ["B-A", "I-A", "O", "B-C", "I-C", "O"]),
        "iobes": lambda: with_rules("iobes", ["B-A", "E-A", *["S-A", "O"] * 3]),
        "auto": lambda: with_rules("auto", ["U-A", "O"]),
        "ctc": lambda: rf.CTCRecognizer(**QUICK).fit(SERIES, ["ab", "ba", "a", "b"] * 5),
    }  # fmt: skip
    return makers[name]()


def both(name: str, tmp_path: Path) -> tuple[Any, CModel]:
    model = fitted(name)
    model.save(tmp_path / "m.safetensors")
    return model, CModel(tmp_path / "m.safetensors")


@pytest.mark.parametrize("name", ["characters", "embedded", "words", "lines", "tied"])
def test_scores_of_texts_are_those_of_evaluate(name: str, tmp_path: Path) -> None:
    model, in_c = both(name, tmp_path)
    texts = ["The mat", "a sat cat", TEXT[:900] if name in ("characters", "embedded") else "It"]
    for text in texts:
        expected = model.evaluate([text] if name == "lines" else text)
        assert in_c.score(text) == (expected.log_prob, expected.num_tokens)
        np.testing.assert_array_equal(in_c.encode(text), model._encode("text", text)[1])
    assert in_c.score("")[0] == model.log_prob("")


@pytest.mark.parametrize("name", ["characters", "embedded", "words", "lines", "tied"])
def test_the_same_seed_writes_the_same_text(name: str, tmp_path: Path) -> None:
    model, in_c = both(name, tmp_path)
    for options in ({"seed": 1}, {"seed": 2, "temperature": 0.5, "top_k": 3},
                    {"seed": 3, "top_p": 0.8}, {"temperature": 0.0, "seed": 0}):  # fmt: skip
        for prefix in ("", "The cat"):
            expected = model.sample(prefix=prefix, max_length=40, **options)
            assert in_c.sample(prefix, max_length=40, **options) == expected


def test_words_are_split_as_in_python(tmp_path: Path) -> None:
    model, in_c = both("words", tmp_path)
    pieces = [
        *[
            "don't",
            "-3.5",
            "10:30",
            "...",
            "--",
            "U.S.",
            "e.g.",
            "a_b",
            "2nd",
            "x-",
            "'",
            "\t",
            "_",
        ],
        *["\n", "\x1c", "1,000.", "mother-in-law", "$", "%", "3.", "-", "a.b.c", "x.5"],
    ]
    for _ in range(300):
        text = "".join(
            piece + " " * int(RNG.integers(0, 2)) for piece in RNG.choice(pieces, size=6)
        )
        np.testing.assert_array_equal(
            in_c.encode(text), model.vocabulary_.encode(model.tokenizer_.tokenize(text))
        )


@pytest.mark.parametrize("name", ["classes", "last", "crf", "bio", "iobes", "auto", "ctc"])
def test_labels_of_series_are_those_of_predict(name: str, tmp_path: Path) -> None:
    model, in_c = both(name, tmp_path)
    for x in SERIES[:4]:
        (expected,) = model.predict([x])
        wide = x.astype("f8")
        found = in_c.predict(wide)
        assert found == [str(label) for label in ([expected] if np.ndim(expected) == 0 and
                                                  name != "ctc" else expected)]  # fmt: skip
        if name == "ctc":
            continue
        (shares,) = model.predict_proba([x])
        np.testing.assert_array_equal(in_c.probabilities(wide), np.ravel(shares))


def test_labels_of_words_and_texts(tmp_path: Path) -> None:
    model, in_c = both("tags", tmp_path)
    words = ["The", "mat", "costs", "U.S.", "money"]
    assert in_c.predict(" ".join(words)) == model.predict([words])[0]
    ids = model._reader.encode("X", [words])[0].astype("i8")
    np.testing.assert_array_equal(in_c.probabilities(ids), model.predict_proba([words])[0].ravel())
    model, in_c = both("texts", tmp_path)
    for text in ("good", "bad bad film", "unseen"):
        assert in_c.predict(text) == [str(model.predict([text])[0])]


def test_a_stream_of_a_language_model_gives_its_scores(tmp_path: Path) -> None:
    model, in_c = both("characters", tmp_path)
    ids = [model.network_.start, *model.vocabulary_.encode(list("The c"))]
    stream = in_c.stream()
    scores = [stream.step(np.array([i], "i8"))[0] for i in ids]
    network = model.network_
    h, _ = network.recurrent(np.array(ids)[:, np.newaxis])
    np.testing.assert_array_equal(np.stack(scores), network.output(h)[:, 0])


def test_a_stream_of_series_standardises_them(tmp_path: Path) -> None:
    model = rf.SequenceTagger(bidirectional=False, **QUICK).fit(
        SERIES, [["A"] + ["B"] * (len(x) - 1) for x in SERIES]
    )
    model.save(tmp_path / "m.safetensors")
    in_c = CModel(tmp_path / "m.safetensors")
    x = SERIES[0]
    read = model._reader.encode("X", [x])[0][:, np.newaxis]
    expected = model.network_.scores(read, np.array([len(x)]))
    np.testing.assert_array_equal(in_c.forward(x[:, np.newaxis]), expected)
    np.testing.assert_array_equal(in_c.stream().run(x[:, np.newaxis]), expected)


def test_a_stream_of_series_too_large_when_standardised_stays_as_it_was(tmp_path: Path) -> None:
    series = [x * np.float32(1e-3) for x in SERIES]
    tags = [["A"] + ["B"] * (len(x) - 1) for x in series]
    model = rf.SequenceTagger(bidirectional=False, **QUICK).fit(series, tags)
    model.save(tmp_path / "m.safetensors")
    stream = CModel(tmp_path / "m.safetensors").stream()
    stream.run(series[0][:, np.newaxis])
    before = stream.state()
    large = series[0][:3, np.newaxis].copy()
    large[1] = 3e38
    for call in (lambda: stream.run(large), lambda: stream.step(large[1])):
        with pytest.raises(CError, match="NaN or infinite") as caught:
            call()
        assert caught.value.status == NOT_FINITE
        np.testing.assert_array_equal(stream.state(), before)


@pytest.mark.parametrize("name", ["characters", "words", "lines"])
def test_texts_that_python_does_not_score(name: str, tmp_path: Path) -> None:
    model, in_c = both(name, tmp_path)
    unknown = "\u2603\u2603" if name == "characters" else "zebra zebra"
    with pytest.raises(ValueError, match="expected tokens of the model's vocabulary, got none"):
        model.log_prob(unknown)
    with pytest.raises(CError, match="text: expected tokens of the model's voc") as caught:
        in_c.score(unknown)
    assert caught.value.status == INVALID_ARGUMENT
    ids = np.full(2, model.vocabulary_.unk_id)
    value = np.zeros(2)
    call = in_c.lib.rnnfast_score_ids
    for count in (2, 2**61, 2**62, 2**63 - 1):
        status = call(in_c.made, size(count), pointer(ids), pointer(value), pointer(value[1:]))
        assert status == INVALID_ARGUMENT and not value.any()


def test_questions_that_a_model_has_no_answer_to(tmp_path: Path) -> None:
    _, characters = both("characters", tmp_path)
    _, words = both("words", tmp_path)
    _, classes = both("classes", tmp_path)
    _, ctc = both("ctc", tmp_path)
    x = np.zeros((4, 3))
    for call, status, line in (
        (
            lambda: classes.score("a"),
            UNSUPPORTED,
            "of tokens, got a classifier without",
        ),
        (lambda: characters.predict("a"), UNSUPPORTED, "classifier, .*got a language model$"),
        (lambda: ctc.probabilities(x), UNSUPPORTED, "expected a classifier or tagger"),
        (lambda: classes.predict(np.zeros(3, "i8")), WRONG_TYPE, "ids: expected numbers"),
        (lambda: words.score("ça"), UNSUPPORTED, "text: expected ASCII with words"),
        (lambda: characters.sample("\u2603" * 3), INVALID_ARGUMENT, "prefix: expected tokens"),
        (lambda: characters.sample(top_p=0.0), INVALID_ARGUMENT, r"expected top_p in .*, got 0$"),
        (lambda: characters.sample(max_length=0), INVALID_ARGUMENT, "max_length of 1 .* got 0$"),
        (
            lambda: characters.sample(temperature=np.nan),
            INVALID_ARGUMENT,
            "temperature .* nan$",
        ),
    ):
        with pytest.raises(CError, match=line) as caught:
            call()
        assert caught.value.status == status
        assert "\n" not in str(caught.value)
    assert characters.lib.rnnfast_score_text(characters.made, b"\xff", None, None) != 0
    assert b"NULL" in characters.lib.rnnfast_last_error()


def test_models_that_are_not_here_are_refused_by_name(tmp_path: Path) -> None:
    for model, line in (
        (rf.LanguageModel(output="adaptive", **QUICK).fit(TEXT), "adaptive"),
        (rf.SequenceRegressor(**QUICK).fit(SERIES, [1.0, 2.0] * 10), "got 'SequenceRegressor'"),
    ):  # fmt: skip
        model.save(tmp_path / "m.safetensors")
        with pytest.raises(CError, match=line) as caught:
            CModel(tmp_path / "m.safetensors")
        assert caught.value.status == UNSUPPORTED
    rf.save(tmp_path / "m.safetensors", [rf.GRU(2, 3), rf.GRU(3, 4)])
    with pytest.raises(CError, match="structure: expected one layer or a chain"):
        CModel(tmp_path / "m.safetensors")
    with pytest.raises(CError, match="expected a safetensors file, got 3 bytes") as caught:
        CModel(b"abc")
    assert caught.value.status == BAD_FILE


# Hyperparameters that the C library reads, and those of what was learned, which a file describes by
# itself: that is read, or refused.
READ = {
    "bidirectional", "cell", "cell_options", "crf", "dtype", "embedding_size", "feed_labels",
    "hidden_size", "lines", "num_layers", "pooling", "scheme", "tie_weights",
}  # fmt: skip
LEARNED = {
    "char_embedding_size", "char_encoder", "char_hidden_size", "condition_size", "cutoffs",
    "level", "lowercase", "output", "shape_features", "standardize", "tokenizer",
    "tokenizer_options", "label_embedding_size",
}  # fmt: skip


@pytest.mark.parametrize(
    "kind", [rf.LanguageModel, rf.SequenceClassifier, rf.SequenceTagger, rf.CTCRecognizer]
)
def test_no_hyperparameter_is_overlooked(kind: Any) -> None:
    # A new one: if it changes what a model answers, cpp/library/model.cpp has to read or refuse it.
    assert set(kind().get_params()) <= READ | LEARNED | FREE
