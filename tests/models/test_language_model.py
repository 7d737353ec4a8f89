"""Language models: what they learn, how they score, and what they write."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.models.base import NotFittedError
from rnnfast.models.parts.language.corpus import CorpusBatches

LINES = ["ab", "ba", "aab", "abb", "b", "aa", "bab", "abab", "bb", "a"]
TEXT = "the cat sat on the mat. the dog sat on the log. " * 12


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


def small(**options: Any) -> rf.LanguageModel:
    defaults: dict[str, Any] = {
        "hidden_size": 12,
        "batch_size": 4,
        "sequence_length": 16,
        "learning_rate": 0.01,
        "seed": 3,
    }
    return rf.LanguageModel(**{**defaults, **options})


def fit(corpus: Any, epochs: int = 2, **options: Any) -> rf.LanguageModel:
    return small(**options).fit(corpus, epochs=epochs, verbose=0)


def weights(lm: rf.LanguageModel) -> dict[str, np.ndarray]:
    return {
        f"{prefix}.{name}": array
        for prefix, module in lm.network_.modules.items()
        for name, array in module.state_dict().items()
    }


def assert_same_weights(first: rf.LanguageModel, second: rf.LanguageModel) -> None:
    one, two = weights(first), weights(second)
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


VARIANTS: list[dict[str, Any]] = [
    {},
    {"lines": True},
    {"lines": True, "embedding_size": 5, "cell": "gru", "dtype": "float64"},
    {"level": "word", "embedding_size": 4, "num_layers": 2, "dropout": 0.2},
    {"cell": "rnn", "cell_options": {"nonlinearity": "relu", "bias": False}},
    {"cell": "gru", "cell_options": {"reset_gate": False}},
    {"cell": "gru", "cell_options": {"reset_after": False}, "lines": True, "level": "word"},
    {"cell_options": {"peephole": "previous"}},
    {"cell_options": {"proj_size": 5}, "num_layers": 2},
]


@pytest.fixture(params=VARIANTS, ids=str)
def fitted(request: pytest.FixtureRequest) -> rf.LanguageModel:
    corpus = TEXT.replace(". ", ".\n") if request.param.get("lines") else TEXT
    return fit(corpus, **request.param)


# Learning


def test_learns_a_pattern_by_heart() -> None:
    lm = fit("abcde" * 200, epochs=12, learning_rate=0.03, hidden_size=16, validation_fraction=0.05)
    assert lm.history_[-1]["valid_loss"] < 0.01
    assert lm.perplexity("abcde" * 20) < 1.2  # the first letter may be any
    assert lm.sample(prefix="c", max_length=9, seed=1) == "cdeabcdeab"
    assert lm.next_tokens("abcd", 1)[0][0] == "e"


def test_learns_words_by_line() -> None:
    lines = ["to be or not to be", "be or not"] * 20
    lm = fit(
        lines, 30, level="word", lines=True, learning_rate=0.03, embedding_size=8, hidden_size=16
    )
    assert lm.history_[-1]["loss"] < 0.25
    texts = lm.sample(20, seed=1)
    assert {"to be or not to be", "be or not"} <= set(texts)


def test_long_memory_comes_through_the_carried_state() -> None:
    """Windows of one step can learn a period of two only if the state is carried over."""
    lm = fit("aabb" * 300, 30, sequence_length=1, batch_size=8, learning_rate=0.01)
    assert lm.history_[-1]["valid_loss"] < 0.35 < math.log(2) / 1.9


def test_same_seed_same_model() -> None:
    options: dict[str, Any] = {"dropout": 0.3, "num_layers": 2, "lines": True}
    assert_same_weights(fit(LINES, **options), fit(LINES, **options))
    other = fit(LINES, **{**options, "seed": 4})
    assert not np.array_equal(
        weights(other)["output.weight"], weights(fit(LINES, **options))["output.weight"]
    )


def test_fit_again_starts_anew() -> None:
    lm = fit(LINES, lines=True)
    lm.fit(LINES, epochs=2, verbose=0)
    assert_same_weights(lm, fit(LINES, lines=True))


@pytest.mark.parametrize("options", VARIANTS[:5], ids=str)
def test_resumed_is_uninterrupted(tmp_path: Path, options: dict[str, Any]) -> None:
    corpus = TEXT.replace(". ", ".\n") if options.get("lines") else TEXT
    options = {"dropout": 0.2, **options, "validation_fraction": 0.2}
    whole = fit(corpus, 3, **options)
    path = tmp_path / "checkpoint"
    for stop in (1, 4):
        stopped = small(**options)
        stopped.fit(
            corpus, epochs=3, verbose=0, checkpoint=path, callbacks=[lambda p, s=stop: p.step == s]
        )
        assert stopped.stopped_ == "callback"
        resumed = small(**options).fit(corpus, epochs=3, verbose=0, checkpoint=path, resume=True)
        assert_same_weights(resumed, whole)
        assert [r["loss"] for r in resumed.history_] == [r["loss"] for r in whole.history_]


def test_resuming_with_another_corpus_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    small(lines=True).fit(LINES, epochs=1, verbose=0, checkpoint=path)
    message = (
        r"checkpoint: cannot resume with another corpus: expected the corpus that the checkpoint "
        r"was made from, got another$"
    )
    with pytest.raises(ValueError, match=message):
        small(lines=True).fit([*LINES, "c"], epochs=2, verbose=0, checkpoint=path, resume=True)
    with pytest.raises(ValueError, match=r"another hidden_size: expected 12, got 13$"):
        small(lines=True, hidden_size=13).fit(
            LINES, epochs=2, verbose=0, checkpoint=path, resume=True
        )


def test_early_stopping() -> None:
    lm = small(lines=True, patience=2, learning_rate=0.3, validation_fraction=0.3)
    lm.fit(LINES, epochs=200, verbose=0)
    losses = [record["valid_loss"] for record in lm.history_]
    assert lm.stopped_ == "patience" and len(losses) < 200
    assert lm.best_epoch_ == len(losses) - 2 == 1 + int(np.argmin(losses))


def test_the_part_held_out() -> None:
    with_text = fit(TEXT, validation_fraction=0.25)
    cut = len(TEXT) - round(len(TEXT) * 0.25)
    given = small().fit(TEXT[:cut], TEXT[cut:], epochs=2, verbose=0)
    assert_same_weights(with_text, given)
    # So short a text is validated in one piece, as it is scored.
    best = given.history_[given.best_epoch_ - 1]["valid_loss"]
    assert given.evaluate(TEXT[cut:]).loss == pytest.approx(best, rel=1e-6)
    none = fit(TEXT, validation_fraction=0)
    assert "valid_loss" not in none.history_[0] and none.best_epoch_ == 0


def test_the_same_lines_are_held_out_for_any_seed() -> None:
    counts = {fit(LINES, lines=True, seed=seed).history_[0]["count"] for seed in range(3)}
    assert len(counts) == 1


def test_number_of_epochs_by_default() -> None:
    lm = small(lines=True, batch_size=2, hidden_size=1, validation_fraction=0)
    lm.fit(LINES, verbose=0)
    assert lm.history_[-1]["step"] == 300
    lm = small(batch_size=1, sequence_length=1, hidden_size=1, validation_fraction=0)
    lm.fit("ab" * 400, verbose=0, callbacks=[lambda p: p.step == 1])
    assert lm.stopped_ == "callback"


def test_a_callback_may_ask_the_model_in_training() -> None:
    lm = small(lines=True)
    texts: list[Any] = []
    lm.fit(
        LINES,
        epochs=2,
        verbose=0,
        callbacks=[lambda p: texts.append(p.model.sample(max_length=5)) if p.epoch_ended else None],
    )
    assert len(texts) == 2


def test_loss_that_explodes() -> None:
    with pytest.raises(
        FloatingPointError, match=r"^step \d+, epoch \d+: .*lower the learning rate"
    ):
        fit(
            TEXT,
            20,
            optimizer="sgd",
            learning_rate=1e30,
            clip_norm=None,
            schedule="constant",
            cell="rnn",
            cell_options={"nonlinearity": "relu"},
        )


# Vocabulary


def test_rare_tokens_are_unknown() -> None:
    lm = fit("a" * 200 + "b" * 50 + "c" * 3, max_vocabulary_size=2, validation_fraction=0)
    assert lm.vocabulary_.tokens == ("<UNK>", "a", "b")
    assert lm.log_prob("ca") == lm.log_prob("za")
    lm = fit(["a b b", "b a c"] * 3, level="word", lines=True, min_count=6, validation_fraction=0)
    assert lm.vocabulary_.tokens == ("<UNK>", "<EOS>", "b", "a")


def test_tokenizer_options() -> None:
    lm = fit(
        ["The cat", "the CAT"] * 4, level="word", lines=True, tokenizer_options={"lower": True}
    )
    assert lm.log_prob("THE cat") == lm.log_prob("the cat")
    assert set(lm.vocabulary_.tokens) == {"<UNK>", "<EOS>", "the", "cat"}


# Scoring


def test_log_prob_is_the_chain_of_next_tokens(fitted: rf.LanguageModel) -> None:
    text = "the cat sat."
    tokens = fitted.tokenizer_.tokenize(text)
    total = 0.0
    expected_next = [*tokens, "<EOS>"] if fitted.lines else tokens
    for place, token in enumerate(expected_next):
        prefix = fitted.tokenizer_.detokenize(tokens[:place])
        total += math.log(dict(fitted.next_tokens(prefix, 1000))[token])
    assert fitted.log_prob(text) == pytest.approx(total, rel=1e-5)


def test_perplexity_is_the_mean_in_another_form(fitted: rf.LanguageModel) -> None:
    text = "the cat sat on the mat."
    count = len(fitted.tokenizer_.tokenize(text)) + fitted.lines
    evaluation = fitted.evaluate(text)
    assert evaluation.num_tokens == count
    assert evaluation.log_prob == fitted.log_prob(text)
    assert fitted.perplexity(text) == pytest.approx(math.exp(-fitted.log_prob(text) / count))
    if fitted.lines:
        both = fitted.evaluate([text, "the"])
        assert both == fitted.evaluate(f"{text}\n\nthe\n")
        parts = fitted.log_prob(text) + fitted.log_prob("the")
        assert both.log_prob == pytest.approx(parts, rel=1e-6)


def test_next_tokens_are_a_distribution(fitted: rf.LanguageModel) -> None:
    for prefix in ("", "the c"):
        pairs = fitted.next_tokens(prefix, 10_000)
        assert len(pairs) == len(fitted.vocabulary_)
        assert {token for token, _ in pairs} == set(fitted.vocabulary_.tokens)
        probabilities = [probability for _, probability in pairs]
        assert sum(probabilities) == pytest.approx(1, abs=1e-6)
        assert probabilities == sorted(probabilities, reverse=True)
        assert fitted.next_tokens(prefix, 3) == pairs[:3]


def test_probabilities_of_all_continuations_add_up_to_one() -> None:
    lm = fit("abc" * 100, dtype="float64", validation_fraction=0)
    known = [token for token in lm.vocabulary_.tokens if token != "<UNK>"]
    unknown = "?"  # counts as <UNK>
    total = sum(
        math.exp(lm.log_prob("a" + "".join(rest)))
        for rest in itertools.product([*known, unknown], repeat=3)
    )
    assert total == pytest.approx(math.exp(lm.log_prob("a")), rel=1e-12)


def test_probabilities_of_all_lines_add_up_to_one() -> None:
    """Lines of up to three tokens, and those that are longer."""
    lm = fit(LINES, lines=True, dtype="float64", validation_fraction=0)
    alphabet = "ab?"
    ended = unfinished = 0.0
    for length in range(4):
        for letters in itertools.product(alphabet, repeat=length):
            if letters and set(letters) == {"?"}:
                ids = np.zeros(length, np.int64)  # text without a known letter is refused
                probability = math.exp(lm._score_sequences([ids]).log_prob)
            else:
                probability = math.exp(lm.log_prob("".join(letters)))
            ended += probability
            if length == 3:
                ids = lm.vocabulary_.encode(letters)
                end = lm.network_.next_probabilities(ids)[lm.vocabulary_.eos_id or 0]
                unfinished += probability / end - probability
    assert ended + unfinished == pytest.approx(1, rel=1e-12)


def test_batches_do_not_change_scores() -> None:
    lm = fit(LINES, lines=True)
    texts = ["".join(p) for n in range(1, 7) for p in itertools.product("ab", repeat=n)]
    total = sum(lm.log_prob(text) for text in texts)
    assert lm.evaluate(texts).log_prob == pytest.approx(total, rel=1e-9)


def test_long_text_is_scored_across_windows() -> None:
    lm = fit(TEXT, dtype="float64")
    long = TEXT[:480] * 3
    ids = lm.vocabulary_.encode(list(long))
    inputs = np.concatenate([[lm.network_.start], ids[:-1]])[:, np.newaxis]
    h, _ = lm.network_.recurrent(inputs)
    scores = rf.log_softmax(lm.network_.output(h))[:, 0]
    expected = scores[np.arange(len(ids)), ids].sum()
    assert lm.log_prob(long) == pytest.approx(expected, rel=1e-12)


def test_empty_sentences() -> None:
    assert fit(TEXT).log_prob("") == 0.0
    lm = fit(LINES, lines=True)
    assert lm.log_prob("") == pytest.approx(
        math.log(dict(lm.next_tokens("", 9))["<EOS>"]), rel=1e-6
    )


@pytest.mark.parametrize("embedding_size", [None, 6])
def test_the_first_input_is_zero(embedding_size: int | None) -> None:
    lm = fit(LINES, 3, lines=True, embedding_size=embedding_size, clip_value=0.01)
    network, size = lm.network_, len(lm.vocabulary_)
    width = size + 1 if embedding_size is None else embedding_size
    if embedding_size is None:
        np.testing.assert_array_equal(weights(lm)["recurrent.weight_ih_l0"][:, network.start], 0)
    else:
        np.testing.assert_array_equal(weights(lm)["embedding.weight"][network.start], 0)
    h, _ = network.recurrent(np.zeros((1, 1, width), np.float32))
    np.testing.assert_array_equal(
        network.next_probabilities(np.array([], np.int64)), rf.softmax(network.output(h[0]))[0]
    )


def test_batches_of_training_and_scoring_start_alike() -> None:
    ids = [np.array([0, 1, 2]), np.array([1])]
    text = next(iter(CorpusBatches([np.array([0, 1, 2, 1])], 9, None, 1, 50)))
    assert text.inputs[:, 0].tolist() == [9, 0, 1, 2]
    assert text.targets[:, 0].tolist() == [0, 1, 2, 1]
    lines = next(iter(CorpusBatches(ids, 9, 5, 2, 50)))
    assert lines.inputs[0].tolist() == [9, 9]
    assert sorted(lines.lengths) == [2, 4]
    column = int(np.argmax(lines.lengths))
    assert lines.inputs[:, column].tolist() == [9, 0, 1, 2]
    assert lines.targets[:, column].tolist() == [0, 1, 2, 5]


# Sampling


def test_same_seed_same_text(fitted: rf.LanguageModel) -> None:
    texts = fitted.sample(4, seed=7, max_length=30)
    assert texts == fitted.sample(4, seed=7, max_length=30)
    assert texts != fitted.sample(4, seed=8, max_length=30)
    assert len(set(texts)) > 1
    assert fitted.sample(1, seed=7, max_length=30) == texts[0]
    assert fitted.sample(seed=7, max_length=30) == texts[0]


def test_text_has_the_probabilities_of_the_model() -> None:
    lm = fit(LINES, 5, lines=True, validation_fraction=0)
    count = 4000
    texts = lm.sample(count, seed=1, max_length=12)
    seen = {text: texts.count(text) / count for text in ("", "a", "b", "ab", "ba", "aa")}
    unknown = dict(lm.next_tokens("", 9))["<UNK>"]
    for text, share in seen.items():
        probability = math.exp(lm.log_prob(text))
        deviation = math.sqrt(probability / count)
        assert abs(share - probability) < 5 * deviation + 3 * unknown, text


def test_prefix_is_kept_and_heeded(fitted: rf.LanguageModel) -> None:
    texts = fitted.sample(3, prefix="the cat", max_length=4, seed=2)
    assert all(text.startswith("the cat") for text in texts)


def test_prefix_leads_to_the_state_it_has_in_scoring() -> None:
    lm = fit(TEXT, 6, learning_rate=0.02)
    for prefix in ("", "t", "the do"):
        best = lm.next_tokens(prefix, 2)
        best = next(token for token, _ in best if token != "<UNK>")
        assert lm.sample(prefix=prefix, max_length=1, temperature=0) == prefix + best
        assert lm.sample(prefix=prefix, max_length=1, top_k=1, seed=5) == prefix + best
        assert lm.sample(prefix=prefix, max_length=1, top_p=1e-6, seed=5) == prefix + best


def test_top_k_and_top_p_and_temperature_limit_the_draw() -> None:
    lm = fit(LINES, 4, lines=True, validation_fraction=0)
    pairs = [pair for pair in lm.next_tokens("a", 9) if pair[0] != "<UNK>"]
    pairs = [(token.replace("<EOS>", ""), probability) for token, probability in pairs]

    def firsts(**options: Any) -> set[str]:
        return {text[1:] for text in lm.sample(400, prefix="a", max_length=1, seed=1, **options)}

    assert firsts() == {token for token, _ in pairs}
    assert firsts(top_k=2) == {token for token, _ in pairs[:2]}
    total = sum(probability for _, probability in pairs)
    assert firsts(top_p=(pairs[0][1] + pairs[1][1] / 2) / total) == {t for t, _ in pairs[:2]}
    assert firsts(temperature=0.01) == {pairs[0][0]}
    assert firsts(temperature=100.0) == {token for token, _ in pairs}


def test_length_and_end() -> None:
    running = fit(TEXT)
    assert len(running.sample(max_length=37, seed=1)) == 37
    assert len(running.sample(prefix="the", max_length=37, seed=1)) == 40
    by_line = fit(LINES, 5, lines=True)
    texts = by_line.sample(200, max_length=6, seed=1)
    assert max(map(len, texts)) <= 6 and min(map(len, texts)) < 3
    assert not any("<EOS>" in text for text in texts)


def test_unknown_tokens_are_not_written_unless_allowed() -> None:
    words = [f"w{i} x" for i in range(60)]
    lm = fit(words, 20, level="word", lines=True, max_vocabulary_size=1, validation_fraction=0)
    assert dict(lm.next_tokens("", 9))["<UNK>"] > 0.5
    assert not any("<UNK>" in text for text in lm.sample(50, seed=1, max_length=20))
    assert any("<UNK>" in text for text in lm.sample(50, seed=1, max_length=20, allow_unknown=True))


# Bad input


@pytest.mark.parametrize(
    ("text", "options", "error", "message"),
    [
        ("", {}, ValueError, "^text: expected text, got an empty corpus$"),
        ("\n \n", {"lines": True}, ValueError, "^text: expected text, got an empty corpus$"),
        ([], {"lines": True}, ValueError, "^text: expected text, got an empty corpus$"),
        (["", ""], {"lines": True}, ValueError, "^text: expected text, got an empty corpus$"),
        (" ", {"level": "word"}, ValueError, "^text: expected text, got an empty corpus$"),
        (b"abc", {}, TypeError, "^text: expected a text, its path or lines of text, got bytes$"),
        (b"abc", {"lines": True}, TypeError, "^text: expected a text, its path or .*, got bytes$"),
        (3, {"lines": True}, TypeError, "^text: expected a text, its path or lines of .*, got int"),
        ({"a": 1}, {}, TypeError, "^text: expected a text, its path or lines of .*, got dict$"),
        (["a", 3], {"lines": True}, TypeError, r"^text\[1\]: expected a str, got int$"),
        (["a", math.nan], {"lines": True}, TypeError, r"^text\[1\]: expected a str, got float$"),
        ("a", {}, ValueError, "^text: expected at least 2 tokens, to hold one out, got 1"),
        (["a"], {"lines": True}, ValueError, "^text: expected at least 2 lines, to hold one out"),
    ],
)  # fmt: skip
def test_bad_corpus(text: Any, options: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        fit(text, **options)


@pytest.mark.parametrize(("length", "batch_size"), [(2, 1), (17, 1), (36, 2), (70, 3), (72, 4)])
def test_a_short_text_is_learned_in_smaller_batches(
    length: int, batch_size: int, tmp_path: Path
) -> None:
    """As with a batch size that fits, and it is said, but where it fits."""
    text = ("aab" * length)[:length]
    count = length - max(round(0.1 * length), 1)
    lm = small(dropout=0.2)
    message = (
        rf"^text: {count} characters to learn from are less than batch_size x sequence_length, "
        rf"4 x 16; taking a batch_size of {batch_size}$"
    )
    short = batch_size < 4
    path = tmp_path / "c"
    with pytest.warns(RuntimeWarning, match=message) if short else nullcontext():
        lm.fit(text, epochs=3, verbose=0)
    assert [record["count"] for record in lm.history_] == [count] * 3
    assert_same_weights(
        lm, small(dropout=0.2, batch_size=batch_size).fit(text, epochs=3, verbose=0)
    )
    stopped, resumed = small(dropout=0.2), small(dropout=0.2)
    with pytest.warns(RuntimeWarning, match=message) if short else nullcontext():
        stopped.fit(text, epochs=3, verbose=0, checkpoint=path, callbacks=[lambda p: p.step == 1])
    with pytest.warns(RuntimeWarning, match=message) if short else nullcontext():
        resumed.fit(text, epochs=3, verbose=0, checkpoint=path, resume=True)
    assert_same_weights(resumed, lm)


@pytest.mark.parametrize(("text", "lines"), [("abc\ndef\nghi", True), ("abcdefghi", False)])
def test_what_cannot_be_held_out_is_learned(text: str, lines: bool) -> None:
    """The characters of the part to hold out do not occur in the rest."""
    lm = small(lines=lines, batch_size=1, sequence_length=2)
    with pytest.warns(RuntimeWarning, match=r"^text: none of the \d characters to hold out occurs"):
        lm.fit(text, epochs=2, verbose=0)
    assert len(lm.vocabulary_) - 1 - lines == 9
    assert lm.best_epoch_ == 0 and lm.history_[0]["count"] == (12 if lines else 9)
    with pytest.raises(ValueError, match=r"^patience: expected None without validation"):
        small(lines=lines, batch_size=1, sequence_length=2, patience=1).fit(text, verbose=0)


@pytest.mark.parametrize(
    ("valid", "message"),
    [
        ("", "^valid: expected text, got an empty corpus$"),
        ("zzz", "^valid: expected tokens of the model's vocabulary, got none among 3$"),
    ],
)
def test_bad_validation_text(valid: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small().fit(TEXT, valid, epochs=1, verbose=0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"level": "letter"}, ValueError, "^level: expected 'char', 'word' or 'subword', got"),
        ({"lines": 1}, TypeError, "^lines: expected a bool, got int$"),
        ({"cell": "cnn"}, ValueError, "^cell: expected one of rnn, gru, lstm, .*, got 'cnn'$"),
        ({"hidden_size": 0}, ValueError, "^hidden_size: expected at least 1, got 0$"),
        ({"num_layers": 1.0}, TypeError, "^num_layers: expected an integer, got float$"),
        ({"embedding_size": 0}, ValueError, "^embedding_size: expected at least 1, got 0$"),
        ({"dropout": 1.0}, ValueError, "^dropout: expected a finite number of at least 0 and bel"),
        ({"dropout": math.nan}, ValueError, "^dropout: .*, got nan$"),
        ({"cell_options": {"peephole": True}, "cell": "gru"}, ValueError,
         "^cell_options: expected some of bias, reset_after, reset_gate, .*'peephole'$"),
        ({"cell_options": {"hidden_size": 3}}, ValueError, "^cell_options: .* got 'hidden_size'$"),
        ({"tokenizer_options": {"upper": True}}, ValueError, "^tokenizer_options: .*'upper'"),
        ({"max_vocabulary_size": 0}, ValueError, "^max_vocabulary_size: expected at least 1"),
        ({"min_count": 10_000}, ValueError, "^min_count: expected at most"),
        ({"sequence_length": 0}, ValueError, "^sequence_length: expected at least 1, got 0$"),
        ({"batch_size": -1}, ValueError, "^batch_size: expected at least 1, got -1$"),
        ({"optimizer": "lbfgs"}, ValueError, "^optimizer: expected one of sgd, adam"),
        ({"optimizer_options": {"momentum": 0.9}}, ValueError,
         "^optimizer_options: expected some of betas, eps, weight_decay with 'adam', got"),
        ({"learning_rate": 0}, ValueError, "^learning_rate: expected a finite number above 0"),
        ({"learning_rate": math.inf}, ValueError, "^learning_rate: .*got inf$"),
        ({"schedule": "linear"}, ValueError, "^schedule: expected one of constant, cosine, step, "),
        ({"clip_norm": -1.0}, ValueError, "^clip_norm: expected a finite number above 0, got"),
        ({"clip_value": "a"}, TypeError, "^clip_value: expected a number, got str$"),
        ({"validation_fraction": 1}, ValueError, "^validation_fraction: .*below 1, got 1$"),
        ({"patience": 0}, ValueError, "^patience: expected at least 1, got 0$"),
        ({"patience": 2, "validation_fraction": 0}, ValueError, "^patience: expected None without"),
        ({"dtype": "float16"}, ValueError, "^dtype: expected 'float32' or 'float64', got 'flo"),
    ],
    ids=str,
)  # fmt: skip
def test_bad_hyperparameters(options: dict[str, Any], error: type, message: str) -> None:
    lm = small(**options)  # the constructor only keeps them
    with pytest.raises(error, match=message):
        lm.fit(TEXT, epochs=1, verbose=0)
    with pytest.raises(NotFittedError):
        lm.perplexity(TEXT)


def test_failed_fit_leaves_the_model_as_it_was() -> None:
    lm = fit(LINES, lines=True)
    before = lm.log_prob("abba")
    with pytest.raises(ValueError, match=r"^text"):
        lm.fit([], verbose=0)
    lm.set_params(batch_size=0)
    with pytest.raises(ValueError, match=r"^batch_size"):
        lm.fit(LINES, verbose=0)
    assert lm.log_prob("abba") == before


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda lm: lm.perplexity([]), ValueError, "^text: expected text, got an empty corpus$"),
        (
            lambda lm: lm.perplexity(None),
            TypeError,
            "^text: expected a text, its path or lines of text, got N",
        ),
        (lambda lm: lm.perplexity("xyz"), ValueError, "^text: .*got none among 3$"),
        (lambda lm: lm.log_prob(["ab"]), TypeError, "^sentence: expected a str, got list; one"),
        (lambda lm: lm.log_prob("zz"), ValueError, "^sentence: expected tokens of the model's voc"),
        (
            lambda lm: lm.next_tokens("z"),
            ValueError,
            "^prefix: expected tokens of the model's voca",
        ),
        (lambda lm: lm.next_tokens("a", 0), ValueError, "^k: expected at least 1, got 0$"),
        (lambda lm: lm.sample(0), ValueError, "^n: expected at least 1, got 0$"),
        (lambda lm: lm.sample(prefix=3), TypeError, "^prefix: expected a str, got int$"),
        (
            lambda lm: lm.sample(max_length=0),
            ValueError,
            "^max_length: expected at least 1, got 0$",
        ),
        (lambda lm: lm.sample(temperature=-1), ValueError, "^temperature: expected"),
        (lambda lm: lm.sample(temperature=math.nan), ValueError, "^temperature: expected"),
        (lambda lm: lm.sample(top_k=0), ValueError, "^top_k: expected at least 1, got 0$"),
        (lambda lm: lm.sample(top_p=0.0), ValueError, "^top_p: expected"),
        (lambda lm: lm.sample(top_p=math.nan), ValueError, "^top_p: expected"),
        (lambda lm: lm.sample(seed=-1), ValueError, "^seed: expected at least 0, got -1$"),
    ],
)
def test_bad_questions(call: Callable[[Any], Any], error: type, message: str) -> None:
    lm = fit(LINES, lines=True)
    with pytest.raises(error, match=message):
        call(lm)


def test_not_fitted() -> None:
    for call in (
        lambda lm: lm.evaluate("a"),
        lambda lm: lm.log_prob("a"),
        lambda lm: lm.next_tokens("a"),
        lambda lm: lm.sample(),
        lambda lm: lm.save("model"),
        lambda lm: lm.num_parameters,
    ):
        with pytest.raises(NotFittedError, match=r"^this LanguageModel has not been fitted; call"):
            call(rf.LanguageModel())


def test_threads_do_not_change_bits(set_threads: Callable[[int], None]) -> None:
    one = fit(LINES, 1, lines=True, num_layers=2, dropout=0.2)
    set_threads(2)
    two = fit(LINES, 1, lines=True, num_layers=2, dropout=0.2)
    assert_same_weights(one, two)
    assert one.log_prob("abab") == two.log_prob("abab")
