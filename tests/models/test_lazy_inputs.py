"""Inputs that are read again each time: not listed, and as those of a list."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf

RNG = np.random.default_rng(0)
COUNT = 40
SERIES = [
    (RNG.normal(size=(6 + n % 5, 3)) + np.array([n % 2, 100, 0])).astype(np.float32) * [1, 1, 0]
    for n in range(COUNT)
]
CLASSES = ["a", "b"] * (COUNT // 2)
SMALL: dict[str, Any] = {"hidden_size": 4, "epochs": 2, "verbose": 0, "seed": 0, "batch_size": 4}


class Lazy(Sequence[Any]):
    """Makes its items each time, and knows how often, and how many of them there are at once."""

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = items
        self.read, self.alive, self.most = np.zeros(len(items), int), 0, 0

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: Any) -> Any:
        assert isinstance(number, int), "a slice would be many of them"
        if number >= len(self):
            raise IndexError
        self.read[number] += 1
        item = np.array(self.items[number])
        weakref.finalize(item, self._let_go)
        self.alive += 1
        self.most = max(self.most, self.alive)
        return item

    def _let_go(self) -> None:
        self.alive -= 1


MODELS: dict[str, tuple[Callable[..., Any], Any]] = {
    "classifier": (rf.SequenceClassifier, CLASSES),
    "both directions": (
        lambda **options: rf.SequenceClassifier(bidirectional=True, **options), CLASSES
    ),
    "regressor": (rf.SequenceRegressor, [float(x[:, 0].sum()) for x in SERIES]),
    "tagger": (rf.SequenceTagger, [["+" if v > 0 else "-" for v in x[:, 0]] for x in SERIES]),
    "labels": (rf.MultiLabelTagger, [(x[:, :2] > 0).astype(int) for x in SERIES]),
    "steps": (rf.StepRegressor, [x[:, 0].cumsum() for x in SERIES]),
    "ctc": (rf.CTCRecognizer, ["ab" if n % 2 else "ba" for n in range(COUNT)]),
    "seq2seq": (rf.Seq2Seq, ["ab" if n % 2 else "ba" for n in range(COUNT)]),
}  # fmt: skip


def weights(model: Any) -> dict[str, np.ndarray]:
    return {
        f"{name}.{key}": parameter.data
        for name, module in model.network_.modules.items()
        for key, parameter in module.parameters().items()
    }


@pytest.mark.parametrize("kind", MODELS)
def test_a_lazy_sequence_is_never_listed(kind: str) -> None:
    """A batch's items are there at once, and a few on their way; what is learned is the same."""
    make, y = MODELS[kind]
    expected = make(**SMALL).fit(SERIES, y)
    lazy, scored = Lazy(SERIES), Lazy(SERIES[:12])
    gc.disable()  # what is let go of is gone, with no search for it
    try:
        model = make(**SMALL).fit(lazy, y)
        predicted = model.predict(Lazy(SERIES[:12]))
        score = model.score(scored, y[:12])
    finally:
        gc.enable()
    # Four of a batch, or those that are measured, four of forty; one is read, one is looked at.
    assert lazy.most <= 8
    # To look at, for means and deviations, and once an epoch; the first one also for its width.
    assert lazy.read.min() >= 3 and lazy.read[1:].max() <= 8 and lazy.read[0] <= 16
    assert [*map(str, predicted)] == [*map(str, expected.predict(SERIES[:12]))]
    assert score == pytest.approx(expected.score(SERIES[:12], y[:12]), rel=1e-5)
    for name, array in weights(expected).items():
        np.testing.assert_allclose(weights(model)[name], array, rtol=0, atol=1e-5, err_msg=name)


def test_a_memory_map(tmp_path: Path) -> None:
    x = RNG.normal(size=(COUNT, 7, 2)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    one, other = (rf.SequenceClassifier(**SMALL).fit(given, CLASSES) for given in (x, mapped))
    for name, array in weights(one).items():
        np.testing.assert_allclose(weights(other)[name], array, rtol=0, atol=1e-5, err_msg=name)
    np.testing.assert_array_equal(one.predict(mapped), one.predict(x))


def test_means_and_deviations_are_those_of_all_steps() -> None:
    """Of numbers near the largest and the smallest too, of constant ones and of few that count."""
    scales = np.array([1.0, 1e300, 1e-300, 0.0])
    items = [RNG.normal(size=(n % 4, 4)) * scales + np.array([5, 0, 0, 3]) for n in range(1, 30)]
    y = ["a", "b"] * 14 + ["a"]
    for sample_weight in (None, np.arange(29.0) % 3):
        options = dict(SMALL, epochs=1, validation_fraction=0, dtype="float64")
        given = {} if sample_weight is None else {"sample_weight": sample_weight}
        one, other = (
            rf.SequenceClassifier(**options).fit(X, y, **given).inputs_
            for X in (items, Lazy(items))
        )
        np.testing.assert_allclose(other.scale, one.scale, rtol=1e-12)
        np.testing.assert_allclose((other.mean - one.mean) / one.scale, 0, atol=1e-13)
        assert other.mean[3] == 3.0 and other.scale[3] == 1.0


def test_a_training_on_lazy_inputs_is_resumed(tmp_path: Path) -> None:
    lazy, checkpoint = Lazy(SERIES), tmp_path / "checkpoint"
    whole = rf.SequenceClassifier(**SMALL).fit(lazy, CLASSES)
    model = rf.SequenceClassifier(**SMALL)
    model.fit(lazy, CLASSES, checkpoint=checkpoint, callbacks=[lambda p: p.step == 5])
    model.fit(lazy, CLASSES, checkpoint=checkpoint, resume=True)
    for name, array in weights(whole).items():
        np.testing.assert_array_equal(weights(model)[name], array, err_msg=name)
    with pytest.raises(ValueError, match="cannot resume with another data"):
        model.fit(lazy, CLASSES, checkpoint=checkpoint, callbacks=[lambda p: p.step == 5])
        model.fit(Lazy(SERIES[::-1]), CLASSES, checkpoint=checkpoint, resume=True)


@pytest.mark.parametrize(
    ("item", "error", "message"),
    [
        (
            np.zeros((3, 2)),
            ValueError,
            r"^X\[7\]: expected shape \(T, 3\) as X\[0\] has, got \(3, 2",
        ),
        (
            np.full((3, 3), np.nan),
            ValueError,
            r"^X\[7\]: expected finite numbers, got nan at step 0",
        ),
        (
            ["a", "b"],
            TypeError,
            r"^X\[7\]: expected real numbers or str|^X\[7\]: expected an array",
        ),
        (
            np.arange(4),
            TypeError,
            r"^X\[7\]: expected an array as X\[0\] is, got an array of shape",
        ),
    ],
)
def test_a_bad_item(item: Any, error: type[Exception], message: str) -> None:
    items: list[Any] = [*SERIES]
    items[7] = item
    with pytest.raises(error, match=message):
        rf.SequenceClassifier(**SMALL).fit(Lazy(items), CLASSES)


def test_an_item_that_changes_is_told() -> None:
    class Growing(Lazy):
        def __getitem__(self, number: Any) -> Any:
            item = super().__getitem__(number)
            return np.concatenate([item, item]) if self.read[number] > 3 else item

    model = rf.SequenceClassifier(**SMALL)
    with pytest.raises(ValueError, match=r"^X\[\d+\]: expected \d+ steps as before, got \d+$"):
        model.fit(Growing(SERIES), CLASSES, epochs=5)
    assert not hasattr(model, "network_")


@pytest.mark.parametrize("items", [["ab", "ba"] * 20, [["a", "b"], ["b"]] * 20])
def test_texts_and_tokens(items: list[Any]) -> None:
    """Are read once and kept as ids."""

    class Column(Lazy):
        def __getitem__(self, number: Any) -> Any:
            return super().__getitem__(number).tolist()

    one, other = (rf.SequenceClassifier(**SMALL).fit(X, CLASSES) for X in (items, Column(items)))
    for name, array in weights(one).items():
        np.testing.assert_array_equal(weights(other)[name], array, err_msg=name)
