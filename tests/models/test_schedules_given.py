"""Learning rates by a function, by milestones or rate by rate; what gradients are divided by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.training import SGD, GivenLR, LambdaLR, MultiStepLR

X = [["a", "b"], ["b", "a"], ["a", "a"], ["b", "b"]] * 2
Y = [0, 1, 0, 1] * 2


def zaremba(epoch: int) -> float:
    return 0.5 ** max(epoch + 1 - 4, 0)


def make(**options: Any) -> rf.SequenceClassifier:
    given = {"hidden_size": 4, "batch_size": 4, "epochs": 6, "verbose": 0, "seed": 0, **options}
    return rf.SequenceClassifier(validation_fraction=0, **given)


def rates(**options: Any) -> list[float]:
    """Return the rates after each epoch, of two steps, which are those of the next one."""
    model = make(optimizer="sgd", learning_rate=1.0, **options).fit(X, Y)
    return [record["learning_rate"] for record in model.history_]


def test_a_function_of_epochs() -> None:
    assert rates(schedule=zaremba) == [1, 1, 1, 0.5, 0.25, 0.125]


def test_a_function_of_steps() -> None:
    seen: list[int] = []

    def function(step: int) -> float:
        seen.append(step)
        return 1 / (1 + step)

    found = rates(schedule=function, schedule_options={"by": "step"}, epochs=2)
    assert found == [1 / 3, 1 / 5]
    assert sorted(set(seen)) == [0, 1, 2, 3, 4]


def test_milestones_and_rates() -> None:
    assert rates(schedule=[2, 4], schedule_options={"gamma": 0.5}) == [
        1,
        0.5,
        0.5,
        0.25,
        0.25,
        0.25,
    ]
    assert rates(schedule=(3,), epochs=3) == [1, 1, pytest.approx(0.1)]
    assert rates(schedule={2: 0.3, 4: 0.7}) == pytest.approx([1, 0.3, 0.3, 0.7, 0.7, 0.7])
    assert rates(schedule={0: 0.25}, epochs=1) == [0.25]
    assert rates(schedule={3: 0.5}, schedule_options={"by": "step"}, epochs=2) == [1, 0.5]
    warm = {"by": "step", "warmup_steps": 4, "start_factor": 0.5}
    assert rates(schedule=[3], schedule_options=warm, epochs=2) == pytest.approx([0.75, 0.1])


def test_files_have_the_name_of_a_function(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model = make(schedule=zaremba, epochs=1).fit(X, Y)
    model.save(path)
    loaded = rf.load(path)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.schedule == {"function": "zaremba"}
    loaded.save(path)  # as it is
    with pytest.raises(
        ValueError, match=r"^schedule: expected the function 'zaremba' again, or another"
    ):
        loaded.fit(X, Y)
    loaded.set_params(schedule=zaremba).fit(X, Y, warm_start=True)
    for schedule in ([2, 4], {1: 0.5, 2: 0.25}):
        make(schedule=schedule, epochs=1).fit(X, Y).save(path)
        assert rf.load(path).schedule == schedule
        rf.load(path).fit(X, Y)


@pytest.mark.parametrize("schedule", [zaremba, [2], {2: 0.001}], ids=["function", "list", "dict"])
def test_resumed_bit_by_bit(schedule: Any, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    whole = make(schedule=schedule).fit(X, Y)

    def stop(progress: Any) -> bool:
        return bool(progress.step == 7)

    make(schedule=schedule).fit(X, Y, checkpoint=path, callbacks=[stop])
    resumed = make(schedule=schedule).fit(X, Y, checkpoint=path, resume=True)
    np.testing.assert_array_equal(whole.predict_proba(X), resumed.predict_proba(X))


def test_another_function_is_refused_on_resumption(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"

    def function(epoch: int) -> float:
        return 0.5

    make(schedule=function, epochs=2).fit(X, Y, checkpoint=path)
    other = {"function": function}["function"]
    other.__code__ = (lambda epoch: 0.25).__code__
    with pytest.raises(
        ValueError, match=r"schedule: expected the function of before, whose factor"
    ):
        make(schedule=other).fit(X, Y, checkpoint=path, resume=True)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"schedule": [3, 2]}, ValueError, "^schedule: expected each above the one before, got"),
        ({"schedule": []}, ValueError, "^schedule: expected at least one milestone, got none$"),
        ({"schedule": [0]}, ValueError, r"^schedule\[0\]: expected at least 1, got 0$"),
        ({"schedule": [1.5]}, TypeError, r"^schedule\[0\]: expected an integer, got float$"),
        ({"schedule": {}}, ValueError, "^schedule: expected at least one rate, got none$"),
        ({"schedule": {-1: 0.1}}, ValueError, "^schedule: where a rate begins: expected at le"),
        ({"schedule": {1: -0.1}}, ValueError, r"^schedule\[1\]: expected .* at least 0"),
        ({"schedule": {1: float("nan")}}, ValueError, r"^schedule\[1\]: expected a finite number"),
        ({"schedule": 3}, TypeError, "^schedule: expected a list of integers, got int$"),
        ({"schedule": lambda epoch: "x"}, TypeError, "^what schedule returns: expected a number"),
        ({"schedule": lambda epoch: -1.0}, ValueError, "^what schedule returns: .* at least 0"),
        ({"schedule": lambda epoch: np.nan}, ValueError, "^what schedule returns: .*got nan$"),
        ({"schedule": [1], "schedule_options": {"by": "week"}}, ValueError,
         "^schedule_options: by: expected 'epoch' or 'step', got 'week'$"),
        ({"schedule": zaremba, "schedule_options": {"gamma": 1}}, ValueError,
         "^schedule_options: expected some of by, warmup_steps, start_factor with 'a function', g"),
        ({"loss_reduction": "batch"}, ValueError, "^loss_reduction: expected one of mean, example"),
    ],
)  # fmt: skip
def test_bad_input(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(**options).fit(X, Y)


def test_schedules_of_an_optimizer() -> None:
    layer = rf.Linear(2, 2)

    def course(make: Any, steps: int) -> list[float]:
        optimizer = SGD(layer, 2.0)
        schedule, found = make(optimizer), [optimizer.lr]
        for _ in range(steps):
            schedule.step()
            found.append(optimizer.lr)
        return found

    assert course(lambda o: LambdaLR(o, lambda n: 1 / (n + 1), every=2), 4) == pytest.approx(
        [2, 2, 1, 1, 2 / 3]
    )
    assert course(lambda o: MultiStepLR(o, [1, 3], gamma=0.5), 4) == [2, 1, 1, 0.5, 0.5]
    assert course(lambda o: GivenLR(o, {1: 0.75, 3: 0.0}), 4) == [2, 0.75, 0.75, 0, 0]
    with pytest.raises(TypeError, match=r"^function: expected a function, got 3$"):
        LambdaLR(SGD(layer, 1.0), 3)  # type: ignore[arg-type]


# What gradients are divided by


def changes(make_model: Any, fit: Any, **options: Any) -> np.ndarray:
    """Return how one step of SGD, at a rate of 1, changes the output layer's bias."""
    found = []
    for rate in (1e-30, 1.0):
        model = make_model(
            optimizer="sgd", learning_rate=rate, schedule="constant", clip_norm=None, epochs=1,
            dtype="float64", verbose=0, seed=0, validation_fraction=0, **options,
        )  # fmt: skip
        found.append(fit(model).network_.modules["output"].parameters()["bias"].data)
    return found[1] - found[0]


def test_reductions_of_a_running_text() -> None:
    text = "abcd" * 6  # 24 characters: one window of 4 streams of 6 steps

    def change(reduction: str) -> np.ndarray:
        return changes(
            rf.LanguageModel, lambda model: model.fit(text), hidden_size=3, batch_size=4,
            sequence_length=6, loss_reduction=reduction,
        )  # fmt: skip

    mean = change("mean")
    assert abs(mean).max() > 1e-3
    np.testing.assert_allclose(change("sum"), 24 * mean, rtol=1e-9)
    np.testing.assert_allclose(change("example"), 6 * mean, rtol=1e-9)


def test_reductions_of_sequences_of_different_lengths() -> None:
    sequences, labels = [["a", "b", "c"], ["a"], []], [[0, 1, 1], [0], []]

    def change(reduction: str) -> np.ndarray:
        return changes(
            rf.SequenceTagger, lambda model: model.fit(sequences, labels), batch_size=3,
            loss_reduction=reduction,
        )  # fmt: skip

    mean = change("mean")  # of 4 steps; two sequences have some
    np.testing.assert_allclose(change("sum"), 4 * mean, rtol=1e-9)
    np.testing.assert_allclose(change("example"), 2 * mean, rtol=1e-9)


def test_clipping_comes_after() -> None:
    def change(**options: Any) -> np.ndarray:
        return changes(
            rf.SequenceClassifier, lambda model: model.fit(X, Y), batch_size=8, **options
        )

    mean = change()
    assert np.linalg.norm(change(loss_reduction="sum")) == pytest.approx(8 * np.linalg.norm(mean))
    model = make(loss_reduction="sum", clip_norm=1e-3, batch_size=8, epochs=1).fit(X, Y)
    plain = make(clip_norm=1e-3, batch_size=8, epochs=1).fit(X, Y)
    assert model.history_[0]["gradient_norm"] == pytest.approx(
        8 * plain.history_[0]["gradient_norm"], rel=1e-4
    )
    assert model.history_[0]["loss"] == plain.history_[0]["loss"]  # shown as a mean
