"""Symbols from long sequences: gradients, learning, files and wrong arguments."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from gradcheck import assert_gradients
from rnnfast.io.tensors import collect_arrays, spread_arrays
from rnnfast.metrics import edit_distance, error_rate


def strokes(rng: np.random.Generator, text: str) -> Any:
    """Each letter in 2 to 4 noisy steps, with a gap after it."""
    rows = [np.zeros((0, 4))]
    for letter in text:
        row = np.eye(4)["abc".index(letter)]
        rows += [np.tile(row, (rng.integers(2, 5), 1)), np.zeros((1, 4))]
    x = np.concatenate(rows)
    return x + rng.normal(scale=0.1, size=x.shape)


def examples(count: int = 100) -> tuple[list[Any], list[str]]:
    rng = np.random.default_rng(0)
    y = ["".join(rng.choice(list("abc"), size=rng.integers(0, 5))) for _ in range(count)]
    return [strokes(rng, text) for text in y], y


X, Y = examples()


def small(**options: Any) -> rf.CTCRecognizer:
    settings = {"hidden_size": 6, "epochs": 2, "batch_size": 16, "seed": 1, "verbose": 0}
    return rf.CTCRecognizer(**{**settings, **options})


@pytest.fixture(scope="module")
def fitted() -> rf.CTCRecognizer:
    return small(hidden_size=12, learning_rate=0.02, epochs=40, validation_fraction=0.1).fit(X, Y)


def test_gradients() -> None:
    model = small(hidden_size=3, dtype="float64", epochs=1).fit(X, Y)
    network = model.network_
    chosen = np.array([i for i, text in enumerate(Y) if text][:4])
    batch = model._codec.batch(model._prepare(X, Y, (X, Y))[0], chosen)
    arrays = collect_arrays(network.modules)

    def value() -> float:
        spread_arrays(network.modules, arrays)
        scores = network.scores(batch.x, batch.lengths)
        loss, _ = rf.ctc_loss(
            scores,
            batch.y,
            batch.lengths,
            blank=network.head.blank,
            reduction="sum",
            backward=False,
        )
        return loss

    for module in network.modules.values():
        module.zero_grad()
    loss, count = network.add_gradients(batch)
    assert (loss, count) == (pytest.approx(value(), rel=1e-12), 4)
    gradients = {
        f"{prefix}.{name}": gradient.copy()
        for prefix, module in network.modules.items()
        for name, gradient in module.grads.items()
    }
    assert_gradients(value, arrays, gradients, directions=4)


def test_learns(fitted: rf.CTCRecognizer) -> None:
    new_x, new_y = examples(140)
    assert fitted.score(new_x[100:], new_y[100:]) > 0.95
    assert fitted.symbols_ == ("a", "b", "c")
    assert fitted.history_[-1]["valid_error_rate"] < 0.1
    rng = np.random.default_rng(3)
    assert fitted.predict([strokes(rng, "aab"), strokes(rng, "")]) == ["aab", ""]


def test_beam(fitted: rf.CTCRecognizer) -> None:
    assert fitted.predict(X[:9], beam_size=8) == fitted.predict(X[:9])
    assert fitted.score(X, Y, beam_size=4) >= fitted.score(X, Y) - 0.02
    with pytest.raises(ValueError, match=r"^beam_size: expected at least 1, got 0$"):
        fitted.predict(X, beam_size=0)


def test_predictions_do_not_depend_on_the_rest(fitted: rf.CTCRecognizer) -> None:
    together = fitted.predict(X[:12])
    assert [fitted.predict([x])[0] for x in X[:12]] == together


def test_labels_as_lists_and_input_as_text() -> None:
    lists = [[f"<{letter}>" for letter in text] for text in Y]
    model = small().fit(X, lists)
    assert all(isinstance(each, list) for each in model.predict(X[:3]))
    assert 0.0 < error_rate(lists, model.predict(X)) == pytest.approx(1 - model.score(X, lists))
    text = ["".join(c * 3 for c in word) for word in Y]
    assert len(small().fit(text, Y).predict(text[:3])) == 3


def test_saved_loaded_and_resumed(tmp_path: Any) -> None:
    options: dict[str, Any] = {"dropout": 0.2, "num_layers": 2, "cell": "gru"}
    whole = small(**options).fit(X, Y)
    whole.save(tmp_path / "model")
    loaded = rf.load(tmp_path / "model")
    assert type(loaded) is rf.CTCRecognizer and loaded.get_params() == whole.get_params()
    assert loaded.predict(X) == whole.predict(X)
    stopped = small(**options)
    stopped.fit(X, Y, checkpoint=tmp_path / "c", callbacks=[lambda p: p.step == 4])
    resumed = small(**options).fit(X, Y, checkpoint=tmp_path / "c", resume=True)
    want = collect_arrays(whole.network_.modules)
    for name, array in collect_arrays(resumed.network_.modules).items():
        np.testing.assert_array_equal(array, want[name])


def test_with_scikit_learn() -> None:
    base = pytest.importorskip("sklearn.base", reason="scikit-learn is not installed")
    model = small(hidden_size=4, cell="gru")
    assert base.clone(model).get_params() == model.get_params()


@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        (X[:3], Y[:2], ValueError, "y: expected one for each of the 3 in X, got 2"),
        ([], [], ValueError, "X: expected at least one sequence, got none"),
        (
            X[:3], [1, 2, 3], TypeError, "y[0]: expected a str or a list of str, got int",
        ),
        (
            X[:9], [""] * 9, ValueError,
            "y: expected sequences with something in them, got empty ones only",
        ),
        (
            [np.zeros((3, 2))] * 9, ["ab"] * 8 + ["aab"], ValueError,
            "y[8]: expected symbols that fit 3 steps, got 3 that need 4 with the blanks between "
            "equal ones",
        ),
    ],
    ids=str,
)  # fmt: skip
def test_wrong_examples(X: Any, y: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        small().fit(X, y)


def test_wrong_symbols_to_validate_on() -> None:
    message = "y of valid: expected some of the 3 symbols in training to validate on, got 'z'"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        small().fit(X, Y, valid=(X[:1], ["z"]))
    with pytest.warns(RuntimeWarning, match=r"^y of valid: 1 of 3 have .*, the first 'z'; they co"):
        model = small().fit(X, Y, valid=([*X[:2], X[0]], [*Y[:2], "z"]))
    record, known = model.history_[model.best_epoch_ - 1], model.evaluate(X[:2], Y[:2])
    assert record["valid_loss"] == pytest.approx(known["loss"], rel=1e-5)
    assert record["valid_error_rate"] > known["error_rate"] - 1e-9
    # To score, such a symbol is one that is never written.
    assert small().fit(X, Y).score(X[:1], ["z"]) <= 0.0


# The error rate


@pytest.mark.parametrize(
    ("true", "predicted", "distance"),
    [("", "", 0), ("", "ab", 2), ("ab", "", 2), ("kitten", "sitting", 3), ("abc", "bcd", 2)],
)
def test_edit_distance(true: str, predicted: str, distance: int) -> None:
    assert edit_distance(true, predicted) == distance
    assert edit_distance(list(predicted), list(true)) == distance


def test_error_rate() -> None:
    assert error_rate(["abc", "d"], ["abd", ""]) == 0.5
    assert error_rate([["one"], ["two"]], [["one"], ["two"]]) == 0.0
    with pytest.raises(ValueError, match=r"^true: expected at least one symbol, got none$"):
        error_rate([""], ["a"])
    with pytest.raises(ValueError, match=r"^predicted: expected 1 as in true, got 2$"):
        error_rate(["a"], ["a", "b"])


# Sequences that are too short for what they say


TOO_SHORT = (np.zeros((3, 4)), "aabc")


def with_short() -> tuple[list[Any], list[str]]:
    return [TOO_SHORT[0], *X[:40], TOO_SHORT[0]], [TOO_SHORT[1], *Y[:40], TOO_SHORT[1]]


def test_sequences_that_cannot_be_aligned_are_named() -> None:
    x, y = with_short()
    message = re.escape(
        "y[0]: expected symbols that fit 3 steps, got 4 that need 5 with the blanks between equal "
        "ones"
    )
    with pytest.raises(ValueError, match=f"^{message}$"):
        small().fit(x, y)
    with pytest.raises(ValueError, match=f"^{message.replace('y', 'y of valid', 1)}$"):
        small().fit(X, Y, valid=(x, y))
    with pytest.raises(ValueError, match=r"^impossible: expected 'error' or 'skip', got 'ignore'$"):
        small(impossible="ignore").fit(X, Y)


def test_sequences_that_cannot_be_aligned_are_skipped_and_named() -> None:
    x, y = with_short()
    model = small(impossible="skip", validation_fraction=0.0, dtype="float64")
    with pytest.warns(
        RuntimeWarning, match=r"^skipped, too short for their symbols: y\[0\], y\[41"
    ):
        model.fit(x, y)
    weights = [0.0] + [1.0] * 40 + [0.0]
    same = small(validation_fraction=0.0, dtype="float64").fit(X[:40], Y[:40])
    want = collect_arrays(same.network_.modules)
    for name, array in collect_arrays(model.network_.modules).items():
        np.testing.assert_array_equal(array, want[name])
    with pytest.warns(
        RuntimeWarning, match=r"^skipped, too short for their symbols: y\[0\], y\[41"
    ):
        weighed = small(impossible="skip", validation_fraction=0.0).fit(x, y, sample_weight=weights)
    assert weighed.get_params()["impossible"] == "skip"
    with pytest.warns(RuntimeWarning, match=r"too short for their symbols: y of valid\[0\]$"):
        validated = small(impossible="skip").fit(X, Y, valid=([x[0], *X[:9]], [y[0], *Y[:9]]))
    same = small().fit(X, Y, valid=(X[:9], Y[:9]))
    assert validated.history_[-1]["valid_loss"] == same.history_[-1]["valid_loss"]


def test_evaluate_leaves_them_out_of_the_loss() -> None:
    x, y = with_short()
    model = small(impossible="skip").fit(X, Y)
    every, possible = model.evaluate(x, y), model.evaluate(X[:40], Y[:40])
    assert every["loss"] == pytest.approx(possible["loss"], rel=1e-6)
    assert every["error_rate"] == pytest.approx(1 - model.score(x, y))
    assert np.isnan(model.evaluate([TOO_SHORT[0]], [TOO_SHORT[1]])["loss"])
    with pytest.raises(ValueError, match=r"^y\[0\]: expected symbols that fit"):
        small().fit(X, Y).evaluate(x, y)


def test_unseen_symbols_that_differ_need_no_blank_between() -> None:
    model = small().fit(X, Y)
    assert np.isnan(model.evaluate([X[0][:2]], ["yz"])["loss"])
    with pytest.raises(ValueError, match=r"^y\[0\]: expected symbols that fit 2 steps, got 2 that"):
        model.evaluate([X[0][:2]], ["yy"])


def test_nothing_that_can_be_aligned() -> None:
    x, y = [TOO_SHORT[0]] * 3, [TOO_SHORT[1]] * 3
    with pytest.raises(ValueError, match=r"^y: expected symbols that fit .* got none that do$"):
        small(impossible="skip").fit(x, y)
    with pytest.raises(ValueError, match=r"^y of valid: expected symbols that fit .* got none$"):
        small(impossible="skip").fit(X, Y, valid=(x, y))
    x, y = with_short()
    weights = [1.0] + [0.0] * 40 + [1.0]
    with pytest.raises(ValueError, match=r"^sample_weight: expected one that counts and is not"):
        small(impossible="skip").fit(x, y, sample_weight=weights)


def test_score_with_weights(fitted: rf.CTCRecognizer) -> None:
    y = [*Y[:3], "abc", "", "ca"]
    weights = [1, 2, 0, 3, 1, 0]
    rows = np.repeat(np.arange(6), weights)
    assert fitted.score(X[:6], y, weights) == pytest.approx(
        fitted.score([X[n] for n in rows], [y[n] for n in rows])
    )


# Searching with a language model and hot words, and times


@pytest.fixture(scope="module")
def of_letters() -> rf.LanguageModel:
    return rf.LanguageModel(lines=True, hidden_size=16, epochs=3, seed=0, verbose=0).fit(Y[:60])


def test_predictions_are_those_of_the_decoder(
    fitted: rf.CTCRecognizer, of_letters: rf.LanguageModel
) -> None:
    options: dict[str, Any] = {
        "beam_size": 5, "language_model": of_letters, "lm_weight": 0.7, "insertion_bonus": 0.4,
        "hot_words": ["ab", "cc"], "hot_word_bonus": 0.6, "min_log_prob": -9.0,
    }  # fmt: skip
    found = fitted.predict(X[:30], **options)
    decoder = rf.CTCDecoder([*"abc", ""], blank=3, **options)
    network, x = fitted.network_, fitted._reader.encode("X", X[:30])
    scores = [network.scores(one[:, np.newaxis], np.array([len(one)]))[:, 0] for one in x]
    assert found == [one.symbols for one in decoder(scores)]
    told = fitted.transcribe(X[:30], **options)
    assert [one.symbols for one in told] == found
    several = fitted.transcribe(X[:30], n_best=3, **options)
    assert [each[0] for each in several] == told and max(map(len, several)) == 3
    assert fitted.score(X[:30], Y[:30], **options) == 1 - error_rate(Y[:30], found)
    # With a language model the beam has 16, also where nothing is said of it.
    guided = {"language_model": of_letters}
    assert fitted.predict(X[:30], **guided) == fitted.predict(X[:30], beam_size=16, **guided)


def test_hot_words_win_where_sound_is_in_doubt(fitted: rf.CTCRecognizer) -> None:
    (text,) = fitted.predict(X[:1])
    other = "cab" if text != "cab" else "abc"
    strongly = {"hot_words": [other], "hot_word_bonus": 50.0}
    assert other in fitted.predict(X[:1], **strongly)[0]
    assert fitted.predict(X[:1], hot_words=[other], hot_word_bonus=0.0) == [text]
    assert fitted.predict(X[:1], beam_size=1, insertion_bonus=60.0) != [text]


def test_times_of_what_is_said(fitted: rf.CTCRecognizer, tmp_path: Any) -> None:
    fitted.set_params(frame_rate=25.0)
    try:
        (one,) = fitted.transcribe(X[1:2])
        fitted.save(tmp_path / "m")
    finally:
        fitted.set_params(frame_rate=None)
    assert one.symbols == "".join(letter.text for letter in one.letters)
    ends = [0, *(letter.end for letter in one.letters)]
    for letter, before in zip(one.letters, ends, strict=False):
        assert before <= letter.start < letter.end <= len(X[1])
        assert letter.seconds == (letter.start / 25.0, letter.end / 25.0)
        # Each letter is said in the steps that were made of it.
        assert X[1][letter.start : letter.end, "abc".index(letter.text)].max() > 0.5
        assert 0.5 < letter.confidence <= 1
    assert rf.load(tmp_path / "m").transcribe(X[1:2]) == [one]
    with pytest.raises(ValueError, match=r"^frame_rate: expected .*, got -1"):
        small(frame_rate=-1).fit(X, Y)


def test_symbols_as_lists_have_times_too() -> None:
    lists = [[f"<{letter}>" for letter in text] for text in Y]
    model = small(level="word").fit(X, [" ".join(tokens) for tokens in lists])
    (one,) = model.transcribe(X[:1], hot_words=["<a> <b>"])
    assert one.symbols == " ".join(letter.text for letter in one.letters)
    model = small().fit(X, lists)
    (one,) = model.transcribe(X[:1], hot_words=[["<a>", "<b>"], "<c>"])
    assert one.symbols == [letter.text for letter in one.letters] and one.words == one.letters


def test_an_empty_symbol_is_one() -> None:
    chosen = [n for n, text in enumerate(Y) if text]
    model = small().fit([X[n] for n in chosen], [["", *Y[n][:-1]] for n in chosen])
    assert model.symbols_ == ("", "a", "b", "c")
    for options in ({}, {"beam_size": 4}):
        assert len(model.predict(X[:2], **options)) == 2
    assert model.transcribe(X[:2])[0].symbols is not None


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"hot_words": ["az"]}, ValueError, "hot_words[0]: expected symbols of the labels"),
        ({"hot_words": "ab"}, TypeError, "hot_words: expected "),
        ({"lm_weight": -1}, ValueError, "lm_weight: expected "),
        ({"min_log_prob": "a"}, TypeError, "min_log_prob: expected "),
        ({"language_model": 3}, TypeError, "language_model: expected a LanguageModel or "),
    ],
    ids=str,
)  # fmt: skip
def test_wrong_ways_to_search(
    fitted: rf.CTCRecognizer, options: Any, error: type[Exception], message: str
) -> None:
    for ask in (fitted.predict, fitted.transcribe, lambda x, **o: fitted.score(x, Y[:3], **o)):
        with pytest.raises(error, match=f"^{re.escape(message)}"):
            ask(X[:3], **options)
    with pytest.raises(ValueError, match=r"^n_best: expected at most beam_size 16, got 17$"):
        fitted.transcribe(X[:3], n_best=17)
