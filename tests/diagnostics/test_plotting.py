"""Figures: the data that they hold, and what they refuse."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.diagnostics import plotting, text_activations

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")


@pytest.fixture(autouse=True)
def no_window() -> Iterator[None]:
    matplotlib.use("agg")
    yield
    matplotlib.pyplot.close("all")


HISTORY = [
    {"epoch": 1, "loss": 3.0, "valid_loss": 3.5},
    {"epoch": 2, "loss": 2.0, "valid_loss": 2.5},
    {"epoch": 3, "loss": 1.0, "valid_loss": 2.75},
]


class Fitted:
    history_ = HISTORY
    best_epoch_ = 2


def labels(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_history() -> None:
    ax = plotting.plot_history(HISTORY)
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [(1, 3), (2, 2), (3, 1)])
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [3.5, 2.5, 2.75])
    assert labels(ax) == ["loss", "valid_loss"]
    ax = plotting.plot_history(Fitted(), ["valid_loss", "accuracy"])
    assert labels(ax) == ["valid_loss", "best epoch"]
    assert list(ax.lines[1].get_xdata()) == [2, 2]
    again = plotting.plot_history(HISTORY, ["loss"], ax=ax)
    assert again is ax and len(ax.lines) == 3


def test_gradient_norms() -> None:
    norms = np.array([[1e-3, 0.1, 1.0], [0.0, 0.5, 2.0]])
    ax = plotting.plot_gradient_norms(norms)
    assert labels(ax) == ["layer 0", "layer 1"] and ax.get_yscale() == "log"
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [(1, 1e-3), (2, 0.1), (3, 1.0)])
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [np.nan, 0.5, 2.0])
    ax = plotting.plot_gradient_norms({"RNN": norms[0], "LSTM": norms[:1], "deep": norms})
    assert labels(ax) == ["RNN", "LSTM", "deep layer 0", "deep layer 1"]
    assert plotting.plot_gradient_norms(norms[0]).get_legend() is None


def test_gates() -> None:
    values = np.random.default_rng(0).random((4, 3))
    ax = plotting.plot_gates(values, list("ab c"), units=[2, 0])
    np.testing.assert_array_equal(ax.images[0].get_array(), values[:, [2, 0]].T)
    assert ax.images[0].get_clim() == (0.0, 1.0)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "b", "␣", "c"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["2", "0"]
    low, high = plotting.plot_gates(values - 2).images[0].get_clim()
    assert low == -high < -1
    matplotlib.pyplot.gcf().canvas.draw()


def test_attention() -> None:
    weights = np.array([[0.75, 0.25, 0.0], [0.0, 0.5, 0.5]])
    ax = plotting.plot_attention(weights, ["le", "chat", "dort"], ["cat", "sleeps"])
    np.testing.assert_array_equal(ax.images[0].get_array(), weights)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["le", "chat", "dort"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["cat", "sleeps"]


def test_confusion() -> None:
    ax = plotting.plot_confusion(["b", "a", "b", "b"], ["b", "b", "b", "a"])
    np.testing.assert_array_equal(ax.images[0].get_array(), [[0, 1], [1, 2]])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]
    assert [t.get_text() for t in ax.texts] == ["0", "1", "1", "2"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")
    again = plotting.plot_confusion(
        np.array([1, 1, 1]), [0, 1, 1], labels=[1, 0, 2], normalize=True, ax=ax
    )
    assert again is ax
    expected = [[2 / 3, 1 / 3, 0], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(ax.images[1].get_array(), expected)
    steps = plotting.plot_confusion([["x", "y"], ["y"]], [["y", "y"], ["y"]])
    np.testing.assert_array_equal(steps.images[0].get_array(), [[0, 1], [0, 2]])
    many = plotting.plot_confusion(range(30), range(30))
    assert not many.texts


def test_gates_of_a_model() -> None:
    lm = rf.LanguageModel(num_layers=2, hidden_size=3, epochs=1, verbose=0, seed=0)
    lm.fit("to be or not to be " * 120)
    layers = text_activations(lm, "to be").layers
    ax = plotting.plot_gates(lm, "to be")
    np.testing.assert_array_equal(ax.images[0].get_array(), layers[0]["f"].T)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["t", "o", "␣", "b", "e"]
    ax = plotting.plot_gates(lm, "to", gate="c", layer=1, units=[2])
    wanted = text_activations(lm, "to").layers[1]["c"][:, [2]].T
    np.testing.assert_array_equal(ax.images[0].get_array(), wanted)
    for call, message in (
        (lambda: plotting.plot_gates(lm, "to", gate="z"), "gate: expected one of i, f, "),
        (
            lambda: plotting.plot_gates(lm, "to", layer=2),
            "layer: expected layers from 0 to 1, got 2",
        ),
        (lambda: plotting.plot_gates(SQUARE, gate="f"), "gate: expected None without a model, got"),
        (lambda: plotting.plot_gates(SQUARE, layer=0), "layer: expected None without a model"),
    ):
        with pytest.raises(ValueError, match=f"^{message}"):
            call()
    with pytest.raises(TypeError, match=r"^tokens: expected a text with a model, got NoneType"):
        plotting.plot_gates(lm)


def test_attention_of_a_model() -> None:
    texts = ["ab", "b", "aab"] * 6
    model = rf.Seq2Seq(level="char", hidden_size=3, epochs=1, verbose=0, seed=0).fit(texts, texts)
    ax = plotting.plot_attention(model, "aab", "ab")
    source, target, weights = model.attention_weights("aab", "ab")
    np.testing.assert_array_equal(ax.images[0].get_array(), weights)
    assert [t.get_text() for t in ax.get_xticklabels()] == source == ["a", "a", "b"]
    assert [t.get_text() for t in ax.get_yticklabels()] == target
    plotting.plot_attention(model, "ab")
    series = [np.full((4, 2), k / 10) for k in range(12)]
    of_series = rf.Seq2Seq(hidden_size=3, epochs=1, verbose=0, seed=0).fit(series, ["a b"] * 12)
    ax = plotting.plot_attention(of_series, series[0], "a")
    assert ax.get_xlabel() == "step t" and ax.images[0].get_array().shape[1] == 4
    with pytest.raises(TypeError, match=r"^target: expected "):
        plotting.plot_attention(SQUARE, "ab")


@pytest.mark.parametrize("other", [rf.SequenceTagger(), rf.Forecaster(), rf.GRU(2, 3)])
def test_models_of_another_kind(other: Any) -> None:
    kind = type(other).__name__
    gates = f"^activations: expected a LanguageModel or an array, got {kind}$"
    for options in ({}, {"gate": "f"}, {"layer": 0}):
        with pytest.raises(TypeError, match=gates):
            plotting.plot_gates(other, "ab", **options)
    with pytest.raises(TypeError, match=f"^weights: expected a Seq2Seq or an array, got {kind}$"):
        plotting.plot_attention(other, "ab", "ab")


@pytest.mark.parametrize("token", ["$\\frac$", "$$", "\x00", "\u202e", "\ud800", "a\nb"])
def test_any_token_can_be_drawn(token: str) -> None:
    for ax in (
        plotting.plot_gates(SQUARE, [token, "x"]),
        plotting.plot_attention(SQUARE, [token, "x"], ["x", token]),
        plotting.plot_text_activations([token], [1.0]),
        plotting.plot_confusion([token, "x"], [token, token]),
    ):
        ax.figure.canvas.draw()


def test_text() -> None:
    ax = plotting.plot_text_activations(list('a "b"\nc'), [0, 0, 1, 1, 0, 0.5, 0.25], width=4)
    assert "".join(t.get_text() for t in ax.texts) == 'a␣"b"¶c'
    assert [p.get_y() for p in ax.patches] == [0, 0, 0, 0, 1, 1, 1]
    assert [p.get_x() for p in ax.patches] == [0, 1, 2, 3, 0, 1, 2]
    first, third = ax.patches[0].get_facecolor(), ax.patches[2].get_facecolor()
    assert sum(first[:3]) > 2.9 and sum(third[:3]) < 0.1
    assert ax.texts[2].get_color() == "white" and ax.texts[0].get_color() == "black"
    ax = plotting.plot_text_activations(["cats", "were"], [-1.0, 0.5], width=6)
    assert [p.get_y() for p in ax.patches] == [0, 1]


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for call in (
        lambda: plotting.plot_history(HISTORY),
        lambda: plotting.plot_confusion(["a"], ["a"]),
        lambda: plotting.plot_gates(SQUARE),
        lambda: plotting.plot_attention(SQUARE, "ab", "ab"),
        lambda: plotting.plot_text_activations(["a"], [1.0]),
    ):
        with pytest.raises(ImportError, match=r"needs matplotlib.*: pip install rnnfast\[plot\]$"):
            call()


SQUARE = np.ones((2, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plotting.plot_confusion([], []), "true: expected at least one, got none"),
        (lambda: plotting.plot_confusion(["a"], ["b"], labels=["a"]),
         "predicted: expected one of the labels, got 'b'"),
        (lambda: plotting.plot_confusion([["a"]], [["a", "b"]]),
         "predicted[0]: expected 1 labels, got 2"),
        (lambda: plotting.plot_confusion([["a"], ["b"]], [["a"]]),
         "predicted: expected 2 sequences, got 1"),
        (lambda: plotting.plot_history([]), "history: expected at least one epoch, got none"),
        (lambda: plotting.plot_history(HISTORY, ["f1"]),
         "figures: expected some of epoch, loss, valid_loss, got ['f1']"),
        (lambda: plotting.plot_gradient_norms(np.ones((1, 2, 3))),
         "norms: expected shape (L, T) or (T,), got (1, 2, 3)"),
        (lambda: plotting.plot_gates(np.ones(3)),
         "activations: expected 2 axes of at least one number, got (3,)"),
        (lambda: plotting.plot_gates(SQUARE, "abc"), "tokens: expected 2 of them, got 3"),
        (lambda: plotting.plot_gates(SQUARE, units=[2]),
         "units: expected units from 0 to 1, got 2"),
        (lambda: plotting.plot_attention(SQUARE, "a", "bc"), "source: expected 2 of them, got 1"),
        (lambda: plotting.plot_attention(SQUARE, "ab", "b"), "target: expected 2 of them, got 1"),
        (lambda: plotting.plot_text_activations([], []),
         "tokens: expected at least one, got none"),
        (lambda: plotting.plot_text_activations("ab", [1.0]),
         "values: expected shape (2,), got (1,)"),
    ],
)  # fmt: skip
def test_bad_arguments(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()


def test_what_is_no_label_and_no_training_is_named() -> None:
    probabilities = (
        r"^predicted: expected labels, as predict gives them, got rows of numbers, such as"
    )
    rows = np.full((2, 2), 0.5)
    for true, predicted in (
        ([0, 1], rows), (np.arange(2), rows), (["a", "b"], [*rows]),
        ([[0, 1], [1]], [rows, rows[:1]]),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=probabilities):
            plotting.plot_confusion(true, predicted)
    for kind in (rf.SequenceClassifier, rf.LanguageModel):
        message = rf"^history: .*, got a {kind.__name__} that has not been fitted$"
        with pytest.raises(TypeError, match=message):
            plotting.plot_history(kind())


@pytest.mark.parametrize(
    ("draw", "name", "kind"),
    [
        (plotting.plot_gates, "activations", "LanguageModel"),
        (plotting.plot_attention, "weights", "Seq2Seq"),
    ],
)
def test_the_path_of_a_model_is_no_model(draw: Any, name: str, kind: str) -> None:
    for path in ("model.safetensors", Path("model.safetensors")):
        message = f"^{name}: expected a {kind} or an array, got {type(path).__name__}; rf.load read"
        with pytest.raises(TypeError, match=message):
            draw(path, "a b")
