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
    return small(hidden_size=12, learning_rate=0.02, epochs=40).fit(X, Y)


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
    message = "y of valid[1]: expected symbols of the 3 in training, got 'z'"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        small().fit(X, Y, valid=(X[:2], ["a", "z"]))
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
