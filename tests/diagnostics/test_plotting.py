"""Figures: the data that they hold, and what they refuse."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from rnnfast.diagnostics import plotting

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
        lambda: plotting.plot_text_activations(["a"], [1.0]),
    ):
        with pytest.raises(ImportError, match=r"needs matplotlib.*: pip install rnnfast\[plot\]$"):
            call()


SQUARE = np.ones((2, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
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
