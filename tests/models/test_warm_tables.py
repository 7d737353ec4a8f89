"""Tables of a model that goes on: rows are added, the old ones keep their bits; or refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from warm_cases import CASES, MORE, MORE_TAGS, MORE_WORDS, TAGS, TEXTS, WORDS, arrays_of, sounds


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


def grown(name: str, **options: Any) -> tuple[Any, dict[str, Any], Any, dict[str, Any]]:
    """Return a model and its weights, and the same after it has met more data."""
    case = CASES[name]
    before, after = case.fitted(**options), case.fitted(**options)
    after.fit(*case.more, warm_start=True, epochs=0)
    return before, arrays_of(before), after, arrays_of(after)


def rows(array: Any, of: Sequence[Any], keys: Sequence[Any], axis: int = 0) -> Any:
    """Return the part of an array that belongs to some keys of all along an axis."""
    return np.take(array, [[*of].index(key) for key in keys], axis)


def test_words_are_added_after_the_old_ones() -> None:
    before, old, after, new = grown("classifier")
    tokens, more = before.inputs_.vocabulary.tokens, after.inputs_.vocabulary.tokens
    assert more[: len(tokens)] == tokens
    # Those of the part that is learned from, the most frequent first.
    assert set(more[len(tokens) :]) <= {"new", "odd", "plot"} and len(more) > len(tokens)
    np.testing.assert_array_equal(new["embedding.weight"][: len(tokens)], old["embedding.weight"])
    assert new["embedding.weight"].shape == (len(more), 64)
    np.testing.assert_array_equal(
        after.inputs_.vocabulary.counts[: len(tokens)], before.inputs_.vocabulary.counts
    )
    for name in ("recurrent.weight_ih_l0", "recurrent.weight_hh_l0", "recurrent.bias_hh_l0"):
        np.testing.assert_array_equal(new[name], old[name])


def test_what_is_new_begins_as_in_a_new_layer() -> None:
    _, _, after, new = grown("regressor")
    size = len(after.inputs_.vocabulary)
    drawn = rf.Embedding(size, 64, seed=np.random.default_rng(3))  # the first that is drawn
    scaled = after.embedding_scale * drawn.state_dict()["weight"]
    known = len(CASES["regressor"].fitted().inputs_.vocabulary)
    assert size > known
    np.testing.assert_allclose(new["embedding.weight"][known:], scaled[known:], rtol=1e-6)


def test_one_hot_words_are_columns() -> None:
    before, old, after, new = grown("classifier one-hot")
    tokens, more = before.inputs_.vocabulary.tokens, after.inputs_.vocabulary.tokens
    assert len(more) > len(tokens)
    for name in ("recurrent.weight_ih_l0", "recurrent.weight_ih_l0_reverse"):
        assert new[name].shape[1] == len(more)
        np.testing.assert_array_equal(new[name][:, : len(tokens)], old[name])
    assert before.classes_.tolist() == [1, 3] and after.classes_.tolist() == [1, 2, 3]
    for name in ("output.weight", "output.bias"):
        np.testing.assert_array_equal(new[name][[0, 2]], old[name])


def test_ids_are_numbers_up_to_the_largest() -> None:
    before, old, after, new = grown("classifier of ids")
    assert (len(before.inputs_.vocabulary), len(after.inputs_.vocabulary)) == (3, 5)
    np.testing.assert_array_equal(new["embedding.weight"][:3], old["embedding.weight"])


def test_classes_stay_sorted_and_keep_their_rows() -> None:
    before, old, after, new = grown("classifier")
    assert before.classes_.tolist() == ["m", "z"]
    assert after.classes_.tolist() == ["a", "m", "z"]
    np.testing.assert_array_equal(new["output.weight"][1:], old["output.weight"])
    np.testing.assert_array_equal(new["output.bias"][1:], old["output.bias"])
    # So the old classes compare as they did, on what was known before.
    ratio = [p[:, -2] / p[:, -1] for p in (m.predict_proba(TEXTS) for m in (before, after))]
    np.testing.assert_allclose(ratio[1], ratio[0], rtol=1e-5)


def test_one_class_alone_may_follow() -> None:
    model = CASES["classifier"].fitted()
    model.fit(["good"] * 4, ["m"] * 4, warm_start=True)
    assert model.classes_.tolist() == ["m", "z"]


def test_a_crf_has_new_transitions_beside_the_old() -> None:
    before, old, after, new = grown("tagger crf")
    classes, more = before.classes_.tolist(), after.classes_.tolist()
    assert (classes, more) == (["B-x", "O"], ["B-a", "B-x", "O"])
    for name in ("crf.start", "crf.end", "output.weight", "output.bias"):
        np.testing.assert_array_equal(new[name][1:], old[name])
    np.testing.assert_array_equal(new["crf.transitions"][1:, 1:], old["crf.transitions"])
    letters, all_letters = (m.words_.characters.tokens for m in (before, after))
    assert all_letters[: len(letters)] == letters and len(all_letters) > len(letters)
    np.testing.assert_array_equal(
        new["char_embedding.weight"][: len(letters)], old["char_embedding.weight"]
    )
    np.testing.assert_array_equal(new["char_embedding.weight"][0], 0)  # padding


def test_labels_that_are_fed_back() -> None:
    before, old, after, new = grown("tagger fed")
    assert after.classes_.tolist() == ["B-a", "B-x", "O"]
    # The last row stands for no label.
    np.testing.assert_array_equal(new["label_embedding.weight"][1:], old["label_embedding.weight"])
    np.testing.assert_array_equal(new["label_embedding.weight"][-1], 0)
    assert before.predict([["good", "film"]])[0] != []
    after.fit(MORE_WORDS, MORE_TAGS, warm_start=True)


def test_the_alphabet_of_ctc_keeps_its_blank_last() -> None:
    before, old, after, new = grown("recognizer")
    assert (before.symbols_, after.symbols_) == (("b", "d"), ("a", "b", "c", "d"))
    for name in ("output.weight", "output.bias"):
        np.testing.assert_array_equal(new[name][[1, 3, 4]], old[name])  # b, d, blank


def test_both_vocabularies_of_seq2seq() -> None:
    before, old, after, new = grown("seq2seq")
    source, target = (m.vocabulary for m in (before.inputs_, before.targets_))
    sources, targets = (m.vocabulary for m in (after.inputs_, after.targets_))
    assert sources.tokens[: len(source)] == source.tokens and len(sources) > len(source)
    assert targets.tokens[: len(target)] == target.tokens and len(targets) > len(target)
    np.testing.assert_array_equal(
        new["encoder_embedding.weight"][: len(source)], old["encoder_embedding.weight"]
    )
    decoder = new["decoder_embedding.weight"]
    np.testing.assert_array_equal(decoder[: len(target)], old["decoder_embedding.weight"][:-1])
    np.testing.assert_array_equal(decoder[-1], old["decoder_embedding.weight"][-1])  # no token
    for name in ("output.weight", "output.bias"):
        np.testing.assert_array_equal(new[name][: len(target)], old[name])


def test_both_vocabularies_of_seq2seq_one_hot() -> None:
    before, old, after, new = grown("seq2seq one-hot")
    count, more = len(before.targets_.vocabulary), len(after.targets_.vocabulary)
    assert more > count
    weight = new["decoder_recurrent.weight_ih_l0"]
    assert weight.shape[1] == more + 1
    expected = old["decoder_recurrent.weight_ih_l0"]
    np.testing.assert_array_equal(weight[:, :count], expected[:, :count])
    np.testing.assert_array_equal(weight[:, more], 0)  # the first input is no token


@pytest.mark.parametrize(
    "name", ["language model", "language model tied", "language model embedded"]
)
def test_language_models(name: str) -> None:
    before, old, after, new = grown(name)
    count, more = len(before.vocabulary_), len(after.vocabulary_)
    assert more > count
    assert after.vocabulary_.tokens[:count] == before.vocabulary_.tokens
    if name == "language model":
        weight, table = new["recurrent.weight_ih_l0"].T, old["recurrent.weight_ih_l0"].T
    else:
        weight, table = new["embedding.weight"], old["embedding.weight"]
    assert len(weight) == more + 1
    np.testing.assert_array_equal(weight[:count], table[:count])
    np.testing.assert_array_equal(weight[more], 0)  # x<1> = 0
    if name == "language model tied":
        np.testing.assert_array_equal(new["embedding.bias"][:count], old["embedding.bias"])
    else:
        np.testing.assert_array_equal(new["output.weight"][:count], old["output.weight"])
        np.testing.assert_array_equal(new["output.bias"][:count], old["output.bias"])
    after.fit(*CASES[name].more, warm_start=True)
    assert np.isfinite(after.log_prob("odd plot"))


def test_what_a_model_knew_has_the_same_scores() -> None:
    """Of two tokens that are not new, one is as many times as likely as before."""
    before, _, after, _ = grown("language model")
    count = len(before.vocabulary_)
    old, new = (dict(m.next_tokens("so ", k=count)) for m in (before, after))
    shared = sorted(set(old) & set(new))
    assert len(shared) > 3
    ratios = [[found[t] / found[shared[0]] for t in shared] for found in (old, new)]
    np.testing.assert_allclose(ratios[1], ratios[0], rtol=1e-4)


def test_conditions_of_lines() -> None:
    lines, more = ["ab", "ba", "abab"] * 6, ["ba", "ab"] * 6
    for embedding_size in (None, 3):
        model = rf.LanguageModel(
            lines=True, hidden_size=4, condition_size=2, embedding_size=embedding_size, seed=0
        )
        model.fit(lines, condition=["m", "z", "m"] * 6, epochs=1, verbose=0)
        old = arrays_of(model)
        model.fit(
            more, condition=["a", "z"] * 6, warm_start=True, epochs=0, verbose=0
        )  # fmt: skip
        assert model.condition_.labels == ["a", "m", "z"]
        new = arrays_of(model)
        np.testing.assert_array_equal(new["condition.weight"][1:], old["condition.weight"])
        np.testing.assert_array_equal(new["recurrent.weight_ih_l0"], old["recurrent.weight_ih_l0"])
        with pytest.raises(ValueError, match=r"^condition: expected labels .* got 'q'$"):
            model.fit(more, condition=["q", "z"] * 6, warm_start=True, extend=False, verbose=0)
        with pytest.raises(ValueError, match=r"^condition: expected one of .* got None$"):
            model.fit(more, warm_start=True, verbose=0)
        with pytest.raises(TypeError, match=r"^condition: expected one of .* got ndarray$"):
            model.fit(more, condition=np.ones((12, 2)), warm_start=True, verbose=0)
        # New characters, so that the columns of the condition move.
        model.fit(["xy", "yx"] * 6, condition=["a", "z"] * 6, warm_start=True, epochs=0, verbose=0)
        last = arrays_of(model)["recurrent.weight_ih_l0"]
        np.testing.assert_array_equal(last[:, -2:], new["recurrent.weight_ih_l0"][:, -2:])
    plain = rf.LanguageModel(lines=True, hidden_size=4, seed=0).fit(lines, epochs=1, verbose=0)
    with pytest.raises(ValueError, match=r"^condition: expected None, the model was trained with"):
        plain.fit(more, condition=["a", "z"] * 6, warm_start=True, verbose=0)


def test_limits_of_a_vocabulary_hold() -> None:
    """Rare tokens are unknown as ever, a full vocabulary takes none."""
    model = rf.SequenceClassifier(min_count=3, hidden_size=4, seed=0, verbose=0, epochs=1)
    model.fit(["a b"] * 8, [0, 1] * 4)
    more, y = ["c c d e"] * 4 + ["f a"], [0, 1] * 2 + [0]
    model.fit(more, y, warm_start=True, epochs=0)
    assert model.inputs_.vocabulary.tokens == ("<UNK>", "a", "b", "c", "d", "e")
    model.set_params(max_vocabulary_size=6)
    model.fit(["g g g h h h h"] * 4, y[:4], warm_start=True, epochs=0)
    assert model.inputs_.vocabulary.tokens[-2:] == ("e", "h")
    model.fit(["i"] * 9, [0, 1, 0] * 3, warm_start=True, epochs=0, extend=False)  # it is full
    model.set_params(max_vocabulary_size=9)
    with pytest.raises(ValueError, match=r"^X: expected tokens .* extend=False, got 'i'$"):
        model.fit(["i"] * 9, [0, 1, 0] * 3, warm_start=True, extend=False)


REFUSED = {
    "classifier": r"^y: expected classes that the model knows with extend=False, got 'a'$",
    "regressor": r"^X: expected tokens that the model knows with extend=False, got '\w+', '\w+'",
    "tagger crf": r"^X: expected characters that the model knows with extend=False, got '\w'",
    "tagger": r"^X: expected tokens that the model knows with extend=False, got '\w+'",
    "classifier of ids": r"^X: expected ids that the model knows with extend=False, got '3', '4'$",
    "recognizer": r"^y: expected symbols that the model knows with extend=False, got 'a', 'c'$",
    "seq2seq": r"^X: expected tokens that the model knows with extend=False, got '\w+'",
    "language model": r"^text: expected tokens that the model knows with extend=False, got '\w'",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name: str) -> None:
    case = CASES[name]
    model = case.fitted()
    before = dict(vars(model))
    with pytest.raises(ValueError, match=REFUSED[name]):
        model.fit(*case.more, warm_start=True, extend=False)
    assert vars(model) == before
    model.fit(*case.first, warm_start=True, extend=False)  # all of it is known


def test_other_data_in_one_line() -> None:
    waves = [np.ones((4, 2)) * n for n in range(8)]
    sums = rf.SequenceRegressor(hidden_size=3, epochs=1, verbose=0, seed=0)
    sums.fit(waves, np.arange(8.0))
    steps = rf.StepRegressor(hidden_size=3, epochs=1, verbose=0, seed=0)
    steps.fit(waves, waves)
    series = rf.Forecaster(lags=3, hidden_size=3, epochs=1, verbose=0, seed=0)
    series.fit(np.arange(40.0).reshape(20, 2))
    texts = CASES["classifier"].fitted()
    notes = rf.MultiLabelTagger(hidden_size=3, epochs=1, verbose=0, seed=0)
    notes.fit(waves, [np.ones((4, 3))] * 8)
    narrow, y = [w[:, :1] for w in waves], np.arange(8.0)
    cases: list[tuple[Any, tuple[Any, ...], str]] = [
        (sums, (narrow, y), r"^X\[0\]: expected shape \(T, 2\), got \(4, 1\)$"),
        (sums, (TEXTS[:8], y), r"^X\[0\]: expected an array \(T, 2\) as in training, got text$"),
        (sums, (waves, np.ones((8, 2))), r"^y: expected shape \(N,\), got \(8, 2\)$"),
        (steps, (waves, narrow), r"^y\[0\]: expected shape \(T, 2\), got \(4, 1\)$"),
        (series, (np.arange(20.0),), r"^X: expected shape \(T, 2\) as in fit, got \(20,\)$"),
        (texts, (waves, ["m", "z"] * 4), r"^X: expected text or tokens as in training, got array"),
        (texts, (TEXTS[:8], [0, 1] * 4), r"^y: expected labels of type str as in training, got 0$"),
        (notes, (waves, [np.ones((4, 2))] * 8), r"^y\[0\]: expected shape \(T, 3\), got \(4, 2\)$"),
    ]
    for model, data, message in cases:
        before = dict(vars(model))
        with pytest.raises((TypeError, ValueError), match=message):
            model.fit(*data, warm_start=True)
        assert vars(model) == before


def test_scaling_is_kept() -> None:
    waves = [np.linspace(0, n, 5)[:, np.newaxis] for n in range(1, 13)]
    model = rf.SequenceRegressor(hidden_size=3, epochs=1, verbose=0, seed=0)
    model.fit(waves, np.arange(12.0))
    mean, scale = model.inputs_.mean.copy(), model.inputs_.scale.copy()
    target = model.target_mean_.copy(), model.target_scale_.copy()
    model.fit([100 + 7 * w for w in waves], 50 + np.arange(12.0), warm_start=True)
    np.testing.assert_array_equal(model.inputs_.mean, mean)
    np.testing.assert_array_equal(model.inputs_.scale, scale)
    np.testing.assert_array_equal(model.target_mean_, target[0])
    np.testing.assert_array_equal(model.target_scale_, target[1])


def test_a_forecaster_foretells_from_the_new_end() -> None:
    case = CASES["forecaster"]
    model = case.fitted()
    expected = model.predict(4, after=case.more[0])
    model.fit(*case.more, warm_start=True, epochs=0)
    np.testing.assert_array_equal(model.predict(4), expected)


def test_names_of_columns_are_compared() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    rng = np.random.default_rng(0)
    table = pandas.DataFrame(rng.normal(size=(12, 3)), columns=["a", "b", "c"])
    model = rf.SequenceClassifier(hidden_size=3, epochs=1, verbose=0, seed=0)
    model.fit(table, [0, 1] * 6).fit(table, [0, 1] * 6, warm_start=True)
    assert model.n_features_in_ == 3 and model.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match=r"^X: expected the columns of fit in their order"):
        model.fit(table[["b", "a", "c"]], [0, 1] * 6, warm_start=True)
    with pytest.raises(ValueError, match=r"^X: expected 3 columns as in fit"):
        model.fit(table[["a", "b"]], [0, 1] * 6, warm_start=True)
    series = rf.Forecaster(lags=3, hidden_size=3, epochs=1, verbose=0, seed=0).fit(table)
    with pytest.raises(ValueError, match=r"^X: expected the columns of fit in their order"):
        series.fit(table[["b", "a", "c"]], warm_start=True)


def test_new_words_are_learned() -> None:
    """More than a form: what only the new words tell is told afterwards, and the old still is."""
    old, new = ["red", "green"] * 10, ["rot", "gruen"] * 10
    colours = ["r", "g"] * 10
    model = rf.SequenceClassifier(
        hidden_size=8, epochs=30, verbose=0, seed=0, learning_rate=0.02, validation_fraction=0
    )
    model.fit(old, colours)
    assert model.score(old, colours) == 1.0
    model.fit([*old, *new, *["bleu"] * 10], [*colours, *colours, *["b"] * 10], warm_start=True)
    assert model.score([*old, *new, "bleu"], [*colours, *colours, "b"]) == 1.0


def test_samples_count_as_their_weights() -> None:
    case = CASES["classifier"]
    twice = case.fitted(validation_fraction=0.0)
    weighed = case.fitted(validation_fraction=0.0)
    options: dict[str, Any] = {
        "optimizer": "sgd", "schedule": "constant", "batch_size": 100, "clip_norm": None
    }  # fmt: skip
    X, y = case.more
    twice.set_params(**options).fit([*X, *X], [*y, *y], warm_start=True)
    weighed.set_params(**options).fit(X, y, sample_weight=[2.0] * len(X), warm_start=True)
    np.testing.assert_allclose(twice.predict_proba(TEXTS), weighed.predict_proba(TEXTS), rtol=1e-4)


def test_sizes_that_are_odd() -> None:
    """One example, one step, and an empty sequence among others."""
    model = rf.SequenceTagger(hidden_size=3, epochs=1, verbose=0, seed=0, validation_fraction=0)
    model.fit(WORDS, TAGS).fit([["new"], []], [["B-a"], []], warm_start=True)
    assert model.classes_.tolist() == ["B-a", "B-x", "O"]
    assert len(model.predict([["new"]])[0]) == 1
    ctc = CASES["recognizer"].fitted(validation_fraction=0.0)
    ctc.fit(sounds(["c"]), ["c"], warm_start=True)
    assert ctc.symbols_ == ("b", "c", "d")


def test_tokenizers_with_a_vocabulary_of_their_own() -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    tokens = ["[UNK]", "good", "bad", "film", "odd"]
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({t: n for n, t in enumerate(tokens)}, unk_token="[UNK]")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    model = rf.SequenceClassifier(tokenizer=made, hidden_size=3, epochs=1, verbose=0, seed=0)
    model.fit(["good film", "bad film"] * 6, [0, 1] * 6)
    before = model.inputs_.vocabulary
    model.fit(["odd film", MORE[0]] * 6, [0, 1] * 6, warm_start=True, extend=False)
    assert model.inputs_.vocabulary == before
    with pytest.raises(ValueError, match=r"^X: expected tokens of the tokenizer, got 'strange'$"):
        model.fit([["strange"], ["good"]] * 6, [0, 1] * 6, warm_start=True)
