"""Sequence to sequence: gradients, search, learning, files and wrong arguments."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from gradcheck import assert_gradients
from rnnfast.io.tensors import collect_arrays, spread_arrays

RNG = np.random.default_rng(7)
WORDS = ["".join(RNG.choice(list("abcd"), size=RNG.integers(1, 6))) for _ in range(120)]
PAIRS = WORDS, [word[::-1].upper() for word in WORDS]


def small(**options: Any) -> rf.Seq2Seq:
    settings = {
        "level": "char", "hidden_size": 8, "embedding_size": 5, "epochs": 2, "batch_size": 16,
        "validation_fraction": 0.1, "seed": 1, "verbose": 0,
    }  # fmt: skip
    return rf.Seq2Seq(**{**settings, **options})


def batch_of(model: rf.Seq2Seq, X: Any, y: list[str]) -> Any:
    x, codec = model._reader.encode("X", X), model._codec
    return codec.pairs(x, codec.encode("y", codec.read("y", y), x))


# The network

NETWORKS = [
    {"attention": None},
    {"attention": None, "cell": "gru", "bidirectional": True},
    {"attention": "dot", "bidirectional": True, "num_layers": 2},
    {"attention": "general", "cell": "rnn", "embedding_size": None},
    {"attention": "additive", "bidirectional": True, "cell_options": {"proj_size": 2}},
]


@pytest.mark.parametrize("options", NETWORKS, ids=str)
def test_gradients(options: dict[str, Any]) -> None:
    model = small(hidden_size=3, dtype="float64", epochs=1, **options).fit(*PAIRS)
    network = model.network_
    batch = batch_of(model, ["abca", "", "cb"], ["ACB", "DA", ""])
    # Larger weights, so that every gradient counts.
    arrays = {name: 3 * array for name, array in collect_arrays(network.modules).items()}

    def value() -> float:
        spread_arrays(network.modules, arrays)
        return network.loss(batch)[0]

    want = value()
    for module in network.modules.values():
        module.zero_grad()
    loss, count = network.add_gradients(batch)
    assert (loss, count) == (pytest.approx(want, rel=1e-12), 4 + 3 + 1)
    gradients = {
        f"{prefix}.{name}": gradient.copy()
        for prefix, module in network.modules.items()
        for name, gradient in module.grads.items()
    }
    # The first input stands for no token: its vector is zero and is not learned.
    name, start = "decoder_embedding.weight", np.s_[-1]
    if model.embedding_size is None:
        name, start = "decoder_recurrent.weight_ih_l0", np.s_[:, -1]
    assert not gradients[name][start].any() and not arrays[name][start].any()
    learned = {other: array for other, array in arrays.items() if other != name}
    assert_gradients(value, learned, {name: gradients[name] for name in learned}, directions=3)


def test_label_smoothing_is_of_training_only() -> None:
    plain, smooth = (small(label_smoothing=s, epochs=1).fit(*PAIRS) for s in (0.0, 0.3))
    spread_arrays(smooth.network_.modules, collect_arrays(plain.network_.modules))
    batch = batch_of(plain, ["abc"], ["CBA"])
    assert plain.network_.loss(batch) == smooth.network_.loss(batch)
    assert plain.network_.add_gradients(batch)[0] != smooth.network_.add_gradients(batch)[0]


@pytest.fixture(scope="module")
def fitted() -> rf.Seq2Seq:
    """A model that has learned to write a word backwards in capitals."""
    model = small(hidden_size=24, learning_rate=0.02, epochs=40, bidirectional=True)
    return model.fit(*PAIRS)


def test_learns(fitted: rf.Seq2Seq) -> None:
    assert fitted.score(*PAIRS) > 0.95
    assert fitted.score(*PAIRS, beam_size=3) > 0.95
    assert fitted.predict(["abc", "dd"]) == ["CBA", "DD"]
    assert fitted.history_[-1]["valid_loss"] < 0.2


@pytest.mark.parametrize("beam_size", [1, 3])
def test_log_probability_of_what_is_found(fitted: rf.Seq2Seq, beam_size: int) -> None:
    """A search's log P(y) is what the network says of y with teacher forcing."""
    from rnnfast.generation.search import beam_search

    X = ["abcd", "", "bb", "dcbaabcd"]
    network, vocabulary = fitted.network_, fitted.targets_.vocabulary
    batch = batch_of(fitted, X, [""] * 4)
    found = beam_search(
        network.decode(network.encode(batch.x, batch.lengths)), 4, start=len(vocabulary),
        end=vocabulary.eos_id, beam_size=beam_size, max_length=30,
    )  # fmt: skip
    for x, hypotheses in zip(X, found, strict=True):
        for tokens, log_prob, _ in hypotheses:
            loss, _ = network.loss(batch_of(fitted, [x], ["".join(vocabulary.decode(tokens))]))
            assert log_prob == pytest.approx(-loss, abs=1e-4)


@pytest.mark.parametrize("options", NETWORKS, ids=str)
def test_predictions_do_not_depend_on_the_rest(options: dict[str, Any]) -> None:
    model = small(**options, reverse_source=True).fit(*PAIRS)
    X = ["a", "abcd", "", "xyz", "bbbbbbbbbb"]
    for beam_size in (1, 4):
        together = model.predict(X, beam_size=beam_size, max_length=7)
        assert [model.predict([x], beam_size=beam_size, max_length=7)[0] for x in X] == together
        assert all(len(text) <= 7 for text in together)


def test_tokens_series_and_text() -> None:
    tokens = [list(word) for word in PAIRS[0]], [list(word) for word in PAIRS[1]]
    as_text, as_tokens = small().fit(*PAIRS), small().fit(*tokens)
    assert ["".join(each) for each in as_tokens.predict(tokens[0][:9])] == as_text.predict(
        PAIRS[0][:9]
    )
    assert as_text.score(*PAIRS) == as_tokens.score(*tokens)
    series = [np.eye(4)[["abcd".index(c) for c in word]] for word in PAIRS[0]]
    predicted = small(standardize=False).fit(series, PAIRS[1]).predict(series[:2])
    assert all(isinstance(each, str) for each in predicted)


def test_words_of_text() -> None:
    X = ["I sleep.", "I run!", "You sleep.", "You run!"] * 10
    y = ["Je dors.", "Je cours !", "Tu dors.", "Tu cours !"] * 10
    model = rf.Seq2Seq(hidden_size=16, epochs=40, learning_rate=0.02, seed=0, verbose=0).fit(X, y)
    assert model.predict(["You run!"]) == ["Tu cours!"]
    # An unknown word reads as <UNK>, and none is written.
    assert "<UNK>" not in model.predict(["They jump!"])[0]


def test_attention_weights(fitted: rf.Seq2Seq) -> None:
    source, target, weights = fitted.attention_weights("abcd")
    assert source == list("abcd") and target == ["D", "C", "B", "A", "<EOS>"]
    assert weights.shape == (5, 4)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-5)
    given = fitted.attention_weights("abcd", "DCBA")
    np.testing.assert_array_equal(given.weights, weights)
    series = small(standardize=False).fit([np.eye(2)] * 10, ["ab"] * 10)
    assert series.attention_weights(np.eye(2), "b").source == []
    with pytest.raises(ValueError, match=r"^attention: expected a model with attention, got None$"):
        small(attention=None).fit(*PAIRS).attention_weights("a")


def test_attention_of_a_reversed_source_is_in_the_order_of_x() -> None:
    forward, reverse = small(epochs=1).fit(*PAIRS), small(epochs=1, reverse_source=True).fit(*PAIRS)
    spread_arrays(reverse.network_.modules, collect_arrays(forward.network_.modules))
    want = forward.attention_weights("dcba", "AB").weights
    np.testing.assert_array_equal(reverse.attention_weights("abcd", "AB").weights, want[:, ::-1])


# Scheduled sampling


def test_the_direction_is_that_of_training() -> None:
    model = small(reverse_source=True).fit(*PAIRS)
    answers, alignment = model.predict(WORDS), model.attention_weights("abcd", "DCBA")
    model.set_params(reverse_source=False)
    assert model.predict(WORDS) == answers
    np.testing.assert_array_equal(
        model.attention_weights("abcd", "DCBA").weights, alignment.weights
    )


def test_sampled_inputs_are_what_the_network_would_say(fitted: rf.Seq2Seq) -> None:
    network = fitted.network_
    batch = batch_of(fitted, ["abcd", "bb"], ["AAAA", "AA"])
    np.testing.assert_array_equal(network._inputs(batch), batch.inputs)
    network.sampling = 1.0
    inputs = network._inputs(batch)
    network.sampling = 0.0
    vocabulary = fitted.targets_.vocabulary
    assert (inputs[0] == len(vocabulary)).all()
    assert vocabulary.decode(inputs[1:, 0]) == list("DCBA")
    assert vocabulary.decode(inputs[1:3, 1]) == list("BB")


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", [0.0, 0.125, 0.25, 0.375]),
        ("constant", [0.5] * 4),
        ("sigmoid", [0.5 / (1 + np.exp(-12 * (p - 0.5))) for p in (0, 0.25, 0.5, 0.75)]),
    ],
)
def test_sampling_rises(schedule: str, expected: list[float]) -> None:
    seen = []
    model = small(
        sampling=0.5, sampling_schedule=schedule, epochs=4, batch_size=200, validation_fraction=0
    )
    model.fit(*PAIRS, callbacks=[lambda p: seen.append(p.model.network_.sampling)])
    np.testing.assert_allclose(seen[::2], expected)  # called after the step and after the epoch


# Files and training


@pytest.mark.parametrize(
    "options",
    [{"bidirectional": True, "reverse_source": True}, {"attention": None}, {"level": "word"}],
    ids=str,
)
def test_saved_and_loaded(tmp_path: Any, options: dict[str, Any]) -> None:
    model = small(**options).fit(*PAIRS)
    model.save(tmp_path / "model")
    loaded = rf.load(tmp_path / "model")
    assert type(loaded) is rf.Seq2Seq and loaded.get_params() == model.get_params()
    assert loaded.predict(PAIRS[0], beam_size=2) == model.predict(PAIRS[0], beam_size=2)
    assert loaded.history_ == model.history_
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


@pytest.mark.parametrize("stop", [3, 7, 10])
def test_resumed_is_uninterrupted(tmp_path: Any, stop: int) -> None:
    options: dict[str, Any] = {"dropout": 0.2, "sampling": 0.5, "bidirectional": True}
    whole = small(**options).fit(*PAIRS)
    path = tmp_path / "checkpoint"
    stopped = small(**options)
    stopped.fit(*PAIRS, checkpoint=path, callbacks=[lambda p: p.step == stop])
    assert stopped.stopped_ == "callback"
    resumed = small(**options).fit(*PAIRS, checkpoint=path, resume=True)
    want = collect_arrays(whole.network_.modules)
    for name, array in collect_arrays(resumed.network_.modules).items():
        np.testing.assert_array_equal(array, want[name])
    assert [r["loss"] for r in resumed.history_] == [r["loss"] for r in whole.history_]


def test_with_scikit_learn() -> None:
    base = pytest.importorskip("sklearn.base", reason="scikit-learn is not installed")
    from sklearn.model_selection import GridSearchCV

    model = small(hidden_size=4, epochs=1, attention="dot")
    assert base.clone(model).get_params() == model.get_params()
    search = GridSearchCV(model, {"attention": [None, "additive"]}, cv=2)
    search.fit(np.array(PAIRS[0]), np.array(PAIRS[1]))
    assert len(search.predict(PAIRS[0][:3])) == 3


def test_validation_of_given_pairs() -> None:
    model = small().fit(*PAIRS, valid=(["abc", "q"], ["CBA", "q"]))
    assert model.history_[0]["valid_loss"] > 0
    assert "q" not in model.targets_.vocabulary
    assert "valid_loss" not in small(validation_fraction=0).fit(*PAIRS).history_[0]


# Wrong arguments


@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        ([], [], ValueError, "X: expected at least one sequence, got none"),
        (["a"], [], ValueError, "y: expected at least one sequence, got none"),
        (["a", "b"], ["c"], ValueError, "y: expected one for each of the 2 in X, got 1"),
        (["a", ["b"]], ["c", "d"], TypeError, "X[1]: expected a str as X[0] is, got list"),
        (["a", "b"], ["c", ["d"]], TypeError, "y[1]: expected a str as y[0] is, got list"),
        (["a", "b"], ["c", 1], TypeError, "y[1]: expected a str or a list of str, got int"),
        (
            ["a", "b"], np.zeros(2), TypeError,
            "y: expected a list of str or of token lists, got numbers",
        ),
        (["a"] * 9, [np.zeros((2, 2))] * 9, TypeError, "y[0][0]: expected a str, got ndarray"),
        (
            "ab", ["c", "d"], TypeError,
            "X: expected a list of str, of token lists or of arrays, got str; a single one stands "
            "in a list, [text]",
        ),
        (
            ["a"] * 9, [""] * 9, ValueError,
            "y: expected sequences with something in them, got empty ones only",
        ),
        (
            ["a"] * 9, [["b", "<EOS>"]] * 9, ValueError,
            "y[0]: expected no '<EOS>', which ends a sequence, got it at 1",
        ),
        (
            ["a"], ["b"], ValueError,
            "X: expected at least 2 examples, to hold one out, got 1; or set validation_fraction=0",
        ),
    ],
    ids=str,
)  # fmt: skip
def test_wrong_examples(X: Any, y: Any, error: type[Exception], message: str) -> None:
    model = small()
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        model.fit(X, y)
    assert not hasattr(model, "inputs_")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"attention": "soft"}, ValueError,
            "attention: expected 'general', 'dot', 'additive' or None, got 'soft'",
        ),
        ({"reverse_source": 1}, TypeError, "reverse_source: expected a bool, got int"),
        (
            {"sampling": 1.5}, ValueError,
            "sampling: expected a finite number of at least 0 and of at most 1, got 1.5",
        ),
        (
            {"sampling_schedule": "step"}, ValueError,
            "sampling_schedule: expected one of linear, sigmoid, constant, got 'step'",
        ),
        (
            {"label_smoothing": 1.0}, ValueError,
            "label_smoothing: expected a finite number of at least 0 and below 1, got 1.0",
        ),
    ],
    ids=str,
)  # fmt: skip
def test_wrong_hyperparameters(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        small(**options).fit(*PAIRS)


def test_wrong_questions(fitted: rf.Seq2Seq) -> None:
    with pytest.raises(rf.models.base.NotFittedError, match=r"^this Seq2Seq has not been fitted"):
        small().predict(["a"])
    with pytest.raises(ValueError, match=r"^beam_size: expected at least 1, got 0$"):
        fitted.predict(["a"], beam_size=0)
    with pytest.raises(TypeError, match=r"^X: expected text or tokens as in training, got arrays$"):
        fitted.predict([np.zeros((2, 2))])
    with pytest.raises(ValueError, match=r"^y: expected one for each of the 1 in X, got 2$"):
        fitted.score(["a"], ["A", "B"])
    with pytest.raises(TypeError, match=r"^valid: expected a pair \(X, y\), got a list of 1$"):
        small().fit(*PAIRS, valid=[1])
    with pytest.raises(
        ValueError, match=r"^y of valid: expected one for each of the 1 in X, got 2"
    ):
        small().fit(*PAIRS, valid=(["a"], ["A", "B"]))
