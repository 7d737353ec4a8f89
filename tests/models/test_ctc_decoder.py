"""The search for what CTC scores say, against all labellings, each by all of its paths."""

from __future__ import annotations

import functools
import itertools
import math
import re
import signal
import time
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast._checks.adjustments import AdjustmentWarning
from rnnfast.generation import ctc_beam, ctc_greedy

LABELS = ["", "a", "b", " "]


def scores(seed: int, steps: int = 5, classes: int = 4, dtype: str = "float64") -> Any:
    return np.random.default_rng(seed).normal(scale=1.5, size=(steps, classes)).astype(dtype)


def all_texts(logits: Any, labels: list[str], blank: int = 0) -> dict[str, float]:
    """log P of each text, path by path."""
    log_p = rf.log_softmax(logits)
    found: dict[str, float] = {}
    for path in itertools.product(range(logits.shape[1]), repeat=len(logits)):
        total = float(log_p[np.arange(len(path)), path].sum())
        text = "".join(labels[k] for k, _ in itertools.groupby(path) if k != blank)
        found[text] = float(np.logaddexp(found.get(text, -math.inf), total))
    return found


def best_of(texts: dict[str, float], added: Any, count: int) -> list[tuple[str, float]]:
    ranked = sorted(((text, p + added(text)) for text, p in texts.items()), key=lambda one: -one[1])
    return ranked[:count]


def require_same(
    decoder: rf.CTCDecoder, logits: Any, added: Any, labels: list[str] = LABELS
) -> None:
    """The decoder's best texts are those of all, with what is added to each."""
    texts = all_texts(logits, labels)
    want = best_of(texts, added, 8)
    found = decoder(logits, n_best=8)
    assert [one.symbols for one in found] == [text for text, _ in want]
    np.testing.assert_allclose(
        [one.score for one in found], [s for _, s in want], rtol=1e-6, atol=1e-6
    )
    np.testing.assert_allclose(
        [one.log_prob for one in found], [texts[text] for text, _ in want], rtol=1e-6, atol=1e-6
    )


@functools.cache
def language_model(level: Any, lines: bool = True, cell: str = "lstm") -> rf.LanguageModel:
    texts = ["a b", "ab ba", "ba b", "a a b", "bb a", "ab a b"] * 4
    model = rf.LanguageModel(
        level=level, lines=lines, hidden_size=8, num_layers=2, epochs=3, learning_rate=0.05,
        cell=cell, seed=1, verbose=0, dtype="float64", sequence_length=5, batch_size=4,
        embedding_size=3, min_count=2,
    )  # fmt: skip
    return model.fit(texts if lines else "\n".join(texts))


def by_word(model: rf.LanguageModel, text: str) -> float:
    """log P of a text that may have unknown words alone."""
    ids = model.vocabulary_.encode(text.split())
    return model._score_sequences([ids]).log_prob if len(ids) or model.lines else 0.0


# Against all labellings


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_wide_beam_finds_the_best_of_all(seed: int, dtype: str) -> None:
    logits = scores(seed, dtype=dtype)
    require_same(rf.CTCDecoder(LABELS, beam_size=2000), logits, lambda text: 0.0)
    require_same(
        rf.CTCDecoder(LABELS, beam_size=2000, insertion_bonus=0.7), logits, lambda t: 0.7 * len(t)
    )


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("lines", [True, False])
def test_a_language_model_by_character(lines: bool, cell: str) -> None:
    model = language_model("char", lines, cell)
    decoder = rf.CTCDecoder(
        LABELS, beam_size=2000, language_model=model, lm_weight=0.8, insertion_bonus=0.3
    )
    for seed in range(2):
        require_same(
            decoder, scores(seed), lambda text: 0.8 * model.log_prob(text) + 0.3 * len(text)
        )


@pytest.mark.parametrize("lines", [True, False])
def test_a_language_model_by_word(lines: bool) -> None:
    model = language_model("word", lines)
    decoder = rf.CTCDecoder(
        LABELS, beam_size=2000, language_model=model, lm_weight=0.8, insertion_bonus=0.3
    )
    for seed in range(2):
        require_same(
            decoder,
            scores(seed),
            lambda text: 0.8 * by_word(model, text) + 0.3 * len(text.split()),
        )


def test_a_function_is_a_language_model() -> None:
    asked: list[tuple[str, ...]] = []
    table = np.log(np.random.default_rng(3).dirichlet(np.ones(4), size=4))

    def bigram(prefix: tuple[str, ...]) -> Any:
        asked.append(prefix)
        return table[LABELS.index(prefix[-1]) if prefix else 0]

    def total(text: str) -> float:
        places = [0, *(LABELS.index(letter) for letter in text)]
        ended = [*(k - 1 for k in places[1:]), 3]
        return 0.5 * sum(table[k, after] for k, after in zip(places, ended, strict=True))

    decoder = rf.CTCDecoder(LABELS, beam_size=2000, language_model=bigram)
    require_same(decoder, scores(1), total)
    assert len(asked) == len(set(asked)) and () in asked  # each prefix once

    def without_end(prefix: tuple[str, ...]) -> Any:
        return bigram(prefix)[:3]

    decoder = rf.CTCDecoder(LABELS, beam_size=2000, language_model=without_end)
    require_same(
        decoder, scores(1), lambda t: total(t) - 0.5 * table[LABELS.index(t[-1:] or ""), 3]
    )


def test_what_a_language_model_forbids_is_not_found() -> None:
    def no_a(prefix: tuple[str, ...]) -> Any:
        return np.log([0.0, 0.5, 0.5]) if len(prefix) else [0.0, -math.inf, -math.inf]

    with np.errstate(divide="ignore"):
        found = rf.CTCDecoder(LABELS, beam_size=2000, language_model=no_a)(scores(2), n_best=50)
        unweighed = rf.CTCDecoder(LABELS, beam_size=2000, language_model=no_a, lm_weight=0)
        others = unweighed(scores(2), n_best=50)
    texts = [one.symbols for one in found]
    assert "" in texts and all(text[:1] in ("", "a") and "a" not in text[1:] for text in texts)
    assert {one.symbols for one in others} == set(texts)
    assert all(one.score == one.log_prob for one in others)
    forbidden = rf.CTCDecoder(LABELS, language_model=lambda prefix: np.full(4, -math.inf))
    with pytest.raises(
        ValueError, match=r"^language_model: expected one that allows what the beam"
    ):
        forbidden(scores(2))


def covered(text: str, words: list[str], whole: bool) -> int:
    """How many symbols stand in one of the words, as the bonus counts them at the end of a text."""
    marks = np.zeros(len(text), bool)
    for word in words:
        pattern = f"(?=(?<![^ ]){re.escape(word)}(?![^ ]))" if whole else f"(?={re.escape(word)})"
        for match in re.finditer(pattern, text):
            marks[match.start() : match.start() + len(word)] = True
    return int(marks.sum())


def bonus_anywhere(words: list[str], text: str) -> float:
    return 1.3 * covered(text, words, False)


@pytest.mark.parametrize(
    "words", [["ab"], ["a", "aab"], ["a b", "b a"], ["bab", "abb", "b"], ["b ab", "ab b", "a"]]
)
def test_hot_words(words: list[str]) -> None:
    for seed in range(3):
        logits = scores(seed, 6)
        decoder = rf.CTCDecoder(LABELS, beam_size=9000, hot_words=words, hot_word_bonus=1.3)
        require_same(decoder, logits, lambda text: 1.3 * covered(text, words, True))
        letters = ["", "a", "b", "c"]
        anywhere = [word.replace(" ", "c") for word in words]
        decoder = rf.CTCDecoder(letters, beam_size=9000, hot_words=anywhere, hot_word_bonus=1.3)
        require_same(decoder, logits, functools.partial(bonus_anywhere, anywhere), letters)


def test_hot_words_and_a_language_model_together() -> None:
    model = language_model("char")
    decoder = rf.CTCDecoder(
        LABELS, beam_size=2000, language_model=model, hot_words=["ba"], insertion_bonus=-0.2
    )
    require_same(
        decoder,
        scores(5),
        lambda t: 0.5 * model.log_prob(t) - 0.2 * len(t) + covered(t, ["ba"], True),
    )


# What always holds


def test_never_worse_than_the_best_path() -> None:
    rng = np.random.default_rng(0)
    for seed in range(40):
        logits = rng.normal(scale=rng.choice([0.5, 2.0, 5.0]), size=(30, 1, 6))
        greedy = ctc_greedy(logits)[0]
        found = rf.CTCDecoder(["", *"abcde"], beam_size=8)(logits)[0]
        ids = ["abcde".index(letter) + 1 for letter in found.symbols]
        own, theirs = (-rf.ctc_loss(logits, [each], backward=False)[0] for each in (ids, greedy))
        assert own >= theirs - 1e-9, seed
        assert found.log_prob <= own + 1e-9


@pytest.mark.parametrize("case", ["plain", "hot", "char", "word"])
def test_batches_threads_and_layouts(case: str, set_threads: Any) -> None:
    options: dict[str, Any] = {
        "plain": {},
        "hot": {"hot_words": ["ab", "b a"]},
        "char": {"language_model": language_model("char")},
        "word": {"language_model": language_model("word")},
    }[case]
    decoder = rf.CTCDecoder(LABELS, beam_size=7, frame_rate=100, **options)
    lengths = [0, 1, 17, 40, 9, 40]
    arrays = [scores(n, length, dtype="float32") for n, length in enumerate(lengths)]
    set_threads(1)
    alone = [decoder(array, n_best=3) for array in arrays]
    assert alone[0][0].symbols == "" and alone[0][0].log_prob == 0.0 and alone[0][0].words == []
    for threads in (1, 2):
        set_threads(threads)
        assert decoder(arrays, n_best=3) == alone
        padded = np.full((40, 6, 4), np.nan, np.float32)
        for b, array in enumerate(arrays):
            padded[: len(array), b] = array
        assert decoder(padded, lengths, n_best=3) == alone
        assert decoder(np.asfortranarray(padded), lengths, n_best=3) == alone
    assert decoder(arrays) == [each[0] for each in alone]


def test_long_work_is_done_by_threads_to_the_same_end(set_threads: Any) -> None:
    logits = np.random.default_rng(1).normal(size=(300, 4, 30)).astype(np.float32)
    labels = ["", *map(chr, range(97, 126))]
    found = []
    for threads in (1, 3):
        set_threads(threads)
        found.append(rf.CTCDecoder(labels, beam_size=64)(logits, n_best=2))
    assert found[0] == found[1]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers on this system")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("guided", [False, True])
def test_a_long_search_can_be_interrupted(set_threads: Any, threads: int, guided: bool) -> None:
    class Stopped(Exception):
        pass

    def stop(*_: Any) -> None:
        raise Stopped

    set_threads(threads)
    logits = np.random.default_rng(0).normal(size=(30_000, 2, 29)).astype(np.float32)
    model = (lambda prefix: np.zeros(28)) if guided else None
    decoder = rf.CTCDecoder(["", *map(chr, range(97, 125))], beam_size=500, language_model=model)
    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        begin = time.monotonic()
        with pytest.raises(Stopped):
            decoder(logits)  # minutes
        assert time.monotonic() - begin < 30
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_the_beam_is_that_of_the_function() -> None:
    logits = np.random.default_rng(2).normal(size=(50, 3, 5))
    found = rf.CTCDecoder([*"abcd", "-"], blank=4, beam_size=6)(logits, n_best=6)
    for each, labellings in zip(
        found, ctc_beam(logits, blank=4, beam_size=6, num_best=6), strict=True
    ):
        assert [one.symbols for one in each] == [
            "".join("abcd"[k] for k in labelling.symbols) for labelling in labellings
        ]
        assert [one.log_prob for one in each] == [labelling.log_prob for labelling in labellings]


def test_unlikely_symbols_are_left_out() -> None:
    logits = scores(3, 30)
    log_p = rf.log_softmax(logits)
    floor = float(log_p.min())
    plain = rf.CTCDecoder(LABELS, beam_size=9)(logits)
    assert rf.CTCDecoder(LABELS, beam_size=9, min_log_prob=floor)(logits) == plain
    never = rf.CTCDecoder(LABELS, beam_size=9, min_log_prob=0.5)(logits)
    assert never.symbols == "" and never.log_prob == pytest.approx(log_p[:, 0].sum())
    asked: list[Any] = []
    rf.CTCDecoder(LABELS, min_log_prob=0.5, language_model=lambda p: asked.append(p) or [0, 0, 0])(
        logits
    )
    assert asked == [()]  # at the end alone


# Times and confidences


def test_times_and_confidences() -> None:
    path = [0, 1, 1, 0, 2, 0, 3, 3, 1, 0, 1, 1, 0]
    log_p = np.full((len(path), 4), np.log(0.02))
    log_p[np.arange(len(path)), path] = np.log(0.94)
    log_p[4] = np.log([0.2, 0.1, 0.6, 0.1])
    found = rf.CTCDecoder(LABELS, frame_rate=50.0)(log_p)
    assert found.symbols == "ab aa"
    spans = [(one.text, one.start, one.end) for one in found.letters]
    assert spans == [("a", 1, 3), ("b", 4, 5), (" ", 6, 8), ("a", 8, 9), ("a", 10, 12)]
    assert found.letters[0].seconds == (0.02, 0.06)
    assert found.letters[1].confidence == pytest.approx(0.6)
    assert [(one.text, one.start, one.end) for one in found.words] == [("ab", 1, 5), ("aa", 8, 12)]
    assert found.words[0].confidence == pytest.approx(math.sqrt(0.94 * 0.6))
    assert found.words[1].seconds == (0.16, 0.24)
    without = rf.CTCDecoder(LABELS)(log_p)
    assert without.words[0].seconds is None


@pytest.mark.parametrize("seed", range(5))
def test_times_are_those_of_the_likeliest_path(seed: int) -> None:
    logits = scores(seed, 6)
    log_p = rf.log_softmax(logits)
    for one in rf.CTCDecoder(LABELS, beam_size=50)(logits, n_best=10):
        best, spans = -math.inf, None
        for path in itertools.product(range(4), repeat=6):
            groups = [
                (k, [t for t, _ in g])
                for k, g in itertools.groupby(enumerate(path), lambda p: p[1])
            ]
            if "".join(LABELS[k] for k, _ in groups) == one.symbols:
                total = log_p[np.arange(6), path].sum()
                if total > best:
                    best = total
                    spans = [(LABELS[k], t[0], t[-1] + 1) for k, t in groups if k]
        assert [(s.text, s.start, s.end) for s in one.letters] == spans


def test_symbols_that_are_no_characters() -> None:
    labels = ["-", "one", "two", "three"]
    path = [1, 0, 2, 2, 0, 2]
    found = rf.CTCDecoder(labels, hot_words=["two", ["one", "two"]])(np.log(np.eye(4)[path] + 0.01))
    assert found.symbols == ["one", "two", "two"]
    assert found.words == found.letters and [one.start for one in found.words] == [0, 2, 5]


# Wrong arguments


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"blank": 4}, ValueError, "blank: expected a class from 0 to 3, got 4"),
        ({"beam_size": 0}, ValueError, "beam_size: expected at least 1, got 0"),
        ({"lm_weight": math.nan}, ValueError, "lm_weight: expected .*got nan"),
        ({"insertion_bonus": math.inf}, ValueError, "insertion_bonus: expected .*got inf"),
        ({"hot_words": "ab"}, TypeError, "hot_words: expected .*"),
        ({"hot_words": [""]}, ValueError, r"hot_words\[0\]: expected 1 to 62 symbols, got 0"),
        ({"hot_words": ["a" * 63]}, ValueError, r"hot_words\[0\]: .* got 63"),
        ({"hot_words": ["a", "x"]}, ValueError, r"hot_words\[1\]: expected symbols .* got 'x'"),
        ({"hot_word_bonus": -1}, ValueError, "hot_word_bonus: expected .*got -1"),
        ({"min_log_prob": math.nan}, ValueError, "min_log_prob: expected .*"),
        ({"frame_rate": 0}, ValueError, "frame_rate: expected .*got 0"),
        ({"language_model": "lm"}, TypeError, "language_model: expected a LanguageModel .*str"),
        ({"language_model": rf.LanguageModel()}, ValueError, ".*has not been fitted.*"),
    ],
    ids=str,
)  # fmt: skip
def test_wrong_options(options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{message}$"):
        rf.CTCDecoder(LABELS, **options)


def test_wrong_labels_and_language_models() -> None:
    with pytest.raises(
        ValueError, match=r"^blank: expected the class 2, whose label is empty, got 0$"
    ):
        rf.CTCDecoder(["a", "b", ""])
    for labels in (["", "a", "a"], ["", "a", 3], "abc", 3):
        with pytest.raises((ValueError, TypeError), match=r"^labels.*: expected "):
            rf.CTCDecoder(labels)
    with pytest.raises(ValueError, match=r"^language_model: .*no space to end words.*'word'$"):
        rf.CTCDecoder(["", "a"], language_model=language_model("word"))
    with pytest.raises(ValueError, match=r"^language_model: expected one whose tokens are the "):
        rf.CTCDecoder(["", "x", "y"], language_model=language_model("char"))
    with pytest.raises(ValueError, match=r"^language_model: expected one whose tokens are the "):
        rf.CTCDecoder(["", "A", "B", " "], language_model=language_model("char"))  # the space alone
    with pytest.warns(
        AdjustmentWarning, match=r"^language_model: 2 of 4 labels .*'<UNK>', .* 'x'$"
    ):
        rf.CTCDecoder(["", "a", "x", "y", " "], language_model=language_model("char"))
    conditioned = rf.LanguageModel(lines=True, epochs=1, hidden_size=4, verbose=0, seed=0)
    conditioned.fit(["ab", "ba"] * 9, condition=["x", "y"] * 9)
    with pytest.raises(ValueError, match=r"^language_model: expected one without a condition"):
        rf.CTCDecoder(LABELS, language_model=conditioned)


@pytest.mark.parametrize(
    ("logits", "options", "message"),
    [
        (np.zeros((3, 2, 5)), {}, "logits: expected one for each of the 4 labels, got .*"),
        (np.zeros(4), {}, r"logits: expected shape \(T, B, V\), got \(4,\)"),
        (np.full((3, 4), np.nan), {}, "logits: expected finite numbers, got NaN or infinity"),
        (np.full((3, 4), -np.inf), {}, "logits: expected finite numbers, got NaN or infinity"),
        ([], {}, "logits: expected at least one sequence, got none"),
        ([np.zeros(4)], {}, r"logits\[0\]: expected shape \(T, K\), got .*"),
        ([np.zeros((2, 4)), np.zeros((2, 5))], {}, "logits: expected arrays of one width .*"),
        ([np.zeros((2, 4))], {"lengths": [1]}, "lengths: expected None with a list .*"),
        (np.zeros((3, 1, 4)), {"lengths": [4]}, "lengths: expected numbers from 0 to 3, got 4"),
        (np.zeros((3, 4)), {"n_best": 17}, "n_best: expected at most beam_size 16, got 17"),
        (np.zeros((3, 4)), {"n_best": 0}, "n_best: expected at least 1, got 0"),
    ],
)
def test_wrong_scores(logits: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        rf.CTCDecoder(LABELS)(logits, **options)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (lambda p: [0.0], ValueError, r"expected shape \(3,\), or \(4,\) with the end, got \(1,\)"),
        (lambda p: [math.nan] * 3, ValueError, "expected numbers below infinity, got NaN or .*"),
        (lambda p: ["a"] * 3, TypeError, "expected real numbers, got dtype <U1"),
        (lambda p: None, (TypeError, ValueError), "expected .*"),
        (lambda p: {}["x"], KeyError, ""),
    ],
)
def test_functions_that_answer_wrongly(answer: Any, error: Any, message: str) -> None:
    start = r"language_model\(prefix\): " if message else ""
    with pytest.raises(error, match=f"^{start}{message}"):
        rf.CTCDecoder(LABELS, language_model=answer)(scores(0))


def test_sizes_at_the_edge() -> None:
    assert rf.CTCDecoder([""])(np.zeros((4, 1))).symbols == ""
    assert rf.CTCDecoder(LABELS)(np.zeros((0, 4))).symbols == ""
    assert rf.CTCDecoder(LABELS)(np.zeros((4, 0, 4))) == []
    assert len(rf.CTCDecoder(LABELS, beam_size=2**40)(scores(0), n_best=2**30)) == len(
        all_texts(scores(0), LABELS)
    )
    with pytest.raises(MemoryError, match=r"^beam_size: a beam of \d+ prefixes needs "):
        rf.CTCDecoder(LABELS, beam_size=2**60)(np.zeros((90, 4)))


@pytest.mark.parametrize("lines", [True, False])
def test_a_language_model_by_subword(lines: bool) -> None:
    pytest.importorskip("tokenizers")
    text = ["ab ba", "a b ab"] * 9
    options: dict[str, Any] = {"lines": lines, "sequence_length": 4, "batch_size": 4}
    options |= {"epochs": 1, "verbose": 0}
    model = rf.LanguageModel(level="subword", max_vocabulary_size=300, **options).fit(text)
    message = "^language_model: expected one whose words are the same tokens wherever they stand, "
    with pytest.raises(ValueError, match=f"{message}got level='subword', whose tokens"):
        rf.CTCDecoder(LABELS, language_model=model)
    own = rf.LanguageModel(tokenizer=model.tokenizer_, **options).fit(text)
    with pytest.raises(ValueError, match=f"{message}got a tokenizer, whose tokens"):
        rf.CTCDecoder(LABELS, language_model=own)
