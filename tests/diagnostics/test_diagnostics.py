"""Gradient norms by step and layer, gates by step, units that know something."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast import diagnostics as diag
from rnnfast.diagnostics._single_layers import layer_alone, state_of
from rnnfast.models.base import NotFittedError

LAYERS: list[Any] = [
    rf.RNN(3, 4, 2, dtype="float64", seed=1),
    rf.RNN(3, 4, 3, nonlinearity="relu", bias=False, dtype="float64", seed=1),
    rf.GRU(3, 4, 2, dtype="float64", seed=1),
    rf.GRU(3, 4, 2, reset_after=False, dtype="float64", seed=1, batch_first=True),
    rf.GRU(3, 4, 2, reset_gate=False, bias=False, dtype="float64", seed=1),
    rf.LSTM(3, 4, 2, dtype="float64", seed=1),
    rf.LSTM(3, 4, 2, peephole=True, dropout=0.5, dtype="float64", seed=1),
    rf.LSTM(3, 4, 2, peephole="previous", dtype="float64", seed=1),
    rf.LSTM(3, 4, 2, proj_size=2, bias=False, dtype="float64", seed=1),
]


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


def some_input(layer: Any, indices: bool, with_state: bool) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x: Any = rng.integers(3, size=(6, 5)) if indices else rng.normal(size=(6, 5, 3))
    state: Any = None
    if with_state:
        state = rng.normal(size=(layer.num_layers, 5, layer.output_size))
        if isinstance(layer, rf.LSTM):
            state = (state, rng.normal(size=(layer.num_layers, 5, 4)))
    return x, state


def forward(layer: Any, x: Any, state: Any) -> tuple[Any, Any]:
    y, after = layer(np.swapaxes(x, 0, 1) if layer.batch_first else x, state)
    return np.swapaxes(y, 0, 1) if layer.batch_first else y, after


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("indices", [False, True])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_gates_make_the_layers_own_outputs(layer: Any, indices: bool, with_state: bool) -> None:
    x, state = some_input(layer, indices, with_state)
    y, after = forward(layer, x, state)
    layers = diag.gate_activations(layer, x, state=state)
    assert len(layers) == layer.num_layers
    np.testing.assert_allclose(layers[-1]["h"], y, rtol=1e-12, atol=1e-14)
    parameters = layer.state_dict()
    for k, gates in enumerate(layers):
        assert all(a.shape[:2] == (6, 5) for a in gates.values())
        h_n = after[0][k] if isinstance(after, tuple) else after[k]
        np.testing.assert_allclose(gates["h"][-1], h_n, rtol=1e-12, atol=1e-14)
        if isinstance(layer, rf.LSTM):
            assert list(gates) == ["i", "f", "g", "o", "c", "h"]
            c0 = np.zeros((5, 4)) if state is None else state[1][k]
            before = np.concatenate([c0[np.newaxis], gates["c"][:-1]])
            np.testing.assert_allclose(
                gates["c"], gates["f"] * before + gates["i"] * gates["g"], rtol=1e-12, atol=1e-14
            )
            np.testing.assert_allclose(gates["c"][-1], after[1][k], rtol=1e-11, atol=1e-13)
            h = gates["o"] * np.tanh(gates["c"])
            if layer.proj_size:
                h = h @ parameters[f"weight_hr_l{k}"].T
            np.testing.assert_allclose(gates["h"], h, rtol=1e-11, atol=1e-13)
        elif isinstance(layer, rf.GRU):
            assert list(gates) == ["r", "z", "n", "h"][0 if layer.reset_gate else 1 :]
            h0 = np.zeros((5, 4)) if state is None else state[k]
            before = np.concatenate([h0[np.newaxis], gates["h"][:-1]])
            h = (1 - gates["z"]) * gates["n"] + gates["z"] * before
            np.testing.assert_allclose(gates["h"], h, rtol=1e-11, atol=1e-13)
        for name in set(gates) & set("ifozr"):
            assert (gates[name] > 0).all() and (gates[name] < 1).all()


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_gradient_norms(layer: Any, with_state: bool) -> None:
    """Against central differences: every output of the first layer is moved at each step."""
    x, state = some_input(layer, False, with_state)
    x, state = x[:, :1], None if state is None else _first(state)
    dy = np.random.default_rng(1).normal(size=(6, 1, layer.output_size))
    norms = diag.gradient_norms(layer, x, dy, state=state)
    assert norms.shape == (layer.num_layers, 6)
    np.testing.assert_allclose(norms[-1, -1], np.linalg.norm(dy[-1]), rtol=1e-12)
    alone = [layer_alone(layer, k) for k in range(layer.num_layers)]

    def loss(k: int, t: int, move: Any) -> float:
        """The loss with layer k's output at step t moved, state and output alike."""
        h = x
        for number, one in enumerate(alone):
            part = state_of(layer, state, number)
            if number != k:
                h = one(h, part)[0]
                continue
            y1, s = one(h[: t + 1], part)
            y1[-1] += move
            s = (s[0] + move, s[1]) if isinstance(s, tuple) else s + move
            y2, _ = one(h[t + 1 :], s) if t < 5 else (y1[:0], None)
            h = np.concatenate([y1, y2])
        return float((h * dy).sum())

    for k in range(layer.num_layers):
        for t in range(6):
            numeric = [
                (loss(k, t, 1e-6 * e) - loss(k, t, -1e-6 * e)) / 2e-6
                for e in np.eye(layer.output_size)
            ]
            assert norms[k, t] == pytest.approx(np.linalg.norm(numeric), rel=1e-6), (k, t)


def _first(state: Any) -> Any:
    return tuple(s[:, :1] for s in state) if isinstance(state, tuple) else state[:, :1]


def test_gradient_norms_leave_gradients_alone_and_start_with_one() -> None:
    layer = rf.LSTM(3, 4, 2, dtype="float64", seed=1)
    x, _ = some_input(layer, False, False)
    norms = diag.gradient_norms(layer, x)
    assert norms[-1, -1] == pytest.approx(1.0, rel=1e-12)
    assert not any(g.any() for g in layer.grads.values())
    assert diag.gradient_norms(layer, x.argmax(axis=-1)).shape == (2, 6)


def test_lstm_remembers_longer_than_a_plain_network() -> None:
    x = np.random.default_rng(0).normal(size=(60, 4, 3))
    plain = diag.gradient_norms(rf.RNN(3, 30, dtype="float64", seed=1), x)[0]
    gated = rf.LSTM(3, 30, dtype="float64", seed=1)
    rf.nn.init.forget_bias(gated, 5.0)
    lstm = diag.gradient_norms(gated, x)[0]
    assert plain[0] / plain[-1] < 1e-6 < 1e-3 < lstm[0] / lstm[-1]


# --- language models --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lm() -> rf.LanguageModel:
    text = "".join(f'{"ab" * n} "{"ab" * m}" ' for n in range(1, 6) for m in range(1, 6)) * 3
    model = rf.LanguageModel(
        hidden_size=16, num_layers=2, embedding_size=5, batch_size=4, sequence_length=32, seed=2,
        learning_rate=0.02, dtype="float64",
    )  # fmt: skip
    return model.fit(text, epochs=25, verbose=0)


def test_text_activations(lm: rf.LanguageModel) -> None:
    text = 'ab "abab" ab'
    found = diag.text_activations(lm, text)
    assert found.tokens == list(text) and len(found.layers) == 2
    assert found.layers[0]["c"].shape == (12, 16)
    step = lm.network_.recurrent.stream()
    ids = lm.vocabulary_.encode(list(text))
    outputs = [
        step(v).copy() for v in lm.network_.encoder.inputs(np.array([lm.network_.start, *ids]))
    ]
    np.testing.assert_allclose(found.layers[1]["h"], outputs[1:], rtol=1e-9, atol=1e-12)


def test_units_that_know_of_quotes(lm: rf.LanguageModel) -> None:
    text = 'abab "ab" ab "ababab" abab "abab" '
    found = diag.text_activations(lm, text)
    quoted = diag.inside_quotes(found.tokens)
    assert "".join(np.where(quoted, "x", ".")) == ".....xxx.....xxxxxxx.......xxxxx.."
    units = diag.find_units(found, quoted, k=3)
    assert abs(units[0].correlation) > 0.3
    assert [abs(u.correlation) for u in units] == sorted(
        [abs(u.correlation) for u in units], reverse=True
    )
    layer, unit, r = units[0]
    expected = np.corrcoef(found.layers[layer]["c"][:, unit], quoted)[0, 1]
    assert r == pytest.approx(expected, rel=1e-9)
    assert len(diag.find_units(found, quoted, gate="o", k=100)) == 32


def test_text_gradient_norms(lm: rf.LanguageModel) -> None:
    text = 'ab "ab" a'
    norms = diag.text_gradient_norms(lm, text)
    assert norms.shape == (2, 9) and (norms > 0).all()
    # By central differences of the loss by the bias of the scores' input: the last output.
    ids = lm.vocabulary_.encode(list(text))
    h, _ = lm.network_.encoder(np.array([lm.network_.start, *ids[:-1]])[:, np.newaxis])

    def loss(last: Any) -> float:
        return rf.cross_entropy(lm.network_.output(last), ids[-1:], backward=False)[0]

    numeric = [(loss(h[-1] + e) - loss(h[-1] - e)) / 2e-6 for e in 1e-6 * np.eye(16)]
    assert norms[-1, -1] == pytest.approx(np.linalg.norm(numeric), rel=1e-6)


def test_conditioned_models_are_seen_through_too() -> None:
    model = rf.LanguageModel(lines=True, hidden_size=6, cell="gru", seed=1)
    model.fit(["ab", "ba", "aa", "bb"] * 3, condition=list("xyxy") * 3, epochs=1, verbose=0)
    one = diag.text_activations(model, "ab", "x").layers[0]["h"]
    other = diag.text_activations(model, "ab", "y").layers[0]["h"]
    assert not np.array_equal(one, other)
    assert diag.text_gradient_norms(model, "ab", "x").shape == (1, 2)


# --- properties and summaries -----------------------------------------------------------------


def test_quotes() -> None:
    words = ["(", "a", "(", "b", ")", "c", ")", "d"]
    np.testing.assert_array_equal(
        diag.inside_quotes(words, ("(", ")")), [True, True, True, True, False, False, False, False]
    )
    with pytest.raises(ValueError, match=r"^marks: expected one token or a pair, got 'abc'$"):
        diag.inside_quotes(words, "abc")


def test_summary_of_gates() -> None:
    i = np.array([[[0.05, 0.95, 0.5]], [[0.01, 0.2, 0.5]]])
    g = np.array([[[-0.95, 0.95, 0.0]], [[-0.99, 0.95, 0.2]]])
    first, second = diag.gate_summary([{"i": i, "g": g}])
    assert first == {
        "layer": 0, "gate": "i", "mean": pytest.approx(i.mean()), "low": 2 / 6, "high": 1 / 6,
        "always_low": pytest.approx(1 / 3), "always_high": 0.0, "dead": [2],
    }  # fmt: skip
    assert second["low"] == 2 / 6 and second["high"] == 2 / 6 and second["dead"] == [1]
    assert second["always_low"] == second["always_high"] == pytest.approx(1 / 3)


DATA = diag.TextActivations(["a", "b"], [{"h": np.zeros((2, 3)), "z": np.eye(2)}])


def test_a_unit_that_never_changes_correlates_with_nothing() -> None:
    assert {u.correlation for u in diag.find_units(DATA, [0, 1])} == {0.0}
    assert diag.find_units(DATA, [0, 1], gate="z")[0].correlation == pytest.approx(-1.0)


LAYER = rf.GRU(3, 4)
X = np.zeros((2, 1, 3), "float32")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: diag.gradient_norms(rf.GRU(3, 4, bidirectional=True), X), ValueError,
         "layer: expected one direction, got a bidirectional layer"),
        (lambda: diag.gate_activations(rf.Linear(3, 4), X), TypeError,
         "layer: expected a recurrent layer, got Linear"),
        (lambda: diag.gradient_norms(LAYER, X[0]), ValueError,
         "x: expected shape (T, B, I) or indices (T, B), got (1, 3)"),
        (lambda: diag.gradient_norms(LAYER, X[:0]), ValueError,
         "x: expected at least one step and sequence, got shape (0, 1, 3)"),
        (lambda: diag.gradient_norms(LAYER, [[0]]), TypeError,
         "x: expected a NumPy array, got list"),
        (lambda: diag.gradient_norms(LAYER, X, X), ValueError,
         "dy: expected shape (2, 1, 4), got (2, 1, 3)"),
        (lambda: diag.find_units(DATA, [1, 0, 1]), ValueError,
         "values: expected shape (2,), got (3,)"),
        (lambda: diag.find_units(DATA, [1, 1]), ValueError,
         "values: expected a property that changes, got the same everywhere"),
        (lambda: diag.find_units(DATA, [1, 0], gate="c"), ValueError,
         "gate: expected one of h, z, got 'c'"),
        (lambda: diag.gate_summary([], low=0.9, high=0.1), ValueError,
         "high: expected a finite number of at least 0.9 and of at most 1, got 0.1"),
    ],
)  # fmt: skip
def test_bad_arguments(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()


def test_bad_texts(lm: rf.LanguageModel) -> None:
    with pytest.raises(ValueError, match=r"^text: expected at least 2 tokens, got 1$"):
        diag.text_gradient_norms(lm, "a")
    with pytest.raises(ValueError, match=r"^text: expected at least 1 token, got 0$"):
        diag.text_activations(lm, "")


def test_things_that_are_no_language_model() -> None:
    for ask in (diag.text_activations, diag.text_gradient_norms):
        with pytest.raises(TypeError, match=r"^lm: expected a LanguageModel, got SequenceTagger$"):
            ask(rf.SequenceTagger(), "a text")
        with pytest.raises(NotFittedError, match=r"^this LanguageModel has not been fitted;"):
            ask(rf.LanguageModel(), "a text")
    with pytest.raises(TypeError, match=r"^activations: expected what text_activations gave, got "):
        diag.find_units(np.zeros((3, 2)), [0, 1, 0])


@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1.0, 1e200])
def test_correlations_do_not_depend_on_units(scale: float) -> None:
    rng = np.random.default_rng(0)
    values, states = rng.normal(size=9), rng.normal(size=(9, 3))
    expected = [np.corrcoef(values, column)[0, 1] for column in states.T]
    states = np.concatenate([states * scale, np.full((9, 1), 0.1)], axis=1)
    activations = diag.TextActivations(list("abcdefghi"), [{"h": states}])
    found = {one.unit: one.correlation for one in diag.find_units(activations, values * scale, k=9)}
    np.testing.assert_allclose([found[unit] for unit in range(3)], expected, rtol=1e-12)
    assert found[3] == 0.0  # what does not change goes along with nothing
    for constant in (np.full(9, 0.1), np.full(9, 1e-300)):
        with pytest.raises(ValueError, match=r"^values: expected a property that changes, got the"):
            diag.find_units(activations, constant)
