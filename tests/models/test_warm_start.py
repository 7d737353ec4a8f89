"""A warm `fit` goes on with what a model of any kind has learned."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.io.tensors import description_of, read_tensors, write_tensors
from rnnfast.training import Progress
from warm_cases import CASES, Case, arrays_of, known_of


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    yield CASES[request.param]


def assert_same(first: Any, second: Any, tolerance: float | None = None) -> None:
    """The weights are the same, bit by bit without a tolerance."""
    a, b = arrays_of(first), arrays_of(second)
    assert a.keys() == b.keys()
    for name, array in a.items():
        if tolerance is None:
            np.testing.assert_array_equal(array, b[name], err_msg=name)
        else:
            np.testing.assert_allclose(array, b[name], tolerance, tolerance, err_msg=name)


class Trouble(Exception):
    pass


def trouble(progress: Progress) -> None:
    if progress.step == 2:
        raise Trouble


def test_no_epoch_changes_nothing(case: Case) -> None:
    model = case.fitted()
    weights, known, history = arrays_of(model), known_of(model), model.history_
    model.fit(*case.first, warm_start=True, epochs=0)
    assert known_of(model) == known
    assert model.history_ == history and model.stopped_ == "finished"
    for name, array in arrays_of(model).items():
        np.testing.assert_array_equal(array, weights[name], err_msg=name)


def test_two_epochs_and_two_are_four(case: Case) -> None:
    """Plain gradient descent on all examples at once knows of nothing but the weights."""
    options: dict[str, Any] = {
        "dtype": "float64", "optimizer": "sgd", "schedule": "constant", "batch_size": 1000,
        "learning_rate": 0.05, "clip_norm": None, "validation_fraction": 0.0,
    }  # fmt: skip
    if case.kind is rf.LanguageModel:
        options["sequence_length"] = 50
        if not case.options.get("lines"):
            options |= {"batch_size": 1, "sequence_length": 500}
    whole = case.make(**options, epochs=4).fit(*case.first)
    model = case.make(**options, epochs=2).fit(*case.first)
    halfway = arrays_of(model)
    assert model.fit(*case.first, warm_start=True) is model
    assert_same(model, whole, 1e-11)
    assert any((array != halfway[name]).any() for name, array in arrays_of(model).items())
    assert len(model.history_) == 2
    for own, other in zip(model.history_, whole.history_[2:], strict=True):
        assert own["loss"] == pytest.approx(other["loss"], 1e-10)


def test_constructor_and_fit_say_it(case: Case) -> None:
    """By scikit-learn's name in the constructor; what `fit` is told comes first."""
    told, made = case.fitted(), case.make(warm_start=True).fit(*case.first)
    assert_same(told, made)  # the first time there is nothing to go on with
    told.fit(*case.more, warm_start=True)
    assert_same(told, made.fit(*case.more))
    assert_same(made.fit(*case.first, warm_start=False), case.fitted())
    assert made.get_params()["warm_start"] is True
    assert told.get_params()["warm_start"] is False


def test_a_warm_fit_that_fails_leaves_the_model(case: Case) -> None:
    model = case.fitted()
    before, weights = dict(vars(model)), arrays_of(model)

    def assert_unchanged() -> None:
        assert vars(model) == before
        for name, array in arrays_of(model).items():
            np.testing.assert_array_equal(array, weights[name], err_msg=name)

    with pytest.raises(Trouble):
        model.fit(*case.more, warm_start=True, callbacks=[trouble])
    assert_unchanged()
    with pytest.raises(FileNotFoundError):
        model.fit(*case.more, warm_start=True, resume=True, checkpoint="no-such-file")
    assert_unchanged()
    with pytest.raises((TypeError, ValueError)):
        model.fit(*([] for _ in case.more), warm_start=True)
    assert_unchanged()
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"warm_start": 1}, r"^warm_start: expected a bool"),
        ({"warm_start": True, "extend": "no"}, r"^extend: expected a bool"),
        ({"warm_start": True, "epochs": -1}, r"^epochs: "),
        ({"epochs": 0}, r"^epochs: "),
        ({"warm_start": True, "epochs": 0, "checkpoint": "c"}, r"^epochs: expected at least 1"),
        ({"warm_start": True, "freeze": ["nothing"]}, r"^freeze: expected some of .*recurrent"),
        ({"warm_start": True, "freeze": 3}, r"^freeze: expected a list of names"),
    ]
    for options, message in wrong:
        with pytest.raises((TypeError, ValueError), match=message) as caught:
            model.fit(*case.more, **options)
        assert "\n" not in str(caught.value)
        assert_unchanged()
    assert not os.path.exists("c")


def test_other_layers_are_refused(case: Case) -> None:
    """By the hyperparameter that would make them; those of training may change."""
    model = case.fitted()
    weights = arrays_of(model)
    wrong: dict[str, Any] = {
        "hidden_size": 5, "cell": "rnn", "num_layers": 2, "dtype": "float64", "embedding_size": 7,
        "cell_options": {"bias": False},
    }  # fmt: skip
    for name, value in wrong.items():
        before = getattr(model, name)
        with pytest.raises(ValueError, match=rf"^{name}: expected .*with which the model was"):
            model.set_params(**{name: value}).fit(*case.more, warm_start=True)
        model.set_params(**{name: before})
    for name, array in arrays_of(model).items():
        np.testing.assert_array_equal(array, weights[name], err_msg=name)
    model.set_params(optimizer="adamw", learning_rate=0.1, batch_size=2, dropout=0.5, patience=9)
    model.fit(*case.more, warm_start=True)
    assert any((a.shape != weights[n].shape or (a != weights[n]).any())
               for n, a in arrays_of(model).items())  # fmt: skip


def test_weights_that_are_not_finite(case: Case) -> None:
    model = case.fitted()
    name, module = next(iter(model.network_.modules.items()))
    module.buffer.assign(0, np.full(1, np.nan, np.float32))
    with pytest.raises(ValueError, match=rf"^warm_start: expected finite .* others in {name}\."):
        model.fit(*case.more, warm_start=True)


def test_files_before_and_after(case: Case, tmp_path: Path) -> None:
    model = case.fitted()
    model.save(tmp_path / "before")
    loaded = rf.load(tmp_path / "before")
    model.fit(*case.more, warm_start=True)
    assert_same(loaded.fit(*case.more, warm_start=True, verbose=0), model)
    model.save(tmp_path / "after")
    again = rf.load(tmp_path / "after")
    assert_same(again, model)
    assert known_of(again) == known_of(model)
    assert_same(again.fit(*case.first, warm_start=True), model.fit(*case.first, warm_start=True))


def test_a_file_of_before_there_were_warm_starts(case: Case, tmp_path: Path) -> None:
    model = case.fitted()
    model.save(tmp_path / "new")
    arrays, description = read_tensors(tmp_path / "new", "model")
    del description["parameters"]["warm_start"], description["card"]
    write_tensors(tmp_path / "old", "model", arrays, description)
    assert "warm_start" not in json.dumps(description_of(str(tmp_path / "old")))
    old = rf.load(tmp_path / "old")
    assert old.warm_start is False
    assert_same(old.fit(*case.more, warm_start=True), model.fit(*case.more, warm_start=True))


def test_a_warm_training_is_resumed(case: Case, tmp_path: Path) -> None:
    """With the bits of one that never stopped, by a model as it was and by the one that stopped."""
    whole = case.fitted().fit(*case.more, warm_start=True, epochs=4)
    for name in ("left", "stopped"):
        path, model = tmp_path / name, case.fitted()
        options = {"warm_start": True, "epochs": 4, "checkpoint": path}

        def stop(progress: Progress) -> bool:
            return progress.step == 3

        model.fit(*case.more, **options, callbacks=[stop])
        assert model.stopped_ == "callback"
        other = case.fitted() if name == "left" else model
        other.fit(*case.more, **options, resume=True)
        assert_same(other, whole)
        assert known_of(other) == known_of(whole)


def test_a_finished_checkpoint_is_prolonged(case: Case, tmp_path: Path) -> None:
    """Where the rate is constant that is the training of so many epochs from the start."""
    path = tmp_path / "checkpoint"
    case.make(schedule="constant").fit(*case.first, checkpoint=path)
    identity = read_tensors(path, "checkpoint")[1]["identity"]
    assert not identity.keys() & {"warm_start", "freeze"}  # as those that were written before
    model = case.make(schedule="constant").fit(*case.first, epochs=5, checkpoint=path, resume=True)
    assert len(model.history_) == 5
    assert_same(model, case.make(schedule="constant").fit(*case.first, epochs=5))


def test_prolonged_the_rate_stays_where_a_schedule_has_ended(tmp_path: Path) -> None:
    case = CASES["classifier"]
    for schedule, factor in (("cosine", 0.01), ("step", 0.001), ("constant", 1.0)):
        path = tmp_path / schedule
        first = case.make(schedule=schedule, epochs=3).fit(*case.first, checkpoint=path)
        more = case.make(schedule=schedule).fit(*case.first, epochs=4, checkpoint=path, resume=True)
        rates = [record["learning_rate"] for record in more.history_]
        assert rates[:3] == [record["learning_rate"] for record in first.history_]
        assert rates[3] == pytest.approx(0.003 * factor)
        warm = first.fit(*case.first, warm_start=True)  # which begins the schedule anew
        assert warm.history_[0]["learning_rate"] > rates[3] or schedule == "constant"


def test_it_is_told(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    model = case.fitted()
    model.fit(*case.more, warm_start=True, verbose=2)
    lines = capsys.readouterr().err.splitlines()
    begins = [line for line in lines if line.startswith("goes on from ")]
    rate = f"{model.learning_rate:g}"
    assert len(begins) == 1
    assert begins[0].startswith("goes on from 2 epochs, ")
    assert begins[0].endswith(
        f"; the optimizer begins anew, with a learning rate of {rate} and the cosine schedule"
    )


def test_ctrl_c_gives_what_there_is(case: Case) -> None:
    model = case.fitted()
    with pytest.warns(RuntimeWarning, match=r"^stopped by Ctrl-C in epoch 1 of 2"):
        model.fit(
            *case.more,
            warm_start=True,
            callbacks=[lambda p: os.kill(os.getpid(), signal.SIGINT)],
        )
    assert model.stopped_ == "interrupt"
    model.fit(*case.first, warm_start=True)
    assert model.stopped_ == "finished"


def test_what_is_for_a_warm_start_alone() -> None:
    texts, labels = ["a b", "b c", "c d", "d a"] * 6, ["x", "y"] * 12
    model = rf.SequenceClassifier(hidden_size=3, epochs=1, verbose=0, seed=0).fit(texts, labels)
    before = model.predict_proba(texts)
    with pytest.raises(ValueError, match=r"^extend: expected True without warm_start, got False$"):
        model.fit(["z"] * 24, labels, extend=False)
    assert (model.predict_proba(texts) == before).all()
    # With it, a model that has learned nothing begins anew.
    new = rf.SequenceClassifier(hidden_size=3, epochs=1, verbose=0, seed=0, warm_start=True)
    assert (new.fit(texts, labels, extend=False).predict_proba(texts) == before).all()


def test_a_training_is_not_resumed_for_fewer_epochs(tmp_path: Path) -> None:
    texts, labels, path = ["a b", "b c", "c d", "d a"] * 6, ["x", "y"] * 12, tmp_path / "c"
    model = rf.SequenceClassifier(hidden_size=3, verbose=0, seed=0)
    model.fit(texts, labels, epochs=4, checkpoint=path)
    with pytest.raises(ValueError, match=r"^epochs: expected at least the 4 that the checkpoint"):
        model.fit(texts, labels, epochs=2, checkpoint=path, resume=True)
    assert len(model.fit(texts, labels, epochs=4, checkpoint=path, resume=True).history_) == 4
